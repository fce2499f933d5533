"""ssd-bccd: a small single-shot detector that finds blood cells of three kinds.

Data: BCCD with its official lists: 205 pictures to fit on, 87 to validate on, the 72 of the test list scored once. The
pictures are halved to 320x240. Each is turned over, moved, zoomed and coloured anew every time. 120 epochs of one thread
in 22 minutes beside other work; mean average precision 0.9006 on the validation split, 0.9085 on the test split. There is no
published figure for this network and these lists.

    python -m training.recipes.vision.ssd_bccd --seed 0
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from training.augment_boxes import move_and_colour
from training.command import recipe_main
from training.data import Split, bccd
from training.multibox import multibox_loss
from training.recipe import Recipe, Settings
from zoo.boxes import Box, draw_boxes
from zoo.families.vision.ssd import Config, corners, encode
from zoo.original import Original
from zoo.spec import Arrays

PICTURES = 4  # in the card
SURE = 0.5


def codec(train: Split) -> dict[str, Any]:
    with Image.open(io.BytesIO(train.raws[0].tobytes())) as picture:
        height, width = picture.height // 2, picture.width // 2
    return {"height": height, "width": width, "labels": list(bccd.LABELS), "threshold": SURE}


def pictures(original: Original, samples: Arrays) -> dict[str, Image.Image]:
    """Pictures of the test split with what is found in them on the left, with the true boxes on the right."""
    rows = np.linspace(0, len(samples["targets"]) - 1, PICTURES).astype(int)
    outputs = original.call(original.graph("detect"), {"x": samples["detect/x"][rows]})
    pairs = [
        (_found(x, outputs, row), _true(x, targets))
        for row, (x, targets) in enumerate(zip(samples["detect/x"][rows], samples["targets"][rows], strict=True))
    ]
    width, height = pairs[0][0].size
    sheet = Image.new("RGB", (2 * width, len(pairs) * height))
    for row, pair in enumerate(pairs):
        for column, picture in enumerate(pair):
            sheet.paste(picture, (column * width, row * height))
    return {"detections": sheet}


def _found(x: np.ndarray, outputs: Arrays, row: int) -> Image.Image:
    chosen = (outputs["image"] == row) & (outputs["scores"] >= SURE)
    return _drawn(x, outputs["boxes"][chosen], outputs["labels"][chosen])


def _true(x: np.ndarray, targets: np.ndarray) -> Image.Image:
    exists = targets[:, 0] >= 0
    return _drawn(x, targets[exists, 1:], targets[exists, 0].astype(int))


def _drawn(x: np.ndarray, boxes: np.ndarray, labels: np.ndarray) -> Image.Image:
    picture = Image.fromarray(np.rint(np.moveaxis(x, 0, -1) * 255).astype(np.uint8))
    scale = np.array(picture.size * 2)
    return draw_boxes(picture, [Box(box * scale, int(label)) for box, label in zip(boxes, labels, strict=True)])


RECIPE = Recipe(
    family="ssd",
    config=Config(),
    summary="Single-shot detector of red and white blood cells and platelets",
    load=bccd.load,
    codec=codec,
    metric="mean_average_precision",
    augment=move_and_colour(),
    objective=multibox_loss(encode, corners),
    settings=Settings(
        epochs=120,
        batch_size=16,
        optimizer="adamw",
        lr=2e-3,
        warmup_epochs=5,
        weight_decay=1e-3,
        gradient_clip=5.0,
        average=0.99,
        keep="metric",
        metric_every=5,
        evaluation_rows=64,
        patience=1000,
        precision="bf16-mixed",
        threads=1,
    ),
    pictures=pictures,
)

if __name__ == "__main__":
    recipe_main(__file__)
