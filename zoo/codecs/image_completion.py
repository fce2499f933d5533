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
    steps, with noise that is the same for every picture: `seed` says which. One call takes `call_steps` of them.

    `hidden` is how many hidden units the model has.
    """

    hidden: int
    removed: int
    steps: int
    call_steps: int
    seed: int = 0
    port: str = "v"

    def encode(self, raws: Raws) -> Arrays:
        """v (batch, pixels), 0 or 1, all rows as they came."""
        return {self.port: (super().encode(raws)[self.port] >= 0.5).astype(np.float32)}

    def known(self, v: np.ndarray) -> Arrays:
        """v without the rows that are removed, and what is kept of it."""
        keep = np.zeros((self.height, self.width), np.float32)
        keep[: self.height - self.removed] = 1
        return {self.port: v * keep.ravel(), "keep": np.tile(keep.ravel(), (len(v), 1))}

    def noise(self, rows: int, units: int, first: int = 0) -> Arrays:
        """Noise of a call whose first step is the one numbered so, for `units` visible units."""
        rng = np.random.default_rng(self.seed)
        drawn = {"hidden_noise": rng.random((self.steps, self.hidden), dtype=np.float32)}
        drawn["visible_noise"] = rng.random((self.steps, units), dtype=np.float32)
        return {name: np.tile(steps[first : first + self.call_steps], (rows, 1, 1)) for name, steps in drawn.items()}

    def complete(self, v: np.ndarray) -> Plan[np.ndarray]:
        """(batch, pixels): the chances that the last step drew with, and v where it is known."""
        inputs = self.known(v)
        for first in range(0, self.steps, self.call_steps):
            outputs = yield Call("gibbs", {**inputs, **self.noise(len(v), v.shape[1], first)})
            inputs[self.port] = outputs["sample"]
        return outputs["p"]

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        v = self.encode(raws)[self.port]
        completed = yield from self.complete(v)
        pictures = {"given": self.known(v)[self.port], "completion": completed}
        errors = np.mean((completed.astype(np.float64) - v) ** 2, axis=1)
        return [
            {**{name: self._png(values[row]) for name, values in pictures.items()}, "squared_error": float(errors[row])}
            for row in range(len(v))
        ]

    def _png(self, chances: np.ndarray) -> str:
        return png_data_url(chances.reshape(self.height, self.width))


CODEC = ImageCompletion
