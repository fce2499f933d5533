"""Comparing outputs whose size depends on the data (`zoo.entries`): row by row, where the rows agree on what is there.

Whether a detection is kept, and whether it comes before another one, are decisions. Where found and reference decide alike
in a row, its entries are compared like other outputs. Where they do not, the decision must be a tie: noise on the row's
inputs that moves its outputs about as far as the bound must make the reference decide otherwise too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from export.channels import MAX_FLOAT32
from zoo.entries import entry_outputs, join_rows, split_rows
from zoo.spec import Arrays, Graph

JUMP = 1e-3  # of an output's largest value: an entry that is farther off is another entry
COMPARED = 2  # a decision compares two values, each of which may be off by its bound
DRAWS = 32  # of noise as large as it may be
CHUNK = 16  # rows whose noise is computed together
MAX_ULPS = 2**20  # of noise: a sixteenth of the largest input


@dataclass(frozen=True)
class Alignment:
    """Outputs without the rows that differ in their entries, `apart`; `owners` is the row of each entry that is left.

    `answers` counts the reference's entries, and one for each row without any: that nothing is there is an answer too.
    """

    found: Arrays
    expected: Arrays
    owners: np.ndarray
    apart: list[int]
    answers: int


@dataclass(frozen=True)
class Judged:
    """One call's entries as far as found and expected agree; `ties` is how many of the others the reference wavers on.

    `wrong` has a sentence for each row that differs without one.
    """

    alignment: Alignment
    ties: int
    wrong: list[str]


def judge(
    graph: Graph,
    inputs: Arrays,
    found: Arrays,
    expected: Arrays,
    run: Callable[[Arrays], Arrays],
    bounds: Mapping[str, float],
    *,
    strict: bool = False,
) -> Judged:
    """The entries of one call; `run` gives what is expected of other inputs, `bounds` are those of the float outputs.

    `strict` asks of a tie that the noise makes every single entry come or go that differs.
    """
    rows = _num_rows(graph, inputs)
    problem = fault(graph, found, rows)
    if problem:
        return Judged(align(graph, expected, expected, rows), 0, [problem])
    alignment, ties, wrong = align(graph, found, expected, rows), 0, []
    for start in range(0, len(alignment.apart), CHUNK):
        chunk = alignment.apart[start : start + CHUNK]
        others = wavering(run, graph, rows_of(graph, inputs, chunk), bounds, thorough=strict)
        for row, others_of_row in zip(chunk, others, strict=True):
            own, right = (split_rows(graph, outputs, [row, 1])[1] for outputs in (found, expected))
            if others_of_row and (not strict or _explained(graph, own, right, others_of_row)):
                ties += changes(graph, own, right)
            else:
                wrong.append(f"row {row} differs in {changes(graph, own, right)} entries")
        left = len(alignment.apart) - start - len(chunk)
        if wrong and left:  # the verdict stands
            wrong.append(f"{left} more rows differ")
            break
    return Judged(alignment, ties, wrong)


def differences(
    graph: Graph,
    inputs: Arrays,
    found: Arrays,
    expected: Arrays,
    run: Callable[[Arrays], Arrays],
    bounds: Mapping[str, float],
) -> list[str]:
    """The same as sentences; none where all is well, and for a graph without entries."""
    if not entry_outputs(graph):
        return []
    judged = judge(graph, inputs, found, expected, run, bounds)
    off = {
        name: float(
            np.abs(judged.alignment.found[name].astype(np.float64) - judged.alignment.expected[name]).max(initial=0.0)
        )
        for name in bounds
    }
    far = [f"output {name!r} by {off[name]:.3g}, bound {bound:.3g}" for name, bound in bounds.items() if off[name] > bound]
    return judged.wrong + far


def float_entries(graph: Graph) -> list[str]:
    """Names of the float outputs that are made of entries."""
    entries = entry_outputs(graph)
    return [port.name for port in graph.outputs if port.is_float and port.name in entries]


def fault(graph: Graph, outputs: Mapping[str, np.ndarray], rows: int) -> str:
    """What is wrong with the entries of a call of so many rows, before they are compared; '' where nothing is."""
    for name, index in entry_outputs(graph).items():
        if len(outputs[name]) != len(outputs[index]):
            return f"{len(outputs[name])} entries in {name!r}, {len(outputs[index])} in {index!r}"
        if index == name and len(outputs[index]) and not 0 <= outputs[index].min() <= outputs[index].max() < rows:
            return f"{name!r} points at rows {outputs[index].min()} to {outputs[index].max()} of {rows}"
    return ""


def align(graph: Graph, found: Arrays, expected: Arrays, rows: int) -> Alignment:
    """Outputs without `fault` of the same call, found and expected, as far as they agree."""
    pairs = list(zip(split_rows(graph, found, [1] * rows), split_rows(graph, expected, [1] * rows), strict=True))
    scales = {name: JUMP * float(np.abs(expected[name]).max(initial=0)) for name in entry_outputs(graph)}
    agreeing = [row for row, (own, right) in enumerate(pairs) if _agree(graph, own, right, scales)]
    nothing = [(split_rows(graph, found, [0])[0], split_rows(graph, expected, [0])[0])]
    kept, sizes = ([pairs[row] for row in agreeing], [1] * len(agreeing)) if agreeing else (nothing, [0])
    joined = [join_rows(graph, [pair[side] for pair in kept], sizes) for side in (0, 1)]
    counts = [_entries(graph, right) for _, right in pairs]
    owners = np.repeat(agreeing, [counts[row] for row in agreeing]).astype(int)
    apart = sorted(set(range(rows)) - set(agreeing))
    return Alignment(joined[0], joined[1], owners, apart, sum(max(1, count) for count in counts))


def changes(graph: Graph, found: Arrays, expected: Arrays) -> int:
    """How many entries of one row differ, at least 1: those that only one of the two has."""
    same = _same(graph, found, expected)
    return max(1, int((~same.any(axis=0)).sum()), int((~same.any(axis=1)).sum()))


def wavering(
    run: Callable[[Arrays], Arrays],
    graph: Graph,
    inputs: Arrays,
    bounds: Mapping[str, float],
    *,
    thorough: bool = False,
    draws: int = DRAWS,
) -> list[list[Arrays]]:
    """For each row, the other entries that it has under noise which moves the median one by `COMPARED` bounds or less.

    The noise of a row doubles from one float32 ulp on for as long as that holds, then is drawn some more times: until other
    entries were seen once, or with `thorough` all the same. It is the median that counts: those that a decision is about
    move less than the one that moves most.
    """
    rows = _num_rows(graph, inputs)
    seen: list[list[Arrays]] = [[] for _ in range(rows)]
    ulps, growing = np.ones(rows), np.ones(rows, dtype=bool)
    if not rows:
        return seen
    rng, still = np.random.default_rng(0), run(inputs)
    while growing.any() and ulps.max() <= MAX_ULPS:
        noisy = run(_noisy(graph, inputs, ulps, rng))
        apart, moved = _moved(graph, noisy, still, bounds, rows)
        _note(graph, noisy, apart & growing, seen)
        growing &= ~apart & (moved <= COMPARED)
        ulps = np.where(growing, 2 * ulps, ulps)
    for _ in range(draws):
        left = np.array([row for row in range(rows) if thorough or not seen[row]], dtype=int)
        if not len(left):
            break
        noisy = run(_noisy(graph, rows_of(graph, inputs, left.tolist()), np.maximum(1, ulps[left] / 2), rng))
        apart, _ = _moved(graph, noisy, _taken(graph, still, left, rows), bounds, len(left))
        _note(graph, noisy, apart, [seen[row] for row in left])
    return seen


def _note(graph: Graph, outputs: Arrays, rows: np.ndarray, seen: Sequence[list[Arrays]]) -> None:
    parts = split_rows(graph, outputs, [1] * len(rows)) if rows.any() else []
    for row in np.flatnonzero(rows).tolist():
        seen[row].append(parts[row])


def _explained(graph: Graph, found: Arrays, expected: Arrays, others: Sequence[Arrays]) -> bool:
    """Whether what found has beyond the expected is in one of the others, and what it lacks is lacking in one."""
    same = _same(graph, found, expected)
    more, less = ~same.any(axis=1), ~same.any(axis=0)
    for other in others:
        more &= ~_same(graph, found, other).any(axis=1)
        less &= _same(graph, expected, other).any(axis=1)
    return not (more.any() or less.any())


def _same(graph: Graph, found: Arrays, expected: Arrays) -> np.ndarray:
    """Which entries are the same, (found, expected)."""
    same = np.ones((_entries(graph, found), _entries(graph, expected)), dtype=bool)
    for name in entry_outputs(graph):
        scale = JUMP * float(np.abs(expected[name]).max(initial=0))
        apart = np.abs(found[name].astype(np.float64)[:, None] - expected[name][None])
        same &= (apart <= scale).all(axis=tuple(range(2, apart.ndim)))
    return same


def rows_of(graph: Graph, inputs: Arrays, rows: Sequence[int]) -> Arrays:
    """The inputs of some rows."""
    chosen = np.asarray(rows, dtype=int)
    return {name: array[chosen] if _has_rows(graph, name) else array for name, array in inputs.items()}


def _taken(graph: Graph, outputs: Arrays, chosen: np.ndarray, rows: int) -> Arrays:
    """The outputs of some of the rows of a call."""
    parts = split_rows(graph, outputs, [1] * rows)
    return join_rows(graph, [parts[row] for row in chosen], [1] * len(chosen))


def _moved(
    graph: Graph, found: Arrays, still: Arrays, bounds: Mapping[str, float], rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose entries changed, and how far the median entry of the others moved, in bounds."""
    alignment = align(graph, found, still, rows)
    moved = np.zeros(rows)
    for name, bound in bounds.items():
        off = np.abs(alignment.found[name].astype(np.float64) - alignment.expected[name])
        off = off.max(axis=tuple(range(1, off.ndim)), initial=0.0) / max(bound, np.finfo(float).tiny)
        for row in np.unique(alignment.owners):
            moved[row] = max(moved[row], np.median(off[alignment.owners == row]))
    return np.isin(np.arange(rows), alignment.apart), moved


