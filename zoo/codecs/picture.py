"""How pictures come in and go out, for every codec that has images."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from zoo.codecs.read import (
    CSV_TYPES,
    IMAGE_TYPES,
    JSON_TYPE,
    check_finite,
    read_image,
    read_json_array,
    read_table,
    unknown_type,
)
from zoo.errors import CodecError, UsageError
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """Settings of the picture side of a codec.

    A raw picture is (height, width) or (height, width, channels) with intensities from 0 to `white`. Ports get
    (pixel / white − mean) / std, flat or with a channel axis in front as `layout` says; `mean` and `std` are one number,
    or one for each channel.
    """

    height: int
    width: int
    channels: int = 1
    white: float = 255.0
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    layout: str = "flat"
    light_on_dark: bool = True
    port: str = "x"

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.channels:
                raise UsageError(f"The codec's {name} has {len(value)} numbers for {self.channels} channels; give one each.")

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """Raw pictures of a PNG or JPEG (one), CSV rows or JSON (one or many, of intensities 0 to `white`)."""
        if media_type in IMAGE_TYPES:
            pixels = read_image(data, self.height, self.width, self.channels, light_on_dark=self.light_on_dark)
            return [pixels if self.white == 255 else pixels * (self.white / 255)]
        if media_type in CSV_TYPES:
            return list(self._rows(read_table(data)))
        if media_type == JSON_TYPE:
            return list(self._rows(read_json_array(data)))
        raise unknown_type(media_type, "image/png, image/jpeg, text/csv or application/json")

    def encode(self, raws: Raws) -> Arrays:
        """Port arrays of raw pictures. Raises CodecError for a wrong size or an intensity out of range."""
        if not len(raws):
            raise CodecError("There is no picture; send at least one.")
        pixels = np.stack([self._rows(np.asarray(raw))[0] for raw in raws]).astype(np.float32)
        check_finite(pixels, "picture")
        if pixels.min() < 0 or pixels.max() > self.white:
            raise CodecError(
                f"The picture holds intensities from {pixels.min():g} to {pixels.max():g}; send 0 to {self.white:g}."
            )
        x = (pixels / np.float32(self.white) - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        if self.layout == "flat":
            return {self.port: x.reshape(len(x), -1)}
        return {self.port: np.ascontiguousarray(np.moveaxis(x, -1, 1))}

    def _rows(self, array: np.ndarray) -> np.ndarray:
        """(rows, height, width, channels), from pictures that may be flat, without channel axis, or a single one."""
        size = self.height * self.width * self.channels
        shape = (self.height, self.width, self.channels)
        plain = shape[:2] if self.channels == 1 else shape
        if array.shape in (shape, plain, (size,)) or array.shape[1:] in (shape, plain, (size,)):
            return array.reshape(-1, *shape)
        raise CodecError(f"The picture has shape {list(array.shape)}; send {list(plain)} or {size} numbers a picture.")


def png_data_url(intensity: np.ndarray) -> str:
    """A (height, width) picture of intensities from 0 to 1 as a `data:` URL of a PNG."""
    pixels = np.clip(np.rint(intensity * 255), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
