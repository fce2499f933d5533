"""What the service promises under fire, tried on a real one: `python -m benchmarks.robustness`.

Prints a table; the exit status is 1 when a promise is broken. Nothing is reached but loopback.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.robustness.long_promises import reloads, soak
from benchmarks.robustness.queue_promises import QUEUE_ROWS, Promise, full_queue, gone, ids_never_mixed, poisoned
from benchmarks.robustness.service import serving
from benchmarks.robustness.subject import PUBLISHED, QUICK, SLOW, make_hub
from zoo.cpus import available_cpus

HEAD = """# What holds under fire

Written by `python -m benchmarks.robustness --out …`, on {cores} cores that the load generator shares; reloads and soak
with {workers} workers.

{table}
"""


def main() -> int:
    given = _parser().parse_args()
    work = Path(tempfile.mkdtemp(prefix="zoo-robustness-"))
    try:
        promises = _try(given, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    rows = [f"| {promise.what} | {promise.found} | {'yes' if promise.kept else '**no**'} |" for promise in promises]
    table = "\n".join(["| promise | found | kept |", "|---|---|---|", *rows])
    print(table)
    if given.out:
        given.out.write_text(HEAD.format(table=table, cores=available_cpus(), workers=given.workers), encoding="utf-8")
    return 0 if all(promise.kept for promise in promises) else 1


def _try(given: argparse.Namespace, work: Path) -> list[Promise]:
    hub = make_hub(work / "hub")
    promises: list[Promise] = []
    with serving(hub, (QUICK, SLOW), work, ZOO_MAX_QUEUE_ROWS=f"1024,{SLOW}={QUEUE_ROWS}") as service:
        for attempt in (poisoned, ids_never_mixed, gone, full_queue):
            promises.append(attempt(service))
            _say(f"{promises[-1].what}: {promises[-1].found}")
    with serving(hub, (QUICK, *PUBLISHED), work, ZOO_WORKERS=str(given.workers)) as service:
        if given.reloads:
            promises += reloads(service, given.reloads, given.workers, _say)
        if given.minutes:
            promises += soak(service, given.minutes, _say)
    return promises


def _say(sentence: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20, help="of the soak; 0 leaves it out (default: %(default)s)")
    parser.add_argument("--reloads", type=int, default=50, help="under load; 0 leaves them out (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="for reloads and soak (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
