"""The loader on tiny files, from a server on 127.0.0.1."""

import gzip

import pytest

from training.data import multi30k
from zoo.errors import DataError

PAIRS = (b"Ein Hund.\nZwei M\xc3\xa4nner\n", b"A dog.\nTwo men\n", b"Hier\n", b"Here\n", b"Dort\r\n", b"There\r\n")


def publish(monkeypatch, source, contents):
    files = [source.file(file.path, gzip.compress(one), one) for file, one in zip(multi30k.FILES, contents, strict=True)]
    monkeypatch.setattr(multi30k, "FILES", tuple(files))


def test_pairs_are_bytes_in_either_direction(monkeypatch, source):
    publish(monkeypatch, source, PAIRS)
    dataset = multi30k.load()
    assert [bytes(raw).decode() for raw in dataset.train.raws] == ["Ein Hund.", "Zwei Männer"]
    assert dataset.train.targets.tolist() == [[*b"A dog.", -1], [*b"Two men"]]
    assert [bytes(split.raws[0]) for split in (dataset.validation, dataset.test)] == [b"Hier", b"Dort"]
    assert bytes(multi30k.load("en", "de").test.raws[0]) == b"There"


def test_a_line_too_few_or_another_encoding_is_refused(monkeypatch, source):
    publish(monkeypatch, source, (b"Ein Hund.\n", *PAIRS[1:]))
    with pytest.raises(DataError, match="1 raw inputs and 2 targets"):
        multi30k.load()
    publish(monkeypatch, source, (b"M\xe4nner\n", *PAIRS[1:]))
    with pytest.raises(DataError, match="is not UTF-8"):
        multi30k.load()
