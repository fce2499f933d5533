"""One worker process: it opens and proves what the service serves, lets versions take over, and drains at the end.

A model is opened and proven beside the one that it replaces, which serves on until then. All workers of the service
serve the same models (`serving.processes.fleet`); one that starts again takes what the others have now.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

from serving.asgi.body import App
from serving.catalogue import Catalogue
from serving.keys import Keys, hash_of
from serving.processes.backlog import SharedBacklog
from serving.processes.counters import Ledger, Record
from serving.processes.state import State
from serving.proof import asgi_infer, prove
from serving.served import ServedModel
from serving.settings import Settings
from zoo.errors import ZooError
from zoo.spec import Graph

log = logging.getLogger("bentoml.serve")

PULSE_SECONDS = 0.25
PROOF_MS = 120_000
_PULSES_PER_RECORD = 4


@dataclass(frozen=True)
class Change:
    """Models that are open and proven, to be served from now on, and names to be served no more."""

    install: list[ServedModel]
    remove: list[str]


class Worker:
    """`catalogue` is what it serves; `app`, set before the start, is the application that requests come to.

    `index` is its place among the workers of the service, from 0.
    """

    app: App
    state: State

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.name = secrets.token_hex(8)
        self.started = False
        self._closed = False
        self.index = 0
        self._headers = [(b"x-request-timeout-ms", b"%d" % PROOF_MS)]  # with golden requests
        self._backlogs: dict[str, SharedBacklog] = {}
        self._folders: dict[str, str] = {}
        self._ledger = Ledger()
        self._closing: set[asyncio.Task[None]] = set()
        self._writing: asyncio.Task[None] | None = None

    def set_up(self, settings: Settings, state: State) -> None:
        """What there must be before the other workers can ask."""
        self.state = state
        if settings.api_keys:  # golden requests come in by the same door as everybody's
            key = secrets.token_urlsafe(32)
            digest = bytes.fromhex(hash_of(key).partition(":")[2])
            settings = replace(settings, api_keys=settings.api_keys + Keys((digest,)))
            self._headers.append((b"x-api-key", key.encode()))
        self.catalogue.settings = settings

    async def start(self) -> None:
        """Serve what the others serve, or remember why not: a worker that cannot serve says so instead of dying."""
        async with locked(self.state, shared=True):
            try:
                self.commit(await self.prepare(self.state.current()))
            except ZooError as error:
                self.catalogue.not_ready = str(error)
                log.error("Not ready: %s", error)
            self.started = True
        _settle()

    async def prepare(self, current: Mapping[str, str], again: str = "") -> Change:
        """Open and prove what `current` has and this worker does not serve yet, and the model `again` in any case.

        `current` maps models to folders of the state. Raises ZooError, and then nothing has changed.
        """
        change = Change([], [name for name in self.catalogue.models if name not in current])
        try:
            for name, folder in current.items():
                if name not in self.catalogue.models or self._folders[name] != folder or name == again:
                    change.install.append(await asyncio.to_thread(self._open, folder))
                    await self._prove(change.install[-1])
        except BaseException:
            await self.discard(change)
            raise
        return change

    def commit(self, change: Change) -> None:
        """Serve what was prepared from now on; what it replaces is closed as soon as it has answered what it took."""
        for model in change.install:
            self._folders[model.name] = model.artifact.folder.name
            self._retire(self.catalogue.install(model))
        for name in change.remove:
            self._retire(self.catalogue.remove(name))
        if not self._closed:
            self.catalogue.not_ready = ""

    async def discard(self, change: Change) -> None:
        """Give up what was prepared."""
        for model in change.install:
            await model.close()

    def records(self) -> list[Record]:
        """What was counted since the start, of models that are served no more as well."""
        return self._ledger.records(self.catalogue.models.values())

    async def pulse(self) -> None:
        """Tell the other workers that this one is alive, and keep its counters where they outlive it; until cancelled."""
        kept: list[Record] = []
        while True:
            for _ in range(_PULSES_PER_RECORD):
                for backlog in list(self._backlogs.values()):
                    backlog.live()
                await asyncio.sleep(PULSE_SECONDS)
            records = self.records()
            if records != kept:
                self._writing = asyncio.create_task(asyncio.to_thread(self.state.keep_records, self.name, records))
                try:
                    await asyncio.shield(self._writing)
                    kept = records
                except OSError as error:
                    log.warning("The counters are not kept: %s", error)

    async def close(self) -> None:
        """Answer what has come and take no more."""
        self._closed = True
        self.catalogue.not_ready = "The service is shutting down."
        await asyncio.gather(*(model.close() for model in self.catalogue.models.values()), *self._closing)
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        self.state.keep_records(self.name, self.records())

    def _open(self, folder: str) -> ServedModel:
        return ServedModel(self.state.artifact(folder), self.catalogue.settings, self._backlog)

    def _backlog(self, graph: str) -> SharedBacklog:
        if graph not in self._backlogs:
            path = self.state.root / "queue" / graph
            self._backlogs[graph] = SharedBacklog(path, self.index, self.catalogue.settings.workers)
        return self._backlogs[graph]

    async def _prove(self, model: ServedModel) -> None:
        """Ask the whole application for the golden samples, on paths that nobody else can know."""
        private = f"/proof/{secrets.token_hex(16)}/"
        paths = {private + endpoint.graph.name: endpoint for endpoint in model.first_endpoints()}
        self.catalogue.infer_paths |= paths

        def path(graph: Graph) -> str:
            return private + graph.name

        try:
            await prove(model.artifact, model.variant, asgi_infer(self.app, path, self._headers))
        finally:
            for name in paths:
                del self.catalogue.infer_paths[name]
        model.enter()

    def _retire(self, model: ServedModel | None) -> None:
        if model is not None:
            self._ledger.leaving(model)  # in the same turn as it leaves the catalogue: it is counted throughout
            task = asyncio.create_task(self._finish(model))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _finish(self, model: ServedModel) -> None:
        await model.close()
        self._ledger.left(model)
        del model
        _release()


@contextlib.asynccontextmanager
async def locked(state: State, *, shared: bool = False) -> AsyncIterator[None]:
    """The state's lock, waited for without holding up the event loop."""
    with contextlib.ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, state.lock(shared=shared))
        yield


def _settle() -> None:
    """Spare the garbage collector what lives as long as the service: full collections are what delays a request."""
    _release()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _release() -> None:
    """Give back to the system what a model that left has freed, or one that came: reading it took its size once more."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc
            ctypes.CDLL(None).malloc_trim(0)
