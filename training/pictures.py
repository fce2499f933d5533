"""Pictures as generators have them, and grids of them for model cards."""

from __future__ import annotations

import numpy as np
from PIL import Image


def signed(pictures: np.ndarray) -> np.ndarray:
    """Grey pictures (N, height, width) of 0 … 255 as (N, 1, height, width) from −1, black, to 1, white."""
    return (pictures[:, None] / 127.5 - 1).astype(np.float32)


def grid(pictures: np.ndarray, columns: int) -> Image.Image:
    """Pictures (rows · columns, 1, height, width) of intensities 0 … 1 side by side, grey."""
    count, _, height, width = pictures.shape
    tiles = pictures.reshape(count // columns, columns, height, width).swapaxes(1, 2)
    return Image.fromarray(np.rint(tiles.reshape(-1, columns * width) * 255).astype(np.uint8))
