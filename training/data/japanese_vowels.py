"""Japanese Vowels: nine men say /ae/; 12 LPC cepstrum coefficients a step, 7 to 29 steps; who speaks?

Kudo, Toyama, Shimbo (1999), "Multidimensional curve classification using passing-through regions", Pattern Recognition
Letters 20(11-13), 1103-1111; research use. The public address is unproven: it could not be opened where this was
written, neither the repository nor the path of the two files in it; the checksums are of the copies in $ZOO_DATA.
"""

from __future__ import annotations

from pathlib import Path

from training.data import ts
from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile, read
from zoo.errors import DataError

ADDRESS = (
    "https://raw.githubusercontent.com/aeon-toolkit/aeon/a101ddc8b35a65441609b45c9bcce5aeafa0c131"
    "/aeon/datasets/data/JapaneseVowels/"
)

_CHECKSUMS = {
    "JapaneseVowels_TRAIN.ts": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
    "JapaneseVowels_TEST.ts": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
}
FILES = tuple(RawFile(url=ADDRESS + name, path=f"ucr/{name}", sha256=sha256) for name, sha256 in _CHECKSUMS.items())

_CLASSES = tuple("123456789")


def load() -> Dataset:
    """The official split, 270 and 370 utterances: raws a list of float32 (T, 12), 7 <= T <= 29; targets int64 0…8.

    Both parts are sorted by speaker: shuffle before holding anything out. Raises DataError when a file cannot be had or
    is damaged.
    """
    train, test = fetch(*FILES)
    return Dataset(
        name="japanese-vowels",
        source=ADDRESS,
        licence="research use",
        note="30 training utterances a speaker; 24 to 88 test utterances.",
        labels=tuple(f"speaker {number}" for number in _CLASSES),
        train=_split(train),
        test=_split(test),
    )


def _split(path: Path) -> Split:
    content = ts.parse(read(path).decode("utf-8", errors="replace"), name=str(path))
    if content.labels != _CLASSES:
        raise DataError(f"{path} has the classes {', '.join(content.labels)}, not 1 to 9; fetch it again.")
    return Split(raws=content.series, targets=content.targets)
