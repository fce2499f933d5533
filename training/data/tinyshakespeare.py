"""Tiny Shakespeare: 40,000 lines of the plays in one file, 1,115,394 characters of 65 kinds.

Collected by Andrej Karpathy for char-rnn (2015); the plays are in the public domain. The public address is unproven: it
could not be opened where this was written, only the copy in $ZOO_DATA.

The text is split where it lies, never by drawing: the last tenth is tested on, the first tenth of the rest validated on. The
test begins in the middle of a play; what is before it there stays for training.
"""

from __future__ import annotations

import numpy as np

from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile, read
from zoo.errors import DataError

ADDRESS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
    "/data/tinyshakespeare/input.txt"
)
CHARACTERS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

FILES = (
    RawFile(
        url=ADDRESS,
        path="tinyshakespeare/input.txt",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
)

_KINDS = np.frombuffer(CHARACTERS.encode(), dtype=np.uint8)


def load(*, chunk: int, stretch: int) -> Dataset:
    """Rows of text as uint8; `targets` has the places of their characters in `CHARACTERS`.

    Training rows are `chunk` characters long and begin every `chunk` / 2: each place but the last few is in two of them.
    A row of the other splits is 2 `stretch` long and ends `stretch` after the one before: its second half is in no other
    row of the split, and its first half is the context of that, which the test's first row has from the training text. What
    is left of a split after its last whole row is dropped. Raises DataError when the file cannot be had, is damaged or is
    another.
    """
    (path,) = fetch(*FILES)
    text = np.frombuffer(read(path), dtype=np.uint8)
    numbers = np.searchsorted(_KINDS, text).clip(max=len(_KINDS) - 1)
    if not np.array_equal(_KINDS[numbers], text):
        raise DataError(f"{path} has other characters than {CHARACTERS!r}; fetch it again.")
    test = len(text) * 9 // 10
    train = test // 10 // stretch * stretch

    def split(starts: range, length: int) -> Split:
        places = np.array(starts)[:, None] + np.arange(length)
        return Split(raws=text[places], targets=numbers[places].astype(np.int64))

    return Dataset(
        name="tinyshakespeare",
        source=ADDRESS,
        licence="public domain",
        note=f"The last tenth of the text is tested on, the first {train:,} characters are validated on.",
        labels=tuple(CHARACTERS),
        train=split(range(train, test - chunk + 1, chunk // 2), chunk),
        validation=split(range(0, train - 2 * stretch + 1, stretch), 2 * stretch),
        test=split(range(test - stretch, len(text) - 2 * stretch + 1, stretch), 2 * stretch),
    )
