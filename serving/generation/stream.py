"""What the generations of one request give, as it comes."""

from __future__ import annotations

import asyncio
from functools import partial

from serving.generation.engine import Engine
from serving.generation.steps import Event, Seat
from zoo.generation import Generation, Piece


class Stream:
    """Some generations, each in a seat of its engine until it ends or the stream is closed."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._seats: list[tuple[Engine, Seat]] = []
        self._added = 0
        self._running = 0

    def add(self, engine: Engine, generation: Generation) -> None:
        """Start a generation; those of a stream count from 0. Raises what `Engine.submit` raises."""
        seat = engine.submit(generation, partial(self._note, self._added))
        self._added += 1
        self._running += 1
        if seat is not None:
            self._seats.append((engine, seat))

    async def next(self) -> list[tuple[int, Piece]]:
        """The pieces that came since the last time, at least one, each with its generation; none when all have ended.

        Raises the error that ended a generation.
        """
        found: list[tuple[int, Piece]] = []
        while self._running and not (found and self._events.empty()):
            index, event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            if event is None:
                self._running -= 1
            else:
                found += [(index, piece) for piece in event]
        return found

    def read(self) -> list[int]:
        """Steps that were computed for the first piece of each generation: the tokens of its prompt, where it has one."""
        return [seat.read for _, seat in self._seats]

    def close(self) -> None:
        """Give up what has not ended."""
        for engine, seat in self._seats:
            engine.leave(seat)

    def _note(self, index: int, event: Event) -> None:
        self._events.put_nowait((index, event))
