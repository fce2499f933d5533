"""Inputs that chance would miss: every id of a vocabulary, and masks, lengths and indices in all patterns that matter.

A drawn set holds few of five thousand ids, a mask drawn bit by bit is never all true, nor a prefix, and drawn edges hardly
ever all end in one node. So:

- every id of an integer port with at most `MAX_IDS` of them occurs at least once, in a place that masks and lengths leave
  valid (`drawn` cases: they share that floor);
- masks are all true, all false where the original then still gives numbers, true in one place, alternating, a prefix and a
  suffix; lengths are 1, all of the axis, and each in between while there are at most 64 (`masks` cases);
- indices point all at the first, all at the last, one after the other, and alike along all but the last axis, as the edges
  from nodes to themselves do (`indices` cases, `masks` where a graph has those too);
- thousands of indices point at one place (`crowd` cases): threads that scatter a sum there must lose nothing of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from export.inputs import MIN_ROWS, Case, axis_sizes, can_point, draw, reach, shape_of, within
from zoo.spec import Arrays, Graph, Port

MAX_IDS = 10_000
ROWS = 64  # of one call
CROWD = 65_536  # indices of one call: ONNX Runtime shares out less than some thousand sums to no second thread
CROWD_CALLS = 5
CROWD_ROWS = 13

Pattern = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]


def every_id(graph: Graph, rng: np.random.Generator) -> list[Case]:
    """Drawn cases that together hold every id of every integer port with a small enough range; none without one."""
    ports = [port for port in graph.inputs if 0 < num_ids(port) <= MAX_IDS]
    if not ports:
        return []
    sizes = {name: 1 if name == graph.batch else axis_sizes(graph, name)[-1] for name in graph.free_axes}
    rows = max(math.ceil(num_ids(port) / math.prod(shape_of(port, sizes))) for port in ports)
    calls = rows if graph.batch is None else math.ceil(rows / within(graph, ROWS))
    if graph.batch is not None:
        sizes[graph.batch] = within(graph, math.ceil(rows / calls))
    ids = {port.name: _laid_out(port, sizes, calls, rng) for port in ports}
    return [
        Case("drawn", {**_all_valid(graph, draw(graph, sizes, rng)), **{name: parts[number] for name, parts in ids.items()}},
             sizes)
        for number in range(calls)
    ]  # fmt: skip


def num_ids(port: Port) -> int:
    """How many values an integer port may take; 0 for other ports and where no range is declared."""
    if port.is_float or port.dtype == "bool" or port.axis is not None or port.low is None or port.high is None:
        return 0
    return int(port.high) - int(port.low) + 1


def patterned(graph: Graph, ref64: Callable[[Graph, Arrays], Arrays], rng: np.random.Generator) -> list[Case]:
    """Cases of masks, lengths and indices in every pattern, two ports in every combination; none where a graph has none."""
    ports = [port for port in graph.inputs if _is_mask(port) or port.axis is not None]
    if not ports:
        return []
    combinations = list(_combinations(ports))
    least = math.ceil(MIN_ROWS / (2 * len(combinations)))
    cases = [case for chosen in combinations for case in _pattern_cases(graph, ports, chosen, least, rng)]
    usable = [case for case in cases if not _is_empty(ports, case) or _has_numbers(graph, ref64(graph, case.inputs))]
    return usable + [case for port in ports if port.role == "index" for case in _crowds(graph, port, rng)]


def _crowds(graph: Graph, port: Port, rng: np.random.Generator) -> Iterator[Case]:
    """Calls with as many indices as the axes allow, all of which point at one place."""
    sizes = {name: axis_sizes(graph, name)[-1] for name in graph.free_axes}
    if graph.batch is not None:
        sizes[graph.batch] = within(graph, CROWD_ROWS)
    along = next(
        (axis for axis in reversed(port.shape) if isinstance(axis, str) and axis not in (graph.batch, port.axis)), None
    )
    if along is not None:
        others = math.prod(shape_of(port, {**sizes, along: 1}))
        high = graph.axis(along).high
        sizes[along] = min(CROWD // others, CROWD if high is None else high)
    for _ in range(CROWD_CALLS):
        inputs = _all_valid(graph, draw(graph, sizes, rng))
        low, high = reach(port, sizes)
        yield Case(
            "crowd", {**inputs, port.name: np.full_like(inputs[port.name], rng.integers(low, high, endpoint=True))}, sizes
        )


def _combinations(ports: list[Port]) -> Iterator[tuple[int, ...]]:
    """Numbers of patterns, one a port; of more than two ports, every pair with the first."""
    count = max(len(_patterns(port)) for port in ports)
    for first, shift in itertools.product(range(count), range(count if len(ports) > 1 else 1)):
        yield tuple((first + place * shift) % len(_patterns(port)) for place, port in enumerate(ports))


def _pattern_cases(
    graph: Graph, ports: list[Port], chosen: tuple[int, ...], least: int, rng: np.random.Generator
) -> Iterator[Case]:
    """At the smallest and at the largest sizes, `least` rows each or as many as the longest axis has steps."""
    kind = "indices" if all(port.role == "index" for port in ports) else "masks"
    for end in (0, -1):
        sizes = {name: axis_sizes(graph, name)[end] for name in graph.free_axes}
        longest = max((sizes[port.axis] for port in ports if port.axis is not None), default=0)
        if not can_point(graph, sizes):
            continue
        if graph.batch is not None:
            sizes[graph.batch] = within(graph, min(ROWS, max(3, least, longest)))
        for _ in range(math.ceil(least / sizes[graph.batch]) if graph.batch is not None else least):
            inputs = draw(graph, sizes, rng)
            for port, number in zip(ports, chosen, strict=True):
                array = _patterns(port)[number](shape_of(port, sizes), rng)
                inputs[port.name] = _as_values(port, array, sizes)
            yield Case(kind, inputs, sizes)


def _is_mask(port: Port) -> bool:
    return port.role == "mask" or port.dtype == "bool"


def _as_values(port: Port, pattern: np.ndarray, sizes: dict[str, int]) -> np.ndarray:
    """Of a mask, its values for false and true; of a length or an index, places from the shares that the pattern holds."""
    if port.axis is not None:
        first, last = reach(port, sizes)
        return (first + np.round(pattern * (last - first))).astype(port.dtype)
    low, high = (0 if port.low is None else port.low), (1 if port.high is None else port.high)
    return np.where(pattern, high, low).astype(port.dtype)


def _patterns(port: Port) -> tuple[Pattern, ...]:
    if port.role == "index":
        return INDICES
    return MASKS if port.axis is None else LENGTHS


def _one_place(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return np.arange(shape[-1]) == rng.integers(0, shape[-1], size=(*shape[:-1], 1))


def _alternating(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return np.broadcast_to(np.arange(shape[-1]) % 2 == 0, shape)


def _prefix(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return np.arange(shape[-1]) < rng.integers(1, shape[-1], size=(*shape[:-1], 1), endpoint=True)


def _suffix(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return _prefix(shape, rng)[..., ::-1]


MASKS: tuple[Pattern, ...] = (
    lambda shape, rng: np.ones(shape, dtype=bool),
    lambda shape, rng: np.zeros(shape, dtype=bool),
    _one_place,
    _alternating,
    _prefix,
    _suffix,
)
LENGTHS: tuple[Pattern, ...] = (
    lambda shape, rng: np.ones(shape),
    lambda shape, rng: np.zeros(shape),
    lambda shape, rng: np.linspace(0, 1, math.prod(shape)).reshape(shape),
)
INDICES: tuple[Pattern, ...] = (
    lambda shape, rng: np.zeros(shape),
    lambda shape, rng: np.ones(shape),
    lambda shape, rng: np.broadcast_to(np.linspace(0, 1, shape[-1]), shape),
    lambda shape, rng: np.broadcast_to(rng.random(shape[-1]), shape),
)


def _is_empty(ports: list[Port], case: Case) -> bool:
    return any(_is_mask(port) and not _nonzero(port, case.inputs[port.name]).any() for port in ports)


def _nonzero(port: Port, array: np.ndarray) -> np.ndarray:
    return array != (0 if port.low is None else port.low)


def _has_numbers(graph: Graph, outputs: Arrays) -> bool:
    return all(bool(np.isfinite(outputs[port.name]).all()) for port in graph.outputs if port.is_float)


def _laid_out(port: Port, sizes: dict[str, int], calls: int, rng: np.random.Generator) -> np.ndarray:
    """Every id once in random order, and again until `calls` arrays are full: (calls, *shape)."""
    ids = rng.permutation(np.arange(int(port.low or 0), int(port.high or 0) + 1))
    return np.resize(ids, (calls, *shape_of(port, sizes))).astype(port.dtype)


def _all_valid(graph: Graph, inputs: Arrays) -> Arrays:
    """The inputs with full lengths and masks all true."""
    for port in graph.inputs:
        array = inputs[port.name]
        if port.role == "length":
            along = next(other for other in graph.inputs if port.axis in other.shape)
            inputs[port.name] = np.full_like(array, inputs[along.name].shape[along.shape.index(port.axis)])
        elif _is_mask(port):
            inputs[port.name] = np.full_like(array, 1 if port.high is None else port.high)
    return inputs
