"""Where an ONNX file says that its tensors lie, read without the onnx package, which prediction and serving do not need.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; wire format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from zoo.errors import ArtifactError, IntegrityError

# message → number of a field that holds a message → that message; other fields are skipped
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 100


def external_locations(path: Path) -> set[str]:
    """The files that the tensors of the ONNX file at `path` lie in, as it names them.

    Raises ArtifactError for a file that is no protobuf message.
    """
    if not path.stat().st_size:
        return set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find(b"location") < 0:  # the key that every external tensor has
            return set()
        try:
            return set(_locations(data, "model", 0, len(data), 0))
        except (ValueError, IndexError) as error:
            raise ArtifactError(f"{path} is no ONNX file ({error}); fetch or export it again.") from error


def check_external_data(folder: Path, certified: Collection[str]) -> None:
    """Raise IntegrityError for a graph in `folder` with tensors in a file that is not one of the certified ones."""
    for path in sorted(folder.rglob("*.onnx")):
        beside = PurePosixPath(path.parent.relative_to(folder).as_posix())
        for location in sorted(external_locations(path)):
            parts = PurePosixPath(location).parts
            if ".." in parts or "\\" in location or PurePosixPath(location).is_absolute():
                raise IntegrityError(f"{path} has tensors in {location!r}, outside its folder; it is not opened.")
            if (beside / location).as_posix() not in certified:
                raise IntegrityError(
                    f"{path} has tensors in {location!r}, which its certificate does not bind; validate again."
                )


def _locations(data: mmap.mmap, message: str, start: int, end: int, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError(f"messages more than {_DEEPEST} deep")
    for number, first, last in _fields(data, start, end):
        inner = _FIELDS[message].get(number)
        if inner == "entry":
            pair = {key: bytes(data[begin:stop]) for key, begin, stop in _fields(data, first, last)}
            if pair.get(1) == b"location":
                yield pair.get(2, b"").decode(errors="replace")
        elif inner:
            yield from _locations(data, inner, first, last, depth + 1)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, first and last position of each field with a length; the others are stepped over."""
    at = start
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 2:
            length, at = _varint(data, at)
            if at + length > end:
                raise ValueError(f"a field of {length} bytes at {at}")
            yield key >> 3, at, at + length
            at += length
        elif kind == 0:
            at = _varint(data, at)[1]
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at {at}")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError(f"a number of more than 10 bytes at {at}")
