"""One tensor of a request of the Open Inference Protocol v2, as JSON numbers or as bytes, as an array.

Nothing is believed: sizes are compared before anything of that size is made, and whatever does not fit is a ProtocolError
that says what to send. Whether the array fits its port (sizes, finiteness, ranges) is for `Graph.check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np

from serving.asgi.words import kind_of, read_parameters, shorten
from serving.errors import ProtocolError
from zoo.spec import Port, describe

DATATYPES = {
    "float32": "FP32",
    "float64": "FP64",
    "float16": "FP16",
    "int64": "INT64",
    "int32": "INT32",
    "int16": "INT16",
    "int8": "INT8",
    "uint64": "UINT64",
    "uint32": "UINT32",
    "uint16": "UINT16",
    "uint8": "UINT8",
    "bool": "BOOL",
}
_UNSERVED = {"BF16": "NumPy has no such numbers", "BYTES": "no port here takes text"}
_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in DATATYPES}
_LISTS = {list}
_FLOATS = {int, float}


class Blob(NamedTuple):
    """A tensor of `amount` numbers that comes as `size` bytes behind the JSON."""

    port: Port
    shape: tuple[int, ...]
    amount: int
    size: int

    def read(self, body: bytes, start: int) -> np.ndarray:
        """The array whose first byte is `body[start]`. Raises ProtocolError when the body ends before it does."""
        port, shape, amount, size = self
        if start + size > len(body):
            raise ProtocolError(
                f"Input {port.name!r} declares {size} bytes of binary data, {len(body) - start} are left in the body; "
                "send them all, after the JSON, whose length is Inference-Header-Content-Length."
            )
        if not amount:
            return _reshape(np.empty(0, port.dtype), shape, port)
        array = np.frombuffer(body, _DTYPES[port.dtype], amount, start).reshape(shape)
        if port.dtype == "bool" and array.view(np.uint8).max() > 1:
            raise ProtocolError(f"Input {port.name!r} holds a byte other than 0 and 1; send one byte a truth value.")
        return array if array.flags.aligned else array.copy()  # the JSON in front may have any length


def read_tensor(tensor: Mapping[str, Any], port: Port) -> np.ndarray | Blob:
    """The array of JSON data, or where to find that of binary data."""
    _check_datatype(tensor.get("datatype"), port)
    shape = _shape(tensor, port)
    parameters = read_parameters(tensor, f"Input {port.name!r}")
    if "shared_memory_region" in parameters:
        raise ProtocolError(f"Input {port.name!r} is in shared memory, which is not served; send it in the body.")
    size = parameters.get("binary_data_size")
    if size is None:
        return _from_json(tensor.get("data"), shape, port)
    if "data" in tensor:
        raise ProtocolError(f"Input {port.name!r} has both 'data' and 'binary_data_size'; send one.")
    if type(size) is not int or size < 0:
        raise ProtocolError(f"Input {port.name!r} has binary_data_size {shorten(size)}; send its number of bytes.")
    amount = prod(shape)
    needed = amount * _DTYPES[port.dtype].itemsize
    if size != needed:
        raise ProtocolError(
            f"Input {port.name!r} of shape {list(shape)} has {size} bytes of data; send {needed} for {describe(port)}."
        )
    return Blob(port, shape, amount, size)


def read_rows(tensor: Mapping[str, Any], port: Port, batch: str | None) -> int:
    """Rows that a tensor says it has, before its data is looked at; 0 where it has no batch axis, or not a right shape."""
    shape = tensor.get("shape")
    if batch not in port.shape or not isinstance(shape, list) or len(shape) != len(port.shape):
        return 0
    rows = shape[port.shape.index(batch)]
    return rows if type(rows) is int else 0


def _check_datatype(datatype: Any, port: Port) -> None:
    wanted = DATATYPES[port.dtype]
    if datatype != wanted:
        reason = _UNSERVED.get(datatype) if isinstance(datatype, str) else None
        raise ProtocolError(
            f"Input {port.name!r} has datatype {shorten(datatype)}{f' ({reason})' if reason else ''}; send {wanted}."
        )


def _shape(tensor: Mapping[str, Any], port: Port) -> tuple[int, ...]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ProtocolError(
            f"Input {port.name!r} has the shape {shorten(shape)}; send {describe(port)}, sizes of 0 or more."
        )
    if len(shape) != len(port.shape):
        raise ProtocolError(f"Input {port.name!r} has shape {shorten(shape)}; send {describe(port)}.")
    return tuple(shape)


def _from_json(data: Any, shape: tuple[int, ...], port: Port) -> np.ndarray:
    numbers = _flatten(data, shape, port)
    kinds = set(map(type, numbers))
    wanted = _FLOATS if port.is_float else {bool} if port.dtype == "bool" else {int}
    if not kinds <= wanted:
        found = ", ".join(sorted(kind_of(next(x for x in numbers if type(x) is kind)) for kind in kinds - wanted))
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
        raise ProtocolError(f"The data of input {port.name!r} is {kind_of(data)}; send a list of numbers.")
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
