"""What the forms of requests for generated answers have in common: a form reads a body, and words pieces and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from serving.asgi.words import kind_of, shorten
from serving.errors import ProtocolError
from serving.generation.generator import Wish
from serving.served import ServedModel
from zoo.generation import Piece

Document = dict[str, Any]

_MAX_STOPS = 16


class Reply(Protocol):
    """How the answers to one request are worded."""

    @property
    def streams(self) -> bool: ...

    def begin(self) -> list[Document]:
        """Events that need nothing computed."""

    def event(self, index: int, piece: Piece) -> Document:
        """One piece of answer number `index`."""

    def end(self, read: Sequence[int]) -> list[Document | str]:
        """What ends a stream. `read` are the tokens of each answer's prompt."""

    def whole(self, answers: Sequence[Sequence[Piece]], read: Sequence[int]) -> Document:
        """All answers at once."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: who is to answer, what is wanted, and how the answers are worded; `id` is the client's own name for it."""

    model: ServedModel
    wishes: Sequence[Wish]
    reply: Reply
    id: str | None = None


class Dialect(Protocol):
    def read(self, body: bytes) -> Asked:
        """Raises ProtocolError, UnknownNameError, NotReadyError and CodecError."""

    def failure(self, status: int, sentence: str) -> Document:
        """The body of an error."""


def read_object(body: bytes) -> Document:
    """The JSON object of a request's body."""
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise ProtocolError(f"The body is not JSON ({error}); send one JSON object.") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"The body is a JSON {kind_of(document)}; send an object.")
    return document


def read_stops(value: Any) -> tuple[str, ...]:
    """Words that end an answer: none, one, or a list of them."""
    words = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words) or len(words) > _MAX_STOPS:
        raise ProtocolError(
            f"'stop' is {shorten(value)}; send a string, or a list of up to {_MAX_STOPS}, none of them empty."
        )
    return tuple(words)


def joined(pieces: Sequence[Piece]) -> Document:
    """The pieces of one answer as one: its text whole, and what only the last piece says."""
    last = dict(pieces[-1]) if pieces else {}
    if any("text" in piece for piece in pieces):
        last = {name: value for name, value in last.items() if name != "token"}
        last["text"] = "".join(piece.get("text", "") for piece in pieces)
    return last
