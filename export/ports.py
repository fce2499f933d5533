"""Ports of a graph that somebody else made: read from a JSON file, or inferred from the ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto

from zoo.errors import ArtifactError, UsageError
from zoo.manifest import read_json
from zoo.spec import Arrays, Graph, Port, graph_from_json

BATCH = "batch"
_SAME_VALUES = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


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


def infer_ports(
    model: ModelProto, name: str, methods: tuple[str, ...] = ("forward",), samples: Arrays | None = None
) -> Graph:
    """Ports as the file declares them: floats are drawn from a normal distribution, integers over their range.

    The range of an integer input is that of the table it looks up, or 0 and 1 (`guessed_ranges`), and what `samples` hold
    beyond that. A first axis that is free in every input is taken for the batch; unnamed ones are one and the same.
    Raises UsageError for an input that is no tensor.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in stored]
    sizes, arrays = _table_sizes(model), samples or {}
    inputs = tuple(_port(value, _range(value.name, sizes, arrays), BATCH) for value in values)
    first = {port.shape[0] if port.shape else None for port in inputs}
    batch = first.pop() if len(first) == 1 else None
    outputs = tuple(_port(value, None, BATCH if batch == BATCH else "") for value in model.graph.output)
    return Graph(
        name=name,
        inputs=inputs,
        outputs=outputs,
        methods=methods,
        batch=batch if isinstance(batch, str) else None,
    )


def guessed_ranges(model: ModelProto, graph: Graph) -> list[str]:
    """A remark for every integer input of inferred ports whose range nothing told."""
    known = _table_sizes(model)
    return [
        f"integer input {port.name!r} only drawn as 0 and 1; declare it with --ports"
        for port in graph.inputs
        if port.dtype.startswith(("int", "uint")) and port.name not in known and (port.low, port.high) == (0.0, 1.0)
    ]


def _port(value: ValueInfoProto, limits: tuple[float, float] | None, first: str) -> Port:
    """`first` names a first axis that has no name; other axes are called by the port and their place."""
    if not value.type.HasField("tensor_type"):
        raise UsageError(f"{value.name!r} is no tensor; give the ports with --ports.")
    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    shape: list[int | str] = []
    for number, size in enumerate(tensor.shape.dim):
        name = first if first and not number else f"{value.name}_{number}"
        shape.append(size.dim_value if size.HasField("dim_value") else size.dim_param or name)
    low, high = limits if limits and dtype.startswith(("int", "uint")) else (None, None)
    return Port(name=value.name, dtype=dtype, shape=tuple(shape), low=low, high=high)


def _range(name: str, sizes: Mapping[str, int], samples: Arrays) -> tuple[float, float]:
    values = samples.get(name, np.zeros(0)).ravel()
    return min(0.0, float(values.min(initial=0))), max(sizes.get(name, 2) - 1.0, float(values.max(initial=0)))


def _table_sizes(model: ModelProto) -> dict[str, int]:
    """Rows of the smallest constant table that each input is an index of, directly or in another shape or type."""
    constants = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    origin = {value.name: value.name for value in model.graph.input}
    sizes: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants.update((node.output[0], each.t.dims) for each in node.attribute if each.name == "value")
        elif node.op_type in _SAME_VALUES and node.input[0] in origin:
            origin[node.output[0]] = origin[node.input[0]]
        elif node.op_type == "Gather" and node.input[0] in constants and node.input[1] in origin:
            axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
            name, rows = origin[node.input[1]], constants[node.input[0]][axis]
            sizes[name] = min(rows, sizes.get(name, rows))
    return sizes
