"""Faults planted in right exports, and four judges of the same files: `python -m benchmarks.parity`.

Over all published models and two dozen further networks; writes `parity.md` and `parity.csv`. Polygraphy is no dependency
of the project: `pip install polygraphy==0.53.6`, or leave it out with `--judges ours,torch,optimum`. A subject that was
finished before with the same files, options and code is not run again (`--work`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import warnings
from dataclasses import asdict
from functools import cache
from pathlib import Path

import torch

from benchmarks.parity.report import write
from benchmarks.parity.subject import Subject, subjects
from benchmarks.parity.trial import Options, Outcome, Row, try_subject

QUICK = ("transformer-encoder", "residual-bn", "scalar-head")
ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    rows, repetitions = (1000, 2) if given.quick else (10_000, 20)
    options = Options(
        seed=given.seed,
        rows=rows,
        repetitions=repetitions,
        each=given.each,
        judges=tuple(given.judges.split(",")),
    )
    names = given.only.split(",") if given.only else list(QUICK) if given.quick else None
    _code()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    outcomes = [_once(subject, options, given.work) for subject in subjects(names)]
    print(write(outcomes, options, given.out, sum(outcome.seconds for outcome in outcomes)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} only, and a pool of 1,000 inputs")
    parser.add_argument("--only", help="names, or their beginnings, of the subjects to run; separated by commas")
    parser.add_argument("--judges", default=",".join(Options.judges), help="separated by commas")
    parser.add_argument("--each", type=int, default=1, help="faults of every kind in every graph")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "studies", help="folder of parity.md and parity.csv")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "parity", help="folder of finished subjects")
    return parser


def _once(subject: Subject, options: Options, work: Path) -> Outcome:
    """The outcome of an earlier run of the same code on the same file, or a new one."""
    path = work / f"{subject.name.replace(' ', '-')}-{_key(subject, options)}.json"
    if path.exists():
        data = json.loads(path.read_text())
        return Outcome(**{**data, "rows": [Row(**row) for row in data["rows"]]})
    started = time.strftime("%H:%M:%S")
    outcome = try_subject(subject, options, lambda sentence: print(f"{started} {sentence}", flush=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(asdict(outcome)))
    temporary.replace(path)
    return outcome


def _key(subject: Subject, options: Options) -> str:
    return hashlib.sha256(json.dumps([subject.key, asdict(options), _code()]).encode()).hexdigest()[:12]


@cache
def _code() -> str:
    """Hash of what decides the outcome, as it was when this process began."""
    found = hashlib.sha256()
    for folder in (ROOT / "benchmarks" / "parity", ROOT / "export"):
        for file in sorted(folder.glob("*.py")):
            if file.name not in ("report.py", "__main__.py"):
                found.update(file.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
