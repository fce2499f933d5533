"""What a batcher keeps to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Rows in one execution, how long a request may wait for others, rows that may queue, executions at once.

    Of generations `max_slots` go on at the same time and `max_waiting` wait for a slot.
    """

    max_rows: int = 32
    max_delay_ms: float = 1.0
    max_queue_rows: int = 1024
    max_in_flight: int = 2
    max_slots: int = 32
    max_waiting: int = 256


class Backlog(Protocol):
    """What the batchers of one graph in several processes know of one another, so that they keep one limit together."""

    def others(self) -> int:
        """Rows that queue for this graph in the other processes."""

    def publish(self, rows: int) -> None:
        """Tell the others that so many rows queue here."""


class Alone:
    """The backlog of a graph that one process serves."""

    def others(self) -> int:
        return 0

    def publish(self, rows: int) -> None:
        pass
