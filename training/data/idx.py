"""The IDX format: a big-endian header of type, rank and sizes, then the values in C order.

Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format" (unproven from here).
"""

from __future__ import annotations

import struct

import numpy as np

from zoo.errors import DataError

_UINT8 = 0x08


def parse(content: bytes, *, name: str, rank: int) -> np.ndarray:
    """The uint8 array of `rank` axes in the unpacked content of an IDX file; `name` is what errors call it.

    Raises DataError where magic number, sizes or length do not fit.
    """
    sizes = _sizes(content, name, rank)
    start, count = 4 + 4 * rank, int(np.prod(sizes, dtype=object))
    if len(content) != start + count:
        raise DataError(
            f"{name} holds {len(content) - start} values where its header announces {count} ({sizes}); fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes).copy()


def _sizes(content: bytes, name: str, rank: int) -> tuple[int, ...]:
    magic = bytes((0, 0, _UINT8, rank))
    if content[:4] != magic:
        raise DataError(
            f"{name} begins with {content[:4].hex() or 'nothing'} where an IDX file of bytes with {rank} axes begins with "
            f"{magic.hex()}; fetch it again from its source."
        )
    if len(content) < 4 + 4 * rank:
        raise DataError(f"{name} ends after {len(content)} bytes, inside its header; fetch it again.")
    return struct.unpack_from(f">{rank}I", content, 4)
