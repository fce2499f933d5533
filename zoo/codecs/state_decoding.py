"""A series of symbols in; the likeliest path of hidden states out, and how probable each state is at each step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import png_data_url
from zoo.codecs.read import CSV_TYPES, JSON_TYPE, has_number, numbers_of, read_cells, unknown_type
from zoo.errors import CodecError
from zoo.spec import Arrays, Raws

PATH_ROWS, PROBABILITY_ROWS, WIDTH = 12, 48, 300  # pixels of the picture; a step is at least one wide
COLOURS = ((0.25, 0.5, 0.85), (0.95, 0.55, 0.15), (0.3, 0.7, 0.35), (0.75, 0.35, 0.7))  # of states, over and over
PAPER = 0.12


@dataclass(frozen=True, kw_only=True)
class StateDecoding:
    """A raw series is (steps,), whole numbers of which the lowest is `first` and of which there are `symbols`."""

    states: tuple[str, ...]
    symbols: int
    max_steps: int
    first: int = 0
    channels: int = 1
    path: str = "viterbi"
    posterior: str = "posterior"

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """One series as CSV or text, a symbol a line or many on one, with commas or blanks between; JSON as one list or
        several of any lengths.

        Where symbols are single digits, text may have them without anything between.
        """
        if media_type in CSV_TYPES:
            return [self._series(self._from_text(data))]
        if media_type == JSON_TYPE:
            return [self._series(item) for item in _lists(data)]
        raise unknown_type(media_type, "text/csv, text/plain or application/json")

    def encode(self, raws: Raws) -> Arrays:
        """symbols (batch, longest), from 0, and length (batch,). Raises CodecError for a wrong symbol or length."""
        if not len(raws):
            raise CodecError("There is no series; send at least one.")
        series = [self._series(np.asarray(raw)) for raw in raws]
        length = np.array([len(one) for one in series], dtype=np.int64)
        symbols = np.zeros((len(series), length.max()), dtype=np.int64)
        for row, one in zip(symbols, series, strict=True):
            row[: len(one)] = one - self.first
        return {"symbols": symbols, "length": length}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        inputs = self.encode(raws)
        path = yield Call(self.path, inputs)
        posterior = yield Call(self.posterior, inputs)
        return [
            {
                **self._answer(path["states"][row, :steps], posterior["probabilities"][row, :steps].astype(np.float64)),
                "log_probability": float(path["log_probability"][row]),
                "log_likelihood": float(posterior["log_likelihood"][row]),
            }
            for row, steps in enumerate(inputs["length"])
        ]

    def _answer(self, states: np.ndarray, shares: np.ndarray) -> Answer:
        names = [self.states[state] for state in states]
        return {
            "path": _runs(names),
            "states": names,
            "posterior": {name: np.round(shares[:, state], 4).tolist() for state, name in enumerate(self.states)},
            "picture": png_data_url(np.concatenate([band(states), chart(shares)])),
        }

    def _from_text(self, data: bytes) -> np.ndarray:
        rows = [[part for cell in row for part in cell.split() or [cell]] for row in read_cells(data)]
        cells = [cell for row in (rows if has_number(rows[0]) else rows[1:]) for cell in row]
        if self.first >= 0 and self.first + self.symbols <= 10:
            cells = [part for cell in cells for part in (cell if cell.isdecimal() else [cell])]
        return numbers_of([[cell] for cell in cells])[:, 0]

    def _series(self, array: np.ndarray) -> np.ndarray:
        """Whole numbers (steps,), which may stand in a column. Raises CodecError."""
        values = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if values.ndim != 1:
            raise CodecError(f"The series has shape {list(array.shape)}; send [steps].")
        if not 1 <= len(values) <= self.max_steps:
            raise CodecError(f"The series has {len(values)} steps; send 1 to {self.max_steps}.")
        last = self.first + self.symbols - 1
        wrong = values[~((values >= self.first) & (values <= last) & (values == np.floor(values)))]
        if len(wrong):
            raise CodecError(f"The series holds {wrong[0]:g}; send whole numbers from {self.first} to {last}.")
        return values.astype(np.int64)


def _lists(data: bytes) -> list[np.ndarray]:
    """Each list of numbers of `[…]`, `{"instances": […]}` or `{"data": […]}`."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send a list of whole numbers.") from error
    if isinstance(value, dict):
        value = value.get("instances", value.get("data"))
    if not isinstance(value, list) or not value:
        raise CodecError('The JSON holds no series; send [1, 2] or {"instances": [[1, 2], [3]]}.')
    series = value if isinstance(value[0], list) else [value]
    try:
        return [_numbers(one) for one in series]
    except OverflowError as error:
        raise CodecError("The series holds a number beyond 1e308; send whole numbers.") from error


def _numbers(value: Any) -> np.ndarray:
    """A list of numbers, each of which may be a list of one."""
    steps = [step[0] if isinstance(step, list) and len(step) == 1 else step for step in value] if type(value) is list else []
    if not steps or not all(type(step) in (int, float) for step in steps):
        raise CodecError("A series is a list of whole numbers; send one or more.")
    return np.array(steps, dtype=np.float64)


def _runs(names: Sequence[str]) -> str:
    """`fair 1–3, loaded 4`: the steps, from 1, that follow one another in each state."""
    parts, begin = [], 1
    for name, steps in groupby(names):
        end = begin + len(list(steps)) - 1
        parts.append(f"{name} {begin}" if end == begin else f"{name} {begin}–{end}")
        begin = end + 1
    return ", ".join(parts)


def band(states: np.ndarray) -> np.ndarray:
    """A picture (`PATH_ROWS`, width, 3) in the colours of the states, a step as wide as goes into `WIDTH`."""
    colours = np.array([COLOURS[state % len(COLOURS)] for state in states])
    return np.repeat(np.repeat(colours[None], PATH_ROWS, axis=0), max(1, WIDTH // len(states)), axis=1)


def chart(shares: np.ndarray) -> np.ndarray:
    """A picture (`PROBABILITY_ROWS`, width, 3) of (steps, states): how probable all but the first state are.

    These stand on one another from the lower edge, the last state lowest.
    """
    steps, count = shares.shape
    heights = np.cumsum(shares[:, :0:-1], axis=1)[:, ::-1] * PROBABILITY_ROWS  # (steps, states − 1)
    above = PROBABILITY_ROWS - 0.5 - np.arange(PROBABILITY_ROWS)
    picture = np.full((PROBABILITY_ROWS, steps, 3), PAPER)
    for state in range(1, count):
        picture[above[:, None] < heights[:, state - 1]] = COLOURS[state % len(COLOURS)]
    return np.repeat(picture, max(1, WIDTH // steps), axis=1)


CODEC = StateDecoding
