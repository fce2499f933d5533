"""The site's files: the first page, a page for each card, pictures, style sheet and script."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from urllib.parse import quote

from zoo import __version__
from zoo.errors import UsageError
from zoo.gallery.card_page import card_sections
from zoo.gallery.charts import scatter
from zoo.gallery.entries import Entry, make_entry
from zoo.hub import Artifact, Hub
from zoo.manifest import CARD

HERE = Path(__file__).parent
MARK = "gallery.json"  # says that a folder is a gallery, which the next one may replace
LEAST_DOTS = 2  # of a plot


def write_gallery(hub: Hub, out: Path) -> Path:
    """Write the site of a hub's models into `out`, as a whole, and return its first page.

    Raises UsageError for a folder that holds something else.
    """
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something that is no gallery; name a new folder.")
    artifacts = [hub.artifact(name) for name in hub.names()]
    if not artifacts:
        raise UsageError(f"The hub {hub.label} has no models; name another one with --hub.")
    new = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        _write(artifacts, new)
        shutil.rmtree(out, ignore_errors=True)
        new.replace(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return out / "index.html"


def _write(artifacts: Sequence[Artifact], folder: Path) -> None:
    shutil.copytree(HERE / "static", folder / "static")
    (folder / "models").mkdir()
    entries = [make_entry(artifact) for artifact in artifacts]
    for artifact, entry in zip(artifacts, entries, strict=True):
        pictures = _copy_pictures(artifact, folder / "models" / entry.name)
        page = _card_page(entry, entries, (artifact.folder / CARD).read_text(encoding="utf-8"), pictures)
        (folder / "models" / f"{entry.name}.html").write_text(page, encoding="utf-8")
    (folder / "index.html").write_text(_first_page(entries), encoding="utf-8")
    (folder / MARK).write_text(json.dumps({"models": [entry.name for entry in entries]}) + "\n", encoding="utf-8")


def _copy_pictures(artifact: Artifact, folder: Path) -> set[str]:
    pictures = sorted((artifact.folder / "pictures").glob("*.png"))
    for path in pictures:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    return {f"pictures/{path.name}" for path in pictures}


def _first_page(entries: Sequence[Entry]) -> str:
    tasks = sorted({entry.task for entry in entries})
    return _template("index").substitute(
        count=len(entries),
        version=escape(__version__),
        tasks="".join(f'<option value="{escape(task)}">{escape(task)}</option>' for task in tasks),
        plots=_plots(entries),
        notes=_notes(entries),
        models="".join(_tile(entry) for entry in entries),
    )


def _by_metric(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Models whose speed was measured."""
    measured = [entry for entry in entries if entry.latency_ms is not None]
    return {name: [entry for entry in measured if entry.metric == name] for name in sorted({e.metric for e in measured})}


def _plots(entries: Sequence[Entry]) -> str:
    """A plot for every metric that several measured models share."""
    return "".join(scatter(found, metric) for metric, found in _by_metric(entries).items() if len(found) >= LEAST_DOTS)


def _notes(entries: Sequence[Entry]) -> str:
    """What is in no plot."""
    alone = [entry for found in _by_metric(entries).values() if len(found) < LEAST_DOTS for entry in found]
    unmeasured = [entry.name for entry in entries if entry.latency_ms is None]
    notes = [f"{e.name} has a metric of its own: {e.metric} {e.figure} in {e.latency}." for e in alone]
    notes += [f"Not measured yet: {', '.join(unmeasured)}."] if unmeasured else []
    return "".join(f"<p>{escape(note)}</p>" for note in notes)


def _facts(entry: Entry) -> str:
    between = "" if entry.low is None or entry.high is None else f" <small>{entry.low:.4f} to {entry.high:.4f}</small>"
    facts = (
        (entry.metric, f"{entry.figure}{between}"),
        ("latency, one row", entry.latency),
        ("ONNX", f"{entry.bytes / 1e3:,.0f} kB"),
        ("error / bound", f"{entry.ratio:.2f}"),
        ("data", escape(entry.data)),
        ("licence of the data", escape(entry.licence)),
    )
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts)


def _tile(entry: Entry) -> str:
    return _template("tile").substitute(
        name=escape(entry.name),
        href=quote(f"models/{entry.name}.html"),
        words=escape(entry.words),
        task=escape(entry.task),
        version=entry.version,
        summary=escape(entry.summary),
        facts=_facts(entry),
    )


def _card_page(entry: Entry, entries: Sequence[Entry], card: str, pictures: Iterable[str]) -> str:
    def picture(path: str) -> str | None:
        return quote(f"{entry.name}/{path.rpartition('/')[2]}") if path in pictures else None

    (_, head), *sections = card_sections(card, picture)
    body = "".join(
        f'<section class="card" id="part-{number}"><h2>{escape(title)}</h2>{html}</section>'
        for number, (title, html) in enumerate(sections)
    )
    parts = "".join(f'<a href="#part-{number}">{escape(title)}</a>' for number, (title, _) in enumerate(sections))
    return _template("model").substitute(
        name=escape(entry.name),
        version=entry.version,
        head=head,
        facts=_facts(entry),
        sections=body,
        parts=parts,
        others=_others(entry, entries),
    )


def _others(entry: Entry, entries: Sequence[Entry]) -> str:
    """Links to all models, by task."""
    links = []
    for task, group in groupby(sorted(entries, key=lambda one: (one.task, one.name)), key=lambda one: one.task):
        links.append(f"<h2>{escape(task)}</h2>")
        for one in group:
            current = ' aria-current="true"' if one is entry else ""
            figure = f"<span>{escape(one.metric)} {one.figure}</span>"
            links.append(f'<a href="{quote(one.name)}.html"{current}><strong>{escape(one.name)}</strong>{figure}</a>')
    return "".join(links)


def _template(name: str) -> Template:
    return Template((HERE / "templates" / f"{name}.html").read_text(encoding="utf-8"))
