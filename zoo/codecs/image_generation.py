"""Pictures drawn by a seed: `{"seed": 1, "count": 4, "steps": 20}` in, pictures out.

A generator makes a picture from a code in one call, a diffusion model in `steps` steps from noise, the more random the
larger `eta` is (0: none but the first). Picture k of a seed depends on neither `count` nor the pictures beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import png_data_url
from zoo.codecs.read import JSON_TYPE, read_json_array, unknown_type
from zoo.diffusion import Denoising, falling, intensity
from zoo.errors import CodecError
from zoo.generation import Generation, Piece
from zoo.spec import Arrays, Raws

MOST_PICTURES = 64  # of one request
LARGEST_SEED = 2**53 - 1  # JSON's and float64's integers are exact up to here


@dataclass(frozen=True)
class Wish:
    """One picture: the `number`th of a seed, and how a diffusion model is to sample it."""

    seed: int
    number: int
    steps: int
    eta: float

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.number])


@dataclass(frozen=True, kw_only=True)
class ImageGeneration:
    """A raw input is [seed, number], of a diffusion model [seed, number, steps, eta].

    `latent` is the length of a generator's code. `alpha_bar` has ᾱ_t of a diffusion model for t = 0 … T; `steps` and `eta`
    are what is sampled with unless the request says otherwise, and `call_steps` the most steps of one call. `critic` names
    the graph that gives the log-odds of a picture being real; '' where there is none.
    """

    height: int
    width: int
    channels: int = 1
    latent: int = 0
    alpha_bar: tuple[float, ...] = ()
    steps: int = 20
    eta: float = 0.0
    call_steps: int = 20
    critic: str = ""

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """One raw input a picture, of `{"seed": …, "count": …}` or of rows `{"instances": [[seed, number], …]}`."""
        if media_type != JSON_TYPE:
            raise unknown_type(media_type, JSON_TYPE)
        try:
            options = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CodecError(f'The body is not JSON ({error}); send {{"seed": 1, "count": 4}}.') from error
        if not isinstance(options, dict) or "instances" in options or "data" in options:
            return [self._row(self._wish(row)) for row in np.atleast_2d(read_json_array(data))]
        _refuse_unknown(options, ("seed", "count", *self._names[2:]))
        count = int(_number(options, "count", 1, 1, MOST_PICTURES))
        return [self._row(self._wanted({**options, "number": number})) for number in range(count)]

    def encode(self, raws: Raws) -> Arrays:
        """Port arrays of `generate`, or of `sample` for as many steps as one call may have.

        Raises CodecError for a malformed request, and where rows differ in the number of steps.
        """
        wishes = self._wishes(raws)
        if self.latent:
            return self._codes(wishes)
        if len({wish.steps for wish in wishes}) > 1 or wishes[0].steps > self.call_steps:
            raise CodecError(f"Pictures of one call have equally many steps, at most {self.call_steps}; send them apart.")
        return next(self._calls(wishes))

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        pictures = yield from self.pictures(raws)
        answers: list[Answer] = [{"picture": self._shown(picture)} for picture in pictures]
        if self.critic:
            outputs = yield Call(self.critic, {"x": pictures})
            odds = outputs["logit"].astype(np.float64)
            return [{**answer, "realness": float(p)} for answer, p in zip(answers, 1 / (1 + np.exp(-odds)), strict=True)]
        return answers

    def pictures(self, raws: Raws) -> Plan[np.ndarray]:
        """Pictures (rows, channels, height, width), −1 black, 1 white."""
        wishes = self._wishes(raws)
        pictures = np.empty((len(wishes), self.channels, self.height, self.width), np.float32)
        for steps in sorted({wish.steps for wish in wishes}):
            rows = [row for row, wish in enumerate(wishes) if wish.steps == steps]
            pictures[rows] = yield from self._drawn([wishes[row] for row in rows])
        return pictures

    def generate(self, raw: np.ndarray, options: Mapping[str, Any]) -> Plan[Generation]:
        """A diffusion model's steps one by one, a generator's in one. `options` stand above what `raw` says, if anything."""
        yield from ()
        _refuse_unknown(options, self._names)
        told = dict(zip(self._names, np.asarray(raw, np.float64).ravel().tolist(), strict=False))
        wish = self._wanted({**told, **options})
        if self.latent:
            return Decoding(self._codes([wish]), self._shown)
        start, noise = self._noise(wish)
        return Denoising(start, noise, wish.steps, wish.eta, self.alpha_bar, self._shown)

    def _drawn(self, wishes: Sequence[Wish]) -> Plan[np.ndarray]:
        """Pictures of equally many steps."""
        if self.latent:
            outputs = yield Call("generate", self._codes(wishes))
            return outputs["picture"]
        outputs = {}
        for call in self._calls(wishes):
            if outputs:
                call["x"] = outputs["picture"]
            outputs = yield Call("sample", call)
        return outputs["picture"]

    def _codes(self, wishes: Sequence[Wish]) -> Arrays:
        return {"z": np.stack([wish.rng.standard_normal(self.latent, np.float32) for wish in wishes])}

    def _calls(self, wishes: Sequence[Wish]) -> Iterator[Arrays]:
        """Inputs of `sample`, call by call; x, which each takes from the one before, is noise in all."""
        t, s = falling(len(self.alpha_bar) - 1, wishes[0].steps)
        starts, noises = zip(*(self._noise(wish) for wish in wishes), strict=True)
        eta = np.array([wish.eta for wish in wishes], np.float32)
        for begin in range(0, len(t), self.call_steps):
            now = slice(begin, min(begin + self.call_steps, len(t)))
            size = now.stop - now.start
            noise = np.stack([np.stack([next(noise) for _ in range(size)]) for noise in noises])
            many = (len(wishes), size)
            yield {
                "x": np.stack(starts),
                "t": np.broadcast_to(t[now], many).copy(),
                "s": np.broadcast_to(s[now], many).copy(),
                "noise": noise,
                "eta": eta,
            }

    def _noise(self, wish: Wish) -> tuple[np.ndarray, Iterator[np.ndarray]]:
        """x_T, and the noise of each step in turn: zeros where it has no effect."""
        shape, rng = (self.channels, self.height, self.width), wish.rng
        start = rng.standard_normal(shape, np.float32)
        still = np.zeros(shape, np.float32)
        return start, (rng.standard_normal(shape, np.float32) if wish.eta else still for _ in range(wish.steps))

    @property
    def _names(self) -> tuple[str, ...]:
        return ("seed", "number") if self.latent else ("seed", "number", "steps", "eta")

    def _wanted(self, options: Mapping[str, Any]) -> Wish:
        """Raises CodecError for an option that is no number or out of range."""
        return Wish(
            seed=int(_number(options, "seed", 0, 0, LARGEST_SEED)),
            number=int(_number(options, "number", 0, 0, LARGEST_SEED)),
            steps=0 if self.latent else int(_number(options, "steps", self.steps, 1, len(self.alpha_bar) - 1)),
            eta=_number(options, "eta", self.eta, 0, 1, whole=False),
        )

    def _wish(self, row: np.ndarray) -> Wish:
        if row.shape != (len(self._names),):
            raise CodecError(f"The request has shape {list(row.shape)}; send [{', '.join(self._names)}] for each picture.")
        return self._wanted(dict(zip(self._names, row.tolist(), strict=True)))

    def _wishes(self, raws: Raws) -> list[Wish]:
        if not len(raws):
            raise CodecError("There is no request; send at least one.")
        return [self._wish(np.asarray(raw)) for raw in raws]

    def _row(self, wish: Wish) -> np.ndarray:
        return np.array([getattr(wish, name) for name in self._names], np.float64)

    def _shown(self, picture: np.ndarray) -> str:
        """A `data:` URL of a picture (channels, height, width)."""
        shown = intensity(picture)
        return png_data_url(shown[0] if self.channels == 1 else np.moveaxis(shown, 0, -1))


class Decoding:
    """A picture that a generator makes in one call (`zoo.generation`)."""

    graph = "generate"

    def __init__(self, codes: Arrays, show: Callable[[np.ndarray], str]) -> None:
        self._codes: Arrays | None = codes
        self._show = show

    def inputs(self) -> Arrays | None:
        return self._codes

    def take(self, outputs: Arrays) -> list[Piece]:
        self._codes = None
        return [{"step": 1, "steps": 1, "image": self._show(outputs["picture"][0]), "finish_reason": "stop"}]


def _refuse_unknown(options: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in options:
        if name not in known:
            raise CodecError(f"There is no option {name!r}; choose from {', '.join(known)}.")


def _number(options: Mapping[str, Any], name: str, usual: float, low: float, high: float, *, whole: bool = True) -> float:
    value = options.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high or (whole and value % 1):
        kind = "a whole number" if whole else "a number"
        raise CodecError(f"The option {name!r} is {value!r}; send {kind} from {low:g} to {high:g}.")
    return value


CODEC = ImageGeneration
