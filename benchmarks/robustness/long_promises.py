"""What is promised over time: reloads under load lose nothing, and hours of work leave no memory behind."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.robustness.queue_promises import Promise
from benchmarks.robustness.service import Service
from benchmarks.robustness.subject import PUBLISHED, QUICK, TABLE_BYTES, add_version
from serving.load.closed_loop import closed_loop
from serving.load.connection import Target
from serving.load.open_loop import open_loop
from serving.load.request import encode
from zoo.hub import GOLDEN, Hub
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays

SHARE = 0.7  # of what a closed loop reached
DEADLINE_S = 60.0  # the service's own for a request without one: what is answered by then is late at most
RELOAD_SHARE = 0.4  # while models are loaded beside it, which takes a core
CLIENTS = 64
CAPACITY_S = 3.0
REST_S, PAUSE_S = 10.0, 2.0
SETTLING = 5  # reloads until memory is as it will be
ANSWERED, TAKEN = "answered", "taken"
SLOPE_MB = 1.0  # for each 100,000 requests
STEPS = (3, 7, 12)

Say = Callable[[str], None]


def mixed(service: Service) -> Target:
    """Requests of several models, row counts and lengths, binary and JSON, in turn."""
    targets = [_target(service, QUICK, {"index": np.arange(rows, dtype=np.int64)}, binary) for rows, binary in _ROWS]
    for name in PUBLISHED:
        golden = _golden(service.hub, name)
        targets += [_target(service, name, _cut(golden, rows, step), binary) for rows, binary in _ROWS for step in STEPS]
    first, *rest = targets
    for target in rest:
        first = first + target
    return first


def reloads(service: Service, count: int, workers: int, say: Say) -> list[Promise]:
    """New versions take over under load, a bad one never does, and the old ones' memory returns."""
    target, rate = _at(service, RELOAD_SHARE)
    first = min(SETTLING, count)
    counter = _reload_under_load(service, first, target, rate)
    before = service.settled_bytes(REST_S)
    say(f"{first} reloads at {rate:,.0f} requests/s, {before / 1e6:.0f} MB")
    counter += _reload_under_load(service, count - first, target, rate)
    grown = service.settled_bytes(REST_S) - before
    say(f"{count} reloads, {grown / 1e6:+.0f} MB")
    bad = _load_wrong(service)
    served = service.statistics(QUICK)["version"]
    taken, answered = counter.pop(TAKEN, 0), counter.pop(ANSWERED, 0)
    return [
        Promise(
            f"{count} reloads under load without a failed request",
            f"{taken} took over, {counter.total()} of {answered + counter.total():,} requests failed" + _why(counter),
            taken == count and not counter,
        ),
        Promise(
            f"memory returns: a worker keeps at most one of {count} tables of {TABLE_BYTES / 1e6:.0f} MB",
            f"{grown / 1e6:+.1f} MB since reload {first}, {workers} workers",
            grown <= TABLE_BYTES * workers,
        ),
        Promise(
            "a bad version never takes over",
            f"answered {bad}, version {served} is served",
            bad >= 400 and served == str(count + 1),
        ),
    ]


def _reload_under_load(service: Service, count: int, target: Target, rate: float) -> Counter[str]:
    """What failed, with how many requests were answered and how many new versions took over."""
    with _under_load(target, rate) as counter:
        for _ in range(count):
            add_version(service.hub)
            counter[TAKEN] += service.load(QUICK).status == 200
    return counter


def _load_wrong(service: Service) -> int:
    add_version(service.hub, wrong=True)
    return service.load(QUICK).status


