"""JSON Schema (2020-12) of what goes over the wire for one graph: its ports as tensors of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.asgi.protocol import DATATYPES
from zoo.spec import Graph, Port, describe

Schema = dict[str, Any]


def infer_request(graph: Graph) -> Schema:
    """What `/infer` takes as JSON. That `data` has as many numbers as `shape` says is beyond JSON Schema."""
    tensors = [_tensor(graph, port, checked=True) for port in graph.inputs]
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"enum": [port.name for port in graph.outputs]},
            "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
        },
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string", "description": "comes back with the answer"},
            "parameters": {
                "type": "object",
                "properties": {
                    "binary_data_output": {"type": "boolean", "description": "outputs as bytes after the JSON"},
                    "priority": {"type": "integer", "minimum": 0, "description": "1 is computed first; 0 is the default"},
                    "timeout": {"type": "integer", "minimum": 0, "description": "microseconds; 0 is the default"},
                },
            },
            "inputs": {"type": "array", "minItems": len(tensors), "maxItems": len(tensors), "items": _any(tensors)},
            "outputs": {
                "type": "array",
                "maxItems": len(graph.outputs),
                "items": output,
                "description": "those wanted; left out or empty: all",
            },
        },
    }


def infer_answer(graph: Graph) -> Schema:
    return record(
        model_name={"type": "string"},
        model_version={"type": "string"},
        outputs={"type": "array", "items": _any([_tensor(graph, port, checked=False) for port in graph.outputs])},
    )


def infer_example(inputs: dict[str, np.ndarray], graph: Graph) -> Schema:
    """A request with these arrays."""
    return {
        "inputs": [
            {
                "name": port.name,
                "shape": list(inputs[port.name].shape),
                "datatype": DATATYPES[port.dtype],
                "data": inputs[port.name].reshape(-1).tolist(),
            }
            for port in graph.inputs
        ]
    }


def record(**properties: Schema) -> Schema:
    """An object that has all of these, and perhaps more."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _tensor(graph: Graph, port: Port, *, checked: bool) -> Schema:
    """`checked` tensors are held to the ranges of their port; an answer's sizes may be any."""
    rank = len(port.shape)
    fixed = record(
        name={"const": port.name},
        datatype={"const": DATATYPES[port.dtype]},
        shape={
            "type": "array",
            "prefixItems": [_size(graph, size) if checked else {"type": "integer", "minimum": 0} for size in port.shape],
            "minItems": rank,
            "maxItems": rank,
        },
        data=_data(port, rank) if checked else {"type": "array", "items": _scalar(port, checked=False)},
    )
    unit = f", {port.unit}" if port.unit else ""
    return {**fixed, "description": f"{describe(port)}{unit}: {port.doc}" if port.doc else f"{describe(port)}{unit}"}


def _size(graph: Graph, size: int | str) -> Schema:
    if isinstance(size, int):
        return {"const": size}
    axis = graph.axis(size)
    bounds = {"minimum": axis.low} | ({} if axis.high is None else {"maximum": axis.high})
    return {"type": "integer", "description": size, **bounds}


def _data(port: Port, rank: int) -> Schema:
    """Flat, or nested as the shape."""
    flat: Schema = {"type": "array", "items": _scalar(port, checked=True)}
    nested = flat
    for _ in range(rank - 1):
        nested = {"type": "array", "items": nested}
    return flat if rank <= 1 else {"anyOf": [flat, nested]}


def _scalar(port: Port, *, checked: bool) -> Schema:
    if port.dtype == "bool":
        return {"type": "boolean"}
    if port.is_float:
        return {"type": "number"}
    limits = np.iinfo(port.dtype)
    low, high = (port.low, port.high) if checked else (None, None)
    return {
        "type": "integer",
        "minimum": int(limits.min if low is None else low),
        "maximum": int(limits.max if high is None else high),
    }


def _any(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
