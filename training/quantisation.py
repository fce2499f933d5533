"""What recipes of vector quantisers share: inputs of the second graph, and pictures of the prototypes."""

from __future__ import annotations

import numpy as np
from PIL.Image import Image, Resampling

from training.pictures import grid
from zoo.original import Original
from zoo.spec import Arrays

SCALE = 4  # pixels of a card's picture for one of a prototype
GAP = 0.25  # intensity of the lines between prototypes


def prototype_inputs(original: Original, samples: Arrays) -> Arrays:
    """Inputs of `prototype`: the labels of the samples."""
    return {"prototype/label": original.call(original.graph("predict"), {"x": samples["predict/x"]})["label"]}


def prototypes(original: Original, columns: int) -> Image:
    """All prototypes in their order as square grey pictures with lines between them, so many in a row."""
    pixels = original.model.prototypes_UI.detach().numpy()
    side = int(pixels.shape[1] ** 0.5)
    framed = np.pad(pixels.clip(0, 1).reshape(-1, 1, side, side), ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=GAP)
    picture = grid(framed, columns)
    return picture.resize((SCALE * picture.width, SCALE * picture.height), Resampling.NEAREST)
