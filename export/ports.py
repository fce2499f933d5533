"""Ports of a graph that somebody else made: read from a JSON file, or inferred from the ONNX file."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto, ValueInfoProto

from zoo.errors import ArtifactError, UsageError
from zoo.manifest import read_json
from zoo.spec import Graph, Port, graph_from_json


def load_ports(path: Path, name: str) -> Graph:
    """The graph that a `ports.json` describes: fields of `zoo.spec.Graph`, called `name` if it says nothing else.

    Raises UsageError.
    """
    try:
        data = read_json(path)
    except ArtifactError as error:
        raise UsageError(str(error)) from error
    defaults = {"name": name, "methods": ["forward"], "axes": [], "batch": "batch"}
    return graph_from_json({**defaults, **data})


def infer_ports(model: ModelProto, name: str, methods: tuple[str, ...] = ("forward",)) -> Graph:
    """Ports as the file declares them, with no range: floats are drawn from a normal distribution, integers are 0 or 1.

    A first axis that is free in every input is taken for the batch. Raises UsageError for an input that is no tensor.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_port(value) for value in model.graph.input if value.name not in stored)
    outputs = tuple(_port(value) for value in model.graph.output)
    first = {port.shape[0] if port.shape else None for port in inputs}
    batch = first.pop() if len(first) == 1 else None
    return Graph(
        name=name,
        inputs=inputs,
        outputs=outputs,
        methods=methods,
        batch=batch if isinstance(batch, str) else None,
    )


def _port(value: ValueInfoProto) -> Port:
    if not value.type.HasField("tensor_type"):
        raise UsageError(f"{value.name!r} is no tensor; give the ports with --ports.")
    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    shape: list[int | str] = []
    for number, size in enumerate(tensor.shape.dim):
        shape.append(size.dim_value if size.HasField("dim_value") else size.dim_param or f"{value.name}_{number}")
    low, high = (0.0, 1.0) if dtype.startswith(("int", "uint")) else (None, None)
    return Port(name=value.name, dtype=dtype, shape=tuple(shape), low=low, high=high)
