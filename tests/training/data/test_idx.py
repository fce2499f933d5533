import numpy as np
import pytest

from training.data import idx
from zoo.errors import DataError

HEADER = bytes([0, 0, 8, 3]) + bytes([0, 0, 0, 2]) + bytes([0, 0, 0, 1]) + bytes([0, 0, 0, 3])


def test_values_are_in_c_order():
    array = idx.parse(HEADER + bytes([1, 2, 3, 4, 5, 255]), name="file", rank=3)
    assert array.tolist() == [[[1, 2, 3]], [[4, 5, 255]]]
    assert array.dtype == np.uint8
    assert array.flags.writeable


def test_sizes_are_big_endian():
    assert idx.parse(bytes([0, 0, 8, 1, 0, 0, 1, 4]) + bytes(260), name="file", rank=1).shape == (260,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "file begins with nothing"),
        (b"<html>", "file begins with 3c68746d .* 00000803"),
        (bytes([0, 0, 13, 3]) + bytes(12), "file begins with 00000d03"),  # float32 values
        (bytes([0, 0, 8, 1]) + bytes(12), "file begins with 00000801"),  # labels, not images
        (HEADER[:9], "file ends after 9 bytes, inside its header"),
        (HEADER + bytes(5), r"file holds 5 values where its header announces 6 \(\(2, 1, 3\)\)"),
        (HEADER + bytes(7), "file holds 7 values where its header announces 6"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "announces 79228162458924105385300197375"),  # (2^32 - 1)^3: no overflow
    ],
)
def test_malformed_content_is_named(content, reason):
    with pytest.raises(DataError, match=reason):
        idx.parse(content, name="file", rank=3)
