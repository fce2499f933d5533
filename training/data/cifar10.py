"""CIFAR-10: 60,000 colour photographs of ten kinds of thing, 32x32.

Krizhevsky (2009), https://www.cs.toronto.edu/~kriz/cifar.html; no licence is stated. The public address is unproven: it
could not be opened where this was written. What was read there is a copy in which every picture had been coded as JPEG
again, so its pixels are not those of the original; it is used where `$ZOO_DATA` has it and not the original, and the
data set's note says so.

The original is a gzipped tar of `data_batch_1.bin` … `data_batch_5.bin` and `test_batch.bin`, rows of a label and the
red, green and blue plane of a picture, 3,073 bytes; the copy a zip of `<train or test>/<class>/<number>.jpg`.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from training.data.dataset import Dataset, Split
from training.data.download import at_hand, fetch
from training.data.raw import RawFile
from zoo.errors import DataError

ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32  # pixels
NOTE = "A copy in which every picture was coded as JPEG again: not bit-equal to the original."

FILES = (
    RawFile(
        url=ADDRESS,
        path="cifar10/cifar-10-binary.tar.gz",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        packed=True,
    ),
)
COPY = RawFile(
    url="",
    path="cifar10/cifar10-jpeg.zip",
    sha256="0287a3668d9e0d204fc6ffa0e85a171724de09b8aec55d93153b270368489df4",
)

_ROW = 1 + 3 * SIDE * SIDE
_DAMAGES = (OSError, EOFError, KeyError, ValueError, zlib.error, tarfile.TarError, zipfile.BadZipFile)


def load() -> Dataset:
    """The official split: raws uint8 (50000, 32, 32, 3) and (10000, 32, 32, 3), colours red, green, blue; targets int64.

    Raises DataError when neither original nor copy can be had, or the one at hand is damaged.
    """
    [original] = FILES
    copy = None if at_hand(original) else at_hand(COPY)
    path = copy or fetch(original)[0]
    try:
        train, test = _read_copy(path) if copy else _read_original(path)
    except _DAMAGES as error:
        raise DataError(f"{path} is not laid out as CIFAR-10 is ({error}); delete it and fetch it again.") from error
    note = NOTE if copy else ""
    return Dataset(name="cifar10", source=ADDRESS, licence="none stated", note=note, labels=LABELS, train=train, test=test)


def _read_original(path: Path) -> tuple[Split, Split]:
    with tarfile.open(path, "r:gz") as archive:
        batches = {PurePosixPath(member.name).stem: _content(archive, member) for member in archive if member.isfile()}
    train = b"".join(batches[f"data_batch_{number}"] for number in range(1, 6))
    return _parse(train), _parse(batches["test_batch"])


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _parse(content: bytes) -> Split:
    rows = np.frombuffer(content, np.uint8).reshape(-1, _ROW)
    if rows.size and rows[:, 0].max() >= len(LABELS):
        raise ValueError(f"a label is {rows[:, 0].max()}")
    pictures = rows[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return Split(raws=np.ascontiguousarray(pictures), targets=rows[:, 0].astype(np.int64))


def _read_copy(path: Path) -> tuple[Split, Split]:
    with zipfile.ZipFile(path) as archive:
        return _read_folder(archive, "train"), _read_folder(archive, "test")


def _read_folder(archive: zipfile.ZipFile, folder: str) -> Split:
    """The classes in turn, so that the first rows have all of them."""
    found = sorted(_pictures(archive, folder))
    raws = np.empty((len(found), SIDE, SIDE, 3), np.uint8)
    for row, (_, _, name) in enumerate(found):
        with Image.open(io.BytesIO(archive.read(name)), formats=("JPEG",)) as image:
            raws[row] = np.asarray(image.convert("RGB"))
    return Split(raws=raws, targets=np.array([target for _, target, _ in found], np.int64))


def _pictures(archive: zipfile.ZipFile, folder: str) -> Iterator[tuple[int, int, str]]:
    """Number within its class, class and name of each picture."""
    for name in archive.namelist():
        path = PurePosixPath(name)
        if path.parts[0] == folder and path.suffix == ".jpg":
            yield int(path.stem), LABELS.index(path.parent.name), name
