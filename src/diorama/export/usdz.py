"""USDZ, as AR Quick Look on iPhones and iPads shows it: a zip of a USD scene and its texture.

Y is up, a unit is a metre, and the scene stands on the floor with its middle above the origin, where Quick Look puts
it. The photo is its material's emission: the room's light is not to be added to the photo's own. Soft rims are left
out, since Quick Look has no opacity of a vertex.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from diorama import __version__, atomic
from diorama.errors import FormatError, InputError, StorageError
from diorama.export.glb import jpeg, to_gltf, unit
from diorama.export.parts import Piece, pieces
from diorama.products import ProductProgress
from diorama.products.meshes import UsdzOptions
from diorama.types import Scene

RELATIVE_METRES = 0.6
"""Width of a scene whose size nobody knows: it fits on a table."""

TEXTURE_PIXELS = 4096
"""Quick Look shrinks larger ones."""


def write(scene: Scene, path: Path, options: UsdzOptions, progress: ProductProgress) -> tuple[str, ...]:
    """Write the scene as USDZ.

    Raises:
        FormatError: usd-core is not installed.
        InputError: the scene has no surface (the photo is transparent everywhere).
        StorageError: the disk is full or refuses.
    """
    parts = [part for part in pieces(scene) if part.mesh.alpha is None]
    if not parts:
        raise InputError(
            "The scene has no surface that could be written.", hint="Choose a photo that isn't transparent everywhere."
        )
    try:
        from pxr import Sdf, Tf, UsdUtils
    except ImportError as error:
        raise FormatError(
            f"USDZ needs the package usd-core, which can't be loaded: {error}.",
            hint="Install it: pip install 'diorama-3d[usd]'",
        ) from error
    with atomic.refusals(path), tempfile.TemporaryDirectory(prefix="diorama-usd-") as folder:
        root = Path(folder)
        progress(0.1, "Writing the texture")
        (root / "photo.jpg").write_bytes(jpeg(_fitted(scene)))
        progress(0.3, "Writing the surfaces")
        try:
            width = _stage(scene, parts, root / "scene.usdc", options.metres)
            progress(0.8, "Packing")
            made = UsdUtils.CreateNewARKitUsdzPackage(Sdf.AssetPath(str(root / "scene.usdc")), str(root / "x.usdz"))
        except Tf.ErrorException as error:
            raise StorageError(
                f"The USD library can't write its files: {str(error).splitlines()[0]}", hint="Free some space."
            ) from error
        if not made:
            raise StorageError("The USD library could not pack the file.", hint="Free some space and try again.")
        with atomic.writing(path) as file:
            file.write((root / "x.usdz").read_bytes())
    notes = [f"{width:.2g} m wide."]
    if any(mesh.alpha is not None for mesh in scene.meshes):
        notes.append("Soft rims are left out: Quick Look has no opacity of a vertex.")
    return tuple(notes)


def _fitted(scene: Scene) -> Any:
    import cv2

    texture = scene.texture
    share = TEXTURE_PIXELS / max(texture.shape)
    if share >= 1:
        return texture
    size = max(1, round(texture.shape[1] * share)), max(1, round(texture.shape[0] * share))
    return np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _stage(scene: Scene, parts: list[Piece], path: Path, metres: float | None) -> float:
    """Write the USD file -> how wide the scene is, in metres."""
    from pxr import Kind, Sdf, Tf, Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.GetRootLayer().comment = f"Diorama {__version__}"
    root = UsdGeom.Xform.Define(stage, "/Diorama")
    stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    everything = np.concatenate([to_gltf(part.mesh.vertices) for part in parts]).astype(float)
    low, high = everything.min(axis=0), everything.max(axis=0)
    wide = float(high[0] - low[0])
    scale = 1.0 if metres is None and scene.units == "metric" else (metres or RELATIVE_METRES) / max(wide, 1e-9)
    middle = (low + high) / 2
    root.AddTranslateOp().Set((-middle[0] * scale, -low[1] * scale, -middle[2] * scale))
    root.AddScaleOp().Set((scale, scale, scale))
    UsdGeom.Scope.Define(stage, "/Diorama/Materials")
    material = _material(stage, "/Diorama/Materials/Photo")
    UsdGeom.Scope.Define(stage, "/Diorama/Geometry")
    taken: set[str] = set()
    for part in parts:
        name = Tf.MakeValidIdentifier(part.mesh.name) or "mesh"
        own = next(one for one in (name, *(f"{name}_{n}" for n in range(2, len(parts) + 2))) if one not in taken)
        taken.add(own)
        _mesh(stage, Sdf.Path("/Diorama/Geometry").AppendChild(own), part, material)
    stage.GetRootLayer().Save()
    return wide * scale


def _mesh(stage: Any, path: Any, part: Piece, material: Any) -> None:
    from pxr import Sdf, UsdGeom, UsdShade, Vt

    mesh = UsdGeom.Mesh.Define(stage, path)
    points = np.ascontiguousarray(to_gltf(part.mesh.vertices))
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(part.mesh.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(part.mesh.faces.ravel())))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(unit(to_gltf(part.mesh.normals))))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])))
    uv = np.ascontiguousarray(part.mesh.uv * np.array([1, -1], np.float32) + np.array([0, 1], np.float32))  # v goes up
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    st.Set(Vt.Vec2fArray.FromNumpy(uv))
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _material(stage: Any, path: str) -> Any:
    """The photo as emission of a black surface that reflects nothing."""
    from pxr import Sdf, UsdShade

    types = Sdf.ValueTypeNames
    material = UsdShade.Material.Define(stage, path)
    surface = UsdShade.Shader.Define(stage, f"{path}/Surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    reader = UsdShade.Shader.Define(stage, f"{path}/Coordinates")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", types.String).Set("st")
    texture = UsdShade.Shader.Define(stage, f"{path}/Texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", types.Asset).Set("photo.jpg")
    texture.CreateInput("sourceColorSpace", types.Token).Set("sRGB")
    for side in ("wrapS", "wrapT"):
        texture.CreateInput(side, types.Token).Set("clamp")
    output = reader.CreateOutput("result", types.Float2)
    texture.CreateInput("st", types.Float2).ConnectToSource(output)
    colour = texture.CreateOutput("rgb", types.Float3)
    surface.CreateInput("emissiveColor", types.Color3f).ConnectToSource(colour)
    surface.CreateInput("diffuseColor", types.Color3f).Set((0.0, 0.0, 0.0))
    for name, value in (("roughness", 1.0), ("metallic", 0.0), ("opacity", 1.0)):
        surface.CreateInput(name, types.Float).Set(value)
    surface.CreateInput("useSpecularWorkflow", types.Int).Set(1)
    surface.CreateInput("specularColor", types.Color3f).Set((0.0, 0.0, 0.0))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    return material
