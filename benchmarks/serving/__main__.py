"""Servers side by side on loopback: `python -m benchmarks.serving install`, then `python -m benchmarks.serving`.

Writes `serving.md`, `serving.csv` and `serving.svg`. Needs wrk and, for TorchServe, Java 17 (the commands that install
them are printed when they lack). Runs in a network namespace with nothing but loopback where the system allows one, because
some rivals listen on every interface.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.serving import loopback
from benchmarks.serving.install import REQUIREMENTS, install, reason, require
from benchmarks.serving.measure import Plan, measure
from benchmarks.serving.own import measure_own
from benchmarks.serving.report import Circumstances, write
from benchmarks.serving.servers import KINDS, ROOT
from benchmarks.serving.subjects import FLOP, SMALL, subjects
from zoo.commands import shell

OWN_S = 12  # a round of ours alone


def main() -> int:
    given = _parser().parse_args()
    if given.command == "install":
        wanted = {KINDS[name].rival for name in given.servers.split(",")}
        for sentence in install(given.peers, [name for name in REQUIREMENTS if name in wanted]):
            print(sentence, flush=True)
        return 0
    loopback.enter("benchmarks.serving", sys.argv[1:])
    require("wrk")
    return _run(given)


def _run(given: argparse.Namespace) -> int:
    began, load = time.perf_counter(), os.getloadavg()[0]
    rounds, seconds = (1, 1) if given.quick else (given.rounds, given.seconds)
    models = (SMALL,) if given.quick else tuple(given.models.split(","))
    names = given.servers.split(",")
    missing = {name: why for name in names if (why := _why_not(given.peers, name))}
    kinds = tuple(KINDS[name] for name in names if name not in missing)
    work = given.work.resolve()
    plan = Plan(kinds, tuple(subjects(work / "hub", models)), rounds, seconds, given.peers.resolve(), work)
    _say(f"about {(plan.estimate_s() + OWN_S * rounds) / 60:.0f} min: {rounds} rounds of {len(kinds)} servers")
    for name, why in missing.items():
        _say(f"{KINDS[name].title} is left out: {why}")
    own = measure_own(work / "hub", rounds, work, _say) if "ours" in names else None
    found = measure(plan, _say)
    about = Circumstances(shell(), missing, load, (time.perf_counter() - began) / 60)
    out = given.out or (work if given.quick else ROOT / "docs" / "studies")
    print(write(plan, found, own, about, out))
    return 0


def _why_not(peers: Path, name: str) -> str:
    rival = KINDS[name].rival
    if name == "ray" and not loopback.is_alone():
        return "it listens on all interfaces, and this system allows no network namespace"
    return reason(peers, rival) if rival else ""


def _say(sentence: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", nargs="?", choices=("install", "run"), default="run", help="default: %(default)s")
    parser.add_argument("--servers", default=",".join(KINDS), type=_names(KINDS), help="separated by commas (all)")
    parser.add_argument("--models", default=",".join(FLOP), type=_names(FLOP), help="separated by commas (all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="under load with most clients, half with fewer (%(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"one round of one second each, {SMALL} only")
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "peers", help="the rivals' environments")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "serving", help="scratch folder")
    parser.add_argument("--out", type=Path, help="folder of serving.md (docs/studies, with --quick the scratch folder)")
    return parser


def _names(known: Iterable[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is unknown; choose from {', '.join(known)}")
        return text

    return check


if __name__ == "__main__":
    raise SystemExit(main())
