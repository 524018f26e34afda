"""Pages to be given away: one HTML file with scene, viewer and poster in it, and the pieces to embed a scene elsewhere.

The page asks nobody for anything: it opens from a disk with the network off, and its policy (CSP) lets nothing but its
own script run, which is named by its hash. The scene in it is `slim`; packed and in base64 it is smaller than the GLB.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from diorama import __version__, atomic
from diorama.errors import InputError, InstallationError, StorageError
from diorama.export import glb, preview
from diorama.export.slim import low, slim
from diorama.products import ProductProgress
from diorama.products.share import PageOptions
from diorama.types import Photo, Scene

POSTER_PIXELS = 1280
POSTER_QUALITY = 80
CARD_PIXELS = 1200
"""Long side of the picture that other sites show of the page: what they ask for."""

LOW_FROM = 700_000
"""Bytes of the packed scene from which a smaller one is sent before it: it takes a tenth, and comes in a tenth of the
time."""

NOTEBOOK_BYTES = 12_000_000
"""Notebooks keep their output: larger scenes are shown as their poster there."""

VIEWER = Path(__file__).parents[1] / "server" / "static" / "vendor" / "diorama-view.js"


@dataclass(frozen=True)
class Words:
    """What the page says of the scene."""

    title: str
    alt: str


def share(
    scene: Scene, path: str | Path, *, title: str | None = None, alt: str | None = None, url: str | None = None
) -> tuple[str, ...]:
    """Write the scene as one HTML file that shows it in any browser, without a network and without Diorama.

    Args:
        path: the file; its ending is ``.html``.
        title: the page's; the photo's name where None.
        alt: what is seen, for those who don't see it; the advisor's caption where None and there is one.
        url: the address at which the page will be found. Other sites show a picture of a page only from a whole
            address: with it, a JPEG is written beside the page, and the page names it.

    Returns:
        Sentences: what a person should know of the file.

    Raises:
        InputError: the scene has no surface, or `url` is no address.
        InstallationError: the viewer's file is missing from the installation.
        StorageError: the disk is full or refuses.
    """
    path = Path(path)
    address = None if url is None else _address(url, path.name)
    card = path.with_suffix(".jpg")
    if address is not None and card.exists():
        raise StorageError(f"{card} is there already.", hint="Move it away, or choose another name for the page.")
    text = page(scene, title=title, alt=alt, address=address)
    with atomic.writing(path) as file:
        file.write(text.encode())
    if address is None:
        return ()
    preview.write_jpeg(preview.on_white(scene.photo.fitted(CARD_PIXELS)), card, quality=85)
    return (f"{card.name} has to lie beside the page at its address: other sites show it.",)


def make(scene: Scene, path: Path, options: PageOptions, _progress: ProductProgress) -> tuple[str, ...]:
    """The product `.html`."""
    return share(scene, path, title=options.title, alt=options.alt)


def page(scene: Scene, *, title: str | None = None, alt: str | None = None, address: str | None = None) -> str:
    """The HTML of `share`.

    Raises:
        InputError: the scene has no surface.
        InstallationError: the viewer's file is missing from the installation.
    """
    words = words_of(scene, title, alt)
    whole = glb.encode(scene)
    packed = _packed(slim(whole, scene.texture))
    small = _packed(low(whole, scene.texture)) if len(packed) > LOW_FROM else ""
    height, width = scene.photo.fitted(POSTER_PIXELS).rgb.shape[:2]
    script, style = _viewer(), _beside("share.css")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data: blob:",
            # GLTFLoader fetches a GLB's texture from a blob address.
            "connect-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    values = {
        "policy": policy,
        "generator": f"Diorama {__version__}",
        "title": html.escape(words.title),
        "alt": html.escape(words.alt),
        "name": html.escape(Path(scene.photo.name).stem),
        "preview": _preview(address),
        "style": style,
        "low": ' low="#scene-low"' if small else "",
        "poster": base64.b64encode(_poster(scene.photo)).decode(),
        "width": str(width),
        "height": str(height),
        "low_data": f'<script type="application/octet-stream" id="scene-low">{small}</script>\n' if small else "",
        "viewer": script,
        "scene": packed,
    }
    parts = _beside("share.html").split("{{")
    filled = [parts[0]]
    for part in parts[1:]:  # one pass: what was filled in is not looked at again
        name, _, rest = part.partition("}}")
        filled += [values[name], rest]
    return "".join(filled)


def embed(scene: Scene, folder: str | Path, *, title: str | None = None, alt: str | None = None) -> tuple[Path, ...]:
    """Write what a page of one's own needs to show the scene with ``<diorama-view>``, and an example of such a page.

    Args:
        folder: made where it isn't there.

    Returns:
        The files: ``diorama-view.js``, ``scene.glb``, ``scene.glb.js`` (the same for pages that are opened as files,
        which may not fetch), ``poster.jpg`` and ``index.html``.

    Raises:
        InputError: the scene has no surface.
        InstallationError: the viewer's file is missing from the installation.
        StorageError: the disk is full or refuses.
    """
    folder = Path(folder)
    words = words_of(scene, title, alt)
    whole = slim(glb.encode(scene), scene.texture)
    example = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(words.title)}</title>\n"
        '<script src="diorama-view.js" defer></script>\n\n'
        f'<diorama-view src="scene.glb" poster="poster.jpg" alt="{html.escape(words.alt)}"></diorama-view>\n'
        "</html>\n"
    )
    files = {
        "diorama-view.js": _viewer().encode(),
        "scene.glb": whole,
        "scene.glb.js": f'(globalThis.dioramaScenes??={{}})["scene.glb"]="{_packed(whole)}";\n'.encode(),
        "poster.jpg": _poster(scene.photo),
        "index.html": example.encode(),
    }
    with atomic.refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        with atomic.writing(folder / name) as file:
            file.write(data)
    return tuple(folder / name for name in files)


def notebook(scene: Scene) -> str:
    """The scene for a notebook's output: the share page in a frame of its own; the poster where it is too large.

    Raises:
        InputError: the scene has no surface.
        InstallationError: the viewer's file is missing from the installation.
    """
    words = words_of(scene, None, None)
    whole = page(scene)
    size = f"width:100%;max-width:960px;aspect-ratio:{scene.photo.width}/{scene.photo.height};max-height:640px"
    if len(whole) <= NOTEBOOK_BYTES:
        return (
            f'<iframe title="{html.escape(words.title)}" sandbox="allow-scripts allow-downloads" '
            f'allow="fullscreen; xr-spatial-tracking; accelerometer; gyroscope" '
            f'style="{size};border:0;border-radius:12px" srcdoc="{html.escape(whole)}"></iframe>'
        )
    poster = base64.b64encode(_poster(scene.photo)).decode()
    return (
        f'<figure style="margin:0"><img src="data:image/jpeg;base64,{poster}" alt="{html.escape(words.alt)}" '
        f'style="{size};object-fit:contain"><figcaption>The scene has {len(whole) / 1e6:.0f} MB, too much for a '
        f'notebook: <code>scene.save("scene.html")</code> writes a page of it.</figcaption></figure>'
    )


def words_of(scene: Scene, title: str | None, alt: str | None) -> Words:
    """Title and description: those given, else of the photo's name and the advisor's caption."""
    name = Path(scene.photo.name).stem or "Scene"
    caption = scene.advice.caption.value if scene.advice is not None and scene.advice.caption else None
    return Words(title or name, alt or caption or f"3D scene made from the photo {name}")


def _address(url: str, name: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.netloc or any(letter.isspace() for letter in url):
        raise InputError(f"'{url[:80]}' is no address.", hint=f"Give a whole one, such as https://example.org/{name}.")
    return url + quote(name) if url.endswith("/") else url


def _preview(address: str | None) -> str:
    """What other sites read to show the page. They take no picture from inside the page."""
    if address is None:
        return '<meta name="twitter:card" content="summary">\n'
    picture = html.escape(address.rpartition("/")[0] + "/" + address.rpartition("/")[2].rpartition(".")[0] + ".jpg")
    return (
        f'<link rel="canonical" href="{html.escape(address)}">\n'
        f'<meta property="og:url" content="{html.escape(address)}">\n'
        f'<meta property="og:image" content="{picture}">\n'
        '<meta name="twitter:card" content="summary_large_image">\n'
        f'<meta name="twitter:image" content="{picture}">\n'
    )


def _poster(photo: Photo) -> bytes:
    return preview.jpeg(preview.on_white(photo.fitted(POSTER_PIXELS)), POSTER_QUALITY)


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _viewer() -> str:
    try:
        return VIEWER.read_text(encoding="utf-8")
    except OSError:
        raise InstallationError(
            "The viewer's file (diorama-view.js) is missing.",
            hint="Install Diorama again: `pip install --force-reinstall diorama-3d`, or `pip install -e .` in a clone.",
        ) from None
