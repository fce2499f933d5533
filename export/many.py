"""Several artifacts validated at once, each in a process of its own: a report that crashes or is killed harms no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress, TaskID

from export.progress import PHASES, make_progress, read_phase
from zoo.cpus import available_cpus
from zoo.errors import UsageError

PATIENCE_S = 10  # between asking a process to end and killing it


@dataclass(frozen=True)
class Outcome:
    """How a validation ended: its exit status, what it printed, and how long it took."""

    name: str
    status: int
    printed: str
    errors: str
    seconds: float

    @property
    def line(self) -> str:
        verdict = {0: "PASSED", 1: "FAILED"}.get(self.status, f"status {self.status}")
        last = self.errors.strip().splitlines()[-1:]
        return f"{self.name:28} {verdict} in {self.seconds:.1f} s{f'  {last[0]}' if self.status and last else ''}"


def validate_many(folders: Sequence[Path], options: Sequence[str], *, jobs: int, files: dict[str, Path]) -> int:
    """Run `python -m export validate` for each folder, `jobs` at a time; the worst of their exit statuses.

    Reports are printed whole as they come, then a line for each in the order of `folders`. `files` are folders by option
    (`--html`, say); each report gets a file there. Raises UsageError where two artifacts have one name.
    """
    names = [folder.resolve().name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"Two of the artifacts are named {name!r}; validate them in two calls.")
    running: dict[Path, subprocess.Popen[str]] = {}
    outcomes: dict[str, Outcome] = {}
    with make_progress() as progress, ThreadPoolExecutor(max(1, jobs)) as pool:
        whole = progress.add_task("all", total=len(folders))
        waiting = [
            pool.submit(_run, folder, [*options, *_own_files(files, name)], jobs, running, progress)
            for folder, name in zip(folders, names, strict=True)
        ]
        try:
            for done in as_completed(waiting):
                outcome = done.result()
                outcomes[outcome.name] = outcome
                progress.advance(whole)
                progress.stop()
                print(outcome.printed, flush=True)
                print(outcome.errors, end="", file=sys.stderr, flush=True)
                progress.start()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(list(running.values()))
            raise
    for name in names:
        print(outcomes[name].line)
    return max(outcome.status for outcome in outcomes.values())


def _own_files(files: dict[str, Path], name: str) -> list[str]:
    return [word for option, folder in files.items() for word in (option, str(folder / f"{name}.{_ENDS[option]}"))]


_ENDS = {"--html": "html", "--json": "json", "--junit": "xml"}


def _run(
    folder: Path, options: Sequence[str], jobs: int, running: dict[Path, subprocess.Popen[str]], progress: Progress
) -> Outcome:
    started, name = time.perf_counter(), folder.resolve().name
    environment = {**os.environ, PHASES: "1"}
    if jobs > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, available_cpus() // jobs)))
    process = subprocess.Popen(
        [sys.executable, "-m", "export", "validate", str(folder), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    running[folder] = process
    task = progress.add_task(name, total=None)
    with ThreadPoolExecutor(1) as pool:
        errors = pool.submit(_follow, process, progress, task, name)
        printed = process.stdout.read() if process.stdout else ""
        status = process.wait()
        del running[folder]
    progress.remove_task(task)
    return Outcome(name, status if status >= 0 else 128 - status, printed, errors.result(), time.perf_counter() - started)


def _follow(process: subprocess.Popen[str], progress: Progress, task: TaskID, name: str) -> str:
    """Show the phases that the process tells of; the rest of its standard error."""
    rest = []
    for line in process.stderr or ():
        phase = read_phase(line)
        if phase is None:
            rest.append(line)
        else:
            what, done, total = phase
            progress.update(task, description=f"{name}: {what}", completed=done, total=total)
    return "".join(rest)


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Interrupt the processes, and kill those that take no notice."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
