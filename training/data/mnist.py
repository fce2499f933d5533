"""MNIST: 70,000 grey images of handwritten digits, 28x28.

LeCun, Cortes, Burges; CC BY-SA 3.0. The public address is unproven: it could not be opened where this was written, only
read from $ZOO_DATA. The unpacked train images have the MD5 6bbc9ace898e44ae57da46a324031adb, as published.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data import idx
from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile, read

ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"

_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FILES = tuple(RawFile(url=ADDRESS + name, path=f"mnist/{name}", sha256=sha256) for name, sha256 in _CHECKSUMS.items())


def load() -> Dataset:
    """The official split: raws uint8 (60000, 28, 28) and (10000, 28, 28), ink 255 on 0; targets int64 0…9.

    Raises DataError when a file cannot be had or is damaged.
    """
    train_images, train_labels, test_images, test_labels = fetch(*FILES)
    return Dataset(
        name="mnist",
        source=ADDRESS,
        licence="CC BY-SA 3.0",
        labels=tuple("0123456789"),
        train=_split(train_images, train_labels),
        test=_split(test_images, test_labels),
    )


def _split(images: Path, labels: Path) -> Split:
    return Split(
        raws=idx.parse(read(images), name=str(images), rank=3),
        targets=idx.parse(read(labels), name=str(labels), rank=1).astype(np.int64),
    )
