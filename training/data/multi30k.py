"""Multi30k: captions of photographs in English, each translated into German by a professional.

Elliott, Frank, Sima'an, Specia (2016), https://aclanthology.org/W16-3210; task 1 of the multimodal translation tasks of
WMT16 to WMT18, the test split of 2016; research use. The public address is unproven: it could not be opened where this was
written, only read from $ZOO_DATA.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile, read
from zoo.errors import DataError

ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
LANGUAGES = ("de", "en")

_CHECKSUMS = {
    "train.de.gz": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "train.en.gz": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "val.de.gz": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "val.en.gz": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "test_2016_flickr.de.gz": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    "test_2016_flickr.en.gz": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
}
FILES = tuple(RawFile(url=ADDRESS + name, path=f"multi30k/{name}", sha256=sha256) for name, sha256 in _CHECKSUMS.items())


def load(source: str = "de", target: str = "en") -> Dataset:
    """The official splits, 29,000 / 1,014 / 1,000 sentences: raws a list of UTF-8 bytes, an array a sentence of the `source`
    language; targets (N, longest), the bytes of its translation, filled up with −1 (int16).

    Raises DataError when a file cannot be had or is damaged.
    """
    lines = [_lines(path) for path in fetch(*FILES)]
    one, other = LANGUAGES.index(source), LANGUAGES.index(target)
    train, validation, test = (_split(pair[one], pair[other]) for pair in zip(lines[::2], lines[1::2], strict=True))
    return Dataset(
        name="multi30k",
        source=ADDRESS,
        licence="research use",
        note=f"Captions of everyday photographs, {source} to {target}; the test split is that of 2016 (Flickr).",
        labels=(),
        train=train,
        validation=validation,
        test=test,
    )


def _lines(path: Path) -> list[bytes]:
    text = read(path)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}); fetch it again.") from error
    return [line.strip() for line in text.splitlines()]


def _split(sources: Sequence[bytes], targets: Sequence[bytes]) -> Split:
    return Split(raws=[np.frombuffer(line, dtype=np.uint8) for line in sources], targets=padded(targets))


def padded(lines: Sequence[bytes]) -> np.ndarray:
    """The bytes of each line, filled up with −1: (lines, longest) int16."""
    array = np.full((len(lines), max(map(len, lines), default=0)), -1, dtype=np.int16)
    for row, line in zip(array, lines, strict=True):
        row[: len(line)] = np.frombuffer(line, dtype=np.uint8)
    return array
