"""MP4 and WebM by the ffmpeg executable, a process of its own that is fed raw frames through a pipe.

It is taken from PATH, or from the extra ``diorama-3d[video]`` (imageio-ffmpeg). That one is built with parts under the
GPL, which is why it is no part of the base install and is only ever run, never linked.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from diorama import atomic
from diorama.errors import EncoderError, StorageError
from diorama.types import UInt8

WAITING = 3
"""Frames that may wait for the encoder while the next one is drawn."""

PATIENCE = 120
"""Seconds for the encoder to end once it has all frames."""

_BT709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]

_SCALE = "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int"

_FORMATS: dict[str, list[str]] = {
    ".mp4": ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-movflags", "+faststart", "-f", "mp4"],
    ".webm": ["-c:v", "libvpx-vp9", "-b:v", "0", "-deadline", "good", "-cpu-used", "5", "-row-mt", "1", "-f", "webm"],
}

Mark = tuple[Callable[[Path], None] | None, str]
"""What tells players of stereo: what is done to a finished MP4, and WebM's name of the layout."""

_INSTALL = "Install it (`apt install ffmpeg`, `brew install ffmpeg`) or `pip install 'diorama-3d[video]'`"


def find() -> str | None:
    """The executable; None where there is none. `DIORAMA_FFMPEG` names another one."""
    chosen = os.environ.get("DIORAMA_FFMPEG")
    if chosen:
        return shutil.which(chosen)
    found = shutil.which("ffmpeg")
    if found is None and importlib.util.find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg

        with suppress(RuntimeError):  # the package is there without its executable
            return str(imageio_ffmpeg.get_ffmpeg_exe())
    return found


def needed(name: str) -> str:
    """The executable.

    Raises:
        EncoderError: there is none; the hint says how to get it.
    """
    found = find()
    if found is None:
        raise EncoderError(
            f"{name} can't be made: ffmpeg isn't installed.",
            hint=f"{_INSTALL}; .gif and .webp are made without it.",
        )
    return found


def command(
    executable: str,
    size: tuple[int, int],
    fps: float,
    ending: str,
    quality: int,
    threads: int,
    path: Path,
    layout: str = "",
) -> list[str]:
    """What is run: raw RGB in, planes of half the size for colour (4:2:0) and BT.709 out.

    Args:
        quality: 1 to 100; x264's and VP9's constant quality runs from 51 or 63 (worst) to 0.
        layout: Matroska's name of a stereo film's layout; empty: it is none.
    """
    worst = {".mp4": 51, ".webm": 63}[ending]
    rate = round(worst * (1 - quality / 100) ** 0.75)
    return [
        executable, "-hide_banner", "-loglevel", "error", "-y",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", f"{fps:g}", "-i", "pipe:0",
        "-an", "-threads", str(threads),
        "-vf", f"{_SCALE},format=yuv420p",
        *(["-metadata:s:v:0", f"stereo_mode={layout}"] if layout and ending == ".webm" else []),
        "-crf", str(rate), *_BT709, *_FORMATS[ending], f"file:{path}",
    ]  # fmt: skip


class Pipe:
    """Feeds frames to the running encoder from a thread, so that drawing doesn't wait for it."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes], name: str) -> None:
        self._process, self._errors, self._name = process, errors, name
        self._frames: queue.Queue[UInt8 | None] = queue.Queue(WAITING)
        self._broken = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def add(self, rgb: UInt8) -> None:
        """The next frame, (H, W, 3)."""
        if self._broken.is_set():
            raise self._failure()
        self._frames.put(rgb)

    def finish(self) -> None:
        """Wait until the file is whole."""
        self._frames.put(None)
        self._thread.join()
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise EncoderError(f"ffmpeg didn't finish {self._name}.", hint="Make a smaller film.") from None
        if code or self._broken.is_set():
            raise self._failure()

    def stop(self) -> None:
        """Kill the encoder, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._broken.set()
        with suppress(queue.Full):
            self._frames.put_nowait(None)
        self._thread.join()

    def _feed(self) -> None:
        assert self._process.stdin is not None
        try:
            while (frame := self._frames.get()) is not None:
                # Frames that come after the encoder has died are dropped, so that `add` never waits for ever.
                if not self._broken.is_set():
                    self._write(frame)
        finally:
            with suppress(OSError):
                self._process.stdin.close()

    def _write(self, frame: UInt8) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.data)
        except (OSError, ValueError):
            self._broken.set()

    def _failure(self) -> EncoderError | StorageError:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        said = lines[0].strip()[:300] if lines else "it said nothing"
        if any("No space left on device" in line for line in lines):
            return StorageError(f"The disk is full: {self._name} can't be written.", hint="Free some space.")
        if "Unknown encoder" in said or "Unrecognized option" in said:
            return EncoderError(
                f"This ffmpeg can't make {self._name}: {said.rstrip('.')}.",
                hint=f"{_INSTALL}; DIORAMA_FFMPEG chooses between several.",
            )
        return EncoderError(
            f"ffmpeg failed on {self._name}: {said.rstrip('.')}.", hint="Try another size or format, such as .webp."
        )


@contextmanager
def writing(
    path: Path, size: tuple[int, int], fps: float, quality: int, threads: int, mark: Mark | None = None
) -> Iterator[Pipe]:
    """Frames given to the pipe within the block become the film at `path`, once the block has ended without an error;
    else the encoder is killed and nothing is left.

    Raises:
        EncoderError: there is no ffmpeg, or it failed.
        StorageError: the disk is full or refuses.
    """
    executable = needed(path.name)
    temporary = atomic.sibling(path)
    with atomic.refusals(path):
        temporary.touch()  # ffmpeg's own words on folders that aren't there are no help
    ending = path.suffix.lower()
    line = command(executable, size, fps, ending, quality, threads, temporary, mark[1] if mark else "")
    try:
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors)
            except OSError as error:
                raise EncoderError(f"ffmpeg can't be started: {error}.", hint=f"{_INSTALL}.") from error
            pipe = Pipe(process, errors, path.name)
            try:
                yield pipe
                pipe.finish()
            finally:
                pipe.stop()
        if mark and mark[0] and ending == ".mp4":
            mark[0](temporary)
        with atomic.refusals(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
