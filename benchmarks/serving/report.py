"""The study: `serving.md`, `serving.csv` and `serving.svg`."""

from __future__ import annotations

import csv
import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.install import versions
from benchmarks.serving.measure import CLIENTS, CONNECTIONS, POISSON, SHARE, Cell, Found, Plan
from benchmarks.serving.own import FURTHER, Own
from benchmarks.serving.plot import plot
from benchmarks.serving.servers import KINDS, Kind
from benchmarks.serving.subjects import FLOP, LARGE
from benchmarks.serving.targets import Verdict, verdicts

FIELDS = ("round", "server", "model", "load", "requests_per_s", "p50_ms", "p99_ms", "cpu_us", "failed", "generator")
PACKAGES = {"pytriton": "nvidia-pytriton"}
QUIET = 0.5  # load average of the machine before the run
SATURATED = 0.9


@dataclass(frozen=True)
class Circumstances:
    """`missing` are the servers that were not run, with the reason; `load` is the load average before the run."""

    command: str
    missing: dict[str, str]
    load: float
    minutes: float


def write(plan: Plan, found: Found, own: Own | None, about: Circumstances, folder: Path) -> str:
    """The three files in `folder`. Returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(plan, found, own, about)
    (folder / "serving.md").write_text(text, encoding="utf-8")
    (folder / "serving.svg").write_text(plot(found), encoding="utf-8")
    starts = {(start.round, start.server, start.model): start for start in found.starts}
    with (folder / "serving.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*FIELDS, "ready_s", "memory_mb"])
        for cell in found.cells:
            start = starts[cell.round, cell.server, cell.model]
            values = [getattr(cell, name) for name in FIELDS] + [start.ready_s, start.memory_mb]
            writer.writerow([f"{value:.4g}" if isinstance(value, float) else value for value in values])
    return text


def markdown(plan: Plan, found: Found, own: Own | None, about: Circumstances) -> str:
    """The page."""
    lines = [
        "# Servers side by side",
        "",
        f"Rounds: {plan.rounds}, on {os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}, loopback "
        f"only, load generators on the same cores; {about.minutes:.0f} min. Each round starts every server anew, loads it "
        "and ends it, one after the other; figures are medians of the rounds. Every server has one thread of ONNX Runtime "
        "a worker and, where it batches, at most 32 rows and 1 ms.",
        "",
        f"    {about.command}",
        "",
        *([f"The machine was not quiet: its load average was {about.load:.1f} before the run.", ""] * (about.load > QUIET)),
        "## Promised and found",
        "",
        f"With {CLIENTS[-1]} clients; ratios are taken within each round, in brackets the smallest and the largest.",
        "",
        *_verdicts(verdicts(found, own)),
        "",
        "![Requests per second by server](serving.svg)",
        "",
    ]
    for subject in plan.subjects:
        lines += [f"## {subject.name}, {FLOP[subject.name]}", "", *_model(plan.kinds, found, subject.name), ""]
    lines += _notes(plan, found, own, about)
    return "\n".join(lines)


def _verdicts(decided: Iterable[Verdict]) -> list[str]:
    body = []
    for one in decided:
        spread = f" ({min(one.values):.3g} to {max(one.values):.3g})" if len(one.values) > 1 else ""
        limit = f"{'at least' if one.least else 'at most'} {one.limit:g}{one.unit}"
        body.append([one.what, limit, f"{one.figure:.3g}{one.unit}{spread}", "met" if one.met else "**missed**"])
    return _table(["target", "promised", "found", ""], body)


def _model(kinds: tuple[Kind, ...], found: Found, model: str) -> list[str]:
    head = ["server", "payload"]
    head += [f"{clients} {'client' if clients == 1 else 'clients'}: /s · p50 · p99 ms" for clients in CLIENTS]
    head += [
        f"CPU µs a request, {CLIENTS[-1]} clients",
        f"random arrivals, {SHARE:.0%}: p50 · p99 ms",
        "memory MB",
        "ready s",
    ]
    body = []
    for kind in kinds:
        mine = [cell for cell in found.cells if (cell.server, cell.model) == (kind.name, model)]
        starts = [start for start in found.starts if (start.server, start.model) == (kind.name, model)]
        if not mine:
            continue
        most = [cell for cell in mine if cell.load == str(CLIENTS[-1])]
        row = [kind.title, kind.payload.name, *(_load(mine, str(clients)) for clients in CLIENTS)]
        row += [f"{_median(cell.cpu_us for cell in most):.0f}", _random(mine)]
        row += [f"{_median(start.memory_mb for start in starts):.0f}", f"{_median(start.ready_s for start in starts):.1f}"]
        body.append(row)
    return _table(head, body)


def _load(cells: list[Cell], load: str) -> str:
    chosen = [cell for cell in cells if cell.load == load]
    return f"{_median(cell.requests_per_s for cell in chosen):,.0f} · {_latencies(chosen)}"


def _random(cells: list[Cell]) -> str:
    return _latencies([cell for cell in cells if cell.load == POISSON])


def _latencies(cells: list[Cell]) -> str:
    return f"{_median(cell.p50_ms for cell in cells):.3g} · {_median(cell.p99_ms for cell in cells):.3g}"


def _notes(plan: Plan, found: Found, own: Own | None, about: Circumstances) -> list[str]:
    rivals = dict.fromkeys(PACKAGES.get(kind.rival, kind.rival) for kind in plan.kinds if kind.rival)
    names = [f"{package} {_version(plan.peers, package)}" for package in rivals]
    lines = [
        "## How",
        "",
        f"Clients are connections of `wrk` with one request under way each. Random arrivals are ours (`serving.load`): a "
        f"Poisson process at {SHARE:.0%} of what {CLIENTS[-1]} clients reached in the same round, over {CONNECTIONS} "
        "connections, latency from the moment at which a request should have been sent. The floor is bare uvicorn with "
        "uvloop and httptools over the same protocol code and batcher (`benchmarks/serving/floor.py`). CPU and memory are "
        "those of all processes of a server, shared pages counted once. Ready is the first right answer; every server is "
        "asked again after the load. Payloads are what each server takes: where that is JSON, a part of the difference is "
        "parsing it.",
        "",
        *([f"Rivals: {', '.join(names)}.", ""] if names else []),
    ]
    if own:
        lines += [
            f"Further small models: {', '.join(FURTHER)}. The large one is {LARGE}, {own.weights_bytes / 1e6:.0f} MB.",
            "",
        ]
    failed = [f"{KINDS[name].title} failed: {reason}" for name, reason in found.failures.items()]
    missing = [f"{KINDS[name].title} was not run: {reason}" for name, reason in about.missing.items()]
    errors = [_errors(kind, found) for kind in plan.kinds]
    busy = max((cell.generator for cell in found.cells), default=0.0)
    if busy > SATURATED:
        errors.append(f"A load generator took up to {busy:.0%} of a core: where it did, the server may be faster")
    remarks = [line for line in (*failed, *missing, *errors) if line]
    return lines + [f"- {line}." for line in remarks] + ([""] if remarks else [])


def _version(peers: Path, package: str) -> str:
    return versions(peers, package.removeprefix("nvidia-")).get(package, "of unknown version")


def _errors(kind: Kind, found: Found) -> str:
    failed = sum(cell.failed for cell in found.cells if cell.server == kind.name)
    return f"{kind.title} answered {failed:,} requests with an error or not at all" if failed else ""


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
