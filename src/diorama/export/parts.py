"""A scene's meshes as a person wants to find them: one a segment and part, not one a layer.

The enhanced step leaves dozens of meshes, since every layer has its share of a segment. In a file they are joined: a
segment's visible surface, what was imagined of it, and its soft rim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from diorama.types import Mesh, Scene, SegmentKind, Segments

Part = Literal["visible", "imagined", "rim", "back"]

Thing = tuple[str, int]
"""Name and segment: two segments may have one name."""

SUFFIXES: dict[Part, str] = {"visible": "", "imagined": ", imagined", "rim": ", rim", "back": ", back"}

GROUPS: dict[SegmentKind, str] = {
    "subject": "Subjects",
    "object": "Objects",
    "ground": "Floors",
    "wall": "Walls",
    "sky": "Skies",
    "background": "Surroundings",
}
"""Nodes over the segments of a kind; none of them a name that `segment` gives."""


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


def tree(pieces: list[Piece], segments: Segments | None, *, grouped: bool = False) -> list[dict[str, Any]]:
    """glTF nodes of the pieces (mesh i is piece i), roots named in ``children`` of the last node, which is no piece's.

    A segment's visible surface is the parent of its other parts, so that moving or hiding it takes them along. With
    `grouped` the segments of a kind have a common parent.
    """
    nodes: list[dict[str, Any]] = [{"name": piece.mesh.name, "mesh": i} for i, piece in enumerate(pieces)]
    ids = {} if segments is None else {item.name: item.id for item in reversed(segments.items)}
    if segments is not None:
        for node, piece in zip(nodes, pieces, strict=True):
            segment = piece.mesh.segment or ids.get(piece.thing)
            node["extras"] = {"part": piece.part, **({"segment": segment} if segment else {})}
    roots: dict[Thing, int] = {}
    for i, piece in enumerate(pieces):
        if piece.mesh.name == piece.thing:
            roots.setdefault((piece.thing, piece.mesh.segment), i)
    for i, piece in enumerate(pieces):
        thing = piece.thing, piece.mesh.segment
        if thing not in roots:  # nothing of it is visible
            roots[thing] = len(nodes)
            nodes.append({"name": piece.thing})
        if roots[thing] != i:
            nodes[roots[thing]].setdefault("children", []).append(i)
    top = list(dict.fromkeys(roots.values()))
    if grouped and segments is not None:
        top = _grouped(nodes, pieces, roots, segments)
    nodes.append({"name": "diorama", "children": top})
    return nodes


def _grouped(
    nodes: list[dict[str, Any]], pieces: list[Piece], roots: dict[tuple[str, int], int], segments: Segments
) -> list[int]:
    """Put a node over the segments of each kind -> the numbers of these, and of what is of no segment."""
    kinds = {item.id: item.kind for item in segments.items}
    of_root = {roots[piece.thing, piece.mesh.segment]: kinds.get(piece.mesh.segment) for piece in pieces}
    members: dict[SegmentKind, list[int]] = {}
    rest: list[int] = []
    for root in dict.fromkeys(roots.values()):
        kind = of_root[root]
        if kind is None:
            rest.append(root)
        else:
            members.setdefault(kind, []).append(root)
    top = []
    for kind, name in GROUPS.items():
        if kind in members:
            top.append(len(nodes))
            nodes.append({"name": name, "children": members[kind], "extras": {"group": kind}})
    return top + rest


def _part(mesh: Mesh) -> Part:
    if mesh.imagined and mesh.name.endswith(SUFFIXES["back"]):
        return "back"
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
