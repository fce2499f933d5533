"""Graph calls as values: what a codec or a metric wants computed, without saying where.

A codec's answer may take several calls (encode, then decode; one step after another). It is written once as a generator
that yields calls and is sent their outputs; prediction drives it with a session, validation with the original, and
the service, which awaits batches, with `drive_async`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from zoo.entries import join_rows
from zoo.spec import Arrays, Graph

if TYPE_CHECKING:
    from zoo.model import Model

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call:
    """Run the graph of this name on these arrays; `model` names another published model that has it.

    States that `inputs` leave out are zero (`Graph.complete`).
    """

    graph: str
    inputs: Arrays
    model: str = ""


Plan = Generator[Call, Arrays, Answer]


def drive(plan: Plan[Answer], run: Callable[[str, Arrays], Arrays]) -> Answer:
    """The plan's answer, every call answered by `run(graph, inputs)`."""
    try:
        call = next(plan)
        while True:
            call = plan.send(_elsewhere(call) if call.model else run(call.graph, call.inputs))
    except StopIteration as stop:
        return stop.value


async def drive_async(plan: Plan[Answer], run: Callable[[str, Arrays], Awaitable[Arrays]]) -> Answer:
    """The plan's answer, every call answered by awaiting `run(graph, inputs)`."""
    try:
        call = next(plan)
        while True:
            call = plan.send(_elsewhere(call) if call.model else await run(call.graph, call.inputs))
    except StopIteration as stop:
        return stop.value


def in_parts(graph: Graph, inputs: Mapping[str, np.ndarray], rows: int, run: Callable[[Arrays], Arrays]) -> Arrays:
    """`run`'s outputs for all rows of `inputs`, computed `rows` at a time; at once where rows depend on one another."""
    if graph.batch is None:
        return run(dict(inputs))
    total = len(next(iter(inputs.values())))
    starts = range(0, total, rows)
    parts = [run({name: array[start : start + rows] for name, array in inputs.items()}) for start in starts]
    return join_rows(graph, parts, [min(rows, total - start) for start in starts])


def _elsewhere(call: Call) -> Arrays:
    """A metric's judge is a published model, on the CPU."""
    return _judge(call.model).run(call.graph, call.inputs)


@cache
def _judge(model: str) -> Model:
    import zoo

    return zoo.load(model, threads=1)
