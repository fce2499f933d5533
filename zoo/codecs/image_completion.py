"""A picture in, the lower rows of which are not looked at; the picture completed from the others out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import PictureInput, png_data_url
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class ImageCompletion(PictureInput):
    """Pixels of half the white or more are on. The last `removed` rows are off to begin with, and drawn in `steps` Gibbs
    steps, with noise that is the same for every picture: `seed` says which.

    `hidden` is how many hidden units the model has.
    """

    hidden: int
    removed: int
    steps: int
    seed: int = 0
    port: str = "v"

    def encode(self, raws: Raws) -> Arrays:
        """v (batch, pixels), 0 or 1, all rows as they came."""
        return {self.port: (super().encode(raws)[self.port] >= 0.5).astype(np.float32)}

    def gibbs(self, v: np.ndarray) -> Arrays:
        """Inputs of `gibbs`: v without the rows that are removed, what is kept of it, and noise."""
        keep = np.zeros((self.height, self.width), np.float32)
        keep[: self.height - self.removed] = 1
        rng = np.random.default_rng(self.seed)
        hidden, visible = (rng.random((self.steps, units), dtype=np.float32) for units in (self.hidden, v.shape[1]))
        return {
            self.port: v * keep.ravel(),
            "keep": np.tile(keep.ravel(), (len(v), 1)),
            "hidden_noise": np.tile(hidden, (len(v), 1, 1)),
            "visible_noise": np.tile(visible, (len(v), 1, 1)),
        }

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        v = self.encode(raws)[self.port]
        inputs = self.gibbs(v)
        outputs = yield Call("gibbs", inputs)
        pictures = {"given": inputs[self.port], "completion": outputs["p"]}
        return [
            {
                **{name: self._png(values[row]) for name, values in pictures.items()},
                "squared_error": float(np.mean((outputs["p"][row].astype(np.float64) - v[row]) ** 2)),
            }
            for row in range(len(v))
        ]

    def _png(self, chances: np.ndarray) -> str:
        return png_data_url(chances.reshape(self.height, self.width))


CODEC = ImageCompletion
