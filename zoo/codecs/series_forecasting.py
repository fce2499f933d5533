"""The last values of a series in; the values that follow out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.read import CSV_TYPES, JSON_TYPE, check_finite, read_json_array, read_table, unknown_type
from zoo.errors import CodecError
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class SeriesForecasting:
    """A raw history is (steps,), oldest value first, in the series' own unit; the last `history` of it are looked at.

    `horizon` is how many steps are forecast; nothing is added to them on their way back into the network.
    """

    history: int
    horizon: int
    unit: str = ""
    graph: str = "forecast"
    port: str = "x"
    innovation_port: str = "innovation"
    output: str = "forecast"
    channels: int = 1

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """One history as CSV (a value a line, or all on one), or as JSON one or several: a list of numbers each."""
        if media_type in CSV_TYPES:
            return [self._history(read_table(data))]
        if media_type == JSON_TYPE:
            array = read_json_array(data)
            several = array.ndim == 3 or (array.ndim == 2 and array.shape[1] != 1)
            return [self._history(item) for item in (array if several else [array])]
        raise unknown_type(media_type, "text/csv or application/json")

    def encode(self, raws: Raws) -> Arrays:
        """x (batch, history) and innovation (batch, horizon), zeros. Raises CodecError for a wrong shape or length."""
        if not len(raws):
            raise CodecError("There is no history; send at least one.")
        x = np.stack([self._history(np.asarray(raw)) for raw in raws]).astype(np.float32)
        return {self.port: x, self.innovation_port: np.zeros((len(x), self.horizon), np.float32)}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        inputs = self.encode(raws)
        outputs = yield Call(self.graph, inputs)
        unit = {"unit": self.unit} if self.unit else {}
        return [
            {"history": history.tolist(), "forecast": forecast.tolist(), **unit}
            for history, forecast in zip(inputs[self.port], outputs[self.output], strict=True)
        ]

    def _history(self, array: np.ndarray) -> np.ndarray:
        if array.ndim > 2 or (array.ndim == 2 and 1 not in array.shape):
            raise CodecError(f"The history has shape {list(array.shape)}; send [steps], the oldest value first.")
        values = array.reshape(-1)
        if len(values) < self.history:
            raise CodecError(f"The history has {len(values)} steps; send {self.history} or more.")
        check_finite(values, "history")
        return values[-self.history :]


CODEC = SeriesForecasting
