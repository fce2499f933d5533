"""What must not change an answer: asking twice, company in the batch, padding, one long step instead of short ones, and
another order where order means nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.compare import distance, shortfalls
from export.entries import differences, float_entries
from export.inputs import Case, draw
from zoo.entries import split_rows
from zoo.session import Session
from zoo.spec import Arrays, Graph, Port

PADDING_STEPS = (1, 5)
INCREMENTS = (2, 3)  # steps of two calls that together equal one
Bounds = dict[tuple[str, str], float]  # by output and kind of input


def check_invariances(
    graph: Graph, session: Session, cases: list[Case], bounds: Bounds, rng: np.random.Generator
) -> list[str]:
    """Sentences for every invariance that does not hold: repeated = first, alone = in a batch, padded = unpadded, and
    reordered = reordered."""
    broken: list[str] = []
    for kind in dict.fromkeys(case.kind for case in cases):
        mine = [case for case in cases if case.kind == kind]
        case = max(mine, key=lambda each: each.extent if graph.batch is None else each.rows)
        try:
            broken += _check_kind(graph, session, case, bounds, rng)
        except Exception as error:  # sizes that no case had: ONNX Runtime raises a type of its own for every status
            broken.append(f"{kind}: the graph does not run at other sizes ({_reason(error)})")
    try:
        return broken + _check_increments(graph, session, bounds, rng)
    except Exception as error:
        return [*broken, f"the graph does not run in increments ({_reason(error)})"]


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _check_kind(graph: Graph, session: Session, case: Case, bounds: Bounds, rng: np.random.Generator) -> list[str]:
    broken = []
    first = session.run(case.inputs)
    again = session.run(case.inputs)
    for port in graph.outputs:
        if not np.array_equal(first[port.name], again[port.name], equal_nan=port.is_float):
            broken.append(f"{case.kind}: output {port.name!r} differs between two equal calls")
    broken += _check_labels(graph, case.kind, first, bounds)
    broken += _check_order(graph, session, case, first, bounds, rng)
    if graph.batch is not None:
        if graph.axis(graph.batch).low <= 1:
            broken += _check_alone(graph, session, case, first, bounds)
        broken += _check_padding(graph, session, case, first, bounds, rng)
    return broken


def _check_labels(graph: Graph, kind: str, outputs: Arrays, bounds: Bounds) -> list[str]:
    """A label must be the largest of the scores that the same call gave, unless two scores tie."""
    broken = []
    for port in graph.outputs:
        if port.argmax_of is not None:
            behind = shortfalls(outputs[port.argmax_of], outputs[port.name])
            if (behind > bounds[port.argmax_of, kind]).any():
                row = int(np.argmax(behind))
                broken.append(f"{kind}: output {port.name!r} is not the largest of {port.argmax_of!r} in row {row}")
    return broken


def _check_order(
    graph: Graph, session: Session, case: Case, first: Arrays, bounds: Bounds, rng: np.random.Generator
) -> list[str]:
    """Along every axis without an order another one, indices into it renumbered: the answer in that order, else the same."""
    broken = []
    for axis in (graph.axis(name) for name in graph.free_axes):
        if not axis.unordered:
            continue
        order = rng.permutation(case.sizes[axis.name])
        found = session.run({port.name: _reorder(port, case.inputs[port.name], axis.name, order) for port in graph.inputs})
        for port in graph.outputs:
            if port.is_float:
                error = distance(found[port.name], _reorder(port, first[port.name], axis.name, order))
                bound = bounds[port.name, case.kind]
                if not error <= bound:
                    broken.append(
                        f"{case.kind}: another order along {axis.name!r} changes output {port.name!r} by {error:.3g}, "
                        f"bound {bound:.3g}"
                    )
    return broken


def _reorder(port: Port, array: np.ndarray, axis: str, order: np.ndarray) -> np.ndarray:
    """The array with entry `order[k]` of the axis at place k; indices point at what they pointed at before."""
    for place, size in enumerate(port.shape):
        if size == axis:
            array = np.take(array, order, axis=place)
    if port.role == "index" and port.axis == axis:
        return np.argsort(order)[array].astype(array.dtype)
    return array


def _check_increments(graph: Graph, session: Session, bounds: Bounds, rng: np.random.Generator) -> list[str]:
    """One long call against two shorter ones with the state handed on, along every incremental axis."""
    broken = []
    for axis in (graph.axis(name) for name in graph.free_axes):
        if not axis.incremental:
            continue
        sizes = {name: graph.axis(name).low for name in graph.free_axes}
        steps = INCREMENTS[0] + INCREMENTS[1]
        whole = _step(graph, draw(graph, {**sizes, axis.name: steps}, rng), axis.name, 0, steps)
        whole.update({name: np.zeros_like(whole[name]) for name in graph.successors})
        expected = session.run(whole)
        first = session.run(_step(graph, whole, axis.name, 0, INCREMENTS[0]))
        state = {name: first[output] for name, output in graph.successors.items()}
        second = session.run({**_step(graph, whole, axis.name, INCREMENTS[0], steps), **state})
        for port in graph.outputs:
            found = second[port.name]
            if axis.name in port.shape:
                found = np.concatenate([first[port.name], found], axis=port.shape.index(axis.name))
            bound = bounds.get((port.name, "drawn"), 0.0)
            if not distance(found, expected[port.name]) <= bound:
                broken.append(
                    f"one call of {steps} steps along {axis.name!r} differs from {INCREMENTS[0]} and {INCREMENTS[1]} steps: "
                    f"output {port.name!r} by {distance(found, expected[port.name]):.3g}, bound {bound:.3g}"
                )
    return broken


def _step(graph: Graph, inputs: Arrays, axis: str, start: int, stop: int) -> Arrays:
    """The steps from `start` to `stop` along an axis, all of them valid."""
    part = {}
    for port in graph.inputs:
        array = inputs[port.name]
        if port.axis == axis and port.role == "length":
            array = np.full_like(array, stop - start)
        elif axis in port.shape:
            array = np.take(array, range(start, stop), axis=port.shape.index(axis))
        part[port.name] = array
    return part


def _check_alone(graph: Graph, session: Session, case: Case, together: Arrays, bounds: Bounds) -> list[str]:
    """Rows of a batch, each run alone, against the same rows of the whole."""
    broken = []
    rows = case.rows
    for row in {0, rows // 2, rows - 1}:
        inputs = {name: array[row : row + 1] for name, array in case.inputs.items()}
        alone, own = session.run(inputs), split_rows(graph, together, [row, 1])[1]
        what = f"row {row} alone differs from the same row in a batch of {rows}"
        broken += _compare_rows(graph, case, alone, own, bounds, what)
        broken += _compare_entries(graph, session, case.kind, inputs, alone, own, bounds, what)
    return broken


def _check_padding(
    graph: Graph,
    session: Session,
    case: Case,
    plain: Arrays,
    bounds: Bounds,
    rng: np.random.Generator,
) -> list[str]:
    """The padded axes made longer, and everything beyond each row's length replaced by drawn values."""
    broken: list[str] = []
    for axis in (graph.axis(name) for name in graph.free_axes):
        if not axis.padded:
            continue
        size = case.sizes[axis.name]
        for steps in PADDING_STEPS:
            longer = size if axis.high is not None and size + steps > axis.high else size + steps
            padded = _pad(graph, case, axis.name, longer, rng)
            what = f"other padding along {axis.name!r}, {size} to {longer} steps, changes the answer"
            found = _valid_part(graph, case, axis.name, session.run(padded), plain)
            broken += _compare_rows(graph, case, found, plain, bounds, what)
            broken += _compare_entries(graph, session, case.kind, case.inputs, found, plain, bounds, what)
    return broken


