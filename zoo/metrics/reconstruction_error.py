"""Squared error of what a picture's code is decoded to, summed over the pixels, from 0 to 1 each.

What it should have been are the targets where these are pictures (of a denoising model, say), else the input itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs.image_reconstruction import ImageReconstruction

DIRECTION = -1


def score(arrays: Mapping[str, np.ndarray], codec: ImageReconstruction) -> Plan[np.ndarray]:
    """One error a row of `encode/x`."""
    encoded = yield Call("encode", {"x": arrays["encode/x"]})
    decoded = yield Call("decode", {codec.code_input: encoded[codec.code]})
    return np.square(codec.intensities(decoded) - _wanted(arrays)).sum(axis=1)


def _wanted(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures (rows, pixels) of 0 … 1."""
    targets = arrays["targets"]
    return targets if targets.ndim == 2 else arrays["encode/x"]
