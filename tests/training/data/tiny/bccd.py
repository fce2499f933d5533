"""A tiny archive in the format of BCCD, as its repository packs it: discs of three colours and sizes on grey, 64x48."""

import io
import zipfile

import numpy as np
from PIL import Image, ImageDraw

KINDS = {"RBC": ("#c04040", 5), "WBC": ("#6040c0", 9), "Platelets": ("#408040", 2)}
SPLITS = {"train": range(30), "val": range(30, 42), "test": range(42, 54)}


def _box(name, corners):
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"


def _cells(number):
    """One cell of each kind, none over another, as name and first and last pixel, counted from 1."""
    rng = np.random.default_rng(number)
    for place, (name, (_, radius)) in enumerate(KINDS.items()):
        x, y = int(rng.integers(11, 13)) + 19 * place, int(rng.integers(12, 36))
        yield name, (x - radius + 1, y - radius + 1, x + radius + 1, y + radius + 1)


def _picture(number):
    picture = Image.new("RGB", (64, 48), (200 - number, 200, 200))
    for name, (left, top, right, bottom) in _cells(number):
        ImageDraw.Draw(picture).ellipse((left - 1, top - 1, right - 1, bottom - 1), fill=KINDS[name][0])
    packed = io.BytesIO()
    picture.save(packed, format="JPEG", quality=95)
    return packed.getvalue()


def _annotation(number, more):
    boxes = "".join(_box(*cell) for cell in _cells(number)) + more
    return f"<annotation><size><width>64</width><height>48</height></size>{boxes}</annotation>"


def archive(above="BCCD_Dataset-0123abc/", more=""):
    """The archive's bytes; `above` is the folder that all lies in, `more` goes into the first annotation."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(f"{above}README.md", "not part of the data")
        for split, numbers in SPLITS.items():
            file.writestr(f"{above}BCCD/ImageSets/Main/{split}.txt", "".join(f"cell_{number}\n" for number in numbers))
        for number in range(54):
            file.writestr(f"{above}BCCD/JPEGImages/cell_{number}.jpg", _picture(number))
            file.writestr(f"{above}BCCD/Annotations/cell_{number}.xml", _annotation(number, "" if number else more))
    return packed.getvalue()


def contents():
    return (archive(),)
