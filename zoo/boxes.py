"""Boxes drawn into pictures, each with its label."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

# Colours that people tell apart whatever kind of colour vision they have: Okabe and Ito (2008),
# https://jfly.uni-koeln.de/color/
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")
LONGEST = 1024  # pixels of a drawn picture: a larger one is made smaller
TEXT = 12  # pixels


@dataclass(frozen=True)
class Box:
    """`corners` are left, top, right and bottom in pixels, `kind` gives the colour; an empty `text` is not written."""

    corners: Sequence[float]
    kind: int
    text: str = ""


def draw_boxes(picture: Image.Image, boxes: Iterable[Box]) -> Image.Image:
    """A copy of the picture in colours with the boxes on it, at most `LONGEST` pixels wide and high."""
    drawn = picture.convert("RGB")
    drawn.thumbnail((LONGEST, LONGEST))
    scale = drawn.width / picture.width, drawn.height / picture.height
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(TEXT)
    for box in boxes:
        left, top, right, bottom = (place * scale[number % 2] for number, place in enumerate(box.corners))
        colour = COLOURS[box.kind % len(COLOURS)]
        pen.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=2)
        if box.text:
            label = pen.textbbox((left + 2, top), box.text, font=font)
            pen.rectangle((left, label[1] - 1, label[2] + 2, label[3] + 1), fill=colour)
            pen.text((left + 2, top), box.text, fill="white", font=font)
    return drawn


def jpeg_data_url(picture: Image.Image) -> str:
    """A picture as a `data:` URL of a JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
