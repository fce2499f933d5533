"""One server after the other, interleaved: each round starts, measures and ends every server for every model.

What the machine does beside it thus meets all of them alike; a figure is the median of the rounds.
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.serving import wrk
from benchmarks.serving.process import Server, ServerError
from benchmarks.serving.servers import Kind
from benchmarks.serving.subjects import Subject
from serving.load.closed_loop import closed_loop
from serving.load.connection import Target
from serving.load.open_loop import open_loop
from serving.load.request import Headers

CLIENTS = (1, 8, 32)
POISSON = "random"
SHARE = 0.7  # of what 32 clients reached, as rate of the random arrivals
CONNECTIONS = 64  # for them
WARM_UP_S = 0.7
CELL_S = 0.3  # what a cell costs beside its time under load
TOLERANCE = 1e-3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`seconds` under load with the most clients; half of it with fewer, and with random arrivals."""

    kinds: tuple[Kind, ...]
    subjects: tuple[Subject, ...]
    rounds: int
    seconds: int
    peers: Path
    work: Path

    @property
    def half(self) -> int:
        return max(1, self.seconds // 2)

    def estimate_s(self) -> float:
        """About how long it takes."""
        cells = sum(self.seconds_of(clients) + CELL_S for clients in CLIENTS) + self.half + 3 * CELL_S
        starts = sum(kind.start_s + WARM_UP_S + cells for kind in self.kinds)
        return self.rounds * len(self.subjects) * starts

    def seconds_of(self, clients: int) -> int:
        return self.seconds if clients == CLIENTS[-1] else self.half


@dataclass(frozen=True)
class Cell:
    """One server under one load in one round. `load` is a number of clients, or POISSON; `generator` its share of a core."""

    round: int
    server: str
    model: str
    load: str
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failed: int
    generator: float


@dataclass(frozen=True)
class Start:
    """What it took until the first right answer, and memory after all loads."""

    round: int
    server: str
    model: str
    ready_s: float
    memory_mb: float


@dataclass(frozen=True)
class Found:
    cells: list[Cell]
    starts: list[Start]
    failures: dict[str, str]


def measure(plan: Plan, say: Say) -> Found:
    """Everything of the plan. A server that fails is left out from then on, with the reason."""
    found = Found([], [], {})
    for number in range(1, plan.rounds + 1):
        for subject in plan.subjects:
            turn = number % len(plan.kinds)
            for kind in (*plan.kinds[turn:], *plan.kinds[:turn]):
                if kind.name not in found.failures:
                    _measure_one(plan, number, kind, subject, found, say)
    return found


def _measure_one(plan: Plan, number: int, kind: Kind, subject: Subject, found: Found, say: Say) -> None:
    folder = plan.work / kind.name
    shutil.rmtree(folder, ignore_errors=True)
    server, url = kind.start(subject, plan.peers, folder)
    body, headers = kind.payload.encode(subject.input, subject.x)
    try:
        ready_s = server.wait(lambda: answers_rightly(url, body, headers, kind, subject))
        target = Target.post(url, body, headers)
        closed_loop(target, clients=8, seconds=WARM_UP_S)
        cells = [_wrk(plan, number, kind, subject, server, url, body, headers, clients) for clients in CLIENTS]
        cells.append(_poisson(plan, number, kind, subject, server, target, SHARE * cells[-1].requests_per_s))
        start = Start(number, kind.name, subject.name, ready_s, server.memory_bytes() / 1e6)
        if not answers_rightly(url, body, headers, kind, subject):
            raise ServerError("it answers no more after the load")
    except (ServerError, OSError) as error:
        found.failures[kind.name] = f"{subject.name}, round {number}: {error}"
        say(f"{kind.title}: {found.failures[kind.name]}")
        return
    finally:
        server.stop()
    found.cells.extend(cells)
    found.starts.append(start)
    rates = " ".join(f"{cell.load}: {cell.requests_per_s:,.0f}/s {cell.p99_ms:.1f} ms" for cell in cells)
    say(f"round {number} {subject.name} {kind.title}: ready {ready_s:.1f} s, {start.memory_mb:.0f} MB, {rates}")


def answers_rightly(url: str, body: bytes, headers: Headers, kind: Kind, subject: Subject) -> bool:
    """Whether it gives the right numbers. Raises ServerError for wrong ones, OSError where it does not answer yet."""
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        names = {name.lower(): value for name, value in answer.headers.items()}
        numbers = kind.payload.decode(answer.read(), names)
    if numbers.size != subject.y.size or not np.allclose(numbers, subject.y.reshape(-1), TOLERANCE, TOLERANCE):
        raise ServerError(f"it answers {numbers[:3]}…, right is {subject.y.reshape(-1)[:3]}…")
    return True


def _wrk(
    plan: Plan,
    number: int,
    kind: Kind,
    subject: Subject,
    server: Server,
    url: str,
    body: bytes,
    headers: Headers,
    clients: int,
) -> Cell:
    before = server.cpu_seconds()
    load = wrk.load(url, body, headers, clients=clients, seconds=plan.seconds_of(clients), folder=plan.work)
    cpu_us = (server.cpu_seconds() - before) / max(load.requests, 1) * 1e6
    where = (number, kind.name, subject.name, str(clients))
    return Cell(*where, load.requests_per_s, load.p50_ms, load.p99_ms, cpu_us, load.failed, load.busy)


def _poisson(plan: Plan, number: int, kind: Kind, subject: Subject, server: Server, target: Target, rate: float) -> Cell:
    before = server.cpu_seconds()
    load = open_loop(target, rate=max(rate, 1), seconds=plan.half, clients=CONNECTIONS, seed=number, warm_up_s=0)
    cpu_us = (server.cpu_seconds() - before) / max(load.requests, 1) * 1e6
    where = (number, kind.name, subject.name, POISSON)
    figures = (load.requests_per_s, load.percentile_ms(50), load.percentile_ms(99), cpu_us, load.failures.total())
    return Cell(*where, *figures, load.busy)
