"""A picture of any size in; what was found in it, where and how surely, and the picture with boxes drawn on it out."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from zoo.boxes import Box, draw_boxes, jpeg_data_url
from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import PictureInput
from zoo.codecs.read import IMAGE_TYPES, JSON_TYPE, check_finite, decode_image, unknown_type
from zoo.errors import CodecError
from zoo.spec import Arrays, Raws

DATA_URLS = tuple(f"data:{media_type};base64," for media_type in IMAGE_TYPES)


@dataclass(frozen=True, kw_only=True)
class ObjectDetection(PictureInput):
    """A raw picture is the bytes of a PNG or JPEG, or (height, width, 3) intensities from 0 to 255, of any size.

    The graph gets it resized to `height` and `width`, whatever its aspect ratio. Detections whose score is below `threshold`
    are not part of the answer.
    """

    labels: tuple[str, ...]
    channels: int = 3
    layout: str = "channels"
    light_on_dark: bool = False
    threshold: float = 0.5
    graph: str = "detect"

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """A picture as PNG or JPEG, or as JSON one or several `data:` URLs of such."""
        if media_type in IMAGE_TYPES:
            return [np.asarray(decode_image(data, self.channels))]
        if media_type == JSON_TYPE:
            return [np.asarray(decode_image(_decoded(url), self.channels)) for url in _listed(data)]
        raise unknown_type(media_type, "image/png, image/jpeg or application/json")

    def encode(self, raws: Raws) -> Arrays:
        """Raises CodecError for what is no picture."""
        return super().encode([np.asarray(self._fitted(self._picture(raw))) for raw in raws])

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        pictures = [self._picture(raw) for raw in raws]
        outputs = yield Call(self.graph, super().encode([np.asarray(self._fitted(picture)) for picture in pictures]))
        return [self._answer(picture, outputs, row) for row, picture in enumerate(pictures)]

    def instance(self, raw: np.ndarray) -> str:
        """A raw picture as the JSON body has it."""
        array = np.asarray(raw)
        if array.ndim == 1:
            with Image.open(io.BytesIO(array.tobytes())) as picture:
                kind = str(picture.format).lower()
            return f"data:image/{kind};base64,{base64.b64encode(array.tobytes()).decode()}"
        return jpeg_data_url(self._picture(array))

    def _answer(self, picture: Image.Image, outputs: Arrays, row: int) -> Answer:
        sure = (outputs["image"] == row) & (outputs["scores"] >= self.threshold)
        order = np.argsort(-outputs["scores"][sure], kind="stable")
        scale = np.array([picture.width, picture.height] * 2)
        found = list(zip(*(outputs[name][sure][order].tolist() for name in ("labels", "scores")), strict=True))
        boxes = np.round(outputs["boxes"][sure][order] * scale, 1).tolist()
        drawn = draw_boxes(
            picture, [Box(box, label, f"{score:.2f}") for (label, score), box in zip(found, boxes, strict=True)]
        )
        return {
            "detections": [
                {"label": self.labels[label], "score": score, "box": box}
                for (label, score), box in zip(found, boxes, strict=True)
            ],
            "width": picture.width,
            "height": picture.height,
            "picture": jpeg_data_url(drawn),
        }

    def _fitted(self, picture: Image.Image) -> Image.Image:
        return picture.resize((self.width, self.height), Image.Resampling.BILINEAR)

    def _picture(self, raw: np.ndarray) -> Image.Image:
        array = np.asarray(raw)
        if array.ndim == 1 and array.dtype == np.uint8:
            return decode_image(array.tobytes(), self.channels)
        if not (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == self.channels)) or not array.size:
            raise CodecError(
                f"The picture has shape {list(array.shape)}; send [height, width, {self.channels}] intensities, or a file."
            )
        check_finite(array, "picture")
        if array.min() < 0 or array.max() > self.white:
            raise CodecError(
                f"The picture holds intensities from {array.min():g} to {array.max():g}; send 0 to {self.white:g}."
            )
        return Image.fromarray(np.rint(array).astype(np.uint8)).convert("L" if self.channels == 1 else "RGB")


def _listed(data: bytes) -> Sequence[Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send a list of pictures as data: URLs.") from error
    found = value.get("instances") if isinstance(value, dict) else value
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or not found:
        raise CodecError('The JSON has no pictures; send {"instances": ["data:image/jpeg;base64,…", …]}.')
    return found


def _decoded(url: Any) -> bytes:
    start = next((start for start in DATA_URLS if isinstance(url, str) and url.startswith(start)), None)
    if start is None:
        raise CodecError(f"A picture begins with {str(url)[:30]!r}; send {' or '.join(f'{one}…' for one in DATA_URLS)}.")
    try:
        return base64.b64decode(url[len(start) :], validate=True)
    except binascii.Error as error:
        raise CodecError(f"A picture is no base64 ({error}); encode its bytes once more.") from error


CODEC = ObjectDetection
