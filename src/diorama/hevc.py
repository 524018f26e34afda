"""What an HEVC stream says about its pixels (ITU-T H.265, 7.3.2.2), compared with what the file says of the stream.

libheif's callers make room for a picture by the file's word and copy by the stream's. A file in which the two differ is
damaged or made to do harm: it has to be found out before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SPS = 33
"""Type of the unit that holds a sequence's parameters."""

MAX_UNITS = 65536


@dataclass(frozen=True)
class Format:
    """Kind of pixels: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4; and their bits."""

    chroma: int
    bits: int
    chroma_bits: int


def check(configuration: bytes, payload: bytes) -> None:
    """Compare a picture's configuration (its `hvcC`) with every parameter set in it and in the picture's own stream.

    Raises:
        ValueError: they differ, or can't be read.
    """
    if len(configuration) < 23:
        raise ValueError("the coded picture has no configuration")
    said = Format(configuration[16] & 3, 8 + (configuration[17] & 7), 8 + (configuration[18] & 7))
    found = [unit for unit in _configured(configuration) if _is_sps(unit)]
    found += [unit for unit in _units(payload, 1 + (configuration[21] & 3)) if _is_sps(unit)]
    if not found:
        raise ValueError("the coded picture has no parameters")
    for unit in found:
        if parameters(unit) != said:
            raise ValueError("the coded picture isn't what the file says of it")


def parameters(unit: bytes) -> Format:
    """The pixels' format by a sequence parameter set.

    Raises:
        ValueError: it ends too early or holds impossible numbers.
    """
    bits = _Bits(unit[2:400].replace(b"\0\0\3", b"\0\0"))
    bits.skip(4)
    layers = bits.take(3)
    bits.skip(1 + 96)  # the profile of the whole, with its level
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for profile, level in present:
        bits.skip(88 * profile + 8 * level)
    bits.number()
    chroma = bits.number()
    if chroma == 3:
        bits.skip(1)
    bits.number()
    bits.number()
    if bits.take(1):
        for _ in range(4):
            bits.number()
    return Format(chroma, 8 + bits.number(), 8 + bits.number())


def _is_sps(unit: bytes) -> bool:
    """Of the picture itself: what belongs to another layer (a second eye's view) is not decoded."""
    return len(unit) > 2 and unit[0] >> 1 & 63 == SPS and not (unit[0] & 1 or unit[1] >> 3)


def _configured(configuration: bytes) -> Iterator[bytes]:
    at = 23
    for _ in range(configuration[22]):
        count = int.from_bytes(configuration[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(configuration[at : at + 2], "big")
            if at + 2 + length > len(configuration):
                raise ValueError("the coded picture's configuration ends too early")
            yield configuration[at + 2 : at + 2 + length]
            at += 2 + length


def _units(payload: bytes, size: int) -> Iterator[bytes]:
    """The beginnings of the stream's units; what is cut off is the decoder's to complain about."""
    at = 0
    for _ in range(MAX_UNITS):
        if at + size >= len(payload):
            return
        length = int.from_bytes(payload[at : at + size], "big")
        yield payload[at + size : at + size + min(length, 500)]
        at += size + length
    raise ValueError("the coded picture has too many parts")


class _Bits:
    """Bits and Exp-Golomb numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.value = int.from_bytes(data, "big")
        self.left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            raise ValueError("the coded picture's parameters end too early")
        self.left -= count
        return self.value >> self.left & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        self.take(count)

    def number(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise ValueError("the coded picture's parameters are impossible")
        return (1 << zeros) - 1 + self.take(zeros)
