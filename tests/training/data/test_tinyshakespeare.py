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
    """The last 4 of 40 characters are tested on, the first 3 of the 36 before them validated on."""
    publish(monkeypatch, source, TEXT)
    dataset = tinyshakespeare.load(chunk=8, stretch=1)
    assert texts(dataset.test) == ["JK", "KL", "LM", "MN"]  # the second is scored, what is before it is its context
    assert texts(dataset.validation) == ["ab", "bc"]
    assert texts(dataset.train) == ["defghijk", "hijklmno", "lmnopqrs", "pqrstuvw", "tuvwxyzA", "xyzABCDE", "BCDEFGHI"]


def test_rows_that_do_not_fit_are_dropped(monkeypatch, source):
    """Of the first 7 of 72 characters 6 are whole rows of 2."""
    publish(monkeypatch, source, TEXT + TEXT)
    dataset = tinyshakespeare.load(chunk=30, stretch=2)
    assert texts(dataset.validation) == ["abcd", "cdef"]
    assert [text[0] for text in texts(dataset.train)] == ["g", "v", "K"]
    assert texts(dataset.train)[-1][-1] == "z"
    assert [text[-1] for text in texts(dataset.test)] == ["H", "J", "L", "N"]
    assert (dataset.name, dataset.licence, len(dataset.labels)) == ("tinyshakespeare", "public domain", 65)


def test_targets_are_the_places_in_the_sorted_characters(monkeypatch, source):
    publish(monkeypatch, source, TEXT)
    dataset = tinyshakespeare.load(chunk=8, stretch=1)
    assert dataset.labels == tuple(sorted(dataset.labels))
    assert dataset.test.targets.tolist() == [[22, 23], [23, 24], [24, 25], [25, 26]]  # A is the 14th character
    assert dataset.test.targets.dtype == np.int64
    for split in (dataset.train, dataset.validation, dataset.test):
        assert ["".join(dataset.labels[place] for place in row) for row in split.targets] == texts(split)


def test_another_text_is_refused(monkeypatch, source):
    publish(monkeypatch, source, TEXT + "0")
    with pytest.raises(DataError, match="has other characters than"):
        tinyshakespeare.load(chunk=8, stretch=2)
