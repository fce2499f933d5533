"""BCCD on a tiny archive of the real format, and folders of zip archives whatever lies around them."""

import dataclasses
import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import bccd, zips
from zoo.errors import DataError

SPEC = importlib.util.spec_from_file_location("tiny_bccd", Path(__file__).parent / "tiny" / "bccd.py")
tiny = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tiny)
ONE_PIXEL = "<object><name>RBC</name><bndbox><xmin>5</xmin><ymin>7</ymin><xmax>5</xmax><ymax>7</ymax></bndbox></object>"


def publish(monkeypatch, source, content, like=None):
    """Let BCCD's archive be `content`, whose folder has the checksum of that in `like`."""
    path = Path(source.folder) / "digest.zip"
    path.write_bytes(content if like is None else like)
    [file] = bccd.FILES
    stored = source.file(file.path, content)
    wanted = zips.digest(path, bccd.FOLDER)
    monkeypatch.setattr(bccd, "FILES", (dataclasses.replace(stored, sha256=wanted, folder=bccd.FOLDER),))


@pytest.fixture(autouse=True)
def folder(source, tmp_path):
    source.folder = tmp_path


def test_the_official_lists_are_the_splits(monkeypatch, source):
    publish(monkeypatch, source, tiny.archive())
    dataset = bccd.load()
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [30, 12, 12]
    assert (dataset.name, dataset.licence) == ("bccd", "MIT")
    assert dataset.labels == ("red blood cell", "white blood cell", "platelet")
    with Image.open(io.BytesIO(dataset.test.raws[0].tobytes())) as picture:
        assert (picture.size, picture.format) == ((64, 48), "JPEG")


def test_boxes_are_shares_of_the_picture(monkeypatch, source):
    """Pixels 3 to 6 of 64 are the part from 2/64 to 6/64."""
    more = ONE_PIXEL.replace("<xmin>5", "<xmin>3").replace("<xmax>5", "<xmax>6").replace("<ymax>7", "<ymax>48")
    publish(monkeypatch, source, tiny.archive(more=more))
    train = bccd.load().train
    assert train.targets.shape == (30, 4, 5)
    assert train.targets.dtype == np.float32
    np.testing.assert_allclose(train.targets[0, 3], [0, 2 / 64, 6 / 48, 6 / 64, 1], rtol=1e-6)
    assert (train.targets[1, 3] == -1).all()
    assert train.targets[1, :3, 0].tolist() == [0, 1, 2]


def test_a_box_of_one_pixel_is_no_cell(monkeypatch, source):
    publish(monkeypatch, source, tiny.archive(more=ONE_PIXEL))
    assert bccd.load().train.targets.shape == (30, 3, 5)


@pytest.mark.parametrize("above", ["", "elsewhere/deep/"])
def test_any_archive_of_the_same_folder_will_do(monkeypatch, source, above):
    publish(monkeypatch, source, tiny.archive(above=above), like=tiny.archive())
    assert len(bccd.load().test) == 12


def test_other_contents_are_refused(monkeypatch, source):
    publish(monkeypatch, source, tiny.archive(more=ONE_PIXEL), like=tiny.archive())
    with pytest.raises(DataError, match="sha256"):
        bccd.load()


def test_a_damaged_archive_is_refused(monkeypatch, source):
    publish(monkeypatch, source, tiny.archive()[:-30], like=tiny.archive())
    with pytest.raises(DataError, match="sha256"):
        bccd.load()


def test_a_list_that_names_no_picture_is_an_error(monkeypatch, source):
    publish(monkeypatch, source, tiny.archive().replace(b"cell_41\n", b"cell_99\n"))
    with pytest.raises(DataError, match=r"is (not laid out as BCCD|a damaged zip)"):
        bccd.load()
