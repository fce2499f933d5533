"""Outputs whose size depends on the data: entries, each of which belongs to a row of the batch (detections, say).

An output of role index along the batch says to which row each entry of its first axis belongs; all outputs with that first
axis are made of the same entries. Where rows are put together the index is shifted, where they are taken apart it says
which entries go where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.spec import Arrays, Graph


def entry_outputs(graph: Graph) -> dict[str, str]:
    """Outputs that are made of entries, each with the name of the output that says whose they are."""
    indices = {
        port.shape[0]: port.name
        for port in graph.outputs
        if port.role == "index" and port.axis == graph.batch and port.shape and port.shape[0] not in graph.free_axes
    }
    return {port.name: indices[port.shape[0]] for port in graph.outputs if port.shape and port.shape[0] in indices}


def join_rows(graph: Graph, parts: Sequence[Mapping[str, np.ndarray]], rows: Sequence[int]) -> Arrays:
    """The outputs of calls of so many `rows` each as those of one call with all rows, in order."""
    entries = entry_outputs(graph)
    starts = np.cumsum([0, *rows[:-1]])
    joined = {}
    for port in graph.outputs:
        arrays = [part[port.name] for part in parts]
        if entries.get(port.name) == port.name:
            arrays = [array + array.dtype.type(start) for array, start in zip(arrays, starts, strict=True)]
        axis = 0 if port.name in entries else _batch_axis(graph, port.shape)
        joined[port.name] = np.concatenate(arrays, axis=axis)
    return joined


def split_rows(graph: Graph, outputs: Mapping[str, np.ndarray], rows: Sequence[int]) -> list[Arrays]:
    """The outputs of one call as those of calls with the first so many rows, the next, and so on."""
    entries = entry_outputs(graph)
    ends = np.cumsum(rows)
    return [
        {
            port.name: _part(outputs, entries, port.name, end - count, end, _batch_axis(graph, port.shape))
            for port in graph.outputs
        }
        for end, count in zip(ends, rows, strict=True)
    ]


def _part(
    outputs: Mapping[str, np.ndarray], entries: Mapping[str, str], name: str, start: int, end: int, axis: int
) -> np.ndarray:
    array = outputs[name]
    if name not in entries:
        return array[(slice(None),) * axis + (slice(start, end),)]
    index = outputs[entries[name]]
    own = array[(index >= start) & (index < end)]
    return own - own.dtype.type(start) if entries[name] == name else own


def _batch_axis(graph: Graph, shape: Sequence[int | str]) -> int:
    return shape.index(graph.batch) if graph.batch is not None and graph.batch in shape else 0
