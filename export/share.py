"""Weights that several graphs of a model hold, stored once: in a file beside the graphs, which they name."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

SMALLEST = 1024  # bytes of a tensor that is worth a file of its own
ALIGNMENT = 64  # bytes; what a vector register or a cache line wants


def share_weights(paths: Sequence[Path], target: Path) -> None:
    """Move every tensor that more than one of the graphs holds into `target`, which must lie beside them.

    Equal graphs give equal bytes. Graphs without a common tensor stay as they are, and no file is written.
    """
    models = [onnx.load(path) for path in paths]
    holders = Counter(digest for model in models for digest in {_digest(tensor) for tensor in _tensors(model.graph)})
    shared = {digest for digest, count in holders.items() if count > 1}
    if not shared:
        return
    places: dict[bytes, tuple[int, int]] = {}
    content = bytearray()
    for path, model in zip(paths, models, strict=True):
        for tensor in _tensors(model.graph):
            digest = _digest(tensor)
            if digest in shared:
                if digest not in places:
                    content += bytes(-len(content) % ALIGNMENT)
                    places[digest] = (len(content), len(tensor.raw_data))
                    content += tensor.raw_data
                _move(tensor, target.name, *places[digest])
        path.write_bytes(model.SerializeToString(deterministic=True))
    target.write_bytes(content)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Initial values of some size, those of the bodies of loops and branches included."""
    for tensor in graph.initializer:
        if len(tensor.raw_data) >= SMALLEST:
            yield tensor
    for node in graph.node:
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _tensors(body)


def _digest(tensor: onnx.TensorProto) -> bytes:
    return hashlib.sha256(tensor.raw_data).digest()


def _move(tensor: onnx.TensorProto, file: str, offset: int, length: int) -> None:
    """Leave only where the values lie, https://github.com/onnx/onnx/blob/main/docs/ExternalData.md."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
