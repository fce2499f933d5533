"""Runs that are fed their own results, and their beginnings: no farther than rounding lets them be compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.spec import Arrays, Axis, Graph


def free_run(graph: Graph) -> Axis | None:
    """The axis that counts the steps of a graph's run; None of one without."""
    return next((axis for axis in graph.axes if axis.free_run), None)


def beginning(graph: Graph, arrays: Mapping[str, np.ndarray], steps: int) -> Arrays:
    """The first `steps` of every array of this graph's ports that has the run's axis; others as they are."""
    axis, shorter = free_run(graph), dict(arrays)
    for port in (*graph.inputs, *graph.outputs):
        if axis is not None and port.name in arrays and axis.name in port.shape:
            along = port.shape.index(axis.name)
            shorter[port.name] = np.take(arrays[port.name], range(min(steps, arrays[port.name].shape[along])), axis=along)
    return shorter


def comparable(
    graph: Graph, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], steps: int | None
) -> tuple[Arrays, Arrays]:
    """A call and its answer as far as `steps` of a free run: what only a whole run comes to is left out of a shorter one."""
    axis = free_run(graph)
    if axis is None or steps is None:
        return dict(inputs), dict(outputs)
    run = next(port for port in graph.inputs if axis.name in port.shape)
    whole = inputs[run.name].shape[run.shape.index(axis.name)] <= steps
    kept = {port.name for port in graph.outputs if whole or axis.name in port.shape}
    shorter = beginning(graph, outputs, steps)
    return beginning(graph, inputs, steps), {name: shorter[name] for name in outputs if name in kept}
