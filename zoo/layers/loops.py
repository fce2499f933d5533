"""Loops whose number of steps the data decide, as one operator in a graph and as plain Python elsewhere.

Families write their loops with these two functions. Under the exporter they are torch's own higher-order operators, which
become Loop and Scan; otherwise Python runs the body, so that a loop can be trained through, computes in any precision and
can be watched: within `watching()` every loop that runs is recorded, and `given` stand in for the loops' results. That is
how an exported loop is proven one step at a time, from the states that the original itself went through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Body = Callable[..., Tensors]


@dataclass(frozen=True, eq=False)
class Step:
    """What went into one step: the carried state, and the slices that a scan takes of its inputs."""

    state: Tensors
    slices: Tensors = ()


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop as it ran: its inputs, every step's, and `results`, the last state and then what a scan stacked.

    `body` maps a step's state and slices to the next state and one slice of every stacked result; `condition`, of a
    `while_loop`, says of a state whether another step follows.
    """

    body: Body
    condition: Callable[..., Tensor] | None
    state: Tensors
    inputs: Tensors
    steps: list[Step] = field(default_factory=list)
    results: Tensors = ()


@dataclass(eq=False)
class Watch:
    """Loops in the order in which they ran; the results of the first `given` are taken and their bodies left out."""

    given: Sequence[Tensors] = ()
    loops: list[Loop] = field(default_factory=list)


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(given: Sequence[Tensors] = ()) -> Iterator[Watch]:
    """Record the loops that run in this block, in order; `given[k]` are the results of the k-th in place of its steps'."""
    watch = Watch(given)
    token = _WATCH.set(watch)
    try:
        yield watch
    finally:
        _WATCH.reset(token)


def while_loop(condition: Callable[..., Tensor], body: Body, state: Tensors) -> Tensors:
    """The state after `body` while `condition` is true of it; both take the state's tensors one by one.

    A step must keep every tensor's shape and dtype.
    """
    if torch.compiler.is_exporting():
        from torch._higher_order_ops.while_loop import while_loop as operator

        return tuple(operator(condition, lambda *before: _apart(body(*before)), _apart(state)))
    return _run(Loop(body, condition, state, ()))


def scan(body: Body, state: Tensors, inputs: Tensors) -> tuple[Tensors, Tensors]:
    """The state after a step for each slice of `inputs` along their first axis, and what the steps gave, stacked.

    `body` takes the state's tensors and then a slice of each input; it gives the next state and then the slices that are
    stacked. A step must keep the shape and dtype of the state.
    """
    count = len(state)
    if torch.compiler.is_exporting():
        from torch._higher_order_ops.scan import scan as operator

        def combine(before: Tensors, slices: Tensors) -> tuple[Tensors, Tensors]:
            after = _apart(body(*before, *slices))
            return after[:count], after[count:]

        last, stacked = operator(combine, _apart(state), inputs)
        return tuple(last), tuple(stacked)
    results = _run(Loop(body, None, state, inputs))
    return results[:count], results[count:]


def _run(loop: Loop) -> Tensors:
    watch = _WATCH.get()
    if watch is None:
        return _iterate(loop, None)
    watch.loops.append(loop)
    number = len(watch.loops) - 1
    results = watch.given[number] if number < len(watch.given) else _iterate(loop, loop.steps)
    object.__setattr__(loop, "results", results)
    return results


def _iterate(loop: Loop, steps: list[Step] | None) -> Tensors:
    state, stacked = loop.state, []
    for slices in _slices(loop):
        if loop.condition is not None and not bool(loop.condition(*state)):
            break
        if steps is not None:
            steps.append(Step(state, slices))
        after = loop.body(*state, *slices)
        state = tuple(after[: len(state)])
        stacked.append(after[len(state) :])
    return (*state, *(torch.stack(column) for column in zip(*stacked, strict=True)))


def _slices(loop: Loop) -> Iterator[Tensors]:
    if loop.condition is None:
        yield from zip(*(tensor.unbind(0) for tensor in loop.inputs), strict=True)
    while loop.condition is not None:
        yield ()


def _apart(tensors: Tensors) -> Tensors:
    """The operators refuse a result that is an input or strided otherwise: copies, which the exporter drops again."""
    return tuple(tensor.clone(memory_format=torch.contiguous_format) for tensor in tensors)
