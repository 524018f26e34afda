"""Train the depth network, from a published file or a checkpoint on; several runs add up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training import batches, losses
from training.batches import Scenes
from training.network import DepthNet, load

SIZES = [(160, 224), (224, 160), (192, 256), (256, 192), (224, 320)]
"""(height, width): what the network is used at is between 224 and 640 px long, and convolutions carry over."""

SCENE_SIZES = [(240, 320), (320, 240), (256, 256), (208, 368)]
"""(height, width) of rendered scenes; parts of them are seen at `SIZES`."""

_DECAY = 0.997
"""Of the averaged weights, a step: over some 500 steps."""

_COOLING = 0.25
"""Share of a run, its last, in which the rate falls to nothing. Until then it stays, so that runs add up."""

_WARM = 100  # steps


@dataclass(frozen=True)
class Plan:
    """One run."""

    minutes: float
    steps: int | None = None  # an end that doesn't depend on the machine's speed
    pixels: int = 16 * 160 * 208  # of a batch
    sizes: tuple[tuple[int, int], ...] = tuple(SIZES)
    photo_share: float = 0.4
    rate: float = 6e-4  # of the decoder; the encoder's is a third of it
    capacity: int = 3000
    seed: int = 0
    every: float = 3.0  # minutes from checkpoint to checkpoint
    least: int = 64  # scenes before the first step


class Trainer:
    """The network, its average, its optimiser, and how much they have seen."""

    def __init__(self, rate: float):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = DepthNet().to(self.device, memory_format=torch.channels_last)
        self.average = DepthNet().to(self.device, memory_format=torch.channels_last)
        inner = list(self.net.encoder.parameters())
        outer = [value for name, value in self.net.named_parameters() if not name.startswith("encoder.")]
        self.base = (rate / 3, rate)
        groups = [{"params": inner, "lr": rate / 3}, {"params": outer, "lr": rate}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=1e-4)
        self.images = self.steps = 0

    def start(self, path: Path | None) -> None:
        """From a checkpoint (.pt), from a published file (.onnx), or from nothing."""
        if path is not None and path.suffix == ".onnx":
            load(self.net, path)
        elif path is not None:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.images, self.steps = state["images"], state["steps"]
            return
        self.average.load_state_dict(self.net.state_dict())

    def save(self, path: Path) -> None:
        """Written aside, then moved, so that there is always a whole one."""
        state: dict[str, Any] = {"images": self.images, "steps": self.steps, "optimizer": self.optimizer.state_dict()}
        state |= {"net": self.net.state_dict(), "average": self.average.state_dict()}
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def step(self, rgb: Tensor, inverse: Tensor, exact: Tensor, rate: float) -> float:
        """One batch; the loss."""
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * rate
        x = rgb.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            answer = self.net(x)
        loss = losses.loss(answer.float(), inverse.to(self.device), exact.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        self.images += len(rgb)
        with torch.no_grad():
            mine, other = list(self.average.parameters()), list(self.net.parameters())
            torch._foreach_lerp_(mine, other, 1 - min(_DECAY, self.steps / (self.steps + 10)))
        return float(loss.detach())


def run(
    out: Path,
    plan: Plan,
    start: Path | None,
    samples: Iterable[tuple[batches.Picture, batches.Float32]],
    photos: Path | None,
) -> list[float]:
    """Train; checkpoints go into `out`, the newest also as `last.pt`. The losses of all steps.

    Args:
        out: a folder.
        plan: how long, and how.
        start: a checkpoint, a published ONNX file, or None.
        samples: rendered pictures and their inverse depth.
        photos: the folder of labelled photos, read again as more come; or None.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    trainer = Trainer(plan.rate)
    trainer.start(start)
    scenes = Scenes(plan.capacity)
    scenes.follow(samples)
    scenes.gather(plan.least)
    known = batches.labelled(photos) if photos else []
    stream = batches.batches(scenes, known, list(plan.sizes), plan.pixels, plan.photo_share, plan.seed)
    began = saved = time.monotonic()
    said: list[float] = []
    for rgb, inverse, exact in stream:
        minutes = (time.monotonic() - began) / 60
        done = len(said) / plan.steps if plan.steps else minutes / plan.minutes
        if done >= 1:
            break
        rate = min(1.0, (len(said) + 1) / _WARM) * min(1.0, (1 - done) / _COOLING)
        said.append(trainer.step(torch.from_numpy(rgb), torch.from_numpy(inverse), torch.from_numpy(exact), rate))
        scenes.gather(0)
        if len(said) % 50 == 0:
            mean = float(np.mean(said[-50:]))
            print(f"{minutes:.1f} min, {trainer.images} images of {scenes.seen} scenes, loss {mean:.4f}", flush=True)
        if time.monotonic() - saved > 60 * plan.every:
            saved = time.monotonic()
            _keep(trainer, out)
            if photos:
                known[:] = batches.labelled(photos)
    _keep(trainer, out)
    return said


def _keep(trainer: Trainer, out: Path) -> None:
    path = out / f"{trainer.images:08d}.pt"
    trainer.save(path)
    last = out / "last.part"
    last.unlink(missing_ok=True)
    os.link(path, last)
    last.replace(out / "last.pt")


def averaged(*checkpoints: Path) -> DepthNet:
    """The network of a checkpoint, its weights averaged over the last steps; of several, the mean of their weights.

    Checkpoints of one run at a steady rate lie around what they tend to: their mean is better than the last of them
    (Izmailov et al., "Averaging weights leads to wider optima", 2018).
    """
    states = [torch.load(path, map_location="cpu", weights_only=True)["average"] for path in checkpoints]
    net = DepthNet()
    net.load_state_dict({name: sum(state[name] for state in states) / len(states) for name in states[0]})
    return net.eval()
