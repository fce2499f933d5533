"""Tiny files in the format of Multi30k: sentences that are translated word by word."""

import numpy as np

WORDS = {"Ein": "A", "Hund": "dog", "Mann": "man", "läuft": "runs", "schläft": "sleeps", "hier": "here", "heute": "today"}


def _pairs(count, seed):
    rng = np.random.default_rng(seed)
    names, verbs, places = ("Hund", "Mann"), ("läuft", "schläft"), ("hier", "heute")
    german = [["Ein", rng.choice(names), rng.choice(verbs), rng.choice(places)][: rng.integers(3, 5)] for _ in range(count)]
    lines = [
        [" ".join(words) + "." for words in german],
        [" ".join(WORDS[word] for word in words) + "." for words in german],
    ]
    return ["".join(f"{line}\n" for line in side).encode() for side in lines]


def contents():
    return (*_pairs(120, 0), *_pairs(20, 1), *_pairs(40, 2))
