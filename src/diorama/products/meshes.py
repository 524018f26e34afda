"""Options of the formats that hold meshes."""

from __future__ import annotations

from diorama.products.product import Options, option


class GltfOptions(Options):
    """Of glTF's forms."""

    quantize: bool = option(
        False,
        label="Quantise",
        why="Stores positions in 16 bits and normals in 8 (KHR_mesh_quantization): two thirds of the geometry's bytes. "
        "How far that moves a vertex, as the photo's camera sees it, is said.",
    )
    draco: bool = option(
        False,
        label="Draco",
        why="Packs meshes by Draco (KHR_draco_mesh_compression): a fifth of the bytes. Blender and three.js read it, "
        "with their decoders; Windows' 3D Viewer does not.",
    )
    meshopt: bool = option(
        False,
        label="meshoptimizer",
        why="Packs quantised meshes by meshoptimizer (EXT_meshopt_compression): a quarter of the bytes, unpacked at "
        "once. three.js, Babylon.js and model-viewer read it, with its decoder; Blender does not.",
    )
    normals: bool = option(
        False,
        label="Normals",
        why="Writes normals though the photo is shown unlit and doesn't need them: for programs in which you light "
        "the scene yourself. Lit scenes always have them.",
    )


class GlbOptions(GltfOptions):
    """Of GLB."""

    max_mb: float | None = option(
        None,
        label="At most",
        unit="MB",
        step=0.5,
        slider=False,
        why="Reduces mesh and texture until the file is no larger, so that the photo's own view changes least, and "
        "says what was done. Empty: nothing is reduced.",
        ge=0.05,
        le=1000,
    )


class UsdzOptions(Options):
    """Of USDZ."""

    metres: float | None = option(
        None,
        label="Width in the room",
        unit="m",
        step=0.1,
        slider=False,
        why="How wide the scene stands in your room. Empty: as it was measured, or 0.6 m where only relative depth is "
        "known.",
        ge=0.01,
        le=1000,
    )
