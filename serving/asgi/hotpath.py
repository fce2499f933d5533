"""The hot path: what computes is answered in front of BentoML, everything else is passed on to it.

- `POST /v2/models/{model}[/versions/{version}]/infer`: the Open Inference Protocol.
- `POST /v1/models/{model}/predict`: what a person has (an image, CSV, JSON, as the model's codec reads it); the answer
  is `{"model", "version", "predictions": [one answer an item]}`.
- answers that grow while they are sent (`serving.asgi.generating`).

All are computed within their deadline or answered with 504. What is passed on has its key asked for, its body limited and
its errors brought into the one form `{"error": "…"}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import orjson

from serving.asgi.access import VISIT, Visit
from serving.asgi.body import App, Message, Receive, Scope, Send, content_length, hung_up, read_body
from serving.asgi.deadline import Deadline
from serving.asgi.entry import require_key
from serving.asgi.errorform import OneErrorForm
from serving.asgi.generating import Generating
from serving.asgi.nesting import check_depth
from serving.asgi.protocol import Request, parse
from serving.asgi.reply import JSON, Headers, compress, length, pays_compressed, render, render_failure, respond
from serving.catalogue import Catalogue
from serving.errors import ProtocolError
from serving.served import Endpoint, ServedModel
from zoo.codecs.read import IMAGE_TYPES, JSON_TYPE, count_pixels
from zoo.errors import UnknownNameError

Target = Endpoint | ServedModel


class HotPath:
    """The outermost ASGI application: answers what `catalogue` has a path for, and is the door to all other routes."""

    def __init__(self, app: App, catalogue: Catalogue) -> None:
        self.app = app
        self.catalogue = catalogue
        self.generating = Generating(catalogue)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            status, headers, body = render_failure(ProtocolError("There is no WebSocket here; send plain HTTP.", status=404))
            await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": body})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        target = self._target(scope["path"]) if scope["method"] == "POST" else None
        if target is not None:
            await respond(send, *await self._answer(target, scope, receive))
        elif scope["method"] == "POST" and self.generating.has(scope["path"]):
            await self.generating(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    def _target(self, path: str) -> Target | None:
        return self.catalogue.infer_paths.get(path) or self.catalogue.predict_paths.get(path)

    async def _answer(self, target: Target, scope: Scope, receive: Receive) -> tuple[int, Headers, bytes]:
        """Status, headers and body; whatever goes wrong becomes an error's."""
        settings = self.catalogue.settings
        path, sent = scope["path"], dict(scope["headers"])
        deadline: Deadline | None = None
        visit: Visit | None = scope.get(VISIT)
        if visit is not None:
            visit.model, visit.version = target.name, target.version
        try:
            if settings.api_keys:
                require_key("POST", path, sent, settings.api_keys, settings.admin_keys)
            deadline = Deadline(settings.timeout_ms, sent)
            body = await read_body(sent, receive, settings.max_body_bytes)
            # A version that took over meanwhile answers. From here until the request is queued nothing is awaited.
            target = self._target(path) or self._gone(target)
            call = Call(body, sent, deadline, partial(hung_up, receive), visit)
            answer = self._infer if path in self.catalogue.infer_paths else self._predict
            headers, body = await answer(target, call)  # type: ignore[arg-type]
            if pays_compressed(body, sent):
                headers, body = await compress(headers, body, sent)
            status = 200
        except asyncio.CancelledError:
            if deadline is None or not deadline.taken():
                raise
            status, headers, body = render_failure(deadline.error())
        except Exception as error:
            status, headers, body = render_failure(error)
        finally:
            if deadline is not None:
                deadline.close()
        (self._target(path) or target).responses[status] += 1  # of the version that answers now, should one have left
        return status, headers, body

    def _gone(self, target: Target) -> Target:
        raise UnknownNameError("model", target.name, self.catalogue.endpoints)

    async def _infer(self, endpoint: Endpoint, call: Call) -> tuple[Headers, bytes]:
        request = parse(
            call.body,
            content_length(call.headers, b"inference-header-content-length"),
            endpoint.graph,
            max_depth=self.catalogue.settings.max_json_depth,
            max_rows=endpoint.batcher.limits.max_queue_rows,
        )
        if request.timeout_us:
            call.deadline.replace(request.timeout_us)
        if call.visit is not None:
            call.visit.asked(request.id, _rows(endpoint, request))
        outputs = await endpoint.batcher.submit(
            request.inputs, is_gone=call.is_gone, deadline_ns=call.deadline.ns, priority=request.priority
        )
        return render(request, outputs, endpoint.name, endpoint.version)

    async def _predict(self, model: ServedModel, call: Call) -> tuple[Headers, bytes]:
        settings = self.catalogue.settings
        media_type = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        if not media_type:
            raise ProtocolError(
                "There is no Content-Type; send one, such as image/png, text/csv or application/json.", status=415
            )
        if media_type in IMAGE_TYPES and count_pixels(call.body) > settings.max_pixels:
            raise ProtocolError(
                f"The image has more than {settings.max_pixels:,} pixels (ZOO_MAX_PIXELS); send a smaller one.", status=413
            )
        if media_type == JSON_TYPE:
            check_depth(call.body, settings.max_json_depth)
        answers = await model.predict(call.body, media_type, is_gone=call.is_gone, deadline_ns=call.deadline.ns)
        if call.visit is not None:
            call.visit.rows = len(answers)
        document = orjson.dumps({"model": model.name, "version": model.version, "predictions": answers})
        return [JSON, length(document)], document

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the rest of the service answer, with a body that is already read and not too large."""
        settings = self.catalogue.settings
        sent = dict(scope["headers"])
        try:
            require_key(scope["method"], scope["path"], sent, settings.api_keys, settings.admin_keys)
            if scope["method"] in ("POST", "PUT", "PATCH"):
                body = await read_body(sent, receive, settings.max_body_bytes)
                if JSON_TYPE.encode() in sent.get(b"content-type", JSON_TYPE.encode()):
                    check_depth(body, settings.max_json_depth)
                scope, receive = _unpacked(scope, body), _replay(body, receive)
        except Exception as error:
            await respond(send, *render_failure(error))
            return
        await self.app(scope, receive, OneErrorForm(send, scope))


class Call(NamedTuple):
    """A request to compute something, its body read."""

    body: bytes
    headers: dict[bytes, bytes]
    deadline: Deadline
    is_gone: Callable[[], bool]
    visit: Visit | None


def _rows(endpoint: Endpoint, request: Request) -> int:
    """Rows of a request that may not fit its graph's ports yet."""
    for port in endpoint.graph.inputs:
        if endpoint.graph.batch in port.shape[:1] and port.name in request.inputs:
            return request.inputs[port.name].shape[0]
    return 1


def _unpacked(scope: Scope, body: bytes) -> Scope:
    """The scope of a request whose body has been decompressed."""
    if all(name != b"content-encoding" for name, _ in scope["headers"]):
        return scope
    rest = [pair for pair in scope["headers"] if pair[0] not in (b"content-encoding", b"content-length")]
    return {**scope, "headers": [*rest, length(body)]}


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once, and then what the real one gives."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
