"""What is noted of each request, for the access log and for traces: never a key, never a body, nothing of the query.

The layer is only there when one of the two is on (`observe`).
"""

from __future__ import annotations

import logging
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import orjson

from serving.asgi.body import App, Message, Receive, Scope, Send
from serving.settings import Settings

VISIT = "zoo.visit"
_LONGEST = 200  # characters of what a client wrote


@dataclass(slots=True)
class Visit:
    """One request and its answer; `status` is 499 when the client hung up, and 500 when no answer was begun."""

    method: str
    path: str
    client: str
    headers: Sequence[tuple[bytes, bytes]]
    start_ns: int
    took_ns: int = 0
    status: int = 500
    bytes_in: int = 0
    bytes_out: int = 0
    model: str | None = None
    version: str | None = None
    id: str | None = None
    rows: int | None = None

    def asked(self, id: str | None, rows: int) -> None:
        self.id, self.rows = id and id[:_LONGEST], rows


class Sink(Protocol):
    """Where visits are noted."""

    def note(self, visit: Visit) -> None: ...

    def close(self) -> None:
        """Called when the service has answered its last request."""


def require_sinks(settings: Settings) -> None:
    """Raises UsageError when spans are wanted but have nowhere to go."""
    if settings.otel:
        from serving.asgi.tracing import make_exporter

        make_exporter()


def observe(app: App, settings: Settings) -> App:
    """`app` itself when nothing is to be noted. Raises what `require_sinks` raises."""
    sinks: list[Sink] = []
    if settings.access_log:
        sinks.append(AccessLog(settings.access_log))
    if settings.otel:
        from serving.asgi.tracing import Tracer  # a tenth of a second, for those who want it

        sinks.append(Tracer())
    return Observed(app, sinks) if sinks else app


class Observed:
    """An ASGI layer that tells every sink of each request when it is answered."""

    def __init__(self, app: App, sinks: Sequence[Sink]) -> None:
        self._app = app
        self._sinks = sinks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._observe(scope, receive, send)
            return
        await self._app(scope, receive, send)
        if scope["type"] == "lifespan":
            for sink in self._sinks:
                sink.close()

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = (scope.get("client") or ("",))[0]
        visit = Visit(scope["method"], scope["path"][:_LONGEST], host, scope["headers"], time.time_ns())
        start = time.perf_counter_ns()

        async def counted_receive() -> Message:
            message = await receive()
            visit.bytes_in += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
            visit.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app({**scope, VISIT: visit}, counted_receive, counted_send)
        finally:
            visit.took_ns = time.perf_counter_ns() - start
            for sink in self._sinks:
                sink.note(visit)


class AccessLog:
    """A line of JSON on standard output for each error and for a share of the rest, by the logger `zoo.access`."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._log = logging.getLogger("zoo.access")
        self._log.propagate = False
        self._log.setLevel(logging.INFO)
        if not self._log.handlers:
            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(logging.Formatter("%(message)s"))
            self._log.addHandler(handler)

    def note(self, visit: Visit) -> None:
        if visit.status >= 400 or random.random() < self._share:
            self._log.info("%s", _line(visit))

    def close(self) -> None:
        pass  # every line is written at once


def _line(visit: Visit) -> str:
    record = {
        "time": datetime.fromtimestamp(visit.start_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
        "method": visit.method,
        "path": visit.path,
        "status": visit.status,
        "ms": round(visit.took_ns / 1e6, 3),
        "bytes_in": visit.bytes_in,
        "bytes_out": visit.bytes_out,
        "rows": visit.rows,
        "model": visit.model,
        "version": visit.version,
        "id": visit.id,
        "client": visit.client,
    }
    return orjson.dumps(record).decode()
