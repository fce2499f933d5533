"""What a hub's bytes are asked of: a flat place of named files, in a folder, behind HTTP or in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zoo.errors import HubError, UsageError
from zoo.hubs.redact import redact, scheme_of

FSSPEC = {"s3": "s3", "gs": "gs", "gcs": "gs", "hf": "hf"}  # scheme → the extra with its back end


class StoreError(HubError):
    """A request that failed; `again` says whether the same request may succeed later."""

    def __init__(self, message: str, *, again: bool = True, after_s: float = 0.0) -> None:
        super().__init__(redact(message))
        self.again = again
        self.after_s = after_s  # what the server asks to wait


class MissingError(StoreError):
    """The place has no file of that name."""

    def __init__(self, label: str, name: str) -> None:
        super().__init__(f"{label} has no {name}; check the hub's address, or publish again.", again=False)


@dataclass(frozen=True)
class Stream:
    """A file from `start` on, which is 0 where the place cannot begin later; `total` is its whole size, if known."""

    start: int
    total: int | None
    chunks: Iterator[bytes]


class Store(Protocol):
    """Files by name. Methods raise StoreError; a missing file is a MissingError."""

    label: str  # for messages, without secrets
    remote: bool  # whether `--offline` forbids it

    def open(self, name: str, offset: int = 0) -> AbstractContextManager[Stream]: ...

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def write(self, name: str, source: Path) -> None:
        """Store a file that never changes, whole or not at all."""

    def replace(self, name: str, content: bytes) -> None:
        """Put `content` in the place of a file, so that a reader sees the old one or the new one."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other writers out where the place has locks."""


def open_store(location: str) -> Store:
    """The store at a path or URL. Raises UsageError for an unknown scheme, RuntimeUnavailableError without its extra."""
    scheme = scheme_of(location)
    if scheme in ("http", "https"):
        from zoo.hubs.web import WebStore

        return WebStore(location)
    if scheme in FSSPEC:
        from zoo.hubs.objects import ObjectStore

        return ObjectStore(location, FSSPEC[scheme])
    if scheme in ("", "file"):
        from zoo.hubs.folder import FolderStore

        return FolderStore(Path(location.removeprefix("file://")).expanduser())
    raise UsageError(f"The hub {redact(location)} is of a kind not known here; use a folder, https, s3, gs or hf.")


def read_all(store: Store, name: str, limit: int) -> bytes:
    """A small file's content. Raises StoreError for one of more than `limit` bytes, or cut short."""
    parts: list[bytes] = []
    found = 0
    with store.open(name) as stream:
        for chunk in stream.chunks:
            found += len(chunk)
            if found > limit:
                raise StoreError(f"{store.label}: {name} is larger than {limit:,} bytes; it is not read.", again=False)
            parts.append(chunk)
    if stream.total is not None and found != stream.total:
        raise StoreError(f"{store.label}: {name} was cut short at {found:,} of {stream.total:,} bytes; try again.")
    return b"".join(parts)