def _agree(graph: Graph, found: Arrays, expected: Arrays, scales: Mapping[str, float]) -> bool:
    for name, scale in scales.items():
        own, right = found[name], expected[name]
        if own.shape != right.shape:
            return False
        if own.dtype.kind == "f":
            if not np.all((own == right) | (np.abs(own.astype(np.float64) - right) <= scale)):
                return False
        elif not np.array_equal(own, right):
            return False
    return True


def _entries(graph: Graph, outputs: Arrays) -> int:
    return len(outputs[next(iter(entry_outputs(graph)))])


def _has_rows(graph: Graph, name: str) -> bool:
    return any(port.name == name and port.shape[:1] == (graph.batch,) for port in graph.inputs)


def _num_rows(graph: Graph, inputs: Arrays) -> int:
    return next(len(inputs[port.name]) for port in graph.inputs if port.shape[:1] == (graph.batch,))


def _noisy(graph: Graph, inputs: Arrays, ulps: np.ndarray, rng: np.random.Generator) -> Arrays:
    """Every float of a row moved by up to so many ulps either way, of the largest number that the port may hold or holds."""
    noisy = dict(inputs)
    for port in graph.inputs:
        if port.is_float and _has_rows(graph, port.name):
            array = inputs[port.name]
            largest = max(
                float(np.abs(array).max(initial=0.0)), *(abs(end) for end in (port.low, port.high) if end is not None)
            )
            step = np.spacing(np.float32(min(largest, MAX_FLOAT32))) * ulps.reshape(-1, *[1] * (array.ndim - 1))
            noisy[port.name] = (array + rng.uniform(-1, 1, array.shape) * step).astype(array.dtype)
    return noisy
