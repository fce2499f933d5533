"""A sentence in, its translation out, and which source token each of its tokens looked at.

The search writes the translation: greedy, or with a beam of several hypotheses of which the one with the best mean
log-probability a token is taken (`zoo.beam`). A stream is greedy, or drawn at a temperature (`zoo.sampling`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.beam import Decoder, Hypothesis, beam_search
from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.read import JSON_TYPE, unknown_type
from zoo.codecs.text_generation import Options
from zoo.errors import CodecError, UsageError
from zoo.spec import Arrays, Raws
from zoo.writing import Writing

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
START, END = "<s>", "</s>"
MAX_BYTES = 10_000  # of a sentence, before it is cut into tokens
LEAST_TOKENS = 10  # that a translation of a few tokens may have
ROWS = 64  # sentences that are searched together


@dataclass(frozen=True, kw_only=True)
class Request:
    """A sentence, and how its translation is searched for."""

    text: str
    beam: int
    max_tokens: int


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A raw sentence is its UTF-8, or that of a JSON object `{"text": …, "beam": 1, "max_tokens": 40}`.

    `source` and `target` are languages by their English names. `beam` is the usual width, 1 is greedy; `length_power` the
    power of a hypothesis' length that its log-probability is divided by.
    """

    source: str
    target: str
    max_source: int
    max_tokens: int = 80
    beam: int = 5
    max_beam: int = 16
    length_power: float = 1.0
    files: Path | None = None

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """Plain text with a sentence a line; JSON as a sentence or an object, or as `{"instances": […]}` of either."""
        if media_type == "text/plain":
            sentences: list[Any] = [line for line in _text(data).splitlines() if line.strip()]
        elif media_type == JSON_TYPE:
            sentences = _instances(data)
        else:
            raise unknown_type(media_type, "text/plain or application/json")
        if not sentences:
            raise CodecError("There is no sentence; send at least one.")
        raws = [_bytes(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)) for one in sentences]
        for raw in raws:
            self.request(raw)
        return raws

    def instance(self, raw: np.ndarray) -> str | dict[str, Any]:
        """A raw sentence as JSON has it."""
        text = _text(raw.tobytes())
        return _object(text) or text

    def encode(self, raws: Raws) -> Arrays:
        """tokens (batch, longest), each row ended by the end mark, and length (batch).

        Raises CodecError for an empty sentence and for one with too many tokens.
        """
        return self._ports([self.request(raw).text for raw in raws])

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        requests = [self.request(raw) for raw in raws]
        inputs = self._ports([request.text for request in requests])
        found = yield from self._search(inputs, requests, trace="attention")
        return [
            self._answer(ids[:count], best)
            for ids, count, best in zip(inputs["tokens"], inputs["length"], found, strict=True)
        ]

    def translate(self, inputs: Arrays) -> Plan[list[str]]:
        """The translations of encoded sentences, with the usual search."""
        usual = Request(text="", beam=self.beam, max_tokens=self.max_tokens)
        found = yield from self._search(inputs, [usual] * len(inputs["length"]))
        return [self.text(best.tokens) for best in found]

    def generate(self, raw: np.ndarray, options: Mapping[str, Any]) -> Plan[Writing]:
        """The translation token by token, greedy unless a temperature is given.

        Raises CodecError for options that are unknown or out of range.
        """
        request = self.request(raw)
        choice = _choice(options, request.max_tokens)
        inputs = self._ports([request.text])
        encoded = yield Call("encode", inputs)
        return Writing(
            graph="step",
            fixed={"memory": encoded["memory"], "keys": encoded["keys"], "length": inputs["length"]},
            states={"past_state": encoded["state"]},
            start=self.start,
            end=self.end,
            text=self.text,
            choice=dataclasses.replace(choice, max_tokens=min(choice.max_tokens, self.limit(inputs["length"][0]))),
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Raises UsageError where the artifact's file is missing or damaged."""
        from tokenizers import Tokenizer

        path = (self.files or Path()) / TOKENIZER
        try:
            tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise UsageError(f"{path} cannot be read ({error}); fetch or export the model again.") from error
        tokenizer.encode_special_tokens = True  # a mark that somebody types is text
        return tokenizer

    @cached_property
    def start(self) -> int:
        return self._mark(START)

    @cached_property
    def end(self) -> int:
        return self._mark(END)

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, without marks."""
        return self.tokenizer.encode(" ".join(text.split())).ids

    def text(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True).strip()

    def limit(self, length: int) -> int:
        """Most tokens that a translation of so many source tokens has; one of Multi30k's 29,000 has more."""
        return min(self.max_tokens, LEAST_TOKENS + 2 * int(length))

    def request(self, raw: np.ndarray) -> Request:
        """What one raw input asks for. Raises CodecError where it cannot be asked."""
        if len(raw) > MAX_BYTES:
            raise CodecError(f"The sentence has {len(raw):,} bytes; send at most {MAX_BYTES:,}.")
        given = self.instance(np.asarray(raw, dtype=np.uint8))
        fields = {"text": given} if isinstance(given, str) else given
        unknown = set(fields) - {"text", "beam", "max_tokens"}
        if unknown:
            raise CodecError(f"The sentence has the unknown field {min(unknown)!r}; send text, beam and max_tokens.")
        sentence = fields.get("text")
        if not isinstance(sentence, str) or not sentence.strip():
            raise CodecError('There is no text; send a sentence, or {"text": "…"}.')
        return Request(
            text=sentence,
            beam=_whole(fields, "beam", self.beam, self.max_beam),
            max_tokens=_whole(fields, "max_tokens", self.max_tokens, self.max_tokens),
        )

    def _mark(self, name: str) -> int:
        number = self.tokenizer.token_to_id(name)
        if number is None:
            raise UsageError(f"The tokenizer has no mark {name!r}; fetch or export the model again.")
        return int(number)

    def _ports(self, texts: Sequence[str]) -> Arrays:
        if not texts:
            raise CodecError("There is no sentence; send at least one.")
        rows = [[*self.ids(text), self.end] for text in texts]
        length = np.array([len(row) for row in rows], dtype=np.int64)
        if length.max() > self.max_source:
            raise CodecError(f"The sentence has {length.max()} tokens, its end among them; send at most {self.max_source}.")
        tokens = np.zeros((len(rows), length.max()), dtype=np.int64)
        for line, row in zip(tokens, rows, strict=True):
            line[: len(row)] = row
        return {"tokens": tokens, "length": length}

    def _search(self, inputs: Arrays, requests: Sequence[Request], trace: str = "") -> Plan[list[Hypothesis]]:
        """The best hypothesis of each row; rows of like length are searched together."""
        decoder = Decoder(graph="step", start=self.start, end=self.end, states=("past_state",), trace=trace)
        best: list[Any] = [None] * len(requests)
        for rows in _parts(inputs["length"]):
            length = inputs["length"][rows]
            part = {"tokens": np.ascontiguousarray(inputs["tokens"][rows, : length.max()]), "length": length}
            encoded = yield Call("encode", part)
            found = yield from beam_search(
                decoder,
                {"memory": encoded["memory"], "keys": encoded["keys"], "length": length},
                {"past_state": encoded["state"]},
                widths=[requests[row].beam for row in rows],
                limits=[min(requests[row].max_tokens, self.limit(inputs["length"][row])) for row in rows],
            )
            for row, hypotheses in zip(rows, found, strict=True):
                best[row] = max(hypotheses, key=lambda one: (one.ended, one.mean_score(self.length_power)))
        return best

    def _answer(self, source: np.ndarray, best: Hypothesis) -> Answer:
        return {
            "translation": self.text(best.tokens),
            "log_probability": best.score,
            "finish_reason": "stop" if best.ended else "length",
            "source_tokens": [self._shown(token) for token in source[:-1]] + [END],
            "tokens": [self._shown(token) for token in best.tokens] + [END] * best.ended,
            "attention": np.round(best.trace[:, : len(source)].astype(np.float64), 4).tolist(),
        }

    def _shown(self, token: int) -> str:
        """A token's own text; a space in front says that a word begins."""
        return self.tokenizer.decode([int(token)], skip_special_tokens=False)


def _parts(lengths: np.ndarray) -> Iterator[np.ndarray]:
    order = np.argsort(lengths, kind="stable")
    yield from np.split(order, range(ROWS, len(order), ROWS))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodecError(f"The text is not UTF-8 ({error}); save it as UTF-8.") from error


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", errors="surrogatepass"), dtype=np.uint8)


def _instances(data: bytes) -> list[Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f'The body is not JSON ({error}); send {{"instances": ["…"]}}.') from error
    if isinstance(value, dict) and "text" not in value:
        value = value.get("instances")
    sentences = value if isinstance(value, list) else [value]
    if not all(isinstance(one, (str, dict)) for one in sentences):
        raise CodecError('The JSON holds no sentences; send {"instances": ["…", {"text": "…", "beam": 1}]}.')
    return sentences


def _object(text: str) -> dict[str, Any] | None:
    """The fields of a JSON object with a text; None for any other text, which stands for itself."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and "text" in value else None


def _choice(options: Mapping[str, Any], max_tokens: int) -> Options:
    known = [each.name for each in dataclasses.fields(Options)]
    for name in options:
        if name not in known:
            raise CodecError(f"There is no option {name!r}; the options are {', '.join(known)}.")
    return Options(**{"max_tokens": max_tokens, "temperature": 0, **options})


def _whole(fields: Mapping[str, Any], name: str, usual: int, high: int) -> int:
    value = fields.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
        raise CodecError(f"{name} is {value!r}; send a whole number from 1 to {high}.")
    return value


CODEC = Translation
