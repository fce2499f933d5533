"""The service under test, and what it says of itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving.process import Server, free_ports
from benchmarks.serving.servers import ROOT
from serving.keys import hash_of
from serving.load.request import Headers

TIMEOUT_S = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Service:
    """`zoo serve` with these models; `environment` are further ZOO_ variables."""

    def __init__(self, hub: Path, models: tuple[str, ...], work: Path, **environment: str) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.hub = hub
        self._key = secrets.token_hex(32)
        [self.port] = free_ports(1)
        command = [sys.executable, "-m", "serving", "--port", str(self.port), *models]
        ours = {"ZOO_HUB": str(hub.resolve()), "ZOO_ADMIN_KEYS": hash_of(self._key), "ZOO_THREADS": "1", **environment}
        self.server = Server(command, ours, ROOT, work / "service.txt")
        self.server.wait(lambda: self.ask("GET", "/v2/health/ready").status == 200)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None) -> Answer:
        """Raises OSError where nothing answers."""
        with contextlib.closing(self.connect()) as connection:
            return send(connection, method, path, body, headers)

    def infer(self, model: str, body: bytes, headers: Headers) -> Answer:
        return self.ask("POST", f"/v2/models/{model}/infer", body, headers)

    def load(self, model: str) -> Answer:
        """Have the service take the version that the hub has now."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        return self.ask("POST", f"/v2/repository/models/{model}/load", b"{}", headers)

    def statistics(self, model: str) -> dict[str, Any]:
        [entry] = json.loads(self.ask("GET", f"/v2/models/{model}/stats").body)["model_stats"]
        return dict(entry)

    def settled_bytes(self, seconds: float) -> int:
        """The least memory within some seconds: what an old version held is let go a little after it was replaced."""
        end = time.monotonic() + seconds
        least = self.private_bytes()
        while time.monotonic() < end:
            time.sleep(0.25)
            least = min(least, self.private_bytes())
        return least

    def private_bytes(self) -> int:
        """Memory that its processes share with nobody."""
        total = 0
        for process in self.server.tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().uss
        return total


def send(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None, headers: Headers | None = None
) -> Answer:
    """Over a connection that may be used again."""
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


@contextlib.contextmanager
def serving(hub: Path, models: tuple[str, ...], work: Path, **environment: str) -> Iterator[Service]:
    """A service that is ended at the end."""
    service = Service(hub, models, work, OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"), **environment)
    try:
        yield service
    finally:
        service.server.stop()
