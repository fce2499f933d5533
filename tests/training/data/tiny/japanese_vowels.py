"""Tiny files in the format of Japanese Vowels: series whose mean goes by the speaker."""

import numpy as np


def _vowels(rows_a_speaker, seed):
    rng = np.random.default_rng(seed)
    lines = ["@problemName JapaneseVowels", "@dimensions 12", "@classLabel true 1 2 3 4 5 6 7 8 9", "@data"]
    for speaker in range(1, 10):
        for _ in range(rows_a_speaker):
            values = rng.normal(speaker / 5, 0.3, size=(12, rng.integers(7, 29, endpoint=True)))
            lines.append(":".join([*(",".join(f"{v:.4f}" for v in channel) for channel in values), str(speaker)]))
    return "\n".join(lines).encode()


def contents():
    return _vowels(5, 0), _vowels(3, 1)
