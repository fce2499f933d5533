"""HTTP/1.1 by hand, as bytes: a fuzzer has to send what no HTTP library would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

ANSWER_SECONDS = 30.0
_BRIEF_SECONDS = 0.25  # for a request that the server may still be waiting for the rest of
_LARGEST_HEAD = 2**16
_NO_BODY = (204, 304)


@dataclass(frozen=True)
class Request:
    """`whole` says that its framing is right, so that an answer is due; without it the server may just hang up."""

    kind: str
    data: bytes
    whole: bool = True
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """`status` 0: the server hung up without an answer; -1: it did neither within ANSWER_SECONDS; -2: it waits for more."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


HUNG_UP = Answer(0)
SILENT = Answer(-1)
WAITING = Answer(-2)


def render(method: str, path: str, headers: dict[str, str], body: bytes, *, length: bool = True) -> bytes:
    """A request as bytes; `length` adds the Content-Length that is right."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


class Line:
    """One connection, opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: Request) -> Answer:
        """The answer. A request whose framing is wrong gets a connection of its own, and not much time."""
        if not request.whole:
            self.close()
        reused = self._writer is not None
        answer = await self._attempt(request)
        if answer is HUNG_UP and reused:  # it may have closed the idle connection just before
            answer = await self._attempt(request)
        if not request.whole:
            self.close()
        return answer

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _attempt(self, request: Request) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_SECONDS if request.whole else _BRIEF_SECONDS):
                return await self._exchange(request)
        except TimeoutError:
            self.close()
            return SILENT if request.whole else WAITING
        except (OSError, EOFError, ValueError):
            self.close()
            return HUNG_UP

    async def _exchange(self, request: Request) -> Answer:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LARGEST_HEAD)
        self._writer.write(request.data)
        answer = await _read(self._reader, request.method)
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer


async def _read(reader: asyncio.StreamReader, method: str) -> Answer:
    status, headers = 100, {}
    while 100 <= status < 200 and status != 101:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    if method == "HEAD" or status in _NO_BODY or status == 101:
        return Answer(status, headers)
    if "content-length" in headers:
        return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, await _chunks(reader))
    return Answer(status, {**headers, "connection": "close"}, await reader.read())


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)
