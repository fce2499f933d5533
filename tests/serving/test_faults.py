"""What happens to requests when workers are killed and when the service is told to stop."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}).encode()
INFER = "/v2/models/tiny-picture/infer"


class Knocker(threading.Thread):
    """Asks on a new connection every few milliseconds and keeps the last ones open, which shows who answered."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.stopped = port, threading.Event()
        self.answered: list[float] = []
        self.failed: list[str] = []
        self.open: deque[http.client.HTTPConnection] = deque()

    def run(self) -> None:
        while not self.stopped.wait(0.01):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("POST", INFER, BODY)
                response = connection.getresponse()
                response.read()
                assert response.status == 200, response.status
                self.answered.append(time.monotonic())
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failed.append(repr(error))
            self.open.append(connection)
            while len(self.open) > 40:
                self.open.popleft().close()

    def stop(self) -> None:
        self.stopped.set()
        self.join(20)
        while self.open:
            self.open.popleft().close()


def answering(server: Any) -> set[int]:
    """Processes of the service that hold a connection of a client."""
    found = set()
    for process in psutil.Process(server.process.pid).children(recursive=True):
        try:
            connections = process.net_connections("tcp")
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if any(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.port for one in connections):
            found.add(process.pid)
    return found


def wait_until(true: Callable[[], bool], seconds: float) -> float:
    """Seconds until it was true."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < seconds, "took too long"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.mark.parametrize(
    ("command", "limit_s"),
    [
        (["zoo", "serve", "tiny-picture", "--workers", "2"], 4.5),  # 3 s on a quiet machine; other tests run beside
        (["bentoml", "serve", "serving.service:Zoo"], 12),
    ],
    ids=["zoo serve", "bentoml serve"],
)
def test_a_killed_worker_comes_back_and_the_others_answer(
    hub: Path, serve: Callable[..., Any], tmp_path: Path, tiny: SimpleNamespace, command: list[str], limit_s: float
) -> None:
    port = str(tiny.free_port())
    variables = {"ZOO_MODELS": "tiny-picture", "ZOO_WORKERS": "2", "port": port}
    server = serve(hub, tmp_path / "log", arguments=[sys.executable, "-m", *command, "--port", port], **variables)
    knocker = Knocker(server.port)
    try:
        knocker.start()
        wait_until(lambda: len(answering(server)) == 2, 20)
        times = []
        for _ in range(3):  # the machine may be busy with something else
            times.append(kill_one(server, limit_s + 5))
            wait_until(lambda: len(answering(server)) == 2, 20)
            if times[-1] < limit_s:
                break
        knocker.stop()
        assert min(times) < limit_s, times
        assert len(knocker.failed) <= 2 * len(times), knocker.failed  # what the dead worker had in hand
        assert max(after - moment for moment, after in itertools.pairwise(knocker.answered)) < 1
    finally:
        knocker.stop()
        processes = psutil.Process(server.process.pid).children(recursive=True)
        assert server.stop() == 0
    assert len(processes) == 2
    assert not any(process.is_running() for process in processes)


def kill_one(server: Any, limit_s: float) -> float:
    """Seconds until a worker that was not there before answers clients."""
    before = answering(server)
    os.kill(min(before), signal.SIGKILL)
    return wait_until(lambda: bool(answering(server) - before), limit_s)


def test_sigterm_lets_requests_that_were_taken_finish(hub: Path, serve: Callable[..., Any], tmp_path: Path) -> None:
    """Some have sent half of their body when the signal comes, others wait in the queue for more rows."""
    server = serve(hub, tmp_path / "log", "tiny-picture", ZOO_MAX_DELAY_MS="700", ZOO_WORKERS="2")
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(24)]
    half, whole = connections[:12], connections[12:]
    for connection in half:
        connection.sendall(head + BODY[:30])
    for connection in whole:
        connection.sendall(head + BODY)
    time.sleep(0.3)  # taken by the workers, not yet answered
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    for connection in half:
        connection.sendall(BODY[30:])
    answers = [_status(connection) for connection in connections]
    assert answers == [200] * 24
    assert server.process.wait(10) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def _status(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        response.read()
        return response.status
    finally:
        connection.close()


def test_a_request_that_does_not_end_ends_with_the_grace_period(
    hub: Path, serve: Callable[..., Any], tmp_path: Path, tiny: SimpleNamespace
) -> None:
    port = str(tiny.free_port())
    arguments = [sys.executable, "-m", "serving", "--port", port, "--grace", "1", "tiny-picture"]
    server = serve(hub, tmp_path / "log", arguments=arguments, port=port)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n".encode())
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(6) == 0


def test_the_check_interval_is_set_where_bentoml_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML has no setting for it: when its supervisor changes, this fails and `watch_closely` has to follow."""
    from bentoml._internal.utils import circus
    from bentoml.serving import create_watcher

    from serving.processes.supervisor import CHECK_INTERVAL_S, watch_closely

    monkeypatch.setattr("bentoml.serving.running_inside_container", lambda: True)
    monkeypatch.setattr(circus, "create_standalone_arbiter", circus.create_standalone_arbiter)
    [theirs, ours] = [create_watcher("service", []) for _ in range(2)]
    assert circus.create_standalone_arbiter([theirs]).check_delay == 10
    assert not theirs.respawn
    for _ in range(2):
        watch_closely()
    assert circus.create_standalone_arbiter([ours]).check_delay == CHECK_INTERVAL_S
    assert ours.respawn
