"""What a scene can be made into: a `Product` a format, with options of its own.

This table is what the command's `--to` and options, `Scene.save`, the API's list and the page's form are made from. It
is looked at where nothing is made, too, so it stays light: a product names the function that makes it, and the models
of options stand in modules of this package that import nothing else.
"""

from __future__ import annotations

from diorama.products import films
from diorama.products.meshes import GlbOptions, GltfOptions, UsdzOptions
from diorama.products.pictures import QuiltOptions, SplatOptions, quilt_name
from diorama.products.printing import ReliefOptions, SolidOptions
from diorama.products.product import Group, Options, Product, ProductProgress, option
from diorama.products.share import PageOptions

__all__ = ["FORMATS", "PRODUCTS", "Group", "Options", "Product", "ProductProgress", "option"]

_BYTES = "application/octet-stream"
_ZIP = "application/zip"
_FFMPEG = "film.ffmpeg:find"

_TABLE = (
    Product(
        "glb", "3D scene (GLB)", "model/gltf-binary", "export.gltf:write_glb", GlbOptions,
        about="Meshes, texture and the photo's camera. For Blender, game engines and the web.",
    ),
    Product(
        "gltf", "3D scene (glTF, binary and texture as files of their own)", "model/gltf+json",
        "export.gltf:write_folder", GltfOptions, several=True, about="The texture can be changed by itself.",
    ),
    Product(
        "gltf.zip", "3D scene (glTF, binary and texture, zipped)", _ZIP, "export.gltf:write_zip", GltfOptions,
        about="As GLB, but the texture can be changed by itself: unpack it into one folder.",
    ),
    Product(
        "obj", "3D scene (OBJ, MTL and texture as files of their own)", "model/obj", "export.simple:obj_folder",
        several=True, about="For programs that don't read GLB.",
    ),
    Product(
        "obj.zip", "3D scene (OBJ, MTL and texture, zipped)", _ZIP, "export.simple:obj_zip",
        about="For programs that don't read GLB: unpack it into one folder.",
    ),
    Product(
        "ply", "Mesh (PLY)", _BYTES, "export.simple:mesh_ply", about="Surfaces with normals, without the texture."
    ),
    Product(
        "points.ply", "Point cloud (PLY)", _BYTES, "export.simple:points_ply",
        about="Every point with its colour. For MeshLab and CloudCompare.",
    ),
    Product(
        "usdz", "For AR on iPhone and iPad (USDZ)", "model/vnd.usdz+zip", "export.usdz:write", UsdzOptions,
        extra="usd", module="pxr", about="Opens in AR Quick Look: the scene stands on your table.",
    ),
    Product(
        "splat.ply", "Gaussian splats (PLY)", _BYTES, "export.splats:write", SplatOptions,
        about="A small disc for every pixel of every surface, for viewers of 3D Gaussian splats such as SuperSplat.",
    ),
    Product(
        "stl", "Solid for 3D printing (STL)", "model/stl", "export.stl:write_solid", SolidOptions, group="print",
        about="One watertight body with a flat back, in millimetres.",
    ),
    Product(
        "relief.stl", "Relief for 3D printing (STL)", "model/stl", "export.stl:write_relief", ReliefOptions,
        group="print", about="A plaque with a base and a frame, near parts raised, in millimetres.",
    ),
    Product(
        "depth.png", "Depth map (PNG, 16 bits)", "image/png", "export.simple:depth", group="picture",
        about="Inverse depth: lighter is nearer.",
    ),
    Product(
        "npy", "Depth map (NumPy)", _BYTES, "export.simple:depth", group="picture",
        about="Inverse depth as float32, for Python.",
    ),
    Product(
        "npz", "Depth map with its camera (NumPy)", _BYTES, "export.simple:depth", group="picture",
        about="Inverse depth, what is valid and what is sky, and the camera, for Python.",
    ),
    Product(
        "pfm", "Depth map (PFM)", _BYTES, "export.simple:depth", group="picture",
        about="Inverse depth as float32, for stereo and vision tools.",
    ),
    Product(
        "exr", "Depth map and distances (OpenEXR)", "image/x-exr", "export.simple:depth_exr", group="picture",
        about="Inverse depth (Y) and distances (Z) as float32, for compositing.",
    ),
    Product(
        "normals.png", "Normal map (PNG)", "image/png", "export.simple:normals_png", group="picture",
        about="Which way each surface faces: red right, green up, blue towards you.",
    ),
    Product(
        "normals.exr", "Normal map (OpenEXR)", "image/x-exr", "export.pictures:write_normals_exr", group="picture",
        about="Unit normals as float32: right, up, towards you.",
    ),
    Product(
        "mask.png", "Mask of surfaces (PNG)", "image/png", "export.pictures:write_mask_png", group="picture",
        about="White where there is a surface, black for sky and what is transparent or unmeasured.",
    ),
    Product(
        "mask.exr", "Mask of surfaces (OpenEXR)", "image/x-exr", "export.pictures:write_mask_exr", group="picture",
        about="The same as float32, for compositing.",
    ),
    Product(
        "rgbd.png", "Photo beside its depth (PNG)", "image/png", "export.pictures:write_rgbd", group="picture",
        about="The photo and, to its right, its depth in grey: for displays and programs that take RGB-D.",
    ),
    Product(
        "quilt.png", "Quilt for Looking Glass (PNG)", "image/png", "export.pictures:write_quilt", QuiltOptions,
        needs="enhanced", group="picture", file_name=quilt_name,
        about="Views from left to right in one picture, for holographic displays.",
    ),
    Product(
        "coco.json", "Segments (COCO JSON)", "application/json", "export.simple:coco_json", needs="enhanced",
        group="picture", about="Masks, boxes and names of the things.",
    ),
    Product(
        "annotated.png", "Segments drawn on the photo (PNG)", "image/png", "export.simple:annotated_png",
        needs="enhanced", group="picture", about="The photo with outlines and names drawn on it.",
    ),
    Product(
        "html", "Page to share (HTML)", "text/html", "export.share:make", PageOptions, group="share",
        about="One file that shows the scene in any browser, without a network. Send it or put it on a web site.",
    ),
    Product(
        "diorama", "Whole scene, to go on with", "application/vnd.diorama+zip", "export.simple:bundle_zip",
        about="Photo, depth, points, surfaces, settings and report. Opens in Diorama.",
    ),
    Product(
        "mp4", "Film (MP4)", "video/mp4", "film.products:film", films.FilmOptions, needs="enhanced", group="film",
        extra="video", program=_FFMPEG,
        about="The camera moves within what the scene allows, and the film repeats seamlessly.",
    ),
    Product(
        "webm", "Film (WebM)", "video/webm", "film.products:film", films.FilmOptions, needs="enhanced", group="film",
        extra="video", program=_FFMPEG,
        about="The same as VP9, for web pages.",
    ),
    Product(
        "webp", "Animated WebP", "image/webp", "film.products:film", films.AnimationOptions, needs="enhanced",
        group="film", about="A short film that is a picture: for pages and messengers.",
    ),
    Product(
        "gif", "Animated GIF", "image/gif", "film.products:film", films.AnimationOptions, needs="enhanced",
        group="film", about="The same for everything else; 256 colours.",
    ),
    Product(
        "stereo.jpg", "Stereo picture (JPEG)", "image/jpeg", "stereo.products:stereo", films.StereoOptions,
        needs="enhanced", group="film", about="For stereo viewers, 3D screens, coloured glasses or VR glasses.",
        file_name=lambda stem, options: films.stereo_name(stem, options) + ".stereo.jpg",
    ),
    Product(
        "stereo.mp4", "Stereo film (MP4)", "video/mp4", "stereo.products:stereo_film", films.StereoFilmOptions,
        extra="video", program=_FFMPEG,
        needs="enhanced", group="film", about="The same, moving.",
        file_name=lambda stem, options: films.stereo_name(stem, options) + ".stereo.mp4",
    ),
    Product(
        "wiggle.gif", "Wiggle picture (GIF)", "image/gif", "stereo.products:wiggle", films.WiggleOptions,
        needs="enhanced", group="film", about="Both eyes' views in turn: depth without glasses.",
    ),
)  # fmt: skip

PRODUCTS: dict[str, Product] = {made.name: made for made in _TABLE}
"""By name."""

FORMATS: dict[str, Product] = {made.ending: made for made in _TABLE}
"""By ending. The double ones may also be the whole name: `cat.points.ply` and `points.ply` are both points."""
