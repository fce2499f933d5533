"""Inputs that a graph is proven on: real samples and drawn ones, at every combination of odd sizes.

A case is one call. Cases of one kind share a floor, which is taken over all their rows:

- `real`: samples of the test split;
- `drawn`: each port over its range, by its role;
- `limits`: every number at the low end, the high end or zero, and rows that are all of one; lengths 1 or all;
- `tiny`: drawn, each row scaled down by up to a million;
- `large`: drawn, scaled up beyond the range;
- `masks`, `indices`, `crowd`: masks, lengths and indices in all patterns, where a graph has them (`export.patterns`);
- `chained`: calls in sequence, where a graph has state: each takes the state that the reference gave in the last one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import ParityError
from zoo.spec import Arrays, Graph, Port

BATCHES = (1, 2, 3, 7, 16)
ODD_SIZES = (1, 3, 7)
MIN_ROWS = 64  # rows that a floor is taken over, at least
REAL_ROWS = 256  # real rows that are compared, at most
EXTREME_BATCHES = (1, 7, 64)
TINY = 1e-6
LARGE = 100.0
CHAINED_STEPS = 8
NATURAL_KINDS = ("real", "drawn", "chained")  # the reference must have numbers on these


@dataclass(frozen=True)
class Case:
    kind: str
    inputs: Arrays
    sizes: dict[str, int]

    @property
    def rows(self) -> int:
        """Length of the first axis of the first input; 1 of a scalar."""
        return num_rows(next(iter(self.inputs.values())))

    @property
    def extent(self) -> tuple[int, int]:
        """Rows, then numbers that go in: of two cases of one kind the larger says more."""
        return self.rows, sum(array.size for array in self.inputs.values())

    @property
    def label(self) -> str:
        return ", ".join(f"{name} {size}" for name, size in self.sizes.items()) or "whole input"


def num_rows(array: np.ndarray) -> int:
    """Length of the first axis; 1 of a scalar."""
    return len(array) if array.ndim else 1


def make_cases(graph: Graph, samples: Arrays, rng: np.random.Generator) -> list[Case]:
    """Real cases from `samples` (port arrays of this graph, may be no arrays) and drawn ones.

    Raises ParityError for arrays without a row.
    """
    cases = [Case("drawn", inputs, graph.check(inputs)) for inputs in _drawn(graph, rng)]
    cases += [Case(kind, inputs, graph.check(inputs)) for kind, inputs in _extreme(graph, rng)]
    if samples and graph.batch is not None and min(map(num_rows, samples.values())) == 0:
        raise ParityError(f"Graph {graph.name!r}: the samples hold no row; train or fetch the model again.")
    if samples and graph.batch is not None:
        cases += [Case("real", inputs, graph.check(inputs)) for inputs in _real(graph, samples, rng)]
    elif samples:
        cases.append(Case("real", samples, graph.check(samples)))
    return cases


def draw(graph: Graph, sizes: dict[str, int], rng: np.random.Generator) -> Arrays:
    """One call's inputs of these sizes, each port over its range by its role."""
    return {port.name: np.asarray(_draw_port(port, sizes, rng)) for port in graph.inputs}


def lattice(graph: Graph) -> Iterator[dict[str, int]]:
    """Sizes of the free axes: the batches by every combination of the other axes' odd sizes and bounds."""
    choices = [batches(graph, BATCHES) if name == graph.batch else axis_sizes(graph, name) for name in graph.free_axes]
    for chosen in itertools.product(*choices):
        sizes = dict(zip(graph.free_axes, chosen, strict=True))
        if can_point(graph, sizes):
            yield sizes


def can_point(graph: Graph, sizes: dict[str, int]) -> bool:
    """Whether every index of a call of these sizes has something to point at."""
    pointing = (port for port in graph.inputs if port.role == "index" and port.axis is not None and not sizes[port.axis])
    return not any(all(shape_of(port, sizes)) for port in pointing)


def few_cases(cases: list[Case], key: Callable[[Case], Any] = lambda case: case.rows) -> list[Case]:
    """The largest cases of each kind, or those first by `key`, until they have `MIN_ROWS` rows."""
    chosen, rows = [], dict.fromkeys((case.kind for case in cases), 0)
    for case in sorted(cases, key=key, reverse=True):
        if rows[case.kind] < MIN_ROWS:
            chosen.append(case)
            rows[case.kind] += case.rows
    return chosen


