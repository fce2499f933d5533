"""The hot path: what computes is answered in front of BentoML, everything else is passed on to it.

- `POST /v2/models/{model}[/versions/{version}]/infer`: the Open Inference Protocol.
- `POST /v1/models/{model}/predict`: what a person has (an image, CSV, JSON, as the model's codec reads it); the answer
  is `{"model", "version", "predictions": [one answer an item]}`.

What is passed on has its body limited and its errors brought into the one form `{"error": "…"}`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

import orjson

from serving.body import App, Message, Receive, Scope, Send, content_length, hung_up, read_body
from serving.catalogue import Catalogue, Endpoint, ServedModel
from serving.errors import ProtocolError, explain
from serving.protocol import parse
from serving.reply import JSON, Headers, length, render, render_error

Answer = Coroutine[Any, Any, tuple[Headers, bytes]]


class HotPath:
    """The outermost ASGI application: answers what `catalogue` has a path for, and is the door to all other routes."""

    def __init__(self, app: App, catalogue: Catalogue) -> None:
        self.app = app
        self.catalogue = catalogue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self._find(scope, receive) if scope["method"] == "POST" else None
        if answer is None:
            await self._pass_on(scope, receive, send)
            return
        status = 200
        try:
            headers, body = await answer
        except Exception as error:  # every error becomes an answer
            status, sentence = explain(error)
            headers, body = render_error(status, sentence)
        await respond(send, status, headers, body)

    def _find(self, scope: Scope, receive: Receive) -> Answer | None:
        path = scope["path"]
        endpoint = self.catalogue.infer_paths.get(path)
        if endpoint is not None:
            return self._infer(endpoint, dict(scope["headers"]), receive)
        model = self.catalogue.predict_paths.get(path)
        return None if model is None else self._predict(model, dict(scope["headers"]), receive)

    async def _infer(self, endpoint: Endpoint, headers: dict[bytes, bytes], receive: Receive) -> tuple[Headers, bytes]:
        body = await read_body(headers, receive, self.catalogue.settings.max_body_bytes)
        json_size = content_length(headers, b"inference-header-content-length")
        request = parse(body, json_size, endpoint.graph)
        outputs = await endpoint.batcher.submit(request.inputs, is_gone=partial(hung_up, receive))
        return render(request, outputs, endpoint.name, endpoint.version)

    async def _predict(self, model: ServedModel, headers: dict[bytes, bytes], receive: Receive) -> tuple[Headers, bytes]:
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
        if not media_type:
            raise ProtocolError(
                "There is no Content-Type; send one, such as image/png, text/csv or application/json.", status=415
            )
        body = await read_body(headers, receive, self.catalogue.settings.max_body_bytes)
        answers = await model.predict(body, media_type, is_gone=partial(hung_up, receive))
        document = orjson.dumps({"model": model.name, "version": model.version, "predictions": answers})
        return [JSON, length(document)], document

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the rest of the service answer, with a body that is already read and not too large."""
        if scope["method"] in ("POST", "PUT", "PATCH"):
            try:
                headers = {name: value for name, value in scope["headers"] if name != b"content-encoding"}
                body = await read_body(headers, receive, self.catalogue.settings.max_body_bytes)
            except Exception as error:
                status, sentence = explain(error)
                await respond(send, status, *render_error(status, sentence))
                return
            receive = _replay(body, receive)
        await self.app(scope, receive, OneErrorForm(send, scope))


class OneErrorForm:
    """A `send` that brings errors which BentoML and Starlette word as text or lists into `{"error": "…"}`."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._asked = f"{scope['method']} {scope['path'][:80]}"
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            start, self._start = self._start, None
            await self._finish(start)

    async def _finish(self, start: Message) -> None:
        body = self._body
        if not _has_form(body):
            headers, body = render_error(start["status"], self._sentence(body, start["status"]))
            ours = {name for name, _ in headers}
            start = {**start, "headers": [*(pair for pair in start["headers"] if pair[0] not in ours), *headers]}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _sentence(self, body: bytes, status: int) -> str:
        if status == 404 and body == b"Not Found":
            return f"There is no {self._asked} here; GET / lists the models and how to call them."
        if status == 405:
            return f"{self._asked} does not exist; the header Allow has the methods of this path."
        return _detail(_json(body)) or body.decode(errors="replace").strip() or "The request failed."


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once, and then what the real one gives."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _has_form(body: bytes) -> bool:
    document = _json(body)
    return isinstance(document, dict) and list(document) == ["error"] and isinstance(document["error"], str)


def _detail(document: Any) -> str:
    """The sentence in BentoML's forms: a list of one object, or an object with pydantic's findings as `detail`."""
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict) or "error" not in document:
        return ""
    findings = [
        f"{'.'.join(map(str, finding.get('loc', ())))}: {finding.get('msg')}"
        for finding in document.get("detail") or ()
        if isinstance(finding, dict)
    ]
    return ": ".join([str(document["error"]), *(["; ".join(findings)] if findings else [])])


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None
