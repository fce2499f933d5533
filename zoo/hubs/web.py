"""A hub behind HTTP, read only: any static file server, a CDN, the assets of a release.

Proxies and certificates go by the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR), as httpx reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from zoo.errors import UsageError
from zoo.hubs.redact import quiet_logs, redact
from zoo.hubs.store import MissingError, Store, StoreError, Stream

_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+)")
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)

quiet_logs("httpx", "httpcore.http11", "httpcore.http2", "httpcore.proxy")


class WebStore(Store):
    """Files below a URL; a query of the URL (a token) is sent with every request, its user and password as such."""

    remote = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.label = redact(url).rstrip("/")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UsageError(f"The hub {self.label} has no valid port; correct its address.") from error
        if not host:
            raise UsageError(f"The hub {self.label} names no host; correct its address.")
        self._secure = parts.scheme == "https"
        self._auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        self._base = parts._replace(netloc=netloc, path=parts.path.rstrip("/"), fragment="")

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(
            auth=self._auth, timeout=_TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"}
        )

    @contextmanager
    def open(self, name: str, offset: int = 0) -> Iterator[Stream]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._errors(name), self._client.stream("GET", self._url(name), headers=headers) as response:
            self._check(name, response)
            start, total = 0, response.headers.get("Content-Length", "")
            if response.status_code == 206:
                found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if found is None or int(found[1]) != offset:
                    raise StoreError(f"{self.label} answers another range of {name} than was asked for.", again=False)
                start, total = offset, found[2]
            yield Stream(start, int(total) if total.isdecimal() else None, self._chunks(name, response))

    def size(self, name: str) -> int | None:
        try:
            with self.open(name) as stream:
                return stream.total
        except MissingError:
            return None

    def write(self, name: str, source: Path) -> None:
        raise self._read_only()

    def replace(self, name: str, content: bytes) -> None:
        raise self._read_only()

    @contextmanager
    def lock(self) -> Iterator[None]:
        raise self._read_only()
        yield

    def _read_only(self) -> UsageError:
        return UsageError(
            f"{self.label} is read only; publish to a folder, s3, gs or hf, or upload what `zoo hub export DIR` makes."
        )

    def _url(self, name: str) -> str:
        return urlunsplit(self._base._replace(path=f"{self._base.path}/{name}"))

    def _check(self, name: str, response: httpx.Response) -> None:
        status = response.status_code
        if status in (404, 410):
            raise MissingError(self.label, name)
        if self._secure and response.url.scheme != "https":
            raise StoreError(
                f"{self.label} leads {name} away from https to {response.url.host}; it is refused.", again=False
            )
        if status not in (200, 206):
            after = response.headers.get("Retry-After", "")
            again = status in _AGAIN
            hint = "try again later" if again else "check the hub's address and your rights"
            message = f"{self.label} answers {status} for {name}; {hint}."
            raise StoreError(message, again=again, after_s=float(after) if after.isdecimal() else 0.0)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise StoreError(f"{self.label} sends {name} compressed, unasked; serve the files as they are.", again=False)

    def _chunks(self, name: str, response: httpx.Response) -> Iterator[bytes]:
        with self._errors(name):
            yield from response.iter_raw()

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise StoreError(f"{self.label} leads {name} nowhere ({error}); correct its address.", again=False) from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise StoreError(f"{self.label} cannot be read ({reason}); check the network, or use --offline.") from error
