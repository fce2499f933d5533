"""A picture in; its code and the picture that is decoded from the code out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import PictureInput, png_data_url
from zoo.spec import Raws


@dataclass(frozen=True, kw_only=True)
class ImageReconstruction(PictureInput):
    """`code` names the output of `encode` that `decode` takes as `code_input`; `output` has logits of the pixels."""

    code: str = "mean"
    code_input: str = "z"
    output: str = "logits"

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        x = self.encode(raws)
        encoded = yield Call("encode", x)
        decoded = yield Call("decode", {self.code_input: encoded[self.code]})
        pictures = 1 / (1 + np.exp(-decoded[self.output].astype(np.float64)))
        originals = x[self.port] * self.std + self.mean
        return [
            {
                **{name: values[row].tolist() for name, values in encoded.items()},
                "squared_error": float(np.mean((pictures[row].ravel() - originals[row].ravel()) ** 2)),
                "reconstruction": png_data_url(pictures[row].reshape(self.height, self.width)),
            }
            for row in range(len(raws))
        ]


CODEC = ImageReconstruction
