"""A picture in; its code and the picture that is decoded from the code out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import PictureInput, png_data_url
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class ImageReconstruction(PictureInput):
    """`code` names the output of `encode` that `decode` takes as `code_input`; `output` has the pixels.

    They are log-odds, or where `log_odds` is false intensities, of which those beyond 0 … 1 are cut.
    """

    code: str = "mean"
    code_input: str = "z"
    output: str = "logits"
    log_odds: bool = True

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        x = self.encode(raws)
        encoded = yield Call("encode", x)
        decoded = yield Call("decode", {self.code_input: encoded[self.code]})
        pictures = self.intensities(decoded)
        originals = x[self.port] * self.std + self.mean
        return [
            {
                **{name: values[row].tolist() for name, values in encoded.items()},
                "squared_error": float(np.mean((pictures[row].ravel() - originals[row].ravel()) ** 2)),
                "reconstruction": png_data_url(pictures[row].reshape(self.height, self.width)),
            }
            for row in range(len(raws))
        ]

    def intensities(self, decoded: Arrays) -> np.ndarray:
        """Pictures (rows, pixels) of 0 … 1, in float64, from the outputs of `decode`."""
        values = decoded[self.output].astype(np.float64)
        return 1 / (1 + np.exp(-values)) if self.log_odds else values.clip(0, 1)


CODEC = ImageReconstruction
