"""COCO JSON that reads back, and the picture with the segments drawn on it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from diorama.segment import coco, segment
from diorama.segment.describe import describe
from diorama.segment.edit import rename
from diorama.types import Bool
from segment_scenes import View


def decode(text: str, height: int, width: int) -> Bool:
    """COCO's compressed run lengths, as pycocotools' rleFrString reads them."""
    lengths: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            code = ord(text[place]) - 48
            value |= (code & 31) << shift
            more = bool(code & 32)
            place, shift = place + 1, shift + 5
            if not more and code & 16:
                value |= -1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
    flat = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(bool)
    return flat.reshape((height, width), order="F")


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_run_lengths_read_back(mask: Bool) -> None:
    assert np.array_equal(decode(coco.run_lengths(mask), *mask.shape), mask)


@pytest.mark.parametrize(
    ("mask", "text"),
    [  # as pycocotools.mask.encode writes them
        ([[0, 0], [0, 0]], "4"),
        ([[1, 1], [1, 1]], "04"),
        ([[0, 1, 0], [1, 1, 0]], "132"),
        (np.eye(6, dtype=int).tolist(), "01600000000N"),
    ],
)
def test_run_lengths_are_cocos(mask: list[list[int]], text: str) -> None:
    if len(mask) < 6:
        assert coco.run_lengths(np.array(mask, bool)) == text
    assert np.array_equal(decode(coco.run_lengths(np.array(mask, bool)), *np.shape(mask)), np.array(mask, bool))


def test_a_data_set_of_one_image() -> None:
    view = View(post=True)
    segments, _, _ = segment(*view.parts)
    for size in (None, (480, 320), (120, 80)):
        data = json.loads(json.dumps(coco.coco(segments, view.photo, size)))
        width, height = size or (240, 160)
        assert data["images"] == [{"id": 1, "file_name": "ball", "width": width, "height": height}]
        names = {category["id"]: category["name"] for category in data["categories"]}
        for annotation, item in zip(data["annotations"], segments.items, strict=True):
            mask = decode(annotation["segmentation"]["counts"], *annotation["segmentation"]["size"])
            assert np.array_equal(mask, segments.mask(item.id, (width, height)))
            assert annotation["area"] == mask.sum()
            x, y, wide, high = annotation["bbox"]
            assert mask[y : y + high, x : x + wide].sum() == mask.sum()
            assert names[annotation["category_id"]] == item.kind
            assert annotation["name"] == item.name


def test_a_segment_too_small_for_the_size_is_left_out() -> None:
    view = View()
    labels = np.ones((160, 240), np.int32)
    labels[3, 3] = 2
    segments = describe(labels, {1: "background", 2: "object"}, view.points)
    data = coco.coco(segments, view.photo, (12, 8))
    assert [annotation["id"] for annotation in data["annotations"]] == [1]
    assert coco.annotated_picture(view.photo, segments, 12).shape == (8, 12, 3)


def test_the_picture_shows_every_segment() -> None:
    view = View(post=True)
    segments, _, _ = segment(*view.parts)
    picture = coco.annotated_picture(view.photo, segments)
    assert picture.shape == view.photo.rgb.shape
    assert picture.dtype == np.uint8
    palette = coco.colours(segments)
    assert len({palette[item.id] for item in segments.items}) == len(segments.items)
    for item in segments.items:
        near = np.abs(picture.astype(int) - np.array(palette[item.id])).sum(axis=-1) < 30
        assert near[segments.mask(item.id)].any()


def test_a_name_as_long_as_the_picture_is_shortened() -> None:
    view = View(60, 40)
    segments, _, _ = segment(*view.parts)
    longest = rename(segments, segments.items[0].id, "A very long name that no plate of sixty pixels can hold")
    assert coco.annotated_picture(view.photo, longest).shape == (40, 60, 3)
