"""The loaders on tiny files of the real format, from a server and from a folder; the real files are not needed."""

import gzip
import hashlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from training.data import digits, japanese_vowels, mnist
from training.data.raw import RawFile
from zoo.errors import DataError


def images(count):
    return bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(range(4 * count))


def labels(*values):
    return bytes([0, 0, 8, 1, 0, 0, 0, len(values), *values])


def vowels(*rows):
    header = "@problemName JapaneseVowels\n@dimensions 12\n@classLabel true 1 2 3 4 5 6 7 8 9\n@data\n"
    return (header + "\n".join(":".join([channel] * 12) + f":{label}" for channel, label in rows)).encode()


def publish(monkeypatch, source, module, contents, packed):
    """Let the module's files be `contents`, in its order, on the loopback server."""
    files = [
        source.file(file.path, gzip.compress(content) if packed else content, content)
        for file, content in zip(module.FILES, contents, strict=True)
    ]
    monkeypatch.setattr(module, "FILES", tuple(files))


MNIST = (images(3), labels(5, 0, 9), images(1), labels(2))
VOWELS = (vowels(("1,2", 1), ("3", 9)), vowels(("4,5,6", 2)))


@pytest.mark.parametrize("packed", [True, False])
def test_mnist(monkeypatch, source, packed):
    publish(monkeypatch, source, mnist, MNIST, packed)
    dataset = mnist.load()
    assert dataset.train.raws.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]]
    assert dataset.train.raws.dtype == np.uint8
    assert dataset.train.targets.tolist() == [5, 0, 9]
    assert dataset.train.targets.dtype == np.int64
    assert (len(dataset.test), dataset.test.targets.tolist()) == (1, [2])
    assert dataset.labels == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert (dataset.name, dataset.licence) == ("mnist", "CC BY-SA 3.0")


def test_mnist_with_a_label_too_few(monkeypatch, source):
    publish(monkeypatch, source, mnist, (images(3), labels(5, 0), images(1), labels(2)), packed=True)
    with pytest.raises(DataError, match="3 raw inputs and 2 targets"):
        mnist.load()


@pytest.mark.parametrize("packed", [True, False])
def test_japanese_vowels(monkeypatch, source, packed):
    publish(monkeypatch, source, japanese_vowels, VOWELS, packed)
    dataset = japanese_vowels.load()
    assert [raw.tolist() for raw in dataset.train.raws] == [[[1] * 12, [2] * 12], [[3] * 12]]
    assert dataset.train.targets.tolist() == [0, 8]
    assert dataset.test.raws[0].shape == (3, 12)
    assert dataset.test.targets.tolist() == [1]
    assert dataset.labels[0] == "speaker 1"
    assert dataset.labels[8] == "speaker 9"


def test_japanese_vowels_with_other_classes(monkeypatch, source):
    other = VOWELS[0].replace(b"true 1 2", b"true 2 1")
    publish(monkeypatch, source, japanese_vowels, (other, VOWELS[1]), packed=False)
    with pytest.raises(DataError, match="has the classes 2, 1, 3"):
        japanese_vowels.load()


def test_packed_files_of_a_folder_serve_for_a_plain_public_file(monkeypatch, tmp_path):
    files = []
    for file, content in zip(japanese_vowels.FILES, VOWELS, strict=True):
        digest = hashlib.sha256(content).hexdigest()
        files.append(RawFile(url="http://127.0.0.1:1/", path=file.path, sha256=digest))
        (tmp_path / "ucr").mkdir(exist_ok=True)
        (tmp_path / f"{file.path}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(japanese_vowels, "FILES", tuple(files))
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    assert len(japanese_vowels.load().train) == 2


@pytest.mark.parametrize("module", [mnist, japanese_vowels])
def test_without_network_and_folder_the_error_says_what_to_do(monkeypatch, cache, module):
    files = tuple(RawFile(url="http://127.0.0.1:1/x", path=file.path, sha256=file.sha256) for file in module.FILES)
    monkeypatch.setattr(module, "FILES", files)
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/x .*ZOO_DATA") as caught:
        module.load()
    assert str(cache) in str(caught.value)


def test_digits_hold_every_sample_once():
    dataset = digits.load()
    both = np.concatenate([dataset.train.raws, dataset.test.raws])
    expected = load_digits().images
    assert (len(dataset.train), len(dataset.test)) == (1438, 359)
    assert both.dtype == np.float32
    assert sorted(map(bytes, both)) == sorted(map(bytes, expected.astype(np.float32)))
    assert (both.min(), both.max()) == (0, 16)


def test_a_fifth_of_each_digit_is_tested():
    # of 178, 182, 177, 183, 181, 182, 181, 179, 174 and 180 samples
    expected = [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    assert np.bincount(digits.load().test.targets).tolist() == expected


def test_the_drawn_digits_never_change():
    # Published figures stand on this draw: another one would test models on what they were trained on.
    raws = digits.load().test.raws.astype(np.uint8)
    assert hashlib.sha256(raws.tobytes()).hexdigest() == "44761d89f8e49daebc987fa4f848a40a0485a849c9da5b13a4d9f9d78b6ef9cb"


def test_the_digits_are_labelled_as_in_the_source():
    dataset, source = digits.load(), load_digits()
    truth = {image.astype(np.float32).tobytes(): target for image, target in zip(source.images, source.target, strict=True)}
    for split in (dataset.train, dataset.test):
        assert [truth[raw.tobytes()] for raw in split.raws] == split.targets.tolist()
