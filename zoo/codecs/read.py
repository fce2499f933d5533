"""Readers that codecs share: images by Pillow, rows of numbers as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import CodecError, MediaTypeError

MAX_PIXELS = 64_000_000
IMAGE_TYPES = ("image/png", "image/jpeg")
CSV_TYPES = ("text/csv", "text/plain")
JSON_TYPE = "application/json"


def count_pixels(data: bytes) -> int:
    """Pixels that the header of a PNG or JPEG declares, nothing decoded. Raises CodecError for other bytes."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            return image.width * image.height
    except Image.DecompressionBombError:  # Pillow's own limit, far above ours
        return sys.maxsize
    except Exception as error:
        raise CodecError(f"The image cannot be read ({error}); send a PNG or a JPEG.") from error


def read_image(data: bytes, height: int, width: int, channels: int, *, light_on_dark: bool) -> np.ndarray:
    """A PNG or JPEG as uint8 (height, width) or (height, width, 3), resized where it is another size.

    With `light_on_dark`, a picture whose border is brighter than mid-grey is inverted: people draw dark on light.
    Raises CodecError for other bytes and for more than 64 megapixels.
    """
    image = decode_image(data, channels)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    if light_on_dark and np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])) > 127:
        pixels = 255 - pixels
    return pixels


def decode_image(data: bytes, channels: int) -> Image.Image:
    """A PNG or JPEG at its own size, in grey (1 channel) or colours (3), what is transparent in white.

    Raises CodecError for other bytes and for more than 64 megapixels.
    """
    if count_pixels(data) > MAX_PIXELS:
        raise CodecError(f"The image has too many pixels; send at most {MAX_PIXELS:,} pixels.")
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        if image.mode in ("LA", "RGBA", "P"):
            opaque = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
        return image.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # Pillow raises what the damaged part of the file leads to
        raise CodecError(f"The image cannot be read ({error}); send a PNG or a JPEG.") from error


def read_table(data: bytes) -> np.ndarray:
    """Comma-separated rows of numbers as float64 (rows, columns); a first row of names is passed over.

    Raises CodecError for ragged rows and for a cell that is no number.
    """
    rows = read_cells(data)
    return numbers_of(rows if has_number(rows[0]) else rows[1:])


def read_cells(data: bytes) -> list[list[str]]:
    """The cells of each row of a CSV, blank rows left out. Raises CodecError where there is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodecError(f"The CSV is not UTF-8 ({error}); save it as UTF-8.") from error
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    except csv.Error as error:  # a cell of more than 131,072 characters, say
        raise CodecError(f"The CSV cannot be read ({error}); send comma-separated rows of numbers.") from error
    if not rows:
        raise CodecError("The CSV holds no row of numbers; send at least one.")
    return rows


def has_number(row: list[str]) -> bool:
    """Whether a row is one of numbers: a first row without any is one of names."""
    return any(_is_number(cell) for cell in row)


def numbers_of(rows: list[list[str]]) -> np.ndarray:
    """Rows of cells as float64 (rows, columns). Raises CodecError for ragged rows and for a cell that is no number."""
    if not rows:
        raise CodecError("The CSV holds no row of numbers; send at least one.")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise CodecError(f"Row {number} of the CSV has {len(row)} cells, row 1 has {len(rows[0])}; send equal rows.")
        for cell in row:
            if not _is_number(cell):
                raise CodecError(f"Row {number} of the CSV holds {cell.strip()[:40]!r}; send numbers.")
    return np.array(rows, dtype=np.float64)


def read_json_array(data: bytes) -> np.ndarray:
    """The numbers of `[…]`, `{"instances": […]}` or `{"data": […]}` as float64. Raises CodecError for anything else."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send a list of numbers.") from error
    if isinstance(value, dict):
        value = value.get("instances", value.get("data"))
    if not isinstance(value, list):
        raise CodecError('The JSON is neither a list nor an object with "instances"; send {"instances": [[…], …]}.')
    try:
        array = np.array(value)
    except (TypeError, ValueError) as error:
        raise CodecError(f"The JSON is not a regular array of numbers ({error}); send equal rows.") from error
    if array.size and array.dtype.kind not in "iuf":
        raise CodecError(f"The JSON holds values of type {array.dtype.name}; send numbers.")
    array = array.astype(np.float64)
    if not array.size:
        raise CodecError("The JSON holds no numbers; send at least one row.")
    return array


def check_finite(array: np.ndarray, what: str) -> None:
    if not np.isfinite(array).all():
        raise CodecError(f"The {what} holds NaN or infinity; send finite numbers.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def unknown_type(media_type: str, known: str) -> MediaTypeError:
    return MediaTypeError(f"The content type {media_type!r} is not read here; send {known}.")
