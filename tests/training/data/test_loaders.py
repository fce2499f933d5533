"""The loaders on tiny files of the real format, from a server and from a folder; the real files are not needed."""

import dataclasses
import gzip
import hashlib
import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from training.data import cifar10, digits, japanese_vowels, mnist
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


def picture_row(label, red, green, blue):
    """A row of CIFAR-10's binary form: one colour, but for a second pixel that is one lighter."""
    planes = np.repeat(np.array([red, green, blue], np.uint8)[:, None], 1024, axis=1)
    planes[:, 1] += 1
    return bytes([label]) + planes.tobytes()


def archive_of(contents):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def jpeg(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def copy_of(pictures):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in pictures.items():
            archive.writestr(name, content)
    return packed.getvalue()


CIFAR = {
    "batches.meta.txt": b"airplane\n",
    "test_batch.bin": picture_row(9, 7, 8, 9),
    **{f"data_batch_{number}.bin": picture_row(number, 10 * number, 100, 200) for number in (3, 1, 2, 5, 4)},
}
COPY = {
    "test/frog/0000.jpg": jpeg((0, 255, 0)),
    "train/airplane/0000.jpg": jpeg((255, 0, 0)),
    "train/airplane/0010.jpg": jpeg((9, 9, 9)),
    "train/truck/0000.jpg": jpeg((0, 0, 255)),
    "train/truck/0002.jpg": jpeg((200, 200, 200)),
}


def install_cifar10(monkeypatch, folder, original=None, copy=None):
    """Let `folder` be ZOO_DATA, with these contents of the original and of the copy."""

    def install(file, content):
        if content is None:
            return dataclasses.replace(file, url="http://127.0.0.1:1/")
        (folder / file.path).parent.mkdir(exist_ok=True)
        (folder / file.path).write_bytes(content)
        return dataclasses.replace(file, url="http://127.0.0.1:1/", sha256=hashlib.sha256(content).hexdigest())

    monkeypatch.setattr(cifar10, "FILES", (install(cifar10.FILES[0], original),))
    monkeypatch.setattr(cifar10, "COPY", install(cifar10.COPY, copy))
    monkeypatch.setenv("ZOO_DATA", str(folder))


def test_cifar10(monkeypatch, source):
    stored = archive_of(CIFAR)
    file = dataclasses.replace(source.file(cifar10.FILES[0].path, stored), packed=True)
    monkeypatch.setattr(cifar10, "FILES", (file,))
    dataset = cifar10.load()
    assert dataset.train.targets.tolist() == [1, 2, 3, 4, 5]
    assert (dataset.train.raws.shape, dataset.train.raws.dtype) == ((5, 32, 32, 3), np.uint8)
    assert dataset.train.raws[2, 31, 31].tolist() == [30, 100, 200]  # red, green, blue
    assert dataset.train.raws[2, 0, :3, 0].tolist() == [30, 31, 30]  # a row from left to right
    assert dataset.test.targets.tolist() == [9]
    assert (dataset.labels[0], dataset.labels[3], dataset.labels[9]) == ("airplane", "cat", "truck")
    assert dataset.note == ""


def test_the_copy_of_cifar10_is_read_and_named(monkeypatch, tmp_path):
    install_cifar10(monkeypatch, tmp_path, copy=copy_of(COPY))
    dataset = cifar10.load()
    assert dataset.train.targets.tolist() == [0, 9, 9, 0]  # by number, then by class
    colours = np.array([[255, 0, 0], [0, 0, 255], [200, 200, 200], [9, 9, 9]])
    assert np.abs(dataset.train.raws[:, 16, 16].astype(int) - colours).max() <= 2
    assert dataset.test.targets.tolist() == [6]
    assert "JPEG" in dataset.note
    assert "not bit-equal" in dataset.note


def test_the_original_goes_before_the_copy(monkeypatch, tmp_path):
    install_cifar10(monkeypatch, tmp_path, original=archive_of(CIFAR), copy=copy_of(COPY))
    dataset = cifar10.load()
    assert (len(dataset.train), dataset.note) == (5, "")


@pytest.mark.parametrize(
    "contents",
    [
        {**CIFAR, "data_batch_4.bin": CIFAR["data_batch_4.bin"][:-1]},
        {**CIFAR, "test_batch.bin": picture_row(10, 0, 0, 0)},
        {name: content for name, content in CIFAR.items() if name != "data_batch_2.bin"},
    ],
    ids=["a byte too few", "a label too large", "no second batch"],
)
def test_a_cifar10_of_another_layout_is_refused(monkeypatch, tmp_path, contents):
    install_cifar10(monkeypatch, tmp_path, original=archive_of(contents))
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is not laid out as CIFAR-10 is"):
        cifar10.load()


@pytest.mark.parametrize("name", ["train/lorry/0001.jpg", "train/truck/first.jpg"])
def test_a_copy_of_cifar10_of_another_layout_is_refused(monkeypatch, tmp_path, name):
    install_cifar10(monkeypatch, tmp_path, copy=copy_of({**COPY, name: jpeg((0, 0, 0))}))
    with pytest.raises(DataError, match=r"cifar10-jpeg\.zip is not laid out as CIFAR-10 is"):
        cifar10.load()


def test_a_packed_file_is_known_by_its_stored_bytes(monkeypatch, tmp_path):
    """Another gzip of the same tar is not the published archive."""
    stored = archive_of(CIFAR)
    install_cifar10(monkeypatch, tmp_path, original=stored)
    (tmp_path / cifar10.FILES[0].path).write_bytes(gzip.compress(gzip.decompress(stored), mtime=1))
    with pytest.raises(DataError, match="content differs"):
        cifar10.load()


@pytest.mark.parametrize("module", [mnist, japanese_vowels, cifar10])
def test_without_network_and_folder_the_error_says_what_to_do(monkeypatch, cache, module):
    files = tuple(dataclasses.replace(file, url="http://127.0.0.1:1/x") for file in module.FILES)
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
