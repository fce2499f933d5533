"""What a model is made of: ports, graphs and families.

A graph is a pure function with named ports: noise, previous state and step counters come in through ports, so that
equal inputs give equal outputs. An axis of a port's shape is a number when it is fixed and a name when it is free;
the same name is the same size in all ports of one call. A name that occurs in outputs only is a size that depends
on the data (detections that are kept, say).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from zoo.errors import PortError, SpecError

Role = Literal["data", "noise", "state", "mask", "length", "index", "parameter"]
Kind = Literal["torch", "estimator"]
Arrays = dict[str, np.ndarray]
Raws = np.ndarray | Sequence[np.ndarray]  # one item a raw input: a single array, or a list where their lengths differ

DTYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")
_DTYPES = {name: np.dtype(name) for name in DTYPES}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Bounds of a free axis, both inclusive; `high` None is unbounded.

    `padded` says that rows may be filled up along this axis: a port of role length or mask says what is valid, and the
    answer does not depend on the rest. `incremental` says that one long call along it equals shorter ones in sequence,
    the state handed on (a key-value cache, say). `unordered` says that the order along it means nothing: with the inputs in
    another order, and indices into it renumbered, the outputs are the same in that order (nodes and edges of a graph, say).
    `free_run` says that it counts the steps of a run that is fed its own results: a shorter run is the beginning of a longer
    one, and rounding may grow along it.
    """

    name: str
    low: int = 1
    high: int | None = None
    padded: bool = False
    incremental: bool = False
    unordered: bool = False
    free_run: bool = False

    def __post_init__(self) -> None:
        if self.low < 0 or (self.high is not None and self.high < self.low):
            raise SpecError(f"Axis {self.name!r} runs from {self.low} to {self.high}; give 0 <= low <= high.")


