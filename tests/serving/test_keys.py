"""Keys: how they are kept, and whom they let in."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.keys import Keys, hash_of, read_keys
from zoo.errors import UsageError

KEY, OTHER = "k" * 20, "o" * 20
HASH = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()


def keys_in(path: Path, text: str, mode: int = 0o600) -> Keys:
    path.write_text(text)
    path.chmod(mode)
    return read_keys({"ZOO_API_KEYS_FILE": str(path)}, "ZOO_API_KEYS")


def test_a_key_is_taken_from_either_header_and_no_other_is() -> None:
    keys = read_keys({"ZOO_API_KEYS": f"{hash_of(OTHER)}, {HASH.upper().replace('SHA256', 'sha256')}"}, "ZOO_API_KEYS")
    assert keys.admit({b"x-api-key": KEY.encode()})
    assert keys.admit({b"authorization": b"Bearer " + OTHER.encode()})
    assert keys.admit({b"authorization": b"bearer  " + KEY.encode()})
    for headers in (
        {},
        {b"x-api-key": b""},
        {b"x-api-key": KEY.encode() + b"k"},
        {b"x-api-key": HASH.encode()},
        {b"authorization": KEY.encode()},
        {b"authorization": b"Basic " + KEY.encode()},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Bearer " + KEY.encode(), b"x-api-key": b"\xff\xfe"},
    ):
        assert not keys.admit(headers)


def test_without_keys_there_is_no_lock_and_nobody_is_known() -> None:
    keys = read_keys({}, "ZOO_API_KEYS")
    assert not keys
    assert not keys.admit({b"x-api-key": b""})


def test_a_file_and_the_environment_add_up(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# whose\n\n  {HASH}  # a colleague\n")
    path.chmod(0o640)
    keys = read_keys({"ZOO_ADMIN_KEYS_FILE": str(path), "ZOO_ADMIN_KEYS": hash_of(OTHER)}, "ZOO_ADMIN_KEYS")
    assert keys.admit({b"x-api-key": KEY.encode()})
    assert keys.admit({b"x-api-key": OTHER.encode()})
    assert KEY not in repr(keys)
    assert HASH[10:] not in repr(keys)


@pytest.mark.parametrize("entry", [KEY, HASH[:-1], HASH + "0", HASH.replace("sha256", "md5"), HASH[7:]])
def test_what_is_not_hashed_is_refused_and_not_repeated(entry: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Entry 2 of ZOO_API_KEYS_FILE=.*python -m serving\.keys") as error:
        keys_in(tmp_path / "keys", f"{HASH}\n{entry}\n")
    assert entry not in str(error.value)
    with pytest.raises(UsageError, match="Entry 1 of ZOO_API_KEYS is not sha256"):
        read_keys({"ZOO_API_KEYS": entry}, "ZOO_API_KEYS")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o777])
def test_a_file_that_others_may_open_is_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"open to every user .mode {mode:o}.; run chmod 600"):
        keys_in(tmp_path / "keys", HASH, mode)


def test_a_place_that_holds_no_key_does_not_open_the_door(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no key"):
        keys_in(tmp_path / "keys", "# nobody yet\n")
    with pytest.raises(UsageError, match="ZOO_API_KEYS holds no key"):
        read_keys({"ZOO_API_KEYS": " , "}, "ZOO_API_KEYS")
    folder, binary = tmp_path / "folder", tmp_path / "binary"
    folder.mkdir(0o700)
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    for path in (tmp_path / "missing", folder, binary):
        with pytest.raises(UsageError, match="cannot be read"):
            read_keys({"ZOO_API_KEYS_FILE": str(path)}, "ZOO_API_KEYS")


def command(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving.keys"], input=text, capture_output=True, text=True, env=dict(os.environ), timeout=30
    )


def test_the_command_hashes_a_key_or_makes_one() -> None:
    given = command(f"{KEY}\n").stdout
    assert KEY in given
    assert HASH in given
    first, second = (command("").stdout.split() for _ in range(2))
    assert first != second
    made = next(word for word in first if len(word) == 43)
    assert "sha256:" + hashlib.sha256(made.encode()).hexdigest() in first
    refused = command("short\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "16 or more" in refused.stderr
