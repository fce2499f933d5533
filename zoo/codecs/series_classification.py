"""A multivariate series of any length in, its label and the probability of each label out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.classes import class_answers, softmax
from zoo.codecs.read import CSV_TYPES, JSON_TYPE, check_finite, read_json_array, read_table, unknown_type
from zoo.errors import CodecError
from zoo.spec import Raws


@dataclass(frozen=True, kw_only=True)
class SeriesClassification:
    """A raw series is (steps, channels); the ports get (value − mean) / std a channel, padded with zeros, and lengths."""

    labels: tuple[str, ...]
    channels: int
    max_steps: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    graph: str = "predict"
    port: str = "x"
    length_port: str = "length"
    output: str = "logits"

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """One series as CSV (a row a step), or as JSON one (steps, channels) or several of equal length."""
        if media_type in CSV_TYPES:
            return [self._series(read_table(data))]
        if media_type == JSON_TYPE:
            array = read_json_array(data)
            return [self._series(item) for item in (array if array.ndim == 3 else [array])]
        raise unknown_type(media_type, "text/csv or application/json")

    def encode(self, raws: Raws) -> dict[str, np.ndarray]:
        """x (batch, longest, channels) and length (batch). Raises CodecError for a wrong shape or length."""
        if not len(raws):
            raise CodecError("There is no series; send at least one.")
        series = [self._series(np.asarray(raw)) for raw in raws]
        lengths = np.array([len(one) for one in series], dtype=np.int64)
        x = np.zeros((len(series), lengths.max(), self.channels), dtype=np.float32)
        for row, one in zip(x, series, strict=True):
            row[: len(one)] = (one - np.array(self.mean)) / np.array(self.std)
        return {self.port: x, self.length_port: lengths}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        return class_answers(softmax(outputs[self.output]), self.labels)

    def _series(self, array: np.ndarray) -> np.ndarray:
        if array.ndim != 2 or array.shape[1] != self.channels:
            raise CodecError(f"The series has shape {list(array.shape)}; send [steps, {self.channels}].")
        if not 1 <= len(array) <= self.max_steps:
            raise CodecError(f"The series has {len(array)} steps; send 1 to {self.max_steps}.")
        check_finite(array, "series")
        return array


CODEC = SeriesClassification
