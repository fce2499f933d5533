"""Where a report goes: the terminal, and the files that were asked for."""

from __future__ import annotations

import os
from pathlib import Path

from export.report import print_report, report_json
from export.validate import Report
from zoo.manifest import write_json


def deliver(
    report: Report,
    command: str,
    subject: Path | None,
    *,
    html: Path | None = None,
    json: Path | None = None,
    junit: Path | None = None,
    github: bool = False,
) -> None:
    """Print the report and write each file whole or not at all. `subject` is what annotations point to."""
    if json:
        write_json(json, report_json(report))
    if html:
        from export.html import render_html

        _write(html, render_html(report, command))
    if junit:
        from export.junit import render_junit

        _write(junit, render_junit([report]))
    if github:
        from export.annotations import annotations

        print("\n".join(annotations(report, str(subject or ""))))
    print_report(report, command)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
