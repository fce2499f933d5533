"""Requests of the Open Inference Protocol v2, JSON or with its binary tensor extension, as arrays.

https://github.com/kserve/open-inference-protocol. Nothing is believed: sizes are compared before anything of that size
is made, and whatever does not fit is a ProtocolError that says what to send. Whether the arrays fit the graph's ports
(sizes, finiteness, ranges) is for `Graph.check`, which the batcher calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import numpy as np
import orjson

from serving.errors import ProtocolError
from zoo.spec import Arrays, Graph, Port, describe

DATATYPES = {
    "float32": "FP32",
    "float64": "FP64",
    "float16": "FP16",
    "int64": "INT64",
    "int32": "INT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "BOOL",
}
_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in DATATYPES}
_LISTS = {list}
_FLOATS = {int, float}


@dataclass(frozen=True, slots=True)
class Request:
    """`outputs` are the ports to answer with, and whether each goes back as bytes instead of JSON numbers."""

    id: str | None
    inputs: Arrays
    outputs: tuple[tuple[str, bool], ...]


def parse(body: bytes, json_size: int | None, graph: Graph) -> Request:
    """A request's body as arrays. `json_size` is its Inference-Header-Content-Length, None without one.

    Raises ProtocolError.
    """
    document = _document(body, json_size)
    blobs = memoryview(body)[len(body) if json_size is None else json_size :]
    inputs = _inputs(document, blobs, graph)
    parameters = _parameters(document, "The request")
    binary = _flag(parameters, "binary_data_output", default=False)
    return Request(_id(document), inputs, _outputs(document.get("outputs"), binary, graph))


def _document(body: bytes, json_size: int | None) -> dict[str, Any]:
    if json_size is not None and json_size > len(body):
        raise ProtocolError(
            f"Inference-Header-Content-Length is {json_size}, the body has {len(body)} bytes; send the length of the JSON."
        )
    try:
        document = orjson.loads(body if json_size is None else memoryview(body)[:json_size])
    except ValueError as error:
        hint = "" if json_size is not None else ", with Inference-Header-Content-Length if bytes follow it"
        raise ProtocolError(f"The body is not JSON ({error}); send one JSON object{hint}.") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"The body is a JSON {_kind(document)}; send an object with 'inputs'.")
    return document


def _inputs(document: dict[str, Any], blobs: memoryview, graph: Graph) -> Arrays:
    tensors = document.get("inputs")
    names = ", ".join(port.name for port in graph.inputs)
    if not isinstance(tensors, list) or not tensors:
        raise ProtocolError(f"'inputs' is {_kind(tensors)}; send a list of tensors for {names}.")
    ports = {port.name: port for port in graph.inputs}
    arrays: Arrays = {}
    start = 0
    for tensor in tensors:
        name = _field(tensor, "name", str, "An input")
        if name not in ports:
            raise ProtocolError(f"Graph {graph.name!r} has no input {_shorten(name)}; its inputs are {names}.")
        if name in arrays:
            raise ProtocolError(f"Input {name!r} is sent twice; send it once.")
        arrays[name], size = _tensor(tensor, ports[name], blobs[start:])
        start += size
    if start != len(blobs):
        raise ProtocolError(f"{len(blobs) - start} bytes follow the last binary tensor; send exactly what is declared.")
    return arrays


def _tensor(tensor: Mapping[str, Any], port: Port, blobs: memoryview) -> tuple[np.ndarray, int]:
    """The array, and how many of `blobs` it took."""
    datatype = tensor.get("datatype")
    if datatype != DATATYPES[port.dtype]:
        raise ProtocolError(f"Input {port.name!r} has datatype {_shorten(datatype)}; send {DATATYPES[port.dtype]}.")
    shape = _shape(tensor, port)
    parameters = _parameters(tensor, f"Input {port.name!r}")
    if "shared_memory_region" in parameters:
        raise ProtocolError(f"Input {port.name!r} is in shared memory, which is not served; send it in the body.")
    size = parameters.get("binary_data_size")
    if size is None:
        return _from_json(tensor.get("data"), shape, port), 0
    if "data" in tensor:
        raise ProtocolError(f"Input {port.name!r} has both 'data' and 'binary_data_size'; send one.")
    if type(size) is not int or size < 0:
        raise ProtocolError(f"Input {port.name!r} has binary_data_size {_shorten(size)}; send its number of bytes.")
    return _from_bytes(size, shape, port, blobs), size


def _shape(tensor: Mapping[str, Any], port: Port) -> tuple[int, ...]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ProtocolError(
            f"Input {port.name!r} has the shape {_shorten(shape)}; send {describe(port)}, sizes of 0 or more."
        )
    if len(shape) != len(port.shape):
        raise ProtocolError(f"Input {port.name!r} has shape {_shorten(shape)}; send {describe(port)}.")
    return tuple(shape)


def _from_bytes(size: int, shape: tuple[int, ...], port: Port, blobs: memoryview) -> np.ndarray:
    dtype = _DTYPES[port.dtype]
    needed = prod(shape) * dtype.itemsize
    if size != needed:
        raise ProtocolError(
            f"Input {port.name!r} of shape {list(shape)} has {size} bytes of data; send {needed} for {describe(port)}."
        )
    if size > len(blobs):
        raise ProtocolError(
            f"Input {port.name!r} declares {size} bytes of binary data, {len(blobs)} are left in the body; send them all, "
            "after the JSON, whose length is Inference-Header-Content-Length."
        )
    if port.dtype == "bool" and size and np.frombuffer(blobs[:size], np.uint8).max() > 1:
        raise ProtocolError(f"Input {port.name!r} holds a byte other than 0 and 1; send one byte a truth value.")
    array = _reshape(np.frombuffer(blobs[:size], dtype), shape, port)
    return array if array.flags.aligned else array.copy()  # the JSON in front may have any length


def _from_json(data: Any, shape: tuple[int, ...], port: Port) -> np.ndarray:
    numbers = _flatten(data, shape, port)
    kinds = set(map(type, numbers))
    wanted = _FLOATS if port.is_float else {bool} if port.dtype == "bool" else {int}
    if not kinds <= wanted:
        found = ", ".join(sorted(_kind(next(x for x in numbers if type(x) is kind)) for kind in kinds - wanted))
        what = "numbers" if port.is_float else "true and false" if port.dtype == "bool" else "whole numbers"
        raise ProtocolError(f"The data of input {port.name!r} holds {found}; send {what}.")
    try:
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused as such
            return _reshape(np.array(numbers, _DTYPES[port.dtype]), shape, port)
    except OverflowError as error:
        raise ProtocolError(f"The data of input {port.name!r} does not fit {port.dtype} ({error}).") from error


def _reshape(array: np.ndarray, shape: tuple[int, ...], port: Port) -> np.ndarray:
    try:
        return array.reshape(shape)
    except ValueError as error:  # beside an axis of size 0, others can be larger than any array
        raise ProtocolError(f"Input {port.name!r} cannot have the shape {list(shape)}; send {describe(port)}.") from error


def _flatten(data: Any, shape: tuple[int, ...], port: Port) -> list[Any]:
    """The numbers of flat or nested data. Raises ProtocolError unless there are as many as `shape` has."""
    if not isinstance(data, list):
        raise ProtocolError(f"The data of input {port.name!r} is {_kind(data)}; send a list of numbers.")
    count = prod(shape)
    if len(shape) > 1 and data and isinstance(data[0], list):
        for size in shape[1:]:
            if set(map(type, data)) != _LISTS or set(map(len, data)) != {size}:
                raise ProtocolError(f"The data of input {port.name!r} is not nested as its shape {list(shape)}; make it so.")
            data = list(chain.from_iterable(data))
    if len(data) != count:
        raise ProtocolError(
            f"The data of input {port.name!r} has {len(data)} numbers, its shape {list(shape)} has {count}; send as many."
        )
    return data


def _outputs(wanted: Any, binary: bool, graph: Graph) -> tuple[tuple[str, bool], ...]:
    names = [port.name for port in graph.outputs]
    if wanted is None or wanted == []:
        return tuple((name, binary) for name in names)
    if not isinstance(wanted, list):
        raise ProtocolError(f"'outputs' is {_kind(wanted)}; send a list of outputs, or leave it out for all.")
    chosen: dict[str, bool] = {}
    for output in wanted:
        name = _field(output, "name", str, "An output")
        if name not in names:
            raise ProtocolError(f"Graph {graph.name!r} has no output {_shorten(name)}; its outputs are {', '.join(names)}.")
        if name in chosen:
            raise ProtocolError(f"Output {name!r} is asked for twice; ask once.")
        parameters = _parameters(output, f"Output {name!r}")
        for unserved in ("classification", "shared_memory_region"):
            if unserved in parameters:
                raise ProtocolError(f"Output {name!r} is asked for with {unserved!r}, which is not served; leave it out.")
        chosen[name] = _flag(parameters, "binary_data", default=binary)
    return tuple(chosen.items())


def _id(document: dict[str, Any]) -> str | None:
    value = document.get("id")
    if value is not None and not isinstance(value, str):
        raise ProtocolError(f"'id' is {_kind(value)}; send a string.")
    return value


def _parameters(holder: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise ProtocolError(f"{what} has {_kind(parameters)} as 'parameters'; send an object.")
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise ProtocolError(f"{name!r} is {_kind(value)}; send true or false.")
    return value


def _field(holder: Any, name: str, kind: type, what: str) -> Any:
    if not isinstance(holder, dict):
        raise ProtocolError(f"{what} is {_kind(holder)}; send an object with 'name'.")
    if not isinstance(holder.get(name), kind):
        raise ProtocolError(f"{what} has {_kind(holder.get(name))} as {name!r}; send a string.")
    return holder[name]


def _kind(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {type(None): "nothing", bool: "a truth value", str: "a string", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a fraction" if isinstance(value, float) else "a number")


def _shorten(value: Any) -> str:
    """A client's JSON value as it may be quoted back."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
