"""The tables: caught of counted by judge and kind, false alarms, what we let pass, and time."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable
from pathlib import Path

from benchmarks.parity.trial import RIGHT, Options, Outcome, Row

NAMES = {"ours": "ours", "torch": "torch.onnx verification", "polygraphy": "Polygraphy", "optimum": "optimum's rule"}
FIELDS = ("subject", "kind", "where", "floors", "floors_by_channel", "decided", "counts", "seconds_ours")


def write(outcomes: list[Outcome], options: Options, folder: Path, seconds: float) -> str:
    """`parity.md` and `parity.csv` in `folder`. Returns the Markdown."""
    text = markdown(outcomes, options, seconds)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parity.md").write_text(text)
    with (folder / "parity.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*FIELDS, *options.judges])
        for row in _rows(outcomes):
            verdicts = [{True: "passed", False: "failed"}.get(row.passed.get(name), "") for name in options.judges]  # type: ignore[arg-type]
            numbers = [f"{row.floors:.4g}", f"{row.by_channel:.4g}", row.how, int(row.counts), f"{row.seconds:.3f}"]
            writer.writerow([row.subject, row.kind, row.where, *numbers, *verdicts])
    return text


def markdown(outcomes: list[Outcome], options: Options, seconds: float) -> str:
    rows = _rows(outcomes)
    planted = [row for row in rows if row.kind != RIGHT]
    counted = [row for row in planted if row.counts]
    right = [row for row in rows if row.kind == RIGHT]
    lines = [
        "# Faults planted in right exports, and who notices",
        "",
        f"{len(planted)} faults in {len(outcomes)} graphs, seed {options.seed}; {len(counted)} count, "
        f"{len(planted) - len(counted)} do not: they move no output by more than 16 floors on any of {options.rows:,} "
        f"inputs that no judge sees. Every right export is judged {options.repetitions} times, each time with another seed. "
        f"Took {seconds / 60:.0f} min.",
        "",
        "    python -m benchmarks.parity",
        "",
        *_by_judge(counted, right, options.judges),
        "",
        "## By kind of fault: caught of counted",
        "",
        *_by_kind(planted, options.judges),
        "",
        "## What ours lets pass",
        "",
        *_survivors(counted, "ours"),
        "",
        "## False alarms of ours",
        "",
        *_alarms(right),
        "",
        "## Time",
        "",
        *_time(outcomes),
        "",
        "## By graph",
        "",
        *_by_subject(outcomes, options.judges),
    ]
    return "\n".join(lines) + "\n"


def _rows(outcomes: list[Outcome]) -> list[Row]:
    return [row for outcome in outcomes for row in outcome.rows]


def _share(rows: Iterable[Row], judge: str) -> str:
    judged = [row for row in rows if judge in row.passed]
    return f"{sum(row.caught(judge) for row in judged)}/{len(judged)}" if judged else "–"


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]


def _by_judge(counted: list[Row], right: list[Row], judges: tuple[str, ...]) -> list[str]:
    body = []
    for name in judges:
        judged = [row for row in counted if name in row.passed]
        caught = sum(row.caught(name) for row in judged)
        share = f"{caught / max(len(judged), 1):.1%}"
        alarmed = {row.subject for row in right if row.caught(name)}
        body.append([NAMES[name], f"{caught} of {len(judged)}", share, _share(right, name), str(len(alarmed))])
    return _table(["judge", "counted faults caught", "share", "false alarms", "graphs with one"], body)


def _by_kind(planted: list[Row], judges: tuple[str, ...]) -> list[str]:
    body = []
    for kind in dict.fromkeys(row.kind for row in planted):
        of_kind = [row for row in planted if row.kind == kind]
        counted = [row for row in of_kind if row.counts]
        body.append([kind, str(len(of_kind) - len(counted)), *(_share(counted, name) for name in judges)])
    return _table(["fault", "not counted", *(NAMES[name] for name in judges)], body)


def _survivors(counted: list[Row], judge: str) -> list[str]:
    survived = sorted((row for row in counted if not row.caught(judge)), key=lambda row: -row.floors)
    body = [[row.subject, row.kind, row.where, f"{row.floors:.3g}"] for row in survived]
    return _table(["graph", "fault", "where", "floors"], body) if body else ["None."]


def _alarms(right: list[Row]) -> list[str]:
    body = []
    for subject in dict.fromkeys(row.subject for row in right if row.caught("ours")):
        body.append([subject, _share([row for row in right if row.subject == subject], "ours")])
    return _table(["graph", "alarms"], body) if body else ["None."]


def _time(outcomes: list[Outcome]) -> list[str]:
    judged = [statistics.median(row.seconds for row in outcome.rows if row.kind == RIGHT) for outcome in outcomes]
    exported = [outcome.export_seconds for outcome in outcomes]
    shares = [ours / export for ours, export in zip(judged, exported, strict=True)]
    slower = [outcome.subject for outcome, share in zip(outcomes, shares, strict=True) if share > 1]
    return [
        f"One judgement of ours takes {statistics.median(judged):.2f} s in the median over the graphs, one export "
        f"{statistics.median(exported):.2f} s; the median of their ratios is {statistics.median(shares):.2f}. "
        f"Longer than its export: {', '.join(slower) or 'none'}.",
    ]


def _by_subject(outcomes: list[Outcome], judges: tuple[str, ...]) -> list[str]:
    body = []
    for outcome in outcomes:
        counted = [row for row in outcome.rows if row.counts]
        ours = statistics.median(row.seconds for row in outcome.rows if row.kind == RIGHT)
        body.append(
            [outcome.subject, *(_share(counted, name) for name in judges), f"{ours:.2f}", f"{outcome.export_seconds:.2f}"]
        )
    return _table(["graph", *(NAMES[name] for name in judges), "ours, s", "export, s"], body)
