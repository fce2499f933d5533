"""Raw files at hand: from `$ZOO_DATA`, else from the cache, else downloaded into the cache.

A file enters the cache by a rename of a complete, checked copy, so that no process ever sees half of one and any number
of processes may fetch at the same time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from training.data import cache, zips
from training.data.raw import RawFile, is_intact, read
from zoo.errors import DataError

WAITS_S = (1.0, 2.0, 4.0)  # before the second, third and fourth attempt
TIMEOUT_S = 30.0  # without a byte

_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota error


def fetch(*files: RawFile) -> list[Path]:
    """A local path of each file, whose content has the file's checksum; it may be gzip or unpacked (`raw.read`).

    Raises DataError when a file of `$ZOO_DATA` is damaged, when nothing works, or when the cache cannot be written.
    """
    return [at_hand(file) or _from_source(file) for file in files]


def at_hand(file: RawFile) -> Path | None:
    """The path of the file where `$ZOO_DATA` or the cache has it. Raises DataError when that of `$ZOO_DATA` is damaged."""
    return _from_folder(file) or _from_cache(file)


def _from_folder(file: RawFile) -> Path | None:
    folder = os.environ.get("ZOO_DATA")
    paths = [Path(folder).expanduser() / form for form in file.forms] if folder else []
    path = next((path for path in paths if path.is_file()), None)
    if path and not _has_content(path, file):
        raise DataError(
            f"{path} is not the file that {file.url or 'its loader'} names: its content differs from sha256 "
            f"{file.sha256[:12]}…; delete it, or point ZOO_DATA elsewhere."
        )
    return path


def _from_cache(file: RawFile) -> Path | None:
    path = cache.folder() / file.path
    return path if path.is_file() and _has_content(path, file) else None


def _has_content(path: Path, file: RawFile) -> bool:
    if file.folder:
        return zips.digest(path, file.folder) == file.sha256
    if file.content:
        return _has_numbers(path, file.content, file.sha256)
    return is_intact(path, file.sha256, packed=file.packed)


def _has_numbers(path: Path, content: Callable[[bytes], bytes], sha256: str) -> bool:
    try:
        return hashlib.sha256(content(read(path))).hexdigest() == sha256
    except DataError:
        return False


def _from_source(file: RawFile) -> Path:
    for wait_s in (*WAITS_S, None):
        try:
            return _download(file, cache.folder() / file.path)
        except (httpx.HTTPError, _WrongBytesError) as error:
            if wait_s is None or not _is_passing(error):
                raise _unavailable(file, error) from error
            time.sleep(wait_s)
        except OSError as error:
            raise _unwritable(error) from error
    raise AssertionError("the last attempt returns or raises")


class _WrongBytesError(Exception):
    """The download is complete and not the file that was asked for."""


def _is_passing(error: Exception) -> bool:
    return not isinstance(error, httpx.HTTPStatusError) or error.response.status_code in _PASSING_STATUSES


def _download(file: RawFile, target: Path) -> Path:
    with _part(target) as part:
        _stream(file, part)
        if not _has_content(part, file):
            raise _WrongBytesError(f"the content differs from sha256 {file.sha256[:12]}…")
        part.replace(target)
    return target


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _stream(file: RawFile, part: Path) -> None:
    headers = {"Accept-Encoding": "identity"}  # the bytes as stored; a gzip file stays gzip
    with (
        httpx.stream("GET", file.url, headers=headers, timeout=TIMEOUT_S, follow_redirects=True) as response,
        part.open("wb") as output,
        _progress() as progress,
    ):
        size = response.raise_for_status().headers.get("Content-Length")
        task = progress.add_task(file.path, total=int(size) if size else None)
        for chunk in response.iter_raw():
            output.write(chunk)
            progress.advance(task, len(chunk))
        output.flush()
        os.fsync(output.fileno())


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _unavailable(file: RawFile, error: Exception) -> DataError:
    folder = os.environ.get("ZOO_DATA")
    told = f"ZOO_DATA={folder} does not have it" if folder else "ZOO_DATA is not set"
    return DataError(
        f"{file.path} cannot be had: {file.url} failed ({str(error) or type(error).__name__}), the cache {cache.folder()} "
        f"has no intact copy and {told}; connect to the network, or set ZOO_DATA to a folder that has {file.path}."
    )


def _unwritable(error: OSError) -> DataError:
    full = error.errno in _FULL
    what = "is on a full disk" if full else f"cannot be written ({error})"
    remedy = "free some space" if full else "make it writable"
    return DataError(f"The cache {cache.folder()} {what}; {remedy}, or set ZOO_CACHE to another folder.")