@dataclass(frozen=True, kw_only=True)
class Port:
    """A named input or output of a graph.

    `low` and `high` are the range of meaningful values: float inputs are drawn from it and may leave it, integer inputs
    may not. A port of role length counts the valid steps of `axis`, one of role index points into it, from 0; an output
    that points into the batch says which row each entry of its first axis belongs to. `argmax_of` names the output whose
    largest entry along the last axis this label is; `feeds` the state input that takes this output in the next call.
    Noise is N(0, 1), or uniform over its range where that begins at 0.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    doc: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    role: Role = "data"
    axis: str | None = None
    argmax_of: str | None = None
    feeds: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise SpecError(f"Port {self.name!r} has dtype {self.dtype!r}; choose one of {', '.join(DTYPES)}.")
        if self.role not in get_args(Role):
            raise SpecError(f"Port {self.name!r} has role {self.role!r}; choose one of {', '.join(get_args(Role))}.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise SpecError(f"Port {self.name!r} has the empty range {self.low} to {self.high}; swap them.")
        if (self.role in ("length", "index")) != (self.axis is not None):
            raise SpecError(f"Port {self.name!r}: `axis` belongs to the roles length and index, and they need it.")

    @property
    def is_float(self) -> bool:
        return self.dtype.startswith("float")


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One ONNX file of a model.

    `methods` are the original's methods that compute the outputs: one that returns all of them in order, or one for
    each output. `batch` is the axis along which rows are independent of one another and may be put together; None
    where the whole input is one case (the nodes of one graph, say).
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    name: str = "predict"
    methods: tuple[str, ...] = ("forward",)
    axes: tuple[Axis, ...] = ()
    batch: str | None = "batch"

    def __post_init__(self) -> None:
        names = [port.name for port in (*self.inputs, *self.outputs)]
        if len(set(names)) != len(names):
            raise SpecError(f"Graph {self.name!r} names a port twice: {', '.join(names)}.")
        if len(self.methods) not in (1, len(self.outputs)):
            raise SpecError(f"Graph {self.name!r} has {len(self.outputs)} outputs; name one method or one each.")
        if self.batch is not None and not any(self.batch in port.shape[:1] for port in self.inputs):
            raise SpecError(f"Graph {self.name!r} batches along {self.batch!r}, the first axis of no input.")
        for axis in self.axes:
            if axis.name not in self.free_axes:
                raise SpecError(f"Graph {self.name!r} bounds the axis {axis.name!r}, which no input has.")
        for port in self.inputs:
            if port.axis is not None and port.axis not in self.free_axes:
                raise SpecError(f"Port {port.name!r} is about the axis {port.axis!r}, which no input has.")
        for port in self.outputs:
            if port.argmax_of is not None and port.argmax_of not in [other.name for other in self.outputs]:
                raise SpecError(f"Port {port.name!r} is the argmax of {port.argmax_of!r}, which is no output.")
            if port.feeds is not None and port.feeds not in [other.name for other in self.inputs if other.role == "state"]:
                raise SpecError(f"Port {port.name!r} feeds {port.feeds!r}, which is no input of role state.")

    @property
    def file(self) -> str:
        return f"{self.name}.onnx"

    def variant_file(self, variant: str = "") -> str:
        """`predict.onnx`, or `predict.int8.onnx` of a variant."""
        return f"{self.name}.{variant}.onnx" if variant else self.file

    @property
    def successors(self) -> dict[str, str]:
        """The output that each state input takes its next value from."""
        return {port.feeds: port.name for port in self.outputs if port.feeds is not None}

    @property
    def free_axes(self) -> tuple[str, ...]:
        """Names of the free axes of the inputs, in order of appearance."""
        return tuple(dict.fromkeys(size for port in self.inputs for size in port.shape if isinstance(size, str)))

    def axis(self, name: str) -> Axis:
        """Bounds of a free axis; 1 and up where nothing is declared."""
        return next((axis for axis in self.axes if axis.name == name), Axis(name=name))

    @cached_property
    def _states(self) -> list[Port]:
        return [port for port in self.inputs if port.role == "state"]

    @cached_property
    def _bounds(self) -> dict[str, Axis]:
        return {name: self.axis(name) for name in self.free_axes}  # looked up for every request

    def complete(self, inputs: Arrays) -> Arrays:
        """`inputs` with zeros for every state that they leave out: before its first call a graph remembers nothing.

        A free axis that no other input has is as short as it may be.
        """
        absent = [port for port in self._states if port.name not in inputs]
        if not absent:
            return inputs
        shapes = [(port.shape, inputs[port.name].shape) for port in self.inputs if port.name in inputs]
        sizes = {name: size for shape, found in shapes for name, size in zip(shape, found, strict=False)}

        def size(axis: int | str) -> int:
            return axis if isinstance(axis, int) else sizes.get(axis, self._bounds[axis].low)

        return {
            **inputs,
            **{port.name: np.zeros([size(axis) for axis in port.shape], _DTYPES[port.dtype]) for port in absent},
        }

    def check(self, inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
        """Size of every free axis of one call, or why `inputs` may not enter the graph.

        Raises PortError for a missing or unknown name, a wrong dtype, rank or size, NaN or infinity, an integer out
        of range, and a length or an index beyond its axis.
        """
        declared = [port.name for port in self.inputs]
        for name in inputs:
            if name not in declared:
                raise PortError(f"Graph {self.name!r} has no input {name!r}; its inputs are {', '.join(declared)}.")
        sizes: dict[str, int] = {}
        for port in self.inputs:
            if port.name not in inputs:
                raise PortError(f"Input {port.name!r} of graph {self.name!r} is missing; send {describe(port)}.")
            self._check_array(port, inputs[port.name], sizes)
        for port in self.inputs:
            if port.axis is not None:
                _check_axis(port, inputs[port.name], sizes[port.axis])
        return sizes

    def _check_array(self, port: Port, array: np.ndarray, sizes: dict[str, int]) -> None:
        if array.dtype != _DTYPES[port.dtype]:
            raise PortError(f"Input {port.name!r} has dtype {array.dtype.name}; send {describe(port)}.")
        if array.ndim != len(port.shape):
            raise PortError(f"Input {port.name!r} has shape {list(array.shape)}; send {describe(port)}.")
        for size, expected in zip(array.shape, port.shape, strict=True):
            if isinstance(expected, int):
                if size != expected:
                    raise PortError(f"Input {port.name!r} has shape {list(array.shape)}; send {describe(port)}.")
                continue
            axis = self._bounds[expected]
            if size < axis.low or (axis.high is not None and size > axis.high):
                bounds = f"{axis.low} or more" if axis.high is None else f"{axis.low} to {axis.high}"
                raise PortError(f"Axis {expected!r} of input {port.name!r} has size {size}; it may be {bounds}.")
            if sizes.setdefault(expected, size) != size:
                raise PortError(
                    f"Axis {expected!r} has size {size} in input {port.name!r} and {sizes[expected]} in another input; "
                    "send equal sizes."
                )
        _check_values(port, array)


def _check_values(port: Port, array: np.ndarray) -> None:
    if port.is_float:
        if not np.isfinite(array).all():
            raise PortError(f"Input {port.name!r} holds NaN or infinity; send finite numbers.")
    elif port.dtype != "bool" and array.size:
        smallest, largest = int(array.min()), int(array.max())
        if (port.low is not None and smallest < port.low) or (port.high is not None and largest > port.high):
            raise PortError(
                f"Input {port.name!r} holds values from {smallest} to {largest}; it may hold "
                f"{'any' if port.low is None else port.low} to {'any' if port.high is None else port.high}."
            )


def _check_axis(port: Port, array: np.ndarray, size: int) -> None:
    low, high, plural = (1, size, "lengths") if port.role == "length" else (0, size - 1, "indices")
    if array.size and (int(array.min()) < low or int(array.max()) > high):
        raise PortError(
            f"Input {port.name!r} holds {plural} from {array.min()} to {array.max()}; "
            f"axis {port.axis!r} has {size} steps, so send {low} to {high}."
        )


def describe(port: Port) -> str:
    """`float32 [batch, 784]`."""
    return f"{port.dtype} [{', '.join(map(str, port.shape))}]"


@dataclass(frozen=True, kw_only=True)
class Family:
    """An architecture: how an original is built from a configuration and which graphs are views of it.

    `tiny` is the configuration that contract tests use. `trusted` are the types, beyond the defaults of skops, that the
    checkpoint of an estimator may hold; `inspect` raises ValueError where a loaded estimator of such types is malformed.
    """

    task: str
    config: type
    build: Callable[[Any], Any]
    graphs: Callable[[Any], tuple[Graph, ...]]
    tiny: Any
    paper: str
    kind: Kind = "torch"
    trusted: tuple[str, ...] = ()
    inspect: Callable[[Any], None] | None = None


def graph_to_json(graph: Graph) -> dict[str, Any]:
    return asdict(graph)


def graph_from_json(data: Mapping[str, Any]) -> Graph:
    """The inverse of `graph_to_json` after a round trip through JSON. Raises SpecError when a field is missing."""
    try:
        ports = {
            side: tuple(Port(**{**port, "shape": tuple(port["shape"])}) for port in data[side])
            for side in ("inputs", "outputs")
        }
        axes = tuple(Axis(**axis) for axis in data["axes"])
        return Graph(**{**data, **ports, "axes": axes, "methods": tuple(data["methods"])})
    except (KeyError, TypeError) as error:
        raise SpecError(f"A graph's description is malformed ({error}); export the model again.") from error