def chained(graph: Graph, ref64: Callable[[Graph, Arrays], Arrays], rng: np.random.Generator) -> list[Case]:
    """Calls in sequence from a state of zeros; none where no output feeds a state."""
    if not graph.successors:
        return []
    sizes = {
        name: batches(graph, BATCHES)[-1] if name == graph.batch else axis_sizes(graph, name)[0] for name in graph.free_axes
    }
    dtypes = {port.name: port.dtype for port in graph.inputs}
    inputs = draw(graph, sizes, rng)
    state = {name: np.zeros_like(inputs[name]) for name in graph.successors}
    cases = []
    for _ in range(CHAINED_STEPS):
        inputs = {**draw(graph, sizes, rng), **state}
        cases.append(Case("chained", inputs, sizes))
        outputs = ref64(graph, inputs)
        state = {name: outputs[output].astype(dtypes[name]) for name, output in graph.successors.items()}
    return cases


def beyond(graph: Graph, rng: np.random.Generator) -> Iterator[tuple[str, Arrays]]:
    """Inputs that are one past what is declared, which the port check must refuse, and what it would let in.

    Of every axis with a maximum one that is longer, of every length and index one below the first and one above the last.
    """
    smallest = {name: axis_sizes(graph, name)[0] for name in graph.free_axes}
    for name in graph.free_axes:
        high = graph.axis(name).high
        if high is not None:
            yield f"axis {name!r} grow past its declared maximum", draw(graph, {**smallest, name: high + 1}, rng)
    for port in graph.inputs:
        if port.axis is not None:
            sizes = {name: max(1, size) for name, size in smallest.items()}
            low, high = reach(port, sizes)
            for value in (low - 1, high + 1):
                inputs = draw(graph, sizes, rng)
                past = np.full_like(inputs[port.name], value)
                yield (
                    f"input {port.name!r} hold {value} where {low} to {high} are in axis {port.axis!r}",
                    {**inputs, port.name: past},
                )


def reach(port: Port, sizes: dict[str, int]) -> tuple[int, int]:
    """First and last value of a length or an index at these sizes of the axes."""
    size = sizes[port.axis or ""]
    return (0, size - 1) if port.role == "index" else (1, size)


def shape_of(port: Port, sizes: dict[str, int]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else sizes[size] for size in port.shape)


def batches(graph: Graph, usual: tuple[int, ...]) -> tuple[int, ...]:
    """The usual sizes of the batch that its declared bounds allow, and these bounds, ascending; 1 without a batch."""
    if graph.batch is None:
        return (1,)
    axis = graph.axis(graph.batch)
    high = axis.high if axis.high is not None else usual[-1]
    inside = [size for size in usual if axis.low <= size <= max(high, axis.low)]
    return tuple(sorted({*inside, max(axis.low, min(usual[0], high)), max(high, axis.low)}))


def within(graph: Graph, rows: int) -> int:
    """The number of rows nearest to `rows` that the batch's declared bounds allow."""
    axis = graph.axis(graph.batch or "")
    return max(axis.low, rows if axis.high is None else min(rows, axis.high))


def axis_sizes(graph: Graph, name: str) -> tuple[int, ...]:
    """Sizes of an axis that cases are made at, ascending: its bounds, and odd sizes between them."""
    axis = graph.axis(name)
    high = axis.high if axis.high is not None else 17
    inside = [size for size in ODD_SIZES if axis.low <= size <= high]
    return tuple(sorted({axis.low, *inside, high}))


def _drawn(graph: Graph, rng: np.random.Generator) -> Iterator[Arrays]:
    rows = 0
    for sizes in lattice(graph):
        rows += sizes.get(graph.batch, 1) if graph.batch else 1
        yield draw(graph, sizes, rng)
    while rows < MIN_ROWS:
        largest = batches(graph, BATCHES)[-1]
        sizes = {name: largest if name == graph.batch else axis_sizes(graph, name)[-1] for name in graph.free_axes}
        rows += largest if graph.batch else 1
        yield draw(graph, sizes, rng)


