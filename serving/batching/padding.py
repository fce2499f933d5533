"""Filling up requests along a graph's padded axes, so that different sizes may share an execution.

An axis may be filled up where the graph says so and one of its inputs tells the graph what is valid: a port of role
length that counts the axis, or a port of role mask that has it. What is filled in is never read, yet stays within the
port's range; a mask is filled with "not valid". Outputs that have the axis are cut back to each request's own size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.spec import Graph, Port

Sizes = tuple[int, ...]


class Padding:
    """Which axes of a graph may be filled up, and where they are in its ports."""

    def __init__(self, graph: Graph) -> None:
        self.axes = tuple(axis for axis in graph.free_axes if axis != graph.batch and _may_be_padded(graph, axis))
        ports = (*graph.inputs, *graph.outputs)
        self._positions = {
            port.name: tuple((which, port.shape.index(axis)) for which, axis in enumerate(self.axes) if axis in port.shape)
            for port in ports
        }
        self._fill = {port.name: _fill(port) for port in graph.inputs}

    def sizes(self, sizes: Mapping[str, int]) -> Sizes:
        return tuple(sizes[axis] for axis in self.axes)

    def concatenate(self, name: str, arrays: Sequence[np.ndarray], axis: int, widest: Sizes) -> np.ndarray:
        """The arrays of input `name` behind one another along `axis`, each filled up to the sizes `widest`."""
        if not self._positions[name]:
            return np.concatenate(arrays, axis=axis)
        shape = list(arrays[0].shape)
        shape[axis] = sum(array.shape[axis] for array in arrays)
        for which, position in self._positions[name]:
            shape[position] = widest[which]
        joined = np.full(shape, self._fill[name], arrays[0].dtype)
        start = 0
        for array in arrays:
            place = [slice(size) for size in array.shape]
            place[axis] = slice(start, start + array.shape[axis])
            joined[tuple(place)] = array
            start += array.shape[axis]
        return joined

    def trim(self, name: str, array: np.ndarray, own: Sizes) -> np.ndarray:
        """The part of output `name` that a request with sizes `own` would have got alone."""
        place = [slice(None)] * array.ndim
        for which, position in self._positions[name]:
            place[position] = slice(own[which])
        return array[tuple(place)]

    def fits(self, name: str, array: np.ndarray, widest: Sizes) -> bool:
        """Whether an output of the graph has the sizes that went in."""
        return all(array.shape[position] == widest[which] for which, position in self._positions[name])


def widest(sizes: Sequence[Sizes]) -> Sizes:
    return tuple(map(max, *sizes)) if len(sizes) > 1 else sizes[0]


def _may_be_padded(graph: Graph, axis: str) -> bool:
    return graph.axis(axis).padded and any(
        port.axis == axis or (port.role == "mask" and axis in port.shape) for port in graph.inputs
    )


def _fill(port: Port) -> float:
    if port.role == "mask":
        return 0
    return min(max(0, -np.inf if port.low is None else port.low), np.inf if port.high is None else port.high)
