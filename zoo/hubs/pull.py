"""A version of a model out of a hub into the cache: all its files at once, then checked as one artifact."""

from __future__ import annotations

import errno
import queue
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zoo.artifact import ORIGINAL, Artifact
from zoo.errors import HubError, IntegrityError
from zoo.hubs.contents import check_content
from zoo.hubs.depot import Depot, LostBlobError, Record, folder_name
from zoo.hubs.fetch import Report, fetch
from zoo.hubs.paths import File, files_of
from zoo.hubs.progress import Progress
from zoo.hubs.store import Store
from zoo.manifest import CARD, CERTIFICATE, sha256
from zoo.onnx_files import check_external_data

WORKERS = 4
PATIENCE_S = 5.0
_SPARE_BYTES = 1 << 20  # for folders, locks and records


def pull(
    name: str, entry: Mapping[str, Any], stores: Sequence[Store], depot: Depot, *, with_original: bool = False
) -> Artifact:
    """The artifact that an accepted index lists, fetched unless it is in the cache.

    Raises IntegrityError for what must not be taken, HubError when it cannot be had.
    """
    reference = f"{name}@{entry['version']}"
    files = files_of(reference, entry)
    folder = folder_name(name, entry["version"], files[CERTIFICATE].sha256)
    wanted = {path: file for path, file in files.items() if with_original or not path.startswith(f"{ORIGINAL}/")}
    artifact = Artifact(depot.model(folder))
    if not _is_there(artifact.folder, wanted):
        record = Record(folder, name, entry["version"], files)
        with depot.lock(folder):
            if not _is_there(artifact.folder, wanted):
                _obtain(record, wanted, stores, depot, original=with_original)
    _check_bound(reference, artifact.folder, files)
    return artifact


def check_artifact(
    reference: str, entry: Mapping[str, Any], files: Mapping[str, File], place: Callable[[str], Path]
) -> None:
    """Raise IntegrityError unless files with these hashes are the artifact that the entry describes.

    `place` is where the content of a file lies; `original/` may be missing there. That each has its hash is known.
    """
    folder = place(CERTIFICATE).parent
    artifact = Artifact(folder)
    certificate, manifest = artifact.certificate, artifact.manifest
    if not certificate.passed:
        raise IntegrityError(f"{reference}: its certificate does not say that it passed; it is not taken.")
    described = {(item.model, item.version) for item in (certificate, manifest)}
    if described != {(reference.partition("@")[0], entry["version"])}:
        raise IntegrityError(f"{reference}: certificate or manifest are about another model or version; it is not taken.")
    listed = {name: file.sha256 for name, file in files.items() if name not in (CERTIFICATE, CARD)}
    if listed != certificate.files:
        different = sorted(set(listed.items()) ^ set(certificate.files.items()))[0][0]
        raise IntegrityError(
            f"{reference}: index and certificate contradict each other about {different!r}; it is not taken."
        )
    for name in files:
        if place(name).exists():
            check_content(reference, name, place(name))
    check_external_data(folder, certificate.files)


def _obtain(record: Record, wanted: Mapping[str, File], stores: Sequence[Store], depot: Depot, *, original: bool) -> None:
    """Download and install; once more where a blob of the cache that was to be used again is lost or damaged."""
    reference = f"{record.model}@{record.version}"
    depot.make_folders()
    depot.record(record)  # first: what it names is not pruned while the lock is held
    try:
        for last in (False, True):
            try:
                fetched = _download(reference, wanted, stores, depot)
                _install(record, wanted, depot, original=original, fetched=fetched)
                return
            except LostBlobError:
                if last:
                    raise
    except OSError as error:
        raise _disk_error(error, depot.root) from error


def _check_bound(reference: str, folder: Path, files: Mapping[str, File]) -> None:
    """Everything else is checked against the certificate, which must therefore be the one of the index."""
    for name in (CERTIFICATE, CARD):
        if sha256(folder / name) != files[name].sha256:
            raise IntegrityError(
                f"{reference}: {name} in the cache is not the one that the index names; run `zoo cache verify --repair`."
            )


def _is_there(folder: Path, wanted: Mapping[str, File]) -> bool:
    """By sizes: every byte is checked when it is loaded, and by `zoo cache verify`."""
    try:
        return all((folder / name).stat().st_size == file.bytes for name, file in wanted.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _download(reference: str, wanted: Mapping[str, File], stores: Sequence[Store], depot: Depot) -> set[str]:
    """The hashes of what was not there yet."""
    blobs = {file.sha256: file for file in wanted.values()}
    missing = [file for file in blobs.values() if _size(depot.blob(file.sha256)) != file.bytes or not file.bytes]
    need = sum(file.bytes for file in missing) - sum(_size(depot.part(file.sha256)) for file in missing) + _SPARE_BYTES
    free = shutil.disk_usage(depot.root).free
    if missing and need > free:
        raise HubError(
            f"{reference} needs {need:,} bytes more and {depot.root} has {free:,} free; run zoo cache prune, or set "
            "ZOO_CACHE to another disk."
        )
    with Progress(reference, sum(file.bytes for file in missing)) as progress:
        largest_first = sorted(missing, key=lambda file: -file.bytes)
        stop = threading.Event()
        reports = {file: _until(stop, progress.of(file.sha256)) for file in missing}
        _in_parallel([partial(fetch, file, stores, depot, reports[file]) for file in largest_first], stop)
    return {file.sha256 for file in missing}


def _install(record: Record, wanted: Mapping[str, File], depot: Depot, *, original: bool, fetched: set[str]) -> None:
    """Make the folder, and check it before it gets its name."""
    final = depot.model(record.folder)
    without = {name: file for name, file in wanted.items() if not name.startswith(f"{ORIGINAL}/")}
    if final.exists() and not _is_there(final, without):
        shutil.rmtree(final)
    if original and (final / ORIGINAL).exists():
        shutil.rmtree(final / ORIGINAL)  # some of it is missing or cut, else nothing were installed
    reference, entry = f"{record.model}@{record.version}", {"version": record.version}

    def check(folder: Path) -> None:
        check_artifact(reference, entry, record.files, folder.joinpath)

    depot.put(record.folder, record.files, original=original, check=check, hashed=fetched)


class _StoppedError(Exception):
    """Another file's download has failed."""


def _until(stop: threading.Event, report: Report) -> Report:
    """The report, which ends its download once `stop` is set."""

    def checked(have: int) -> None:
        if stop.is_set():
            raise _StoppedError
        report(have)

    return checked


def _in_parallel(jobs: Sequence[Callable[[], None]], stop: threading.Event) -> None:
    """Run all jobs, a few at a time, and raise the first failure when the others have stopped.

    An interrupt does not wait for a slow server, and a failure no longer than `PATIENCE_S`.
    """
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def work() -> None:
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                job()
                ended.put(None)
            except BaseException as error:
                ended.put(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(WORKERS, len(jobs)))]
    for thread in threads:
        thread.start()
    try:
        failure = next((failure for _ in jobs if (failure := ended.get())), None)
    finally:
        stop.set()
    if failure is not None:
        for thread in threads:
            thread.join(PATIENCE_S)
        raise failure


def _disk_error(error: OSError, root: Path) -> HubError | OSError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HubError(
            f"The disk of {root} is full; run zoo cache prune, or set ZOO_CACHE to another disk, and pull again."
        )
    return error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
