"""Tiny Shakespeare on a text of forty characters: who gets which part, and which rows are made of it."""

import gzip

import numpy as np
import pytest

from training.data import tinyshakespeare
from zoo.errors import DataError

TEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"


def publish(monkeypatch, source, text):
    content = text.encode()
    [file] = tinyshakespeare.FILES
    monkeypatch.setattr(tinyshakespeare, "FILES", (source.file(f"{file.path}.gz", gzip.compress(content), content),))


def texts(split):
    return [bytes(raw).decode() for raw in split.raws]


def test_the_text_is_split_where_it_lies(monkeypatch, source):
    """The last 4 of 40 characters are tested on; 3 of the 36 before them, of which one row of 2 is left, validated on."""
    publish(monkeypatch, source, TEXT)
    dataset = tinyshakespeare.load(chunk=8, stretch=2)
    assert texts(dataset.test) == ["IJKL", "KLMN"]  # KL and MN are scored, what is before them is their context
    assert texts(dataset.validation) == ["GHIJ"]
    assert texts(dataset.train) == ["abcdefgh", "efghijkl", "ijklmnop", "mnopqrst", "qrstuvwx", "uvwxyzAB", "yzABCDEF"]
    assert (dataset.name, dataset.licence, len(dataset.labels)) == ("tinyshakespeare", "public domain", 65)


def test_targets_are_the_places_in_the_sorted_characters(monkeypatch, source):
    publish(monkeypatch, source, TEXT)
    dataset = tinyshakespeare.load(chunk=8, stretch=2)
    assert dataset.labels == tuple(sorted(dataset.labels))
    assert dataset.test.targets.tolist() == [[21, 22, 23, 24], [23, 24, 25, 26]]  # A is the 14th character
    assert dataset.test.targets.dtype == np.int64
    for split in (dataset.train, dataset.validation, dataset.test):
        assert ["".join(dataset.labels[place] for place in row) for row in split.targets] == texts(split)


def test_another_text_is_refused(monkeypatch, source):
    publish(monkeypatch, source, TEXT + "0")
    with pytest.raises(DataError, match="has other characters than"):
        tinyshakespeare.load(chunk=8, stretch=2)
