"""Inputs that a graph is proven on: real samples and drawn ones, at every combination of odd sizes.

A case is one call. Cases of one kind (`real`, `drawn`) share a floor, which is taken over all their rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.spec import Arrays, Graph, Port

BATCHES = (1, 2, 3, 7, 16)
ODD_SIZES = (1, 3, 7)
MIN_ROWS = 64  # rows that a floor is taken over, at least
REAL_ROWS = 256  # real rows that are compared, at most


@dataclass(frozen=True)
class Case:
    kind: str
    inputs: Arrays
    sizes: dict[str, int]

    @property
    def rows(self) -> int:
        """Length of the first axis of the first input."""
        return len(next(iter(self.inputs.values())))

    @property
    def label(self) -> str:
        return ", ".join(f"{name} {size}" for name, size in self.sizes.items()) or "whole input"


def make_cases(graph: Graph, samples: Arrays, rng: np.random.Generator) -> list[Case]:
    """Real cases from `samples` (port arrays of this graph, may be empty) and drawn ones."""
    cases = [Case("drawn", inputs, graph.check(inputs)) for inputs in _drawn(graph, rng)]
    if samples and graph.batch is not None:
        cases += [Case("real", inputs, graph.check(inputs)) for inputs in _real(graph, samples, rng)]
    elif samples:
        cases.append(Case("real", samples, graph.check(samples)))
    return cases


def draw(graph: Graph, sizes: dict[str, int], rng: np.random.Generator) -> Arrays:
    """One call's inputs of these sizes, each port over its range by its role."""
    return {port.name: _draw_port(port, sizes, rng) for port in graph.inputs}


def lattice(graph: Graph) -> Iterator[dict[str, int]]:
    """Sizes of the free axes: the batches by every combination of the other axes' odd sizes and bounds."""
    choices = [BATCHES if name == graph.batch else _axis_sizes(graph, name) for name in graph.free_axes]
    for sizes in itertools.product(*choices):
        yield dict(zip(graph.free_axes, sizes, strict=True))


def _axis_sizes(graph: Graph, name: str) -> tuple[int, ...]:
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
        sizes = {name: BATCHES[-1] if name == graph.batch else _axis_sizes(graph, name)[-1] for name in graph.free_axes}
        rows += BATCHES[-1] if graph.batch else 1
        yield draw(graph, sizes, rng)


def _draw_port(port: Port, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray:
    shape = [size if isinstance(size, int) else sizes[size] for size in port.shape]
    if port.axis is not None:
        return rng.integers(1, sizes[port.axis], size=shape, endpoint=True).astype(port.dtype)
    if port.dtype == "bool":
        return rng.random(shape) < 0.5
    low, high = port.low, port.high
    if not port.is_float:
        return rng.integers(int(low or 0), int(1 if high is None else high), size=shape, endpoint=True).astype(port.dtype)
    if low is None or high is None or port.role == "noise":
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
    for batch in BATCHES:
        rows = rng.choice(len(next(iter(samples.values()))), batch, replace=False)
        yield {name: array[rows] for name, array in samples.items()}
    yield samples


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
