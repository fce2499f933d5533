"""One file from a hub into the cache: resumed where it was cut, hashed as it comes, visible only when it is right."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from zoo.errors import HubError, IntegrityError, RuntimeUnavailableError
from zoo.hubs.depot import Depot
from zoo.hubs.paths import File
from zoo.hubs.store import Store, StoreError

ATTEMPTS = int(os.environ.get("ZOO_RETRIES", "5"))  # in a row without a byte of progress, for each hub
FIRST_S = 0.5
MOST_S = 20.0

Report = Callable[[int], None]  # bytes of the file that are here now


class WrongBytesError(IntegrityError):
    """What a hub sends is not the file that its index names."""


def fetch(file: File, stores: Sequence[Store], depot: Depot, report: Report = lambda _: None) -> None:
    """Have the blob in the cache; the stores are tried in their order.

    Any number of processes may ask for the same blob: one fetches it. Raises HubError when no store can be read,
    IntegrityError when none has the right bytes.
    """
    if not _is_whole(depot, file):
        with depot.lock(file.sha256):
            if not _is_whole(depot, file):
                _fetch_from_any(file, stores, depot, report)
    report(file.bytes)


def _is_whole(depot: Depot, file: File) -> bool:
    return _size(depot.blob(file.sha256)) == file.bytes and depot.blob(file.sha256).exists()


def _fetch_from_any(file: File, stores: Sequence[Store], depot: Depot, report: Report) -> None:
    failures: list[HubError | IntegrityError | RuntimeUnavailableError] = []
    for store in stores:
        try:
            _fetch_from(store, file, depot, report)
            return
        except (HubError, IntegrityError, RuntimeUnavailableError) as error:
            failures.append(error)
    if not failures:
        raise HubError(f"No hub that may be asked has {file.sha256[:12]}…; pull without --offline, or name another hub.")
    raise next((error for error in failures if isinstance(error, IntegrityError)), failures[0])


def _fetch_from(store: Store, file: File, depot: Depot, report: Report) -> None:
    """Raises StoreError when the patience ends; a part that turns out wrong is fetched once more from its beginning."""
    resumed = _size(depot.part(file.sha256)) > 0
    try:
        _persist(store, file, depot, report)
    except WrongBytesError:
        if not resumed:
            raise
        _persist(store, file, depot, report)


def _persist(store: Store, file: File, depot: Depot, report: Report) -> None:
    """Try until it is here, `ATTEMPTS` times in a row without progress."""
    failed = 0
    while True:
        before = _size(depot.part(file.sha256))
        try:
            _attempt(store, file, depot, report)
            return
        except StoreError as error:
            failed = 1 if _size(depot.part(file.sha256)) > before else failed + 1
            if not error.again or failed >= ATTEMPTS:
                raise
            pause = min(MOST_S, max(error.after_s, FIRST_S * 2 ** (failed - 1)))
            time.sleep(pause * random.uniform(0.5, 1.0))


def _attempt(store: Store, file: File, depot: Depot, report: Report) -> None:
    """Go on with the part, and make it the blob when it is whole and right."""
    part = depot.part(file.sha256)
    if _size(part) > file.bytes:
        part.unlink()
    try:
        with part.open("a+b", buffering=0) as out:
            _complete(store, file, out, report)
    except WrongBytesError:
        part.unlink()
        report(0)
        raise
    part.replace(depot.blob(file.sha256))


def _complete(store: Store, file: File, out: FileIO, report: Report) -> None:
    """Have the whole file in `out`. Raises WrongBytesError for other bytes, or as soon as they are more than declared."""
    what = f"{store.label}: {file.sha256[:12]}…"
    hasher, have = _hash_so_far(out)
    if have < file.bytes or not have:
        with store.open(file.sha256, have) as stream:
            if stream.total is not None and stream.total != file.bytes:
                raise WrongBytesError(
                    f"{what} has {stream.total:,} bytes where the index declares {file.bytes:,}; it is not taken."
                )
            if stream.start != have:  # the place cannot resume
                out.truncate(0)
                hasher, have = hashlib.sha256(), 0
            for chunk in stream.chunks:
                have += len(chunk)
                if have > file.bytes:
                    raise WrongBytesError(f"{what} is larger than the {file.bytes:,} bytes declared; it is not taken.")
                _write(out, chunk)
                hasher.update(chunk)
                report(have)
    if have < file.bytes:
        raise StoreError(f"{what} was cut short at {have:,} of {file.bytes:,} bytes; pull again.")
    if hasher.hexdigest() != file.sha256:
        raise WrongBytesError(f"{what} has other bytes than the index says; it is not taken.")


def _write(out: FileIO, chunk: bytes) -> None:
    """All of it: an unbuffered write may take less."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[out.write(rest) :]


def _hash_so_far(out: FileIO) -> tuple[Any, int]:
    """Of the part that is there, read from the disk and not from the hub."""
    hasher, have = hashlib.sha256(), 0
    out.seek(0)
    while block := out.read(1 << 20):
        hasher.update(block)
        have += len(block)
    return hasher, have


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
