"""A short text in the characters of Tiny Shakespeare, drawn: each follows its neighbours in the alphabet more often."""

import gzip

import numpy as np

CHARACTERS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def contents():
    steps = np.random.default_rng(0).integers(1, 8, size=14_000)
    return (gzip.compress("".join(CHARACTERS[place] for place in np.cumsum(steps) % 65).encode()),)
