"""A state in, noisy or incomplete; the stored pattern that it falls into out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import PictureInput, png_data_url
from zoo.codecs.read import CSV_TYPES, JSON_TYPE, check_finite, read_json_array, read_table, unknown_type
from zoo.errors import CodecError
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class PatternCompletion:
    """States are points of `units` numbers from −1 to 1 or, where `height` and `width` are given, grey pictures.

    The network stops after `limit` steps at the latest. Pictures are read as `zoo.codecs.picture` says, black being −1.
    """

    limit: int
    units: int = 0
    height: int = 0
    width: int = 0
    channels: int = 1
    white: float = 255.0
    light_on_dark: bool = True
    graph: str = "recall"
    port: str = "x"
    limit_port: str = "limit"
    output: str = "state"

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """Raw pictures, or points: CSV rows or JSON, one or many."""
        if self._picture is not None:
            return self._picture.read(data, media_type)
        if media_type in CSV_TYPES:
            return list(self._points(read_table(data)))
        if media_type == JSON_TYPE:
            return list(self._points(read_json_array(data)))
        raise unknown_type(media_type, "text/csv or application/json")

    def encode(self, raws: Raws) -> Arrays:
        """x (batch, units) and limit (batch,). Raises CodecError for a wrong size or a number out of range."""
        x = self._states(raws) if self._picture is None else self._picture.encode(raws)[self.port]
        return {self.port: x, self.limit_port: np.full(len(x), self.limit)}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        return [self._answer(state) for state in outputs[self.output]]

    @property
    def _picture(self) -> PictureInput | None:
        if not self.height:
            return None
        return PictureInput(
            height=self.height, width=self.width, channels=self.channels, white=self.white, mean=0.5, std=0.5,
            light_on_dark=self.light_on_dark, port=self.port,
        )  # fmt: skip

    def _answer(self, state: np.ndarray) -> Answer:
        if self._picture is None:
            return {"state": state.tolist()}
        return {"picture": png_data_url((state.reshape(self.height, self.width) + 1) / 2)}

    def _states(self, raws: Raws) -> np.ndarray:
        if not len(raws):
            raise CodecError("There is no point; send at least one.")
        x = np.concatenate([self._points(np.asarray(raw)) for raw in raws]).astype(np.float32)
        check_finite(x, "point")
        if np.abs(x).max() > 1:
            raise CodecError(f"The point holds numbers from {x.min():g} to {x.max():g}; send −1 to 1.")
        return x

    def _points(self, array: np.ndarray) -> np.ndarray:
        """(rows, units), from points or a single one, which a table may have in one column."""
        if array.shape in ((self.units,), (self.units, 1)) or array.shape[1:] == (self.units,):
            return array.reshape(-1, self.units)
        raise CodecError(f"The point has shape {list(array.shape)}; send {self.units} numbers a point.")


CODEC = PatternCompletion
