"""A scene's meshes as a person wants to find them: one a segment and part, not one a layer.

The enhanced step leaves dozens of meshes, since every layer has its share of a segment. In a file they are joined: a
segment's visible surface, what was imagined of it, and its soft rim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from diorama.types import Mesh, Scene, Segments

Part = Literal["visible", "imagined", "rim"]

SUFFIXES: dict[Part, str] = {"visible": "", "imagined": ", imagined", "rim": ", rim"}


@dataclass(frozen=True)
class Piece:
    """A mesh of its own in the file."""

    mesh: Mesh
    part: Part
    thing: str  # the name that the parts of one segment share


def pieces(scene: Scene) -> list[Piece]:
    """The scene's meshes that have a surface, those of the same name and part joined, in the order of the first."""
    groups: dict[tuple[str, Part, int], list[Mesh]] = {}
    for mesh in scene.meshes:
        if len(mesh.faces):
            groups.setdefault((mesh.name, _part(mesh), mesh.segment), []).append(mesh)
    return [Piece(_joined(group), part, name.removesuffix(SUFFIXES[part])) for (name, part, _), group in groups.items()]


def tree(pieces: list[Piece], segments: Segments | None) -> list[dict[str, Any]]:
    """glTF nodes of the pieces (mesh i is piece i), roots named in ``children`` of the last node, which is no piece's.

    A segment's visible surface is the parent of its other parts, so that moving or hiding it takes them along.
    """
    nodes: list[dict[str, Any]] = [{"name": piece.mesh.name, "mesh": i} for i, piece in enumerate(pieces)]
    ids = {} if segments is None else {item.name: item.id for item in reversed(segments.items)}
    if segments is not None:
        for node, piece in zip(nodes, pieces, strict=True):
            node["extras"] = {"part": piece.part, **({"segment": ids[piece.thing]} if piece.thing in ids else {})}
    roots: dict[str, int] = {}
    for i, piece in enumerate(pieces):
        if piece.mesh.name == piece.thing:
            roots.setdefault(piece.thing, i)
    for i, piece in enumerate(pieces):
        if piece.thing not in roots:  # nothing of it is visible
            roots[piece.thing] = len(nodes)
            nodes.append({"name": piece.thing})
        if roots[piece.thing] != i:
            nodes[roots[piece.thing]].setdefault("children", []).append(i)
    nodes.append({"name": "diorama", "children": list(dict.fromkeys(roots.values()))})
    return nodes


def _part(mesh: Mesh) -> Part:
    return "rim" if mesh.alpha is not None else "imagined" if mesh.imagined else "visible"


def _joined(meshes: list[Mesh]) -> Mesh:
    first = meshes[0]
    if len(meshes) == 1:
        return first
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    alphas = [mesh.alpha for mesh in meshes if mesh.alpha is not None]  # of all of them, or of none
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        first.name,
        np.concatenate(alphas) if alphas else None,
        all(mesh.imagined for mesh in meshes),
        first.segment,
    )
