"""Santa Fe laser: the intensity of a far-infrared laser in a chaotic state, 10,093 integers of 0 to 255.

Hübner, Abraham, Weiss (1989), https://doi.org/10.1103/PhysRevA.40.6354; set A of the competition of Weigend and Gershenfeld
(1994) and its continuation; research use. As there, steps 1 to 1,000 are to learn from and the next 100 are forecast, a free
run from step 1,000. Slow growth of an oscillation ends in sudden collapses; there are few of them in the training steps.

The public file is NumPy's format, a copy in $ZOO_DATA text with a number a line: either is read, and the checksum is of the
numbers as bytes. The public address is unproven: it could not be opened where this was written.
"""

from __future__ import annotations

import io

import numpy as np

from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile, read
from zoo.errors import DataError

ADDRESS = (
    "https://raw.githubusercontent.com/reservoirpy/reservoirpy/1fc11351bfba7f4b9a35464a1b99d804a5d6ccea"
    "/reservoirpy/datasets/santafe_laser.npy"
)

TRAIN_STEPS = 1000
HORIZON = 100  # steps of a free run
VALIDATION_STEPS = 200  # the last of the training steps, which are not fitted
ORIGINS = 11  # of free runs in the validation steps, evenly spread

_NUMPY = b"\x93NUMPY"


def parse(data: bytes) -> bytes:
    """The numbers of a NumPy file or of text with a number a line, a byte each. Raises DataError for other content."""
    try:
        numbers = np.load(io.BytesIO(data), allow_pickle=False) if data.startswith(_NUMPY) else np.array(data.split(), float)
    except (ValueError, EOFError) as error:
        raise DataError(f"The file is no series of numbers ({error}); delete it and fetch it again.") from error
    values = np.asarray(numbers, dtype=np.float64).ravel()
    if not np.array_equal(values, np.clip(np.rint(values), 0, 255)):
        raise DataError("The series holds other numbers than integers of 0 to 255; delete it and fetch it again.")
    return values.astype(np.uint8).tobytes()


FILES = (
    RawFile(
        url=ADDRESS,
        path="santafe/laser.txt",
        sha256="9785701c78e12e3483e0cf19bf85dff151a51f56cbb2ce476031abbcd3f5bff8",
        content=parse,
    ),
)


def load(history: int) -> Dataset:
    """Pairs of `history` values, float32 (N, history), and the 100 after them, float32 (N, 100).

    Training pairs lie within steps 1 to 800, one at every step. Validation pairs are forecast from 11 origins in the steps
    from 800 to 900, their targets in the last 200 training steps; the test pair is forecast from step 1,000. Raises
    DataError when the file cannot be had or is damaged.
    """
    [path] = fetch(*FILES)
    series = np.frombuffer(parse(read(path)), dtype=np.uint8).astype(np.float32)
    fitted = TRAIN_STEPS - VALIDATION_STEPS
    return Dataset(
        name="santafe-laser",
        source=ADDRESS,
        licence="research use",
        note="Training pairs overlap; the test is one free run of 100 steps.",
        labels=(),
        train=_pairs(series, history, range(history, fitted - HORIZON + 1)),
        validation=_pairs(series, history, np.linspace(fitted, TRAIN_STEPS - HORIZON, ORIGINS).astype(int)),
        test=_pairs(series, history, [TRAIN_STEPS]),
    )


def _pairs(series: np.ndarray, history: int, origins: range | np.ndarray | list[int]) -> Split:
    return Split(
        raws=np.stack([series[origin - history : origin] for origin in origins]),
        targets=np.stack([series[origin : origin + HORIZON] for origin in origins]),
    )
