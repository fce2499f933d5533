"""A bar for one pull, where there is somebody to look at it."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from zoo.hubs.fetch import Report

if TYPE_CHECKING:
    import rich.progress


class Progress:
    """Bytes of all files of a pull together, on stderr if that is a terminal."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._have: dict[str, int] = {}
        self._lock = threading.Lock()
        self._bar: rich.progress.Progress | None = None

    def __enter__(self) -> Self:
        if self._total and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(self._title, total=self._total)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def of(self, name: str) -> Report:
        """What a file's download reports to."""

        def report(have: int) -> None:
            if self._bar is not None:
                with self._lock:
                    self._have[name] = have
                    self._bar.update(self._task, completed=sum(self._have.values()))

        return report
