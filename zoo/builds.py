"""Many models through the chain at once: every step cached by the content of what it reads, resumed after a kill.

A step's key is the hash of its input files and of the code that runs it. `build/<model>.json` notes the key of each step
when it has ended well; a step whose key is noted, and whose output is there, is not run again.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from zoo.errors import ArtifactError, UsageError, ZooError
from zoo.hub import Artifact, Hub
from zoo.manifest import CERTIFICATE, MANIFEST, read_json, sha256, write_json
from zoo.pipeline import CANDIDATES, RUNS, StageError
from zoo.publish import next_version, publish
from zoo.run import RUN

ROOT = Path(__file__).parent.parent
SHARED_CODE = ("export", "zoo/*.py", "zoo/codecs", "zoo/metrics")  # what every model's proof rests on


@dataclass
class Outcome:
    """How the chain went for one model: seconds a step, and the sentence of what failed."""

    model: str
    seconds: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    failure: str = ""

    @property
    def what(self) -> str:
        done = [f"{step} {seconds:.0f} s" for step, seconds in self.seconds.items()]
        return self.failure or ", ".join([*(f"{step} cached" for step in self.cached), *done])


def recipes() -> dict[str, dict[str, str]]:
    """Model → `module` and `family` of its recipe, as the training stage tells. Raises StageError."""
    done = subprocess.run([sys.executable, "-m", "training", "list", "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StageError("training", done.returncode)
    listed: dict[str, dict[str, str]] = json.loads(done.stdout)
    return listed


def changed_since(revision: str, known: dict[str, dict[str, str]]) -> list[str]:
    """Models whose recipe or family differs from a git revision; all of them when code differs that all rest on.

    Raises UsageError for an unknown revision.
    """
    command = ["git", "diff", "--name-only", revision, "--", "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[0]
        raise UsageError(f"git cannot compare with {revision!r} ({reason}); name a revision of this repository.")
    changed = {Path(line) for line in done.stdout.splitlines()}
    if any(path.match(pattern) or path.is_relative_to(pattern) for path in changed for pattern in SHARED_CODE):
        return sorted(known)
    return sorted(model for model, entry in known.items() if changed & set(_own_code(entry)))


def build_many(
    models: Sequence[str], *, hub: Hub, jobs: int, arguments: Sequence[str] = (), say: Callable[[str], None] = print
) -> list[Outcome]:
    """The chain for every model, `jobs` at a time; publishing goes one by one. A failure stops only its own model."""
    known = recipes()
    for model in models:
        if model not in known:
            raise UsageError(f"There is no recipe for {model!r}; `python -m training list` prints what there is.")
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        outcomes = list(pool.map(lambda model: _prepare(model, known[model], hub, arguments, say), models))
    for outcome in outcomes:
        if not outcome.failure:
            _publish(outcome, hub)
        say(f"{outcome.model}: {outcome.what}")
    return outcomes


def junit(outcomes: Iterable[Outcome]) -> str:
    """The outcomes as JUnit XML, a test case a model."""
    listed = list(outcomes)
    failed = sum(bool(outcome.failure) for outcome in listed)
    suite = ElementTree.Element("testsuite", name="zoo build", tests=str(len(listed)), failures=str(failed))
    for outcome in listed:
        spent = f"{sum(outcome.seconds.values()):.1f}"
        case = ElementTree.SubElement(suite, "testcase", classname="build", name=outcome.model, time=spent)
        if outcome.failure:
            ElementTree.SubElement(case, "failure", message=outcome.failure)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _prepare(model: str, entry: dict[str, str], hub: Hub, arguments: Sequence[str], say: Callable[[str], None]) -> Outcome:
    """Train, export and validate; publishing is left to the caller."""
    outcome, run, candidate = Outcome(model), RUNS / model, CANDIDATES / model
    steps = (
        ("train", lambda: _files_key([*_own_code(entry)]), run / RUN, ["training", "train", model, *arguments]),
        (
            "export",
            lambda: _files_key([*_own_code(entry), *_shared_code(), *_below(run)]),
            candidate / MANIFEST,
            ["export", "build", run, candidate, "--version", next_version(hub, model)],
        ),
        (
            "validate",
            lambda: _files_key([*_shared_code(), *(path for path in _below(candidate) if path.name != CERTIFICATE)]),
            candidate / CERTIFICATE,
            ["export", "validate", candidate, "--run", run, "--certify"],
        ),
    )
    try:
        for name, key, output, command in steps:
            _step(outcome, name, key, output, [str(word) for word in command], say)
    except (ZooError, OSError) as error:
        outcome.failure = str(error) or f"failed; see {_log(model)}"
    return outcome


def _step(
    outcome: Outcome, name: str, key: Callable[[], str], output: Path, command: list[str], say: Callable[[str], None]
) -> None:
    """Run a step unless its key is noted; a finished run folder counts as trained whatever made it."""
    notes = CANDIDATES / f"{outcome.model}.json"
    noted = _read_notes(notes)
    if output.exists() and (name == "train" or noted.get(name) == key()):
        outcome.cached.append(name)
        return
    say(f"{outcome.model}: {name}")
    started = time.perf_counter()
    with _log(outcome.model).open("a", encoding="utf-8") as log:
        done = subprocess.run([sys.executable, "-m", *command], stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise StepError(name, outcome.model, done.returncode)
    outcome.seconds[name] = time.perf_counter() - started
    write_json(notes, {**noted, name: key()})


class StepError(ZooError):
    """A step of one model ended with a status other than 0; its log says why."""

    def __init__(self, step: str, model: str, status: int) -> None:
        lines = _log(model).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = next((line for line in reversed(lines) if line.startswith("error: ")), "")
        super().__init__(f"{step} ended with status {status}: {last.removeprefix('error: ') or f'see {_log(model)}'}")


def _publish(outcome: Outcome, hub: Hub) -> None:
    try:
        started = time.perf_counter()
        before = hub.index.get(outcome.model, {}).get("certificate")
        artifact: Artifact = publish(CANDIDATES / outcome.model, hub)
        after = hub.index[artifact.manifest.model]["certificate"]
        if before == after:
            outcome.cached.append("publish")
        else:
            outcome.seconds["publish"] = time.perf_counter() - started
    except ZooError as error:
        outcome.failure = str(error)


def _own_code(entry: dict[str, str]) -> list[Path]:
    """Files of a model's recipe and family, relative to the repository's root."""
    family = next((ROOT / "zoo" / "families").glob(f"*/{entry['family'].replace('-', '_')}.py"))
    return [Path(entry["module"].replace(".", "/") + ".py"), family.relative_to(ROOT)]


def _shared_code() -> list[Path]:
    found = [path for pattern in SHARED_CODE for path in (ROOT / pattern).rglob("*.py") if "*" not in pattern]
    return sorted(path.relative_to(ROOT) for path in [*found, *(ROOT / "zoo").glob("*.py")])


def _below(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and "seeds" not in path.parts and "state" not in path.parts
    )


def _files_key(paths: Iterable[Path]) -> str:
    hasher = hashlib.sha256()
    for path in paths:
        full = path if path.exists() else ROOT / path
        hasher.update(f"{path}\0{sha256(full)}\n".encode())
    return hasher.hexdigest()


def _read_notes(path: Path) -> dict[str, str]:
    try:
        return read_json(path)
    except ArtifactError:
        return {}


def _log(model: str) -> Path:
    CANDIDATES.mkdir(parents=True, exist_ok=True)
    return CANDIDATES / f"{model}.log"
