"""Holes filled by OpenAI's images API: the picture leaves the machine, so only when it is asked for by name.

One request: the picture, and a mask whose transparent pixels are to be filled. The model paints the whole picture anew;
of its answer only the holes are taken.
"""

from __future__ import annotations

import base64
import io
import json
import os

import httpx
import numpy as np
from PIL import Image, UnidentifiedImageError

from diorama.errors import DownloadError, ModelError
from diorama.inpaint import bundled, windows
from diorama.types import Bool, Float32, UInt8

MODEL = "gpt-image-1"

SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
"""Width and height that the API can answer with; the picture is fitted into the one most like it."""

TIMEOUT = httpx.Timeout(180.0, connect=10.0)
"""Seconds: a picture takes the service up to two minutes."""

MAX_ANSWER = 64 << 20
"""Bytes: no answer of these sizes is larger."""

PROMPT = (
    "Fill the transparent area with the background that continues around it: the same surfaces, textures, light and "
    "grain. Add no new objects, people or text. Keep everything else exactly as it is."
)


MAX_WORDS = 2000
"""Characters of what is to be painted: the API takes 32,000 in all, and older models 1,000."""


def fill(rgb: UInt8, hole: Bool, known: Bool, behind: Float32, visible: Float32, prompt: str = "") -> UInt8:
    """Fill `hole`; see `diorama.inpaint.fill` for the contract. What isn't known is not sent.

    Args:
        prompt: what is probably in the hole; added to `PROMPT`, control characters left out.

    Raises:
        ModelError: no key is set, the service refuses, or its answer is no picture.
        DownloadError: the service can't be reached or takes too long.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise ModelError("The OpenAI inpainter needs a key.", hint="Set OPENAI_API_KEY, or use another inpainter.")
    mask = windows.hidden(hole, known, behind, visible)
    if mask.all():
        return bundled.fill(rgb, hole, known, behind, visible)
    size, box = _canvas(rgb.shape[1], rgb.shape[0])
    seen = Image.fromarray(np.where(mask[..., None], 0, rgb).astype(np.uint8))
    keep = Image.fromarray(np.where(mask, 0, 255).astype(np.uint8))
    picture = Image.new("RGB", size)
    alpha = Image.new("L", size, 255)
    left, top, right, bottom = box
    picture.paste(seen.resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top))
    alpha.paste(keep.resize((right - left, bottom - top), Image.Resampling.NEAREST), (left, top))
    transparent = picture.convert("RGBA")
    transparent.putalpha(alpha)
    answer = _picture(_request(key, _png(picture), _png(transparent), size, _words(prompt)), size)
    painted = answer.crop(box).resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.LANCZOS)
    out = rgb.copy()
    out[hole] = np.asarray(painted, np.uint8)[hole]
    return out


def _canvas(width: int, height: int) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The API's size most like the picture, and the box (left, top, right, bottom) in it that the picture fills."""
    size = min(SIZES, key=lambda s: abs(np.log(s[0] / s[1]) - np.log(width / height)))
    scale = min(size[0] / width, size[1] / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size[0] - w) // 2, (size[1] - h) // 2
    return size, (left, top, left + w, top + h)


def _words(prompt: str) -> str:
    wanted = " ".join("".join(c if c.isprintable() else " " for c in prompt).split())[:MAX_WORDS]
    return f"{PROMPT} In the transparent area there is probably: {wanted}" if wanted else PROMPT


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _request(key: str, picture: bytes, mask: bytes, size: tuple[int, int], prompt: str) -> bytes:
    """Send it -> the answer's bytes. Nothing of the key or of the service's own words goes into an error."""
    base = (os.environ.get("OPENAI_BASE_URL", "").strip() or "https://api.openai.com/v1").rstrip("/")
    try:
        with httpx.stream(
            "POST",
            f"{base}/images/edits",
            headers={"Authorization": f"Bearer {key}"},
            data={"model": MODEL, "prompt": prompt, "n": "1", "size": f"{size[0]}x{size[1]}"},
            files={"image": ("picture.png", picture, "image/png"), "mask": ("mask.png", mask, "image/png")},
            timeout=TIMEOUT,
        ) as response:
            if response.status_code != 200:
                raise _refusal(response.status_code)
            return _body(response)
    except httpx.TimeoutException:
        raise DownloadError(
            "The OpenAI service took too long to answer.", hint="Try again later, or use the bundled inpainter."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        # Not chained: the request in the error's context holds the key.
        raise DownloadError(
            "The OpenAI service can't be reached.",
            hint="Check the network and OPENAI_BASE_URL, or use the bundled inpainter.",
        ) from None


def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER:
            raise ModelError("The OpenAI service's answer is too large.", hint="Use another inpainter.")
    return bytes(body)


def _refusal(status: int) -> ModelError:
    if status in (401, 403):
        return ModelError(
            f"The OpenAI service refused the key (HTTP {status}).",
            hint="Check OPENAI_API_KEY and that it may use the images API.",
        )
    if status == 429:
        return ModelError(
            "The OpenAI service has had too many requests, or the account has no credit left (HTTP 429).",
            hint="Wait a minute, check the account, or use another inpainter.",
        )
    if status >= 500:
        return ModelError(
            f"The OpenAI service has a problem of its own (HTTP {status}).",
            hint="Try again later, or use another inpainter.",
        )
    return ModelError(f"The OpenAI service refused the picture (HTTP {status}).", hint="Use another inpainter.")


def _picture(body: bytes, size: tuple[int, int]) -> Image.Image:
    """The picture in the answer's JSON, at `size`."""
    try:
        encoded = json.loads(body)["data"][0]["b64_json"]
        opened = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=("PNG", "JPEG", "WEBP"))
        if opened.width * opened.height > 4096 * 4096:
            raise ValueError("too large")
        picture = opened.convert("RGB")
    except (
        ValueError, KeyError, IndexError, TypeError, OSError, SyntaxError,
        UnidentifiedImageError, Image.DecompressionBombError,
    ) as error:  # fmt: skip
        raise ModelError(
            "The OpenAI service's answer holds no picture.", hint="Try again, or use another inpainter."
        ) from error
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
