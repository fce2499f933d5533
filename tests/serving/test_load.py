"""The load driver, against a server whose delays are known, and against the service."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.load.closed_loop import closed_loop
from serving.load.connection import Target, new_loop
from serving.load.open_loop import open_loop
from serving.load.request import encode, prepare
from serving.load.search import largest_rate
from zoo.errors import UsageError

ROOT = Path(__file__).parents[2]


class Known:
    """An HTTP server on a thread: `wait(seconds since its first request)` says how long the next answer takes."""

    def __init__(self, wait: Callable[[float], float], answer: bytes = b"200 OK", close: bool = False) -> None:
        self.wait, self.answer, self.close = wait, answer, close
        self.first: float | None = None
        self.requests = 0
        self.loop = new_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    @property
    def target(self) -> Target:
        return Target.post(f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/x", b"12345", {})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"12345")
                self.requests += 1
                self.first = self.first or time.perf_counter()
                await asyncio.sleep(self.wait(time.perf_counter() - self.first))
                ending = b"Connection: close\r\n" if self.close else b""
                writer.write(b"HTTP/1.1 " + self.answer + b"\r\n" + ending + b"Content-Length: 2\r\n\r\nok")
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()


@pytest.fixture
def known() -> Iterator[Callable[..., Known]]:
    started: list[Known] = []

    def start(*arguments: Any, **more: Any) -> Known:
        started.append(Known(*arguments, **more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def stall(since: float) -> float:
    """Nothing is answered between 0.5 s and 1 s."""
    return max(0.0, 1.0 - since) if since > 0.5 else 0.0


def test_a_stall_is_charged_to_all_that_had_to_wait_for_it(known: Callable[..., Known]) -> None:
    """Of arrivals over 2 s a quarter falls into a stall of 0.5 s and waits evenly between 0 and 0.5 s: the 90th
    percentile of all is at 0.3 s. A closed loop with one client sends one request into it, and hides the rest."""
    found = open_loop(known(stall).target, rate=300, seconds=2, clients=400, warm_up_s=0)
    assert found.requests == 600
    assert found.percentile_ms(90) == pytest.approx(300, abs=80)
    assert found.percentile_ms(50) < 50
    hidden = closed_loop(known(stall).target, clients=1, seconds=2, warm_up_s=0)
    assert hidden.percentile_ms(99) < 50


def test_waiting_for_a_connection_counts(known: Callable[..., Known]) -> None:
    """One connection and 20 ms an answer take 50 a second; of 100 arrivals a second the last has waited about a second."""
    found = open_loop(known(lambda since: 0.02).target, rate=100, seconds=1, clients=1, warm_up_s=0)
    assert not found.failures
    assert found.percentile_ms(100) == pytest.approx(1000, rel=0.4)


def test_a_closed_loop_finds_the_throughput(known: Callable[..., Known]) -> None:
    """8 clients at 20 ms an answer: 400 a second."""
    found = closed_loop(known(lambda since: 0.02).target, clients=8, seconds=1)
    assert found.requests_per_s == pytest.approx(400, rel=0.25)
    assert found.percentile_ms(50) == pytest.approx(20, rel=0.4)
    assert not found.failures


def test_arrivals_are_random_and_at_the_rate(known: Callable[..., Known]) -> None:
    server = known(lambda since: 0.0)
    found = open_loop(server.target, rate=500, seconds=2, clients=32, warm_up_s=0)
    assert found.requests == server.requests == 1000
    assert found.requests_per_s == pytest.approx(500, rel=0.15)


def test_failures_count_as_never_answered(known: Callable[..., Known]) -> None:
    found = open_loop(known(lambda since: 0.0, b"429 Too Many").target, rate=100, seconds=1, clients=8, warm_up_s=0)
    assert found.failures == {"HTTP 429": 100}
    assert (found.percentile_ms(50), found.requests_per_s) == (float("inf"), 0)


def test_what_is_not_answered_in_time_has_failed(known: Callable[..., Known]) -> None:
    target = known(lambda since: 30.0).target
    found = open_loop(target, rate=50, seconds=0.4, clients=4, warm_up_s=0, timeout_s=0.2)
    assert found.failures == {"no answer in time": 20}


def test_connections_that_the_server_closes_are_opened_again(known: Callable[..., Known]) -> None:
    target = known(lambda since: 0.0, close=True).target
    assert not open_loop(target, rate=100, seconds=1, clients=4, warm_up_s=0).failures
    assert closed_loop(target, clients=4, seconds=0.5).requests > 50


def test_the_largest_rate_is_found(known: Callable[..., Known]) -> None:
    """4 connections and 10 ms an answer: 400 a second at most, and less to keep a bound of 40 ms with random arrivals."""
    target = known(lambda since: 0.01).target
    found = largest_rate(target, bound_ms=40, capacity=400, seconds=0.7, clients=4)
    assert found is not None
    assert found.percentile_ms(99) <= 40
    assert found.rate is not None
    assert 150 < found.rate < 400
    assert largest_rate(target, bound_ms=5, capacity=400, seconds=0.3, clients=4) is None


def test_a_request_is_made_from_the_metadata(server: Any) -> None:
    url = f"http://{server.address}"
    series = prepare(url, "tiny-series", 3, {})
    assert (series.rows, series.inputs, series.binary) == (3, "ones", True)  # a length of 0 is refused
    assert prepare(url, "tiny-picture", 2, {}).inputs == "zeros"


def test_both_forms_say_the_same() -> None:
    from serving.asgi.protocol import parse
    from zoo.spec import Graph, Port

    ports = [Port(name=name, dtype="float32", shape=("batch", 2)) for name in "xy"]
    graph = Graph(inputs=(ports[0],), outputs=(ports[1],))
    array = np.array([[1, 2], [3, 4]], np.float32)
    for binary in (True, False):
        body, headers = encode({"x": array}, binary=binary)
        size = headers.get("Inference-Header-Content-Length")
        request = parse(body, int(size) if size else None, graph)
        assert np.array_equal(request.inputs["x"], array)
        assert request.outputs == (("y", binary),)


def test_the_command(server: Any, hub: Path) -> None:
    found = command(f"http://{server.address}", "--model", "tiny-picture", "--seconds", "0.3", "--p99", "200")
    assert found.returncode == 0, found.stderr
    assert "1 rows a request, zeros, binary" in found.stdout
    assert "32 clients, closed loop" in found.stdout
    assert "Largest arrival rate that keeps p99 under 200 ms" in found.stdout


def test_the_command_says_what_is_wrong(server: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = command(f"http://127.0.0.1:{probe.getsockname()[1]}", "--model", "a")
    unknown = command(f"http://{server.address}", "--model", "tiny-pictures")
    usage = command(f"http://{server.address}", "--rate", "-1")
    assert [ended.returncode for ended in (nobody, unknown, usage)] == [2, 2, 2]
    assert "does not answer" in nobody.stderr
    assert "answered 404" in unknown.stderr
    assert "'-1' is no number above 0" in usage.stderr
    with pytest.raises(UsageError, match="is no address of a service"):
        Target.post("tcp://x", b"", {})


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zoo", "bench", "serve", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
