"""Triton's generate extension: `POST /v2/models/{model}/generate`, and `generate_stream` for the pieces as they come.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_generate.html. The request is
`{"text_input": "…", "parameters": {…}}`; what else it has counts as a parameter. Parameters are the options of the model's
codec, and `stop`. A model that takes something else than text has it as `input`, one that takes nothing needs neither. A
piece without text has its own fields instead of `text_output`: a sampler's `step` and `image`, say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.asgi.dialects import Asked, Document, joined, read_object, read_stops
from serving.asgi.words import kind_of, read_parameters
from serving.catalogue import Catalogue
from serving.errors import ProtocolError
from serving.generation.generator import Wish
from zoo.generation import Piece

_FIELDS = ("id", "text_input", "input", "parameters")


class Generate:
    """The dialect of one request, whose path is that of a model that generates."""

    def __init__(self, catalogue: Catalogue, path: str) -> None:
        self._catalogue = catalogue
        self._path = path

    def read(self, body: bytes) -> Asked:
        document = read_object(body)
        self._catalogue.require_ready()
        model, streams = self._catalogue.generating(self._path)
        options = {name: value for name, value in document.items() if name not in _FIELDS}
        options |= read_parameters(document, "The request")
        options.pop("stream", None)  # the path says it
        stop = read_stops(options.pop("stop", None))
        wish = Wish(given=_given(document), options=options, stop=stop)
        name = document.get("id")
        if name is not None and not isinstance(name, str):
            raise ProtocolError(f"'id' is {kind_of(name)}; send a string.")
        about = {"model_name": model.name, "model_version": model.version} | ({} if name is None else {"id": name})
        return Asked(model=model, wishes=[wish], reply=_Reply(streams, about), id=name)

    def failure(self, status: int, sentence: str) -> Document:
        return {"error": sentence}


@dataclass(frozen=True)
class _Reply:
    streams: bool
    about: Mapping[str, Any]

    def begin(self) -> list[Document]:
        return []

    def event(self, index: int, piece: Piece) -> Document:
        rest = {name: value for name, value in piece.items() if name != "text"}
        return {**self.about, **({"text_output": piece["text"]} if "text" in piece else {}), **rest}

    def end(self, read: Sequence[int]) -> list[Document | str]:
        return []

    def whole(self, answers: Sequence[Sequence[Piece]], read: Sequence[int]) -> Document:
        return self.event(0, joined(answers[0]))


def _given(document: Document) -> Any:
    text = document.get("text_input")
    if text is None:
        return document.get("input")
    if not isinstance(text, str):
        raise ProtocolError(f"'text_input' is {kind_of(text)}; send a string.")
    return text
