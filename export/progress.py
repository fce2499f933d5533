"""What a validation is busy with: a bar on a terminal, lines for a process that runs it, nothing otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Say = Callable[[str, int, int], None]  # the phase, how many are done, of how many

PHASES = "ZOO_PHASES"  # set in the environment by a process that reads the lines
_MARK = "\x02"


def make_progress() -> Progress:
    """A bar on standard error, gone when it is done; it draws nothing where that is no terminal."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip


@contextmanager
def told(subject: str) -> Iterator[Say]:
    """`say` of one validation, shown to whoever waits for it."""
    if os.environ.get(PHASES):
        yield lambda what, done, total: print(f"{_MARK}{done}\t{total}\t{what}", file=sys.stderr, flush=True)
        return
    with make_progress() as progress:
        task = progress.add_task(subject, total=None)

        def say(what: str, done: int, total: int) -> None:
            progress.update(task, description=f"{subject}: {what}", completed=done, total=total)

        yield say


def read_phase(line: str) -> tuple[str, int, int] | None:
    """What a line on standard error tells of a phase; None of a line that is something else."""
    if not line.startswith(_MARK):
        return None
    done, total, what = line[1:].rstrip("\n").split("\t", 2)
    return what, int(done), int(total)
