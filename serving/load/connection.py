"""One HTTP/1.1 connection that stays open and carries one request at a time, and a loop whose timers are fine enough."""

from __future__ import annotations

import asyncio
import select
import selectors
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httptools

from zoo.errors import UsageError

LOST = 0  # in the place of a status: the connection ended before the answer
IDLE = -1  # the connection ended while no request was under way

Answered = Callable[["Connection", int, int], None]
"""Called with the connection, the HTTP status and the time of the answer, once a request and once for an idle end."""


@dataclass(frozen=True)
class Target:
    """Where requests go, and their bytes (request line, headers and body), which are sent in turn, over and over."""

    host: str
    port: int
    secure: bool
    requests: tuple[bytes, ...]
    rows: float = 1

    def __add__(self, other: Target) -> Target:
        """Both in turn; of the rows a request, the mean."""
        count, more = len(self.requests), len(other.requests)
        rows = (self.rows * count + other.rows * more) / (count + more)
        return replace(self, requests=self.requests + other.requests, rows=rows)

    @classmethod
    def post(cls, url: str, body: bytes, headers: dict[str, str], rows: int = 1) -> Target:
        """Raises UsageError unless `url` is an http or https address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is no address of a service; write http://HOST:PORT.")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": parts.netloc, "Content-Length": str(len(body)), **headers}
        head = [f"POST {path or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        secure = parts.scheme == "https"
        request = ("\r\n".join(head) + "\r\n\r\n").encode() + body
        return cls(parts.hostname, parts.port or (443 if secure else 80), secure, (request,), rows)


class Connection(asyncio.Protocol):
    """Answers are read whole and thrown away; only their status counts."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.busy = False
        self.lost = False
        self.intended_ns = 0
        self.sent_ns = 0

    @classmethod
    async def open(cls, target: Target, answered: Answered) -> Connection:
        """Raises OSError where nothing listens."""
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context() if target.secure else None
        _, connection = await loop.create_connection(lambda: cls(answered), target.host, target.port, ssl=context)
        return connection

    def send(self, request: bytes, intended_ns: int) -> None:
        """Send now what should have been sent at `intended_ns`."""
        assert self._transport is not None
        self.busy = True
        self.intended_ns = intended_ns
        self.sent_ns = time.perf_counter_ns()
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        known, self.lost = self.lost, True
        if self.busy:
            self._finish(LOST)
        elif not known:
            self._answered(self, IDLE, time.perf_counter_ns())

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and the like are no answer
            return
        if not self._parser.should_keep_alive():
            self.lost = True
            self.close()
        self._finish(status)

    def _finish(self, status: int) -> None:
        self.busy = False
        self._answered(self, status, time.perf_counter_ns())


class FineSelector(selectors.EpollSelector):
    """Epoll, which counts whole milliseconds, waited for with `select`, which counts microseconds.

    At 2,000 arrivals a second the gaps are half a millisecond: whole ones would send them in clumps.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose timers are precise to some ten microseconds."""
    return asyncio.SelectorEventLoop(FineSelector())