def soak(service: Service, minutes: float, say: Say) -> list[Promise]:
    """Random arrivals of mixed requests at 70 % load, and a reload in every part of the time."""
    target, rate = _at(service, SHARE)
    part_s = min(30.0, max(3.0, minutes * 60 / 12))
    end = time.monotonic() + minutes * 60
    sent, failures, points = 0, Counter[str](), []
    while time.monotonic() < end:
        reload = threading.Timer(part_s / 3, _reload, [service, failures])
        reload.start()
        found = open_loop(
            target, rate=rate, seconds=part_s, clients=CLIENTS, seed=len(points), warm_up_s=0, timeout_s=DEADLINE_S
        )
        reload.join()
        sent += found.requests
        failures += found.failures
        points.append((sent, service.settled_bytes(PAUSE_S)))
        say(f"{sent:,} requests, p99 {found.percentile_ms(99):.1f} ms, {points[-1][1] / 1e6:.1f} MB" + _why(failures))
    slope = memory_slope(points)
    return [
        Promise(
            f"{minutes:g} minutes at {SHARE:.0%} load, mixed shapes and {len(points)} reloads: no error",
            f"{failures.total()} of {sent:,} requests failed" + _why(failures),
            not failures and sent > 0,
        ),
        Promise(f"memory slope under {SLOPE_MB:g} MB per 100,000 requests", f"{slope:+.2f} MB", slope < SLOPE_MB),
    ]


_ROWS = ((1, True), (1, False), (3, True), (16, True))


def _target(service: Service, model: str, arrays: Arrays, binary: bool) -> Target:
    body, headers = encode(arrays, binary=binary)
    answer = service.infer(model, body, headers)
    _expect(answer.status == 200, f"{model}: {answer.status} {answer.body[:200]!r}")
    return Target.post(f"{service.url}/v2/models/{model}/infer", body, headers, len(next(iter(arrays.values()))))


def _golden(hub: Path, name: str) -> Arrays:
    artifact = Hub(hub).artifact(name)
    return graph_inputs(load_arrays(artifact.folder / GOLDEN), artifact.manifest.graphs[0])


def _cut(arrays: Arrays, rows: int, steps: int) -> Arrays:
    """The first rows; of series the first steps, and lengths that fit them."""
    series = any(array.ndim == 1 for array in arrays.values())
    return {
        name: np.minimum(array[:rows], steps) if array.ndim == 1 else array[:rows, :steps] if series else array[:rows]
        for name, array in arrays.items()
    }


def _at(service: Service, share: float) -> tuple[Target, float]:
    """The mixed requests, and this share of what a closed loop makes of them."""
    target = mixed(service)
    capacity = closed_loop(target, clients=CLIENTS, seconds=CAPACITY_S).requests_per_s
    return target, share * capacity


@contextmanager
def _under_load(target: Target, rate: float) -> Iterator[Counter[str]]:
    """Random arrivals until the end of the block. At its end the counter has what failed, and how many were answered."""
    stop, counter = threading.Event(), Counter[str]()

    def load() -> None:
        part = 0
        while not stop.is_set():
            found = open_loop(target, rate=rate, seconds=2, clients=CLIENTS, seed=part, warm_up_s=0)
            counter.update(found.failures)
            counter[ANSWERED] += found.answered
            part += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield counter
    finally:
        stop.set()
        thread.join()


def _reload(service: Service, failures: Counter[str]) -> None:
    """A small model anew: one or two tables of 20 MB, back a little later, would hide a slope."""
    status = service.load(PUBLISHED[0]).status
    if status != 200:
        failures[f"reload answered {status}"] += 1


def memory_slope(points: list[tuple[int, int]]) -> float:
    """MB for each 100,000 requests, by least squares, without the first quarter, in which memory settles."""
    requests, memory = np.array(points[len(points) // 4 :], float).T
    if len(requests) < 2:
        return float("inf")
    return float(np.polyfit(requests / 1e5, memory / 1e6, 1)[0])


def _why(failures: Counter[str]) -> str:
    reasons = [f"{count} × {reason}" for reason, count in failures.most_common()]
    return f" ({', '.join(reasons)})" if reasons else ""


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"error: The service did not do what the measurement needs: {what}.")
