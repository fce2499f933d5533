"""`POST /v1/completions` as clients of OpenAI's API call it, for models that generate text.

https://platform.openai.com/docs/api-reference/completions. What this service has no notion of (`logprobs`, `best_of`,
`suffix`, penalties, token numbers as a prompt) is refused where it would change the answer. Options of the model's codec
beyond OpenAI's, `top_k` for one, are taken too. Errors have OpenAI's form.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.asgi.dialects import Asked, Document, joined, read_object, read_stops
from serving.asgi.words import kind_of, read_field, read_flag, shorten
from serving.catalogue import Catalogue
from serving.errors import ProtocolError
from serving.generation.generator import Wish, seeds
from zoo.generation import Piece

COMPLETIONS = "/v1/completions"
MAX_TOKENS = 16  # of an answer whose request does not say: OpenAI's
MAX_CHOICES = 128
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # values that change nothing
    "best_of": (1,),
    "logprobs": (False,),
    "suffix": ("",),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
}
_OWN = {"model", "prompt", "n", "stream", "stream_options", "stop", "echo", "seed", "user", *_NEUTRAL}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Completions:
    """The dialect of one request; the body names the model."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def read(self, body: bytes) -> Asked:
        document = {name: value for name, value in read_object(body).items() if value is not None}  # null is not given
        model = self._catalogue.model(read_field(document, "model", "The request"))
        if model.generator is None or not model.generator.completes():
            raise ProtocolError(f"Model {model.name!r} completes no text; GET /v1/models has those that do as 'data'.")
        prompts, count = _prompts(document.get("prompt")), _count(document)
        _refuse_unserved(document, count)
        stop = read_stops(document.get("stop"))
        options = {name: value for name, value in document.items() if name not in _OWN}
        options.setdefault("max_tokens", MAX_TOKENS)
        wishes = [
            Wish(given=prompt, options={**options, **seed}, stop=stop)
            for prompt in prompts
            for seed in seeds(document.get("seed"), count)
        ]
        echo = [prompt for prompt in prompts for _ in range(count)] if read_flag(document, "echo", default=False) else []
        streams = read_flag(document, "stream", default=False)
        return Asked(model=model, wishes=wishes, reply=_Reply(model.name, streams, _counts_usage(document), echo, count))

    def failure(self, status: int, sentence: str) -> Document:
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        code = {401: "invalid_api_key", 404: "model_not_found"}.get(status)
        return {"error": {"message": sentence, "type": kind, "param": None, "code": code}}


@dataclass
class _Reply:
    model: str
    streams: bool
    counts_usage: bool
    echo: Sequence[str]
    choices: int  # to each prompt
    tokens: int = 0
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def begin(self) -> list[Document]:
        return [self._chunk([_choice(index, text, None)]) for index, text in enumerate(self.echo)]

    def event(self, index: int, piece: Piece) -> Document:
        self.tokens += "token" in piece
        return self._chunk([_choice(index, piece.get("text", ""), piece.get("finish_reason"))])

    def end(self, read: Sequence[int]) -> list[Document | str]:
        usage = [{**self._document([]), "usage": self._usage(read)}] if self.counts_usage else []
        return [*usage, "[DONE]"]

    def whole(self, answers: Sequence[Sequence[Piece]], read: Sequence[int]) -> Document:
        choices = []
        for index, pieces in enumerate(answers):
            self.tokens += sum("token" in piece for piece in pieces)
            answer = joined(pieces)
            text = (self.echo[index] if self.echo else "") + answer.get("text", "")
            choices.append(_choice(index, text, answer.get("finish_reason")))
        return {**self._document(choices), "usage": self._usage(read)}

    def _chunk(self, choices: list[Document]) -> Document:
        return {**self._document(choices), **({"usage": None} if self.counts_usage else {})}

    def _document(self, choices: list[Document]) -> Document:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def _usage(self, read: Sequence[int]) -> Document:
        """A prompt counts once, however many choices there are."""
        prompts = sum(read[:: self.choices])
        return {"prompt_tokens": prompts, "completion_tokens": self.tokens, "total_tokens": prompts + self.tokens}


def _choice(index: int, text: str, finish_reason: str | None) -> Document:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _prompts(value: Any) -> list[str]:
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise ProtocolError(f"'prompt' is {shorten(value)}; send a string, or a list of strings.")
    return prompts


def _count(document: Document) -> int:
    count = document.get("n")
    if count is None:
        return 1
    if type(count) is not int or not 1 <= count <= MAX_CHOICES:
        raise ProtocolError(f"'n' is {shorten(count)}; send a whole number from 1 to {MAX_CHOICES}.")
    return count


def _counts_usage(document: Document) -> bool:
    options = document.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise ProtocolError(f"'stream_options' is {kind_of(options)}; send an object.")
    return read_flag(options, "include_usage", default=False)


def _refuse_unserved(document: Document, count: int) -> None:
    for name, values in _NEUTRAL.items():
        value = document.get(name, values[0])
        if value not in values and not (name == "best_of" and value == count):
            raise ProtocolError(f"{name!r} is {shorten(value)}, which is not served; leave it out.")
