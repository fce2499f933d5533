"""Grids of pictures for model cards."""

from __future__ import annotations

import numpy as np
from PIL import Image


def grid(pictures: np.ndarray, columns: int) -> Image.Image:
    """Pictures (rows · columns, 1, height, width) of intensities 0 … 1 side by side, grey."""
    count, _, height, width = pictures.shape
    tiles = pictures.reshape(count // columns, columns, height, width).swapaxes(1, 2)
    return Image.fromarray(np.rint(tiles.reshape(-1, columns * width) * 255).astype(np.uint8))
