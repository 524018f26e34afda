"""glTF's forms as products: GLB with its options, and .gltf with its .bin and .jpg beside it or zipped."""

from __future__ import annotations

import importlib.util
import re
import zipfile
from dataclasses import replace
from pathlib import Path

from diorama import atomic
from diorama.errors import FormatError
from diorama.export import glb, packing
from diorama.export.archive import member
from diorama.export.reduce import without_detail_behind
from diorama.products import ProductProgress
from diorama.products.meshes import GlbOptions, GltfOptions
from diorama.types import Scene

PACKERS: dict[packing.Packing, tuple[str, str, str]] = {
    "draco": ("Draco", "DracoPy", "pip install 'diorama-3d[draco]'"),
    "meshopt": ("meshoptimizer", "meshopt", "pip install 'diorama-3d[meshopt]'"),
}
"""Name, module and command of what packs meshes by an extra."""


def write_glb(scene: Scene, path: Path, options: GlbOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write the scene as GLB.

    Raises:
        FormatError: Draco or meshoptimizer is asked for and not installed, or both are.
        InputError: the scene has no surface, or is never as small as `max_mb`.
        StorageError: the disk is full or refuses.
    """
    layout, notes = _layout(scene, options)
    scene = without_detail_behind(scene)
    if options.max_mb is None:
        data = glb.encode(scene, layout)
    else:
        from diorama.export import budget

        fitted = budget.fit(scene, layout, int(options.max_mb * budget.MEGABYTE), progress)
        data, notes = fitted.data, (*notes, fitted.said)
    with atomic.writing(path) as file:
        file.write(data)
    return notes


def write_folder(scene: Scene, path: Path, options: GltfOptions, _progress: ProductProgress) -> tuple[str, ...]:
    """Write NAME.gltf with NAME.bin and NAME.jpg beside it; those with spaces and signs in their names get others."""
    stem = _stem(path.name)
    files, notes = _files(scene, stem, options)
    for ending, data in files.items():
        with atomic.writing(path.with_name(f"{stem}.{ending}") if ending != "gltf" else path) as file:
            file.write(data)
    return (*notes, f"{stem}.bin and {stem}.jpg belong to it.")


def write_zip(scene: Scene, path: Path, options: GltfOptions, _progress: ProductProgress) -> tuple[str, ...]:
    """Write the three files into a zip."""
    stem = _stem(path.name)
    files, notes = _files(scene, stem, options)
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for ending, data in files.items():
            how = zipfile.ZIP_STORED if ending == "jpg" else zipfile.ZIP_DEFLATED
            archive.writestr(member(f"{stem}.{ending}", how), data)
    return notes


def _files(scene: Scene, stem: str, options: GltfOptions) -> tuple[dict[str, bytes], tuple[str, ...]]:
    layout, notes = _layout(scene, options)
    made = glb.document(without_detail_behind(scene), replace(layout, files=stem))
    return {"bin": made.binary, "jpg": made.texture, "gltf": glb.text_of(made.gltf)}, notes


def _layout(scene: Scene, options: GltfOptions) -> tuple[glb.Layout, tuple[str, ...]]:
    if options.draco and options.meshopt:
        raise FormatError("A mesh is packed by Draco or by meshoptimizer.", hint="Choose one of the two.")
    how: packing.Packing = "draco" if options.draco else "meshopt" if options.meshopt else "plain"
    if how in PACKERS:
        label, module, install = PACKERS[how]
        if importlib.util.find_spec(module) is None:
            raise FormatError(f"{label} needs a package that isn't installed.", hint=f"Install it: {install}")
    if how == "draco":
        return glb.Layout(options.normals, how), ()
    if not options.quantize and how == "plain":
        return glb.Layout(options.normals), ()
    focal = scene.camera.fx
    surfaces = [glb.to_gltf(mesh.vertices) for mesh in scene.meshes if len(mesh.vertices)]
    errors = [packing.reprojection_error(one, focal, packing.quantisation(one)) for one in surfaces]
    note = f"Quantisation moves vertices by up to {max(errors, default=0.0):.2g} pixels of the photo."
    return glb.Layout(options.normals, how if how == "meshopt" else "quantized"), (note,)


def _stem(name: str) -> str:
    """The file's name without its endings, as every program can read it inside a file."""
    bare = re.sub(r"(\.gltf)?(\.zip)?$", "", name, flags=re.I)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", bare).strip("_")[:80] or "scene"
