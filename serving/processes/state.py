"""What the worker processes of one service share, as a private folder: the models served now, their files, a lock.

current.json      the models served, and which folder below `models/` each comes from
models/           a folder for each version in use, of links or copies, so that a worker that starts again finds
                  the version that the others serve, whatever has been published since
workers/          a socket for each worker (`serving.processes.fleet`)
counters/         the last counters of each worker, of those that died too
queue/            rows that wait, by graph and worker (`serving.processes.backlog`)
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from serving.settings import Settings
from zoo.errors import UsageError
from zoo.hub import ORIGINAL, Artifact, Hub
from zoo.manifest import CERTIFICATE, read_json, sha256, write_json

VARIABLE = "ZOO_STATE"
PREFIX = "zoo-state"
CURRENT = "current.json"
LONGEST = 80  # bytes of the folder's path: with a worker's name a socket's has at most 107

_owned: list[IO[str]] = []  # a lock lasts as long as its file is open


class State:
    """The folder, which exists. Methods that change `current` or `models` are to be called with the lock held."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("models", "workers", "counters", "queue"):
            (root / name).mkdir(exist_ok=True)

    @classmethod
    def make(cls) -> State:
        """The folder that `ZOO_STATE` names, or a new one, which the variable names from now on.

        What services left behind that have ended is removed. Raises UsageError when others could read the folder.
        """
        if VARIABLE not in os.environ:
            _sweep()
            os.environ[VARIABLE] = folder = tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        root = Path(os.environ[VARIABLE])
        if len(os.fsencode(root)) > LONGEST:
            raise UsageError(
                f"{VARIABLE} is {root}, too long for the sockets below it; name a folder of at most {LONGEST} bytes."
            )
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = root.stat()
        if about.st_uid != os.getuid() or about.st_mode & 0o077:
            raise UsageError(f"{VARIABLE} is {root}, which is not private to this user; use a folder of mode 700.")
        return cls(root)

    @property
    def is_set_up(self) -> bool:
        return (self.root / CURRENT).exists()

    def current(self) -> dict[str, str]:
        """Name of the folder below `models/` for each model served."""
        return read_json(self.root / CURRENT)["models"]

    def write_current(self, current: Mapping[str, str]) -> None:
        """From here on a worker that starts serves `current`; folders that it does not name are removed."""
        write_json(self.root / CURRENT, {"models": dict(current)})
        with contextlib.suppress(OSError):  # decided is decided: what cannot be removed stays
            for folder in (self.root / "models").iterdir():
                if folder.name not in current.values():
                    shutil.rmtree(folder, ignore_errors=True)

    def artifact(self, folder: str) -> Artifact:
        return Artifact(self.root / "models" / folder)

    def keep(self, artifact: Artifact) -> str:
        """Name of the folder that has this version's files, all but the original."""
        folder = f"{artifact.manifest.model}@{artifact.manifest.version}-{sha256(artifact.folder / CERTIFICATE)[:12]}"
        final = self.root / "models" / folder
        if not final.exists():
            temporary = Path(tempfile.mkdtemp(dir=self.root / "models", prefix=".new-"))
            try:
                shutil.copytree(
                    artifact.folder,
                    temporary,
                    symlinks=True,
                    ignore=shutil.ignore_patterns(ORIGINAL),
                    copy_function=_link_or_copy,
                    dirs_exist_ok=True,
                )
                temporary.rename(final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return folder

    def keep_records(self, worker: str, records: list[Any]) -> None:
        """What a worker has counted so far, to outlive it."""
        write_json(self.root / "counters" / worker, {"records": records})

    def kept_records(self) -> dict[str, list[Any]]:
        """What each worker had counted when it last wrote it down."""
        return {path.name: read_json(path)["records"] for path in (self.root / "counters").glob("[!.]*")}

    def socket(self, worker: str) -> Path:
        return self.root / "workers" / worker

    def sockets(self) -> dict[str, Path]:
        """Where each worker listens; those that died may be among them."""
        return {path.name: path for path in (self.root / "workers").iterdir()}

    @contextlib.contextmanager
    def lock(self, *, shared: bool = False) -> Iterator[None]:
        """Wait for the lock. A worker that starts shares it with others that do; a change of models has it alone."""
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield

    def forget(self) -> None:
        """Remove what an earlier service counted and queued."""
        for name in ("workers", "counters", "queue"):
            for path in (self.root / name).iterdir():
                path.unlink(missing_ok=True)

    def own(self) -> None:
        """Be the one service that uses the folder, as long as this process lives. Raises UsageError when another does."""
        file = (self.root / "owner").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UsageError(f"{VARIABLE} is {self.root}, which another service uses; name another folder.") from error
        _owned.append(file)


def find_artifacts(settings: Settings) -> list[Artifact]:
    """The artifacts that the settings name, nothing opened yet. Raises UsageError when they name none, UnknownNameError."""
    hub = Hub()
    if not settings.models:
        known = ", ".join(hub.names()) or f"none, {hub.label} is empty"
        raise UsageError(f"ZOO_MODELS is not set; set it to the models to serve, separated by commas (known: {known}).")
    return [hub.artifact(name) for name in settings.models]


def set_up_state(settings: Settings, *, supervisor: bool) -> State:
    """The state of this service: the models of the settings, verified, or what a worker finds there.

    Raises ZooError for a model that the hub lacks or that differs from its certificate, and when the folder is in use.
    """
    state = State.make()
    if supervisor:
        state.own()
        state.forget()
    with state.lock():
        if supervisor or not state.is_set_up:
            artifacts = find_artifacts(settings)
            for artifact in artifacts:
                artifact.verify()  # before its manifest is believed
            settings.require_known(artifact.manifest.model for artifact in artifacts)
            state.write_current({artifact.manifest.model: state.keep(artifact) for artifact in artifacts})
    return state


def _link_or_copy(source: str, target: str) -> None:
    """A link costs no space, and what is published later is a new file; not every disk has them."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        number = folder.name.split("-")[2]
        if number.isdigit() and not _is_alive(int(number)) and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
