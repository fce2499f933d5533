import gzip
import hashlib

import pytest

from training.data.raw import is_intact, read
from zoo.errors import DataError

DIGEST = hashlib.sha256(b"content").hexdigest()


@pytest.mark.parametrize("stored", [b"content", gzip.compress(b"content", mtime=0), gzip.compress(b"content", mtime=1)])
def test_packed_or_not_the_content_counts(tmp_path, stored):
    (tmp_path / "file").write_bytes(stored)
    assert read(tmp_path / "file") == b"content"
    assert is_intact(tmp_path / "file", DIGEST)


@pytest.mark.parametrize("stored", [b"", b"Content", b"\x1f\x8b", gzip.compress(b"content", mtime=0)[:-1]])
def test_other_content_is_not_intact(tmp_path, stored):
    (tmp_path / "file").write_bytes(stored)
    assert not is_intact(tmp_path / "file", DIGEST)


def test_what_cannot_be_opened_is_named(tmp_path):
    for reading in (read, lambda path: is_intact(path, DIGEST)):
        with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
            reading(tmp_path)


def test_damaged_gzip_is_named(tmp_path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(b"content")[:-1])
    with pytest.raises(DataError, match=r"file\.gz is damaged gzip .*delete it"):
        read(tmp_path / "file.gz")
