"""The laser's series in both formats that it is found in, cut into a past and a future."""

import gzip
import hashlib
import io

import numpy as np
import pytest

from training.data import santafe
from training.data.raw import RawFile
from zoo.errors import DataError

SERIES = np.random.default_rng(0).integers(0, 256, 1200)


def as_text(series):
    return "".join(f"{value}\n" for value in series).encode()


def as_numpy(series):
    file = io.BytesIO()
    np.save(file, series.reshape(-1, 1))
    return file.getvalue()


@pytest.fixture
def published(monkeypatch, source):
    """Lets the public file be `stored`, its checksum that of SERIES."""

    def publish(stored):
        url = source.file("laser", stored).url
        digest = hashlib.sha256(SERIES.astype(np.uint8).tobytes()).hexdigest()
        file = RawFile(url=url, path="santafe/laser.txt", sha256=digest, content=santafe.parse)
        monkeypatch.setattr(santafe, "FILES", (file,))

    return publish


@pytest.mark.parametrize("stored", [as_numpy(SERIES), as_text(SERIES), gzip.compress(as_text(SERIES))])
def test_a_download_in_any_format_is_the_same_series(published, stored):
    published(stored)
    dataset = santafe.load(history=50)
    assert dataset.test.raws.tolist() == [SERIES[950:1000].tolist()]
    assert dataset.test.targets.tolist() == [SERIES[1000:1100].tolist()]
    assert dataset.test.raws.dtype == np.float32


def test_no_step_is_both_fitted_and_judged(published):
    published(as_numpy(SERIES))
    dataset = santafe.load(history=100)
    assert (len(dataset.train), len(dataset.validation)) == (601, 11)
    assert dataset.train.raws[0].tolist() == SERIES[:100].tolist()
    assert dataset.train.targets[-1].tolist() == SERIES[700:800].tolist()  # the last fitted step is the 800th
    assert dataset.validation.raws[0].tolist() == SERIES[700:800].tolist()
    assert dataset.validation.targets[0].tolist() == SERIES[800:900].tolist()
    assert dataset.validation.targets[-1].tolist() == SERIES[900:1000].tolist()


@pytest.mark.parametrize(
    "stored", [as_text(SERIES[::-1]), as_text([*SERIES[:-1], 256]), b"no numbers", as_numpy(SERIES)[:99]]
)
def test_other_content_is_refused(published, stored):
    published(stored)
    with pytest.raises(DataError, match=r"santafe/laser\.txt cannot be had"):
        santafe.load(history=50)