def _extreme(graph: Graph, rng: np.random.Generator) -> Iterator[tuple[str, Arrays]]:
    """Limits, tiny and large inputs at the smallest and the largest size of the other axes."""
    for batch in _extreme_batches(graph):
        for end in (0, -1):
            sizes = {name: batch if name == graph.batch else axis_sizes(graph, name)[end] for name in graph.free_axes}
            for kind in ("limits", "tiny", "large"):
                plain = draw(graph, sizes, rng)
                extreme = {port.name: _to_extreme(kind, port, plain[port.name], sizes, rng) for port in graph.inputs}
                yield kind, {name: np.asarray(array) for name, array in extreme.items()}


def _extreme_batches(graph: Graph) -> tuple[int, ...]:
    """Together at least `MIN_ROWS` rows, also where the declared maximum is small; without a batch at both ends together."""
    if graph.batch is None:
        return (1,) * (MIN_ROWS // 2)
    chosen = batches(graph, EXTREME_BATCHES)
    missing = max(0, MIN_ROWS - sum(chosen))
    return (*chosen, *[chosen[-1]] * -(-missing // max(1, chosen[-1])))


def _to_extreme(kind: str, port: Port, array: np.ndarray, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    if kind == "limits":
        low, high = reach(port, sizes) if port.axis is not None else (port.low, port.high)
        return _at_limits(array, low, high, rng) if low is not None and high is not None else array
    if not port.is_float:
        return array
    if kind == "large":
        return (array * LARGE).astype(port.dtype)
    scale = TINY ** rng.random((len(array), *[1] * (array.ndim - 1))) if array.ndim else TINY
    return (array * scale).astype(port.dtype)


def _at_limits(array: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """Low, high or zero (where it is between them) for every number; the first rows are all low, all high and all zero."""
    values = [low, high, 0] if low <= 0 <= high and low != 0 else [low, high]
    chosen = rng.choice(np.array(values), size=array.shape)
    for row, value in enumerate(values[: len(chosen)] if chosen.ndim else []):
        chosen[row] = value
    return chosen.astype(array.dtype)


def _draw_port(port: Port, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    shape = shape_of(port, sizes)
    if port.axis is not None:
        first, last = reach(port, sizes)
        return rng.integers(first, max(first, last), size=shape, endpoint=True).astype(port.dtype)
    if port.dtype == "bool":
        return rng.random(shape) < 0.5
    low, high = port.low, port.high
    if not port.is_float:
        return rng.integers(int(low or 0), int(1 if high is None else high), size=shape, endpoint=True).astype(port.dtype)
    if low is None or high is None or (port.role == "noise" and low < 0):
        return rng.standard_normal(shape).astype(port.dtype)
    return rng.uniform(low, high, size=shape).astype(port.dtype)


def _real(graph: Graph, samples: Arrays, rng: np.random.Generator) -> Iterator[Arrays]:
    """Real rows at every batch size, then all of them; too few are filled up by blends of two."""
    count = len(next(iter(samples.values())))
    if count > REAL_ROWS:
        rows = rng.choice(count, REAL_ROWS, replace=False)
        samples, count = {name: array[rows] for name, array in samples.items()}, REAL_ROWS
    if count < MIN_ROWS:
        samples = _blend(graph, samples, MIN_ROWS - count, rng)
    count = len(next(iter(samples.values())))
    sizes = batches(graph, BATCHES)
    for batch in sizes:
        rows = rng.choice(count, batch, replace=batch > count)
        yield {name: array[rows] for name, array in samples.items()}
    high = graph.axis(graph.batch or "").high
    step = min(count, sizes[-1]) if high is not None and high < count else count
    for start in range(0, count - step + 1, max(1, step)):
        yield {name: array[start : start + step] for name, array in samples.items()}


def _blend(graph: Graph, samples: Arrays, rows: int, rng: np.random.Generator) -> Arrays:
    """The samples, and means of random pairs of them; integer ports keep the first one's value."""
    count = len(next(iter(samples.values())))
    first, second = rng.integers(0, count, size=(2, rows))
    blended = {}
    for port in graph.inputs:
        array = samples[port.name]
        mixed = (array[first] + array[second]) / 2 if port.is_float else array[first]
        blended[port.name] = np.concatenate([array, mixed.astype(port.dtype)])
    return blended
