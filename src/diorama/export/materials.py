"""glTF materials: the photo as it is, or lit surfaces with the factors that were advised."""

from __future__ import annotations

from typing import Any

from diorama.advice import SceneAdvice, keys_of, without
from diorama.export.parts import Piece
from diorama.types import Scene

ROUGHNESS, METALLIC = 0.9, 0.0
"""Where nothing is advised: hardly any photo shows a mirror."""

Key = tuple[bool, float, float, str]
"""Whether it blends, roughness, metalness, the material's name."""


def assign(scene: Scene, pieces: list[Piece]) -> tuple[list[dict[str, Any]], list[int]]:
    """The materials that the pieces need, and each piece's number among them."""
    lit = scene.step == "final" and scene.settings.lit
    advice = without(scene.advice or SceneAdvice(), keys_of(scene.settings.declined))
    keys = [_key(piece, advice, lit) for piece in pieces]
    kinds = sorted(set(keys))
    return [_material(*kind, lit=lit) for kind in kinds], [kinds.index(key) for key in keys]


def _key(piece: Piece, advice: SceneAdvice, lit: bool) -> Key:
    blend = piece.mesh.alpha is not None
    if not lit or not piece.mesh.segment:
        return blend, ROUGHNESS, METALLIC, "photo"
    found = advice.of(piece.mesh.segment)
    return (
        blend,
        found.roughness.value if found.roughness else ROUGHNESS,
        found.metallic.value if found.metallic else METALLIC,
        found.material.value if found.material else "photo",
    )


def _material(blend: bool, roughness: float, metallic: float, name: str, *, lit: bool) -> dict[str, Any]:
    material: dict[str, Any] = {
        "name": f"{name}, soft rims" if blend else name,
        # Without light roughness and metalness are for the viewers that don't know unlit materials.
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": 0},
            "metallicFactor": metallic,
            "roughnessFactor": roughness,
        },
        "doubleSided": True,
    }
    if not lit:
        material["extensions"] = {"KHR_materials_unlit": {}}
    return {**material, "alphaMode": "BLEND"} if blend else material
