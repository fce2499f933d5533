"""Golden samples: what a service is checked with, and what every example of a model is."""

from __future__ import annotations

import numpy as np

from export.compare import FACTOR, ulp32
from export.entries import align, float_entries, wavering
from zoo.entries import entry_outputs
from zoo.errors import ExportError
from zoo.original import Original
from zoo.run import graph_inputs, take_rows
from zoo.spec import Arrays, Graph

ROWS = 32
BYTES = 8_000_000  # of port arrays, before they are packed
DRAWS = 4  # of noise, besides those that find how large it may be


def golden(original: Original, samples: Arrays) -> Arrays:
    """At most `ROWS` samples of the test split, evenly spread, with the outputs of the original in float64.

    Output arrays are named `<graph>/<port>`, like the inputs. Samples are fewer where they are large, and none of them is
    one whose answer is a tie: another machine's rounding may rightly give another one.
    """
    count = len(samples["targets"])
    rows = np.unique(np.linspace(0, count - 1, min(ROWS, max(1, BYTES // _row_bytes(original, samples)))).astype(int))
    whole = [f"{graph.name}/{port.name}" for graph in original.graphs if graph.batch is None for port in graph.inputs]
    chosen = take_rows(samples, rows, whole)
    for graph in original.graphs:
        if entry_outputs(graph):
            chosen = take_rows(chosen, np.flatnonzero(_steady(original, graph, _inputs(graph, chosen))))
    original.cast("float64")
    for graph in original.graphs:
        outputs = original.call(graph, _inputs(graph, chosen), "float64")
        chosen.update({f"{graph.name}/{name}": array for name, array in outputs.items()})
    original.cast("float32")
    return chosen


def _inputs(graph: Graph, samples: Arrays) -> Arrays:
    inputs = graph_inputs(samples, graph)
    if len(inputs) != len(graph.inputs):
        raise ExportError(f"The run has no samples for graph {graph.name!r}; let its recipe extend them.")
    return inputs


def _row_bytes(original: Original, samples: Arrays) -> int:
    """Of the inputs of all graphs that are batched by rows."""
    batched = [array for graph in original.graphs if graph.batch for array in _inputs(graph, samples).values()]
    return max(1, sum(array.nbytes // max(1, len(array)) for array in batched))


def _steady(original: Original, graph: Graph, inputs: Arrays) -> np.ndarray:
    """Rows whose entries hold under noise that moves the outputs no farther than float32 may, or where there is none, under
    the rounding of float32 itself."""
    single = original.cast("float32").call(graph, inputs)
    original.cast("float64")
    double = original.call(graph, inputs, "float64")
    rows = len(next(iter(inputs.values())))
    both = align(graph, single, double, rows)
    bounds = {name: FACTOR * _floor(both.found[name], both.expected[name]) for name in float_entries(graph)}
    alike = ~np.isin(np.arange(rows), both.apart)
    others = wavering(lambda moved: original.call(graph, moved, "float64"), graph, inputs, bounds, draws=DRAWS)
    steady = alike & np.array([not of_row for of_row in others])
    original.cast("float32")
    if not alike.any():
        raise ExportError(f"Graph {graph.name!r}: every golden sample is a tie of the original; train it further.")
    return steady if steady.any() else alike


def _floor(single: np.ndarray, double: np.ndarray) -> float:
    moved = np.abs(single.astype(np.float64) - double).max(initial=0.0)
    return max(float(moved), ulp32(float(np.abs(double).max(initial=0.0))))
