"""The catalogue: addresses, sizes, licences and sha256 of the files that can be fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """One file of the catalogue. An entry whose sha256 nobody has verified doesn't belong there."""

    name: str
    file: str  # its name in the cache and on a mirror
    url: str
    bytes: int
    sha256: str
    licence: str
    note: str  # one sentence for a person who chooses


Catalogue = Mapping[str, Weights]

CATALOGUE: Catalogue = {
    weights.name: weights
    for weights in (
        Weights(
            name="midas-v21-small",
            file="midas-v21-small.onnx",
            url="https://github.com/isl-org/MiDaS/releases/download/v2_1/model-small.onnx",
            bytes=66_764_249,
            sha256="2d8c6cb8f415229daf1eb041024208e2608c9f98e17c81cc7c6ecb449c56fd58",
            licence="MIT",
            note="MiDaS v2.1 small (Ranftl et al. 2020): relative depth, trained on ten sets of real pictures.",
        ),
        Weights(
            name="moge-2-small",
            file="moge-2-vits-normal.onnx",
            url="https://huggingface.co/Ruicheng/moge-2-vits-normal-onnx/resolve/e50ffda41565591092adea54c6ac83d6212e1e23/model.onnx",
            bytes=140_852_051,
            sha256="24eacb5dc7a2c54c7bc98f7de085ffbed79ad006ea5b664c2c2cdc02ff3a52f0",
            licence="MIT",
            note="MoGe-2 small (Wang et al. 2025): depth in metres and the camera's field of view. Its DINOv2 part is "
            "Apache-2.0.",
        ),
        Weights(
            name="depth-anything-v2-small",
            file="depth-anything-v2-small.onnx",
            url="https://huggingface.co/onnx-community/depth-anything-v2-small/resolve/4472b7362082ad9968fee890ca0f1e5aca36b93d/onnx/model.onnx",
            bytes=99_060_839,
            sha256="afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c",
            licence="Apache-2.0",
            note="Depth Anything V2 small (Yang et al. 2024): relative depth with fine outlines.",
        ),
        Weights(
            name="midas-dpt-hybrid",
            file="midas-dpt-hybrid.onnx",
            url="https://huggingface.co/Xenova/dpt-hybrid-midas/resolve/main/onnx/model.onnx",
            bytes=533_061_339,
            sha256="2eca68239006c64af94bdfa68464f34d7627c3dca7bb02932636e616c55a39ff",
            licence="Apache-2.0",
            note="MiDaS v3 DPT-hybrid (Ranftl et al. 2021): relative depth, large and slow. MiDaS's own code is MIT.",
        ),
        Weights(
            name="migan",
            file="migan.onnx",
            url="https://huggingface.co/andraniksargsyan/migan/resolve/main/migan_pipeline_v2.onnx",
            bytes=28_079_181,
            sha256="6f1f3530a1a2324b19752018ce756088b07973cda8d7d890034ace5c8a48c40b",
            licence="MIT",
            note="MI-GAN (Sargsyan et al. 2023): imagines what the photo hides, small and fast.",
        ),
        Weights(
            name="lama",
            file="lama.onnx",
            url="https://huggingface.co/Carve/LaMa-ONNX/resolve/c3c0c9e468934d62e79c329e35d82dd09ff8c444/lama_fp32.onnx",
            bytes=208_044_816,
            sha256="1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6",
            licence="Apache-2.0",
            note="LaMa (Suvorov et al. 2022): imagines what the photo hides, strong at regular structures, slower.",
        ),
        Weights(
            name="mobile-sam-encoder",
            file="mobile_sam_image_encoder.onnx",
            url="https://huggingface.co/Acly/MobileSAM/resolve/0d3b403339b4674a82493d5e97964dd78089ddc8/mobile_sam_image_encoder.onnx",
            bytes=28_157_093,
            sha256="580f5fb648ea1062c0aabc26217aed56921985f03f0cbbd852bba81d760cc749",
            licence="Apache-2.0",
            note="MobileSAM (Zhang et al. 2023): sees the photo once, for segments that are a person's things.",
        ),
        Weights(
            name="mobile-sam-decoder",
            file="sam_mask_decoder_single.onnx",
            url="https://huggingface.co/Acly/MobileSAM/resolve/0d3b403339b4674a82493d5e97964dd78089ddc8/sam_mask_decoder_single.onnx",
            bytes=16_501_323,
            sha256="93915fc7c993ab9d59ab8c9ccd3bce37f7509c81ab4150a74abd4d2abbd8570d",
            licence="Apache-2.0",
            note="MobileSAM's second half: the mask of what is at a point. Both halves are needed.",
        ),
    )
}
