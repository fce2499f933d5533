"""Data sets: `<name>.load()` gives a Dataset from `$ZOO_DATA`, the cache or the public source, in that order."""

from training.data.dataset import Dataset, Split

__all__ = ["Dataset", "Split"]
