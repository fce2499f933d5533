"""The service under test: started, watched, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

START_SECONDS = 60.0


@dataclass(frozen=True)
class Service:
    """`processes` are the pids of the service's processes when it became ready."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    processes: frozenset[int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def dead(self) -> set[int]:
        """Processes that are no more."""
        return {pid for pid in self.processes if not psutil.pid_exists(pid) or _is_zombie(pid)}

    def memory_mb(self) -> float:
        """Resident memory of all processes, shared pages counted in each."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.processes - self.dead()) / 2**20

    def tracebacks(self) -> int:
        """Failures that nothing caught, by the log."""
        return self.log.read_text(errors="replace").count("Traceback (most recent call last)")


@contextmanager
def serving(models: list[str], folder: Path) -> Iterator[Service]:
    """`python -m serving` on a free port of 127.0.0.1, ready; its log is in `folder`. Stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "service.log"
    command = [sys.executable, "-m", "serving", "--port", str(port), *models]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "BENTOML_DO_NOT_TRACK": "True"}
        )
    try:
        _wait(process, port, log)
        parents = psutil.Process(process.pid)
        yield Service(
            port, process, log, frozenset([process.pid, *(child.pid for child in parents.children(recursive=True))])
        )
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"error: The service did not become ready; its log:\n{log.read_text(errors='replace')[-2000:]}")


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
