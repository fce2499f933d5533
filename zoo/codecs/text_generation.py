"""The beginning of a text in, how it goes on out: token by token, each drawn from what the model gives.

Tokens are the characters of a vocabulary. The same seed gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.read import JSON_TYPE, unknown_type
from zoo.errors import CodecError
from zoo.generation import Piece
from zoo.sampling import draw, probabilities
from zoo.spec import Arrays, Raws

TEXT_TYPE = "text/plain"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a text is continued. Raises CodecError for a value out of range."""

    max_tokens: int
    temperature: float
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_tokens", 1, 4096),
            ("temperature", 0, 100),
            ("top_k", 0, 2**31),
            ("top_p", 0, 1),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            whole = name not in ("temperature", "top_p")
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise CodecError(f"{name} is {value!r}; send {'a whole' if whole else 'a'} number.")
            if not low <= value <= high:
                raise CodecError(f"{name} is {value}; send {low} to {high}.")


@dataclass(kw_only=True, eq=False)
class TextGeneration:
    """A text that grows (`zoo.generation.Generation`): first the calls that read the prompt, then one a token."""

    graph: str
    prompt: np.ndarray
    longest_step: int
    vocabulary: Sequence[str]
    options: Options
    rng: np.random.Generator = field(init=False)
    written: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.options.seed)
        self.waiting = self.prompt  # tokens that the graph has not seen

    def inputs(self) -> Arrays | None:
        if self.written == self.options.max_tokens:
            return None
        tokens = self.waiting[None, : self.longest_step]
        return {"tokens": tokens, "length": np.array([tokens.shape[1]], dtype=np.int64)}

    def take(self, outputs: Arrays) -> list[Piece]:
        seen = min(len(self.waiting), self.longest_step)
        self.waiting = self.waiting[seen:]
        if len(self.waiting):
            return []
        chosen = self.options
        distribution = probabilities(
            outputs["logits"][0, seen - 1], temperature=chosen.temperature, top_k=chosen.top_k, top_p=chosen.top_p
        )
        token = draw(distribution, self.rng)
        self.waiting = np.array([token], dtype=np.int64)
        self.written += 1
        end = {"finish_reason": "length"} if self.written == chosen.max_tokens else {}
        return [{"text": self.vocabulary[token], "token": token, **end}]


@dataclass(frozen=True, kw_only=True)
class TextGenerationCodec:
    """A raw text is UTF-8 as uint8. `vocabulary` has the characters; an empty prompt is taken for `start`.

    Of a prompt the last `context` characters are read, at most `longest_step` a call of `graph`. `max_tokens` and
    `temperature` are those of an answer that is not asked for others.
    """

    vocabulary: tuple[str, ...]
    context: int
    longest_step: int
    graph: str = "step"
    start: str = "\n"
    max_tokens: int = 200
    temperature: float = 0.8

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """The prompt of a text, or those of JSON: a string, a list, or an object with `prompt` or `instances`."""
        if media_type == TEXT_TYPE:
            return [np.frombuffer(data, dtype=np.uint8)]
        if media_type != JSON_TYPE:
            raise unknown_type(media_type, f"{TEXT_TYPE} or {JSON_TYPE}")
        texts = [text.encode(errors="surrogatepass") for text in _prompts(data)]  # half a pair is no UTF-8: `encode` says so
        return [np.frombuffer(text, dtype=np.uint8) for text in texts]

    def encode(self, raws: Raws) -> Arrays:
        """What the first call takes: tokens (batch, longest) and length (batch). Raises CodecError for no prompt."""
        if not len(raws):
            raise CodecError("There is no prompt; send at least one.")
        return _together([self._begin(raw, {}) for raw in raws])

    def generate(self, raw: np.ndarray, options: Mapping[str, Any]) -> Plan[TextGeneration]:
        """The continuation of a prompt. Raises CodecError for a wrong option or a character that is not known."""
        yield from ()
        return self._begin(raw, options)

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        generations = [self._begin(raw, {}) for raw in raws]
        pieces = yield from _drive(self.graph, generations)
        return [
            {
                "text": "".join(piece["text"] for piece in found),
                "tokens": len(found),
                "finish_reason": found[-1]["finish_reason"],
            }
            for found in pieces
        ]

    def _begin(self, raw: np.ndarray, options: Mapping[str, Any]) -> TextGeneration:
        known = [each.name for each in fields(Options)]
        for name in options:
            if name not in known:
                raise CodecError(f"There is no option {name!r}; the options are {', '.join(known)}.")
        return TextGeneration(
            graph=self.graph,
            prompt=self._tokens(raw),
            longest_step=self.longest_step,
            vocabulary=self.vocabulary,
            options=Options(**{"max_tokens": self.max_tokens, "temperature": self.temperature, **options}),
        )

    def _tokens(self, raw: np.ndarray) -> np.ndarray:
        try:
            text = np.asarray(raw, dtype=np.uint8).tobytes().decode("utf-8") or self.start
        except UnicodeDecodeError as error:
            raise CodecError(f"The prompt is not UTF-8 ({error}); send it as UTF-8.") from error
        places = {character: place for place, character in enumerate(self.vocabulary)}
        for character in text:
            if character not in places:
                known = "".join(self.vocabulary)
                raise CodecError(f"The prompt holds {character!r}; the model's characters are {known!r}.")
        return np.array([places[character] for character in text[-self.context :]], dtype=np.int64)


def _prompts(data: bytes) -> list[str]:
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send a prompt.") from error
    if isinstance(value, dict):
        value = value.get("prompt", value.get("instances"))
    prompts = value if isinstance(value, list) else [value]
    if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
        raise CodecError('The JSON holds no prompt; send {"prompt": "…"}, or a list of texts.')
    return prompts


def _together(generations: Sequence[TextGeneration]) -> Arrays:
    """The next calls of all, side by side: rows shorter than the longest are filled up with token 0."""
    calls = [call for each in generations if (call := each.inputs()) is not None]
    length = np.concatenate([call["length"] for call in calls])
    tokens = np.zeros((len(calls), length.max()), dtype=np.int64)
    for row, call in zip(tokens, calls, strict=True):
        row[: call["tokens"].shape[1]] = call["tokens"][0]
    return {"tokens": tokens, "length": length}


def _drive(graph: str, generations: Sequence[TextGeneration]) -> Plan[list[list[Piece]]]:
    """The pieces of each, all rows in every call until they are whole."""
    pieces: list[list[Piece]] = [[] for _ in generations]
    going, state = list(range(len(generations))), Arrays()
    while going:
        outputs = yield Call(graph, {**_together([generations[number] for number in going]), **state})
        for row, number in enumerate(going):
            pieces[number] += generations[number].take({"logits": outputs["logits"][row : row + 1]})
        stay = [row for row, number in enumerate(going) if generations[number].inputs() is not None]
        state = {
            name.replace("present_", "past_"): array[stay] for name, array in outputs.items() if name.startswith("present_")
        }
        going = [going[row] for row in stay]
    return pieces


CODEC = TextGenerationCodec
