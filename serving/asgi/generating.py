"""Answers that grow while they are sent: whole at the end, or piece by piece as server-sent events.

- `POST /v2/models/{model}/generate` and `generate_stream`: Triton's generate extension (`serving.asgi.generate`).
- `POST /v1/completions`: as clients of OpenAI's API ask (`serving.asgi.completions`).

A stream begins with the first piece; what goes wrong before is an ordinary error, what goes wrong later an event that says
so. An answer is given up, and its slot is free, when its client hangs up and when its time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import orjson

from serving.asgi.access import VISIT, Visit
from serving.asgi.body import Receive, Scope, Send, read_body
from serving.asgi.completions import COMPLETIONS, Completions
from serving.asgi.deadline import Deadline
from serving.asgi.dialects import Asked, Dialect, Document
from serving.asgi.entry import require_key
from serving.asgi.generate import Generate
from serving.asgi.nesting import check_depth
from serving.asgi.reply import JSON, Headers, compress, length, pays_compressed, render_error, respond
from serving.catalogue import Catalogue
from serving.errors import GoneError, explain
from serving.generation.stream import Stream
from zoo.generation import Piece

_EVENTS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the pieces
]
_LAST_WORD_S = 1.0  # a client that does not read may never take the event that ends its stream


class Generating:
    """Answers requests for what grows, of the models of `catalogue` that generate."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def has(self, path: str) -> bool:
        return path == COMPLETIONS or path in self._catalogue.generate_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings, sent = self._catalogue.settings, dict(scope["headers"])
        catalogue, path = self._catalogue, scope["path"]
        dialect: Dialect = Completions(catalogue) if path == COMPLETIONS else Generate(catalogue, path)
        answer = _Answer(dialect, send, sent)
        deadline: Deadline | None = None
        watch: _Watch | None = None
        try:
            if settings.api_keys:
                require_key("POST", path, sent, settings.api_keys, settings.admin_keys)
            deadline = Deadline(settings.timeout_ms, sent)
            body = await read_body(sent, receive, settings.max_body_bytes)
            check_depth(body, settings.max_json_depth)
            watch = _Watch(receive)
            await answer.give(dialect.read(body), scope.get(VISIT))
        except asyncio.CancelledError:
            reason = _reason(watch, deadline)
            if reason is None:
                raise
            await answer.fail(reason)
        except Exception as error:  # every error becomes an answer
            if watch is not None:
                watch.close()
            await answer.fail(error)
        finally:
            if watch is not None:
                watch.close()
            if deadline is not None:
                deadline.close()
            answer.count()


def _reason(watch: _Watch | None, deadline: Deadline | None) -> Exception | None:
    """Why the task that just caught a CancelledError was cancelled; None when it was by neither of these."""
    if watch is not None and watch.taken():
        return GoneError("The client hung up before its answer was whole.")
    if watch is not None:
        watch.close()
    return deadline.error() if deadline is not None and deadline.taken() else None


class _Watch:
    """Cancels the task that made it when the client hangs up."""

    def __init__(self, receive: Receive) -> None:
        self._task = asyncio.current_task()
        self._left = False
        self._waiting = asyncio.ensure_future(receive())
        self._waiting.add_done_callback(self._hear)

    def taken(self) -> bool:
        """Whether the CancelledError that the task just caught comes from here; it is then done with."""
        if self._left and self._task is not None:
            self._task.uncancel()
        return self._left

    def close(self) -> None:
        self._waiting.remove_done_callback(self._hear)
        self._waiting.cancel()

    def _hear(self, waiting: asyncio.Future[Any]) -> None:
        if waiting.cancelled():
            return
        self._left = waiting.exception() is not None or waiting.result()["type"] == "http.disconnect"
        if self._left and self._task is not None:
            self._task.cancel()


class _Answer:
    """One answer on its way out."""

    def __init__(self, dialect: Dialect, send: Send, sent: dict[bytes, bytes]) -> None:
        self._dialect = dialect
        self._send = send
        self._sent = sent
        self._asked: Asked | None = None
        self._begun = False
        self._status = 200

    async def give(self, asked: Asked, visit: Visit | None) -> None:
        """Have everything that was asked for generated, and send it."""
        self._asked = asked
        model, generator = asked.model, asked.model.generator
        assert generator is not None
        if visit is not None:
            visit.model, visit.version = model.name, model.version
            visit.asked(asked.id, len(asked.wishes))
        with model.at_work():  # a version that is replaced meanwhile ends what it began
            stream = await generator.start(asked.wishes)
            try:
                await (self._stream(asked, stream) if asked.reply.streams else self._whole(asked, stream))
            finally:
                stream.close()

    async def fail(self, error: BaseException) -> None:
        self._status, sentence = explain(error)
        document = self._dialect.failure(self._status, sentence)
        if not self._begun:
            await respond(self._send, self._status, *render_error(self._status, sentence, document))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_S):
                marks = self._asked.reply.end([]) if self._asked is not None else []
                await self._events([document, *(mark for mark in marks if isinstance(mark, str))], last=True)

    def count(self) -> None:
        if self._asked is not None and self._asked.model.generator is not None:
            self._asked.model.generator.responses[self._status] += 1

    async def _whole(self, asked: Asked, stream: Stream) -> None:
        answers: list[list[Piece]] = [[] for _ in asked.wishes]
        while pieces := await stream.next():
            for index, piece in pieces:
                answers[index].append(piece)
        body = orjson.dumps(asked.reply.whole(answers, stream.read()), option=orjson.OPT_SERIALIZE_NUMPY)
        headers = [JSON, length(body)]
        if pays_compressed(body, self._sent):
            headers, body = await compress(headers, body, self._sent)
        await respond(self._send, 200, headers, body)

    async def _stream(self, asked: Asked, stream: Stream) -> None:
        reply, begin = asked.reply, asked.reply.begin()
        while pieces := await stream.next():
            await self._events([*begin, *(reply.event(index, piece) for index, piece in pieces)])
            begin = []
        await self._events([*begin, *reply.end(stream.read())], last=True)

    async def _events(self, documents: Sequence[Document | str], *, last: bool = False) -> None:
        if not self._begun:
            self._begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        body = b"".join(b"data: %b\n\n" % _data(document) for document in documents)
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})


def _data(document: Document | str) -> bytes:
    return document.encode() if isinstance(document, str) else orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
