"""A picture in; the number, distance and picture of the nearest prototype out, and where it lies among all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import PictureInput, png_data_url
from zoo.spec import Raws

GAP = 0.25  # intensity of the lines between prototypes; those around the nearest are white


@dataclass(frozen=True, kw_only=True)
class VectorQuantisation(PictureInput):
    """Prototypes are numbered from 0, row by row; where they are a map, `is_map`, the answer says row and column from 1.

    The prototypes themselves are asked for by number from the graph `prototype`; their layout is drawn from that.
    """

    rows: int
    columns: int
    is_map: bool = False
    graph: str = "predict"
    prototype: str = "prototype"
    label: str = "label"
    nearness: str = "nearness"
    pixels: str = "pixels"

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        found = yield Call(self.prototype, {self.label: np.arange(self.rows * self.columns)})
        pictures = self.pictures(found[self.pixels])
        return [
            self._answer(int(label), nearness, pictures)
            for label, nearness in zip(outputs[self.label], outputs[self.nearness], strict=True)
        ]

    def pictures(self, pixels: np.ndarray) -> np.ndarray:
        """Prototypes (units, pixels) as pictures (units, height, width) of intensities 0 … 1."""
        return (pixels * self.std + self.mean).clip(0, 1).reshape(-1, self.height, self.width)

    def _answer(self, label: int, nearness: np.ndarray, pictures: np.ndarray) -> Answer:
        row, column = divmod(label, self.columns)
        return {
            "nearest": label,
            **({"row": row + 1, "column": column + 1} if self.is_map else {}),
            "distance": -float(nearness[label]),
            "distances": (-nearness.astype(np.float64)).tolist(),
            "prototype": png_data_url(pictures[label]),
            "prototypes": png_data_url(self._layout(pictures, row, column)),
        }

    def _layout(self, pictures: np.ndarray, row: int, column: int) -> np.ndarray:
        """All prototypes in their rows, with lines between them that are white around one of them."""
        height, width = self.height + 1, self.width + 1
        canvas = np.full((self.rows * height + 1, self.columns * width + 1), GAP)
        top, left = row * height, column * width
        canvas[top : top + height + 1, left : left + width + 1] = 1
        for number, picture in enumerate(pictures):
            top, left = (place * size + 1 for place, size in zip(divmod(number, self.columns), (height, width), strict=True))
            canvas[top : top + self.height, left : left + self.width] = picture
        return canvas


CODEC = VectorQuantisation
