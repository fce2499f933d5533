"""BCCD: 364 pictures of stained blood under a microscope, 640x480, with a box for each cell of three kinds.

Shenggan, Chen (2018), https://github.com/Shenggan/BCCD_Dataset; MIT. The public address, the repository's archive at one
commit, is unproven: it could not be opened where this was written, only a copy of its folder `BCCD` in $ZOO_DATA.

The layout is that of Pascal VOC: `Annotations/<name>.xml`, `JPEGImages/<name>.jpg`, lists of names in `ImageSets/Main`.
Corners of boxes are the first and the last pixel that belong to it, counted from 1. Two of the boxes are single pixels,
which are no cells: they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np

from training.data import zips
from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile
from zoo.errors import DataError

ADDRESS = "https://github.com/Shenggan/BCCD_Dataset/archive/d272fb14cdff6e473fafeeeba32aba5f560e9e43.zip"
LABELS = ("red blood cell", "white blood cell", "platelet")
FOLDER = "BCCD"
FILES = (
    RawFile(
        url=ADDRESS,
        path="bccd/BCCD.zip",
        sha256="949554629eeca49dcde5769d41eec538f3e700bf73f741bb865d0e49b2087dd1",
        folder=FOLDER,
    ),
)

_NAMES = ("RBC", "WBC", "Platelets")  # in the annotations
_NOTE = "Two boxes that are a single pixel, one of them in the training split, are left out."


def load() -> Dataset:
    """The official lists, 205, 87 and 72 pictures: raws a list of JPEG files as uint8; targets float32 (N, M, 5), the class
    and left, top, right and bottom in shares of the picture, filled up with rows of −1.

    Raises DataError when the archive cannot be had or is damaged.
    """
    [path] = fetch(*FILES)
    files = zips.members(path, FOLDER)
    try:
        train, validation, test = (_split(files, _listed(files, name)) for name in ("train", "val", "test"))
    except (KeyError, ValueError, AttributeError, TypeError, ElementTree.ParseError) as error:
        raise DataError(f"{path} is not laid out as BCCD is ({error}); delete it and fetch it again.") from error
    return Dataset(
        name="bccd", source=ADDRESS, licence="MIT", note=_NOTE, labels=LABELS, train=train, validation=validation, test=test
    )


def _listed(files: Mapping[str, bytes], split: str) -> list[str]:
    return files[f"ImageSets/Main/{split}.txt"].decode().split()


def _split(files: Mapping[str, bytes], names: list[str]) -> Split:
    boxes = [_boxes(files[f"Annotations/{name}.xml"]) for name in names]
    targets = np.full((len(names), max(map(len, boxes)), 5), -1, np.float32)
    for row, found in zip(targets, boxes, strict=True):
        row[: len(found)] = found
    return Split(raws=[np.frombuffer(files[f"JPEGImages/{name}.jpg"], np.uint8) for name in names], targets=targets)


def _boxes(annotation: bytes) -> list[tuple[float, ...]]:
    """Class and corners of each box of more than one pixel, in shares of the picture."""
    root = ElementTree.fromstring(annotation)
    width, height = (int(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
    found = []
    for item in root.iter("object"):
        left, top, right, bottom = (int(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
        if right > left and bottom > top:
            box = (left - 1) / width, (top - 1) / height, right / width, bottom / height
            found.append((_NAMES.index(item.findtext("name", "")), *np.clip(box, 0, 1).tolist()))
    return found
