"""A server as a tree of processes: started, asked until it answers, measured, and ended to the last one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

MARK = "BENCH_PROCESS"  # in the environment of every process of one server: some leave the tree, none loses this
START_TIMEOUT_S = 90
GRACE_S = 8.0


class ServerError(Exception):
    """A server that did not start, or answered wrongly."""


class Server:
    """Processes that came from one command."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.log = log
        self._mark = uuid.uuid4().hex
        self.started = time.perf_counter()
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, answers: Callable[[], bool]) -> float:
        """Seconds from the start until `answers()`. Raises ServerError, with the end of the log, when it never does."""
        while time.perf_counter() - self.started < START_TIMEOUT_S and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if answers():
                    return time.perf_counter() - self.started
            time.sleep(0.02)
        lines = self.log.read_text(errors="replace").strip().splitlines()
        raise ServerError(f"it did not become ready; its log ends: {' / '.join(lines[-3:])[-300:]}")

    def tree(self) -> list[psutil.Process]:
        """All processes that are alive."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def cpu_seconds(self) -> float:
        """What the processes have used so far; those that ended meanwhile are not counted."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_bytes(self) -> int:
        """Memory of all processes together, pages that they share counted once."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    def stop(self) -> None:
        """Ask the first process to end, then all that are left, then make them."""
        everyone = self.tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        for send in (psutil.Process.terminate, psutil.Process.kill):
            left = [process for process in {*everyone, *self.tree()} if process.is_running()]
            for process in left:
                with contextlib.suppress(psutil.Error):
                    send(process)
            psutil.wait_procs(left, 2)
        self.process.wait()

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self._mark
        except psutil.Error:
            return False


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
