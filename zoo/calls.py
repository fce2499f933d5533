"""Graph calls as values: what a codec or a metric wants computed, without saying where.

A codec's answer may take several calls (encode, then decode; one step after another). It is written once as a generator
that yields calls and is sent their outputs; prediction drives it with a session, validation with the original, and
the service, which awaits batches, with `drive_async`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from zoo.spec import Arrays

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call:
    """Run the graph of this name on these arrays."""

    graph: str
    inputs: Arrays


Plan = Generator[Call, Arrays, Answer]


def drive(plan: Plan[Answer], run: Callable[[str, Arrays], Arrays]) -> Answer:
    """The plan's answer, every call answered by `run(graph, inputs)`."""
    try:
        call = next(plan)
        while True:
            call = plan.send(run(call.graph, call.inputs))
    except StopIteration as stop:
        return stop.value


async def drive_async(plan: Plan[Answer], run: Callable[[str, Arrays], Awaitable[Arrays]]) -> Answer:
    """The plan's answer, every call answered by awaiting `run(graph, inputs)`."""
    try:
        call = next(plan)
        while True:
            call = plan.send(await run(call.graph, call.inputs))
    except StopIteration as stop:
        return stop.value