def _pad(graph: Graph, case: Case, axis: str, longer: int, rng: np.random.Generator) -> Arrays:
    """The case with the axis made longer: where it was valid its own values, elsewhere drawn ones, in masks false."""
    lengths = _lengths(graph, case, axis)
    other = draw(graph, {**case.sizes, axis: longer}, rng)
    padded = {}
    for port in graph.inputs:
        array = case.inputs[port.name]
        if axis not in port.shape:
            padded[port.name] = array
            continue
        along = port.shape.index(axis)
        filled = np.full_like(other[port.name], 0 if port.low is None else port.low)
        filled = filled if port.role == "mask" else other[port.name].copy()
        for row, count in enumerate(lengths):
            valid: list[Any] = [row if along else slice(None), *[slice(None)] * (filled.ndim - 1)]
            valid[along] = slice(0, int(count))
            filled[tuple(valid)] = array[tuple(valid)]
        padded[port.name] = filled
    return padded


def _lengths(graph: Graph, case: Case, axis: str) -> np.ndarray:
    """Valid steps of each row: those that a port of role length counts; all of the axis where a mask says it."""
    counted = [case.inputs[port.name] for port in graph.inputs if port.axis == axis and port.role == "length"]
    return counted[0] if counted else np.full(case.rows, case.sizes[axis])


def _valid_part(graph: Graph, case: Case, axis: str, found: Arrays, plain: Arrays) -> Arrays:
    """The outputs cut to the size they had; what lies beyond a length or behind a mask is taken for right."""
    beyond = np.arange(case.sizes[axis]) >= _lengths(graph, case, axis)[:, None]
    for port in graph.inputs:
        if port.role == "mask" and port.shape == (graph.batch, axis):
            beyond |= case.inputs[port.name] <= (port.low or 0)
    part = dict(found)
    for port in graph.outputs:
        if axis in port.shape[1:]:
            along = port.shape.index(axis)
            cut = np.take(found[port.name], range(case.sizes[axis]), axis=along)
            shape = [size if place in (0, along) else 1 for place, size in enumerate(cut.shape)]
            part[port.name] = np.where(beyond.reshape(shape), plain[port.name], cut)
    return part


def _compare_rows(graph: Graph, case: Case, found: Arrays, expected: Arrays, bounds: Bounds, what: str) -> list[str]:
    broken = []
    for port in graph.outputs:
        if port.is_float and port.shape[:1] == (graph.batch,):
            error, bound = distance(found[port.name], expected[port.name]), bounds[port.name, case.kind]
            if not error <= bound:
                broken.append(f"{case.kind}: {what}: output {port.name!r} by {error:.3g}, bound {bound:.3g}")
    return broken


def _compare_entries(
    graph: Graph, session: Session, kind: str, inputs: Arrays, found: Arrays, expected: Arrays, bounds: Bounds, what: str
) -> list[str]:
    own = {name: bounds[name, kind] for name in float_entries(graph)}
    return [f"{kind}: {what}: {sentence}" for sentence in differences(graph, inputs, found, expected, session.run, own)]
