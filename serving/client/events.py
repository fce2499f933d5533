"""Server-sent events with one JSON document each, as they come.

https://html.spec.whatwg.org/multipage/server-sent-events.html, of which only `data` is used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from serving.client.errors import AnswerError, BrokenOffError

_DONE = b"[DONE]"


class Events:
    """What the chunks of one answer hold; lines end where the bytes say so, whatever text they carry."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """The documents that end in this chunk.

        Raises BrokenOffError for an event that says what went wrong, AnswerError for what is no event.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data" and value.strip() != _DONE:
                yield self._read(value)

    def _read(self, value: bytes) -> dict[str, Any]:
        try:
            document = orjson.loads(value)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise AnswerError(f"{self._what} sent {value[:60]!r}, which is no event of a generated answer.")
        if "error" in document:
            raise BrokenOffError(f"{self._what} broke its answer off: {document['error']}")
        return document
