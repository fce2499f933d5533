"""lstm-japanese-vowels: which of nine speakers said the vowels, from 7 to 29 steps of 12 cepstral coefficients.

Data: UCI Japanese Vowels, 270 series in the training split, 370 in the test split (scored once); a fifth of the
training split, the same share of every speaker, is held out to validate on.

    python -m training.recipes.sequence.lstm_japanese_vowels --seed 0 --seed 1 --seed 2
"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.command import recipe_main
from training.data import Split, japanese_vowels
from training.objectives import cross_entropy
from training.recipe import Recipe, Settings
from zoo.families.sequence.lstm import Config


def codec(train: Split) -> dict[str, Any]:
    steps = np.concatenate(list(train.raws)).astype(np.float64)
    return {
        "labels": [f"speaker {number}" for number in range(1, 10)],
        "channels": steps.shape[1],
        "max_steps": 29,
        "mean": np.round(steps.mean(0), 6).tolist(),
        "std": np.round(steps.std(0), 6).tolist(),
    }


RECIPE = Recipe(
    family="lstm",
    config=Config(),
    summary="LSTM on series of different lengths: which of nine speakers",
    load=japanese_vowels.load,
    codec=codec,
    metric="accuracy",
    objective=cross_entropy(),
    settings=Settings(
        epochs=150, batch_size=32, lr=3e-3, weight_decay=1e-3, optimizer="adamw", gradient_clip=1.0, average=0.98,
        label_smoothing=0.05, validation=0.2, patience=40, threads=1,
    ),
)  # fmt: skip

if __name__ == "__main__":
    recipe_main(__file__)
