"""What is promised to those who wait: a neighbour's fault, a full queue and a hang-up touch nobody else."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.robustness.service import Answer, Service, send
from benchmarks.robustness.subject import POISON, QUICK, SLOW, SLOW_S, entries
from benchmarks.serving.payloads import V2_BINARY
from serving.load.request import encode

BLOCKERS = 3  # requests that keep every executing slot busy while others queue
BATCH, CLIENTS, GONE = 16, 40, 8
EACH = 50  # requests of each of the 40 clients
AT_ONCE_S = 0.1
QUEUE_ROWS = 64


@dataclass(frozen=True)
class Promise:
    """One line of the table."""

    what: str
    found: str
    kept: bool


def poisoned(service: Service) -> Promise:
    """16 requests wait together, one of them fails in the runtime: 15 right answers, one 500."""
    before = service.statistics(SLOW)
    guilty = BATCH // 3
    indices = [POISON if number == guilty else 100 + number for number in range(BATCH)]
    with _busy(service):
        answers = _together([lambda index=index: _ask(service, SLOW, [index])[0] for index in indices])
    good = sum(_is_right(answer, [index]) for answer, index in zip(answers, indices, strict=True) if index != POISON)
    largest = max((rows for rows, _ in _sizes(service.statistics(SLOW)) - _sizes(before)), default=0)
    found = f"{good} right answers, the poisoned one {answers[guilty].status}, executions of up to {largest} rows"
    shared = largest >= BATCH // 2  # halved once or more: they had been put together
    return Promise(f"{BATCH} requests, 1 poisoned", found, good == BATCH - 1 and answers[guilty].status == 500 and shared)


def ids_never_mixed(service: Service) -> Promise:
    """40 clients at a time, each answer with its own id and its own rows."""

    def client(number: int) -> int:
        rng = np.random.default_rng(number)
        right = 0
        with contextlib.closing(service.connect()) as connection:
            for turn in range(EACH):
                index = rng.integers(0, 10_000, size=int(rng.integers(1, 5))).tolist()
                body, headers = _body(index, request_id := f"{number}-{turn}")
                answer = send(connection, "POST", f"/v2/models/{QUICK}/infer", body, headers)
                right += _is_right(answer, index) and _header(answer).get("id") == request_id
        return right

    right = sum(_together([lambda number=number: client(number) for number in range(CLIENTS)]))
    return Promise(
        f"{CLIENTS} concurrent ids never mixed", f"{right:,} of {CLIENTS * EACH:,} right", right == CLIENTS * EACH
    )


def gone(service: Service) -> Promise:
    """8 clients hang up while they wait, one stays: of the rows computed none is of the 8."""
    before = service.statistics(SLOW)
    with _busy(service):
        body, headers = _body([7], "stays")
        with ThreadPoolExecutor(1) as pool:
            stays = pool.submit(service.infer, SLOW, body, headers)
            sockets = [_send_only(service, [number]) for number in range(GONE)]
            time.sleep(0.05)
            for one in sockets:
                one.close()
            kept = _is_right(stays.result(), [7])
    time.sleep(2 * SLOW_S)
    after = service.statistics(SLOW)
    rows = after["inference_count"] - before["inference_count"]
    cancelled = after["inference_stats"]["cancel"]["count"] - before["inference_stats"]["cancel"]["count"]
    computed = rows - BLOCKERS - 1
    found = f"{computed} rows of theirs computed, {cancelled} dropped"
    return Promise(f"{GONE} disconnected clients", found, computed == 0 and cancelled == GONE and kept)


def full_queue(service: Service) -> Promise:
    """More rows than the queue holds: what does not fit is refused at once, with Retry-After; the rest is answered."""
    index = list(range(4))
    with _busy(service):
        timed = _together([lambda: _ask(service, SLOW, index)] * CLIENTS)
    refused = [(answer, seconds) for answer, seconds in timed if answer.status == 429]
    answered = sum(_is_right(answer, index) for answer, _ in timed)
    slowest = max((seconds for _, seconds in refused), default=0.0)
    polite = all(int(answer.headers.get("retry-after", "0")) >= 1 for answer, _ in refused)
    found = f"{len(refused)} refused within {slowest * 1000:.0f} ms, {answered} answered"
    kept = bool(refused) and slowest < AT_ONCE_S and polite and answered + len(refused) == CLIENTS
    return Promise(f"full queue ({QUEUE_ROWS} rows) answers 429 at once", found, kept)


@contextlib.contextmanager
def _busy(service: Service) -> Iterator[None]:
    """Slow requests under way, one after the other, so that whoever comes now must wait."""
    with ThreadPoolExecutor(BLOCKERS) as pool:
        under_way = []
        for number in range(BLOCKERS):
            under_way.append(pool.submit(_ask, service, SLOW, [number]))
            time.sleep(SLOW_S / 10)
        yield
        for one in under_way:
            one.result()


def _ask(service: Service, model: str, index: list[int]) -> tuple[Answer, float]:
    """The answer, and seconds until it came over a connection that was there before."""
    with contextlib.closing(service.connect()) as connection:
        connection.connect()
        body, headers = _body(index)
        began = time.perf_counter()
        answer = send(connection, "POST", f"/v2/models/{model}/infer", body, headers)
        return answer, time.perf_counter() - began


def _body(index: list[int], request_id: str = "") -> tuple[bytes, dict[str, str]]:
    body, headers = encode({"index": np.array(index, np.int64)}, binary=True)
    if not request_id:
        return body, headers
    size = int(headers["Inference-Header-Content-Length"])
    head = json.dumps({**json.loads(body[:size]), "id": request_id}).encode()
    return head + body[size:], {**headers, "Inference-Header-Content-Length": str(len(head))}


def _send_only(service: Service, index: list[int]) -> socket.socket:
    """A request whose answer nobody waits for."""
    body, headers = _body(index)
    head = [f"POST /v2/models/{SLOW}/infer HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    connection = socket.create_connection(("127.0.0.1", service.port))
    connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
    return connection


def _together(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls return, all started in the same moment, each on a thread of its own."""
    barrier = threading.Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(start, calls))


def _is_right(answer: Answer, index: list[int]) -> bool:
    if answer.status != 200:
        return False
    found = V2_BINARY.decode(answer.body, answer.headers)
    return np.array_equal(found, entries(np.array(index)).reshape(-1))


def _header(answer: Answer) -> dict[str, Any]:
    size = int(answer.headers.get("inference-header-content-length", 0))
    return dict(json.loads(answer.body[:size])) if size else {}


def _sizes(statistics: dict[str, Any]) -> set[tuple[int, int]]:
    return {(one["batch_size"], one["compute_infer"]["count"]) for one in statistics["batch_stats"]}
