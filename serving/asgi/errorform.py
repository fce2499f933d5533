"""The one form of errors, `{"error": "…"}`, for what BentoML and Starlette answer in forms of their own."""

from __future__ import annotations

from typing import Any

import orjson

from serving.asgi.body import Message, Scope, Send
from serving.asgi.reply import render_error


class OneErrorForm:
    """A `send` that brings errors worded as text or lists into the one form, and answers OPTIONS by the methods allowed."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._method = scope["method"]
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
        if self._method == "OPTIONS" and start["status"] == 405:
            allowed = [(name, value + b", OPTIONS") for name, value in start["headers"] if name == b"allow"]
            await self._send({**start, "status": 204, "headers": allowed})
            await self._send({"type": "http.response.body", "body": b""})
            return
        body = self._body
        if not _has_form(body):
            headers, body = render_error(start["status"], self._sentence(body, start["status"]))
            ours = {name for name, _ in headers}
            start = {**start, "headers": [*(pair for pair in start["headers"] if pair[0] not in ours), *headers]}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _sentence(self, body: bytes, status: int) -> str:
        if status == 404 and body in (b"Not Found", b""):
            return f"There is no {self._asked} here; GET /v1/models lists the models and how to call them."
        if status == 405:
            return f"{self._asked} does not exist; the header Allow has the methods of this path."
        return _detail(_json(body)) or body.decode(errors="replace").strip() or "The request failed."


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
