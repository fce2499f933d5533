"""A hub in an object store: S3, Google Cloud Storage or the Hugging Face hub, through fsspec and its official back ends.

Addresses of servers and credentials are those that the back ends read themselves (AWS_*, GOOGLE_*, STORAGE_EMULATOR_HOST,
HF_TOKEN, HF_ENDPOINT, FSSPEC_*).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo.errors import RuntimeUnavailableError, ZooError
from zoo.hubs.paths import SHA256
from zoo.hubs.redact import quiet_logs, redact, scheme_of
from zoo.hubs.store import MissingError, Store, StoreError, Stream

WINDOW = 8 << 20  # bytes a request
_LOGGERS = (
    "fsspec",
    "s3fs",
    "gcsfs",
    "huggingface_hub",
    "aiobotocore",
    "botocore",
    "aiohttp",
    "urllib3",
    "httpx",
    "httpcore",
)


class ObjectStore(Store):
    """Objects below a prefix. Methods raise RuntimeUnavailableError without the `extra` that has the back end."""

    remote = True

    def __init__(self, url: str, extra: str) -> None:
        self.label = redact(url).rstrip("/")
        self._url, self._extra = url, extra

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The back end and the prefix, when they are first needed: some ask the network for credentials."""
        try:
            import fsspec

            with self._errors(""):
                fs, root = fsspec.core.url_to_fs(self._url)
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"A hub at {scheme_of(self._url)}:// needs the extra [{self._extra}] ({error}); install it beside the zoo."
            ) from error
        quiet_logs(*_LOGGERS)
        return fs, root.rstrip("/")

    @property
    def _fs(self) -> Any:
        return self._opened[0]

    @contextmanager
    def open(self, name: str, offset: int = 0) -> Iterator[Stream]:
        total = self.size(name)
        if total is None:
            raise MissingError(self.label, name)
        yield Stream(offset, total, self._chunks(name, offset, total))

    def size(self, name: str) -> int | None:
        if not SHA256.fullmatch(name):
            self._fs.invalidate_cache()  # the back ends remember listings, and what changes is not in them
        try:
            return self._size(name)
        except MissingError:
            self._fs.invalidate_cache()
        try:
            return self._size(name)
        except MissingError:
            return None

    def _size(self, name: str) -> int:
        with self._errors(name):
            return int(self._fs.info(self._path(name))["size"])

    def write(self, name: str, source: Path) -> None:
        with self._errors(name):
            self._fs.put_file(str(source), self._path(name))

    def replace(self, name: str, content: bytes) -> None:
        with self._errors(name):
            self._fs.pipe_file(self._path(name), content)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Object stores have no locks: publish from one place at a time."""
        yield

    def _path(self, name: str) -> str:
        return f"{self._opened[1]}/{name}"

    def _chunks(self, name: str, offset: int, total: int) -> Iterator[bytes]:
        for start in range(offset, total, WINDOW):
            with self._errors(name):
                window: Any = self._fs.cat_file(self._path(name), start=start, end=min(start + WINDOW, total))
            yield bytes(window)

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ImportError, ZooError):
            raise
        except FileNotFoundError as error:
            raise MissingError(self.label, name) from error
        except PermissionError as error:
            raise StoreError(f"{self.label} refuses {name} ({error}); check your credentials.", again=False) from error
        except Exception as error:  # each back end has errors of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"{self.label}: {name} failed ({reason}); check address, credentials and network.") from error
