"""What a question will cost, before it is sent: tokens by the published rules, dollars by the published prices."""

from __future__ import annotations

import math
from dataclasses import dataclass

CHARACTERS = 3.5
"""Of English and JSON, to a token (about; four in plain prose)."""

REPLY, REPLY_SEGMENT = 350, 90
"""Tokens of an answer: what it always has, and what each segment adds."""

PRICES: dict[str, tuple[float, float]] = {
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.4),
    "gpt-5.4": (2.5, 15.0),
    "gpt-5.4-mini": (0.75, 4.5),
    "gpt-5.4-nano": (0.2, 1.25),
}
"""Dollars for a million tokens, in and out, as published in spring 2026 (openai.com/api/pricing)."""

PATCHES: dict[str, float] = {"gpt-4.1-mini": 1.62, "gpt-4.1-nano": 2.46, "gpt-5-mini": 1.62, "gpt-5-nano": 2.46}
"""Models that count a picture in patches of 32 px, and their tokens for each."""

TILES: dict[str, tuple[int, int]] = {"gpt-4o-mini": (2833, 5667), "gpt-5": (70, 140)}
"""Of models that count in tiles of 512 px: tokens for the picture and for each tile, where they aren't `TILE`."""

TILE = (85, 170)


@dataclass(frozen=True)
class Estimate:
    """What is sent where, and what that costs, about."""

    model: str
    host: str
    tokens_in: int
    tokens_out: int
    usd: float | None  # None: nobody published a price (other servers, newer models)

    @property
    def sentence(self) -> str:
        """For a person who decides."""
        price = "at a price that Diorama doesn't know" if self.usd is None else f"about ${self.usd:.3f}"
        return f"About {self.tokens_in:,} tokens go out and {self.tokens_out:,} come back: {price}."


def estimate(
    model: str, host: str, official: bool, characters: int, size: tuple[int, int], segments: int, questions: int = 1
) -> Estimate:
    """Of `questions` questions with a picture of `size` and this much text each."""
    base = _base(model)
    tokens_in = questions * (math.ceil(characters / CHARACTERS) + picture_tokens(base, size))
    tokens_out = questions * (REPLY + REPLY_SEGMENT * segments)
    usd = None
    if official and base in PRICES:
        price_in, price_out = PRICES[base]
        usd = (tokens_in * price_in + tokens_out * price_out) / 1e6
    return Estimate(model, host, tokens_in, tokens_out, usd)


def picture_tokens(model: str, size: tuple[int, int]) -> int:
    """Tokens of a picture at high detail."""
    width, height = size
    if model in PATCHES:
        patches = min(1536, math.ceil(width / 32) * math.ceil(height / 32))
        return math.ceil(patches * PATCHES[model])
    shrink = min(1.0, 2048 / max(width, height))
    shrink *= min(1.0, 768 / (min(width, height) * shrink))
    tiles = math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)
    base, tile = TILES.get(model, TILE)
    return base + tiles * tile


def _base(model: str) -> str:
    """The model's name without a date."""
    known = [name for name in PRICES if model == name or model.startswith(name + "-20")]
    return max(known, key=len) if known else model
