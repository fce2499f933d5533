"""How the workers of a service talk: JSON lines over Unix sockets in the private folder that they share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import orjson

from serving.errors import UnservableError
from serving.processes.state import State

LINE_BYTES = 2**24
YOUNG_SECONDS = 5.0  # a socket that refuses may be about to listen
_GONE = (ConnectionError, FileNotFoundError, asyncio.IncompleteReadError)


class Peer:
    """Another worker, connected. One that dies is told nothing more: it comes back with what `current.json` says then."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self._reader = reader
        self._writer = writer

    async def ask(self, question: dict[str, Any], *, seconds: float) -> dict[str, Any] | None:
        """The answer, or None from a worker that has died.

        Raises UnservableError with the reason of a worker that refuses or does not answer.
        """
        try:
            async with asyncio.timeout(seconds):
                await send(self._writer, question)
                answer = await receive(self._reader)
        except TimeoutError as error:
            raise UnservableError(f"worker {self.name} did not answer within {seconds:g} s; try again.") from error
        except _GONE:
            return None
        if answer is not None and "error" in answer:
            raise UnservableError(answer["error"])
        return answer

    def close(self) -> None:
        self._writer.close()


async def connect(state: State, but: str) -> list[Peer]:
    """Every worker that is alive, but the one of this name; sockets of the dead are removed."""
    peers = []
    for name, path in state.sockets().items():
        if name == but:
            continue
        try:
            peers.append(Peer(name, *await asyncio.open_unix_connection(path, limit=LINE_BYTES)))
        except (ConnectionError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > YOUNG_SECONDS:
                    path.unlink()
    return peers


async def send(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(orjson.dumps(document) + b"\n")
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None when the other side has hung up."""
    with contextlib.suppress(ConnectionError):
        line = await reader.readline()
        if line.endswith(b"\n"):
            return orjson.loads(line)
    return None


async def listen(path: Path, answer: Any) -> asyncio.Server:
    return await asyncio.start_unix_server(answer, path, limit=LINE_BYTES)
