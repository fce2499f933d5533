"""All workers of a service as one: a change of models is made in every worker or in none, and counters are summed.

Whoever is asked for a change holds the lock, has every worker open and prove the models, writes the new `current.json`,
and then has all of them serve it. That file is the decision: a worker that loses the asker before it was told how it
ended looks there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from serving.errors import UnservableError, explain
from serving.processes.counters import Record, add_up, still
from serving.processes.peers import Peer, connect, listen, receive, send
from serving.processes.state import set_up_state
from serving.processes.worker import Worker, locked
from serving.settings import Settings
from zoo.errors import HubError, UnknownNameError, ZooError
from zoo.hub import Hub

log = logging.getLogger("bentoml.serve")

PREPARE_SECONDS = 120.0
COUNT_SECONDS = 2.0


class Fleet:
    """The workers of this service, as one of them sees them."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._server: asyncio.Server | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._one_change = asyncio.Lock()

    async def start(self) -> None:
        """Serve what the service serves, and answer the other workers."""
        worker = self.worker
        try:
            settings = Settings.from_environment()
            worker.set_up(settings, await asyncio.to_thread(set_up_state, settings, supervisor=False))
        except ZooError as error:
            worker.catalogue.not_ready = str(error)
            log.error("Not ready: %s", error)
            return
        self._server = await listen(worker.state.socket(worker.name), self._answer)
        await worker.start()
        self._pulse = asyncio.create_task(worker.pulse())

    async def stop(self) -> None:
        """Answer what has come, and take no more."""
        if self._server is None or self._pulse is None:
            return
        self._server.close()
        self.worker.state.socket(self.worker.name).unlink(missing_ok=True)
        self._pulse.cancel()
        await self.worker.close()

    async def load(self, name: str, version: str = "") -> None:
        """Have every worker serve the version that the hub has now.

        Raises UnknownNameError, and UnservableError when a worker cannot open and prove it: then none serves it.
        """
        state = self.worker.state
        try:
            artifact = await asyncio.to_thread(lambda: Hub().artifact(f"{name}@{version}" if version else name))
        except (UnknownNameError, HubError):
            raise
        except (ZooError, OSError) as error:
            raise UnservableError(f"Model {name!r} is not loaded: {error}") from error
        async with self._one_change, locked(state):
            current = state.current()
            try:
                folder = await asyncio.to_thread(state.keep, artifact)
                await self._decide({**current, artifact.manifest.model: folder}, again=artifact.manifest.model)
            except (ZooError, OSError) as error:
                state.write_current(state.current())  # what was kept for nothing goes
                raise UnservableError(f"Model {name!r} is not loaded: {error}") from error

    async def unload(self, name: str) -> None:
        """Have no worker serve the model any more. Raises UnknownNameError."""
        async with self._one_change, locked(self.worker.state):
            current = self.worker.state.current()
            if name not in current:
                raise UnknownNameError("model", name, current)
            try:
                await self._decide({model: folder for model, folder in current.items() if model != name})
            except (ZooError, OSError) as error:
                raise UnservableError(f"Model {name!r} is not unloaded: {error}") from error

    async def records(self) -> list[Record]:
        """What all workers have counted; of those that died or hang, what they had a second before."""
        state, own = self.worker.state, self.worker
        peers = await connect(state, own.name)
        answers = await asyncio.gather(
            *(peer.ask({"do": "count"}, seconds=COUNT_SECONDS) for peer in peers), return_exceptions=True
        )
        live = {
            peer.name: answer["records"] for peer, answer in zip(peers, answers, strict=True) if isinstance(answer, dict)
        }
        for peer in peers:
            peer.close()
        kept = await asyncio.to_thread(state.kept_records)
        resting = {name: still(records) for name, records in kept.items()}
        return add_up({**resting, **live, own.name: own.records()}.values())

    def names(self) -> list[str]:
        """The workers that listen."""
        return sorted(self.worker.state.sockets())

    async def _decide(self, current: dict[str, str], again: str = "") -> None:
        """Every worker prepares `current`, the model `again` anew; then it is written down, and every worker serves it."""
        peers = await connect(self.worker.state, self.worker.name)
        try:
            change = await self.worker.prepare(current, again)
            try:
                await _ask_all(peers, {"do": "prepare", "current": current, "again": again})
                await asyncio.to_thread(self.worker.state.write_current, current)
            except BaseException:
                await self.worker.discard(change)
                raise
            self.worker.commit(change)
            try:
                await _ask_all(peers, {"do": "commit"})
            except UnservableError as error:
                log.warning("A worker is late with the models that are served now: %s", error)
        finally:
            for peer in peers:
                peer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Another worker's questions."""
        try:
            question = await receive(reader)
            if question is not None and question["do"] == "count":
                await send(writer, {"records": self.worker.records()})
            elif question is not None:
                await self._take_part(question, reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _take_part(self, question: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Prepare, then wait for the decision. A worker that is still starting will read it from the disk."""
        if not self.worker.started:
            await send(writer, {"ready": True})
            return
        try:
            change = await self.worker.prepare(question["current"], question["again"])
        except Exception as error:  # whatever it is, the asker must hear of it
            await send(writer, {"error": explain(error)[1]})
            return
        decided = False
        try:
            await send(writer, {"ready": True})
            decided = await receive(reader) is not None or self.worker.state.current() == question["current"]
        finally:
            if decided:
                self.worker.commit(change)
            else:
                await self.worker.discard(change)
        await send(writer, {"done": True})


async def _ask_all(peers: list[Peer], question: dict[str, Any]) -> None:
    """Raises the first refusal, when all have answered."""
    answers = await asyncio.gather(*(peer.ask(question, seconds=PREPARE_SECONDS) for peer in peers), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
