"""The two clients: one blocks, one is awaited. What they ask is in `calls`, when they ask again in `Patience`."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from serving.client import calls
from serving.client.calls import Call
from serving.client.errors import UnreachableError, connection_error, status_error
from serving.client.events import Events
from zoo.errors import UsageError

P = ParamSpec("P")
Answer = TypeVar("Answer")
Method = TypeVar("Method", bound=Callable[..., Any])

_KEPT_S = 4.0  # less than the 5 s for which uvicorn keeps an idle connection, so that it is never ours that it closes
_BUSY = (429, 503)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When a call is tried again: the server was busy (429, 503), or no connection could be made.

    Pauses double from `first_s` up to `longest_s`, each shortened at random by up to a half, so that clients that failed
    together do not return together. A server that asks for more than `limit_s` is not waited for.
    """

    retries: int = 3
    first_s: float = 0.1
    longest_s: float = 5.0
    limit_s: float = 60.0

    def pause_s(self, call: Call[Any], outcome: httpx.Response | UnreachableError, attempt: int) -> float | None:
        """Seconds until the next attempt after this one (the first is 0); None when `outcome` is final."""
        if call.probe or attempt >= self.retries:
            return None
        own = min(self.longest_s, self.first_s * 2.0**attempt) * random.uniform(0.5, 1)
        if isinstance(outcome, UnreachableError):
            return None if outcome.sent else own
        if outcome.status_code not in _BUSY:
            return None
        asked = status_error(outcome).retry_after_s or 0.0
        return own + asked if asked <= self.limit_s else None


def _options(url: str, api_key: str | None, timeout: float) -> dict[str, Any]:
    """Of httpx's clients, each of which is one connection here. Raises UsageError for an address that is none.

    One client with a pool would do, but httpcore 1.0.9 closes connections that it has just given to a waiting request
    (encode/httpcore issue 1110; 7 in 900 calls of 12 threads on 4 connections failed), and a call takes it longer the more
    of them there are (32 at once: 3.5 ms each, so 1.3 ms).
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"The address {url!r} is none ({error}); give one such as http://127.0.0.1:3000.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"The address {url!r} is not of HTTP; give one such as http://127.0.0.1:3000.")
    return {
        "base_url": parsed,
        "headers": {} if api_key is None else {"Authorization": f"Bearer {api_key}"},
        "timeout": httpx.Timeout(timeout),
        "limits": httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT_S),
        "verify": httpx.create_ssl_context(),
    }


def _blocking(make: Callable[P, Call[Answer]]) -> Callable[Concatenate[Client, P], Answer]:
    """The method of Client that makes this call."""

    def method(self: Client, /, *args: P.args, **options: P.kwargs) -> Answer:
        return self._run(make(*args, **options))

    return _described(method, make)


def _awaited(make: Callable[P, Call[Answer]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, Answer]]:
    """The method of AsyncClient that makes this call."""

    async def method(self: AsyncClient, /, *args: P.args, **options: P.kwargs) -> Answer:
        return await self._run(make(*args, **options))

    return _described(method, make)


def _iterated(make: Callable[P, Call[Events]]) -> Callable[Concatenate[Client, P], Iterator[dict[str, Any]]]:
    """The method of Client that gives this call's events as they come."""

    def method(self: Client, /, *args: P.args, **options: P.kwargs) -> Iterator[dict[str, Any]]:
        return self._stream(make(*args, **options))

    return _described(method, make)


def _async_iterated(make: Callable[P, Call[Events]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[dict[str, Any]]]:
    """The method of AsyncClient that gives this call's events as they come."""

    def method(self: AsyncClient, /, *args: P.args, **options: P.kwargs) -> AsyncIterator[dict[str, Any]]:
        return self._stream(make(*args, **options))

    return _described(method, make)


def _described(method: Method, make: Callable[..., Any]) -> Method:
    """`method` with the name and documentation of the call that it makes."""
    method.__name__ = make.__name__
    method.__doc__ = make.__doc__
    signature = inspect.signature(make)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = signature.replace(parameters=[own, *signature.parameters.values()])  # type: ignore[attr-defined]
    return method


class Client:
    """A server's models, from blocking code; may be shared by threads. Close it, or use it in a `with` statement.

    `timeout` is how many seconds one attempt may wait to be connected, and then for each part of the answer; `retries`
    how often a call is tried again (see Patience); `connections` how many are open at most, beyond which calls wait.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 30.0, retries: int = 3, connections: int = 32
    ) -> None:
        self._options = _options(url, api_key, timeout)
        self._idle: list[httpx.Client] = []
        self._turns = threading.BoundedSemaphore(connections)
        self._patience = Patience(retries=retries)

    infer = _blocking(calls.infer)
    predict = _blocking(calls.predict)
    generate = _blocking(calls.generate)
    stream = _iterated(calls.stream)
    metadata = _blocking(calls.metadata)
    statistics = _blocking(calls.statistics)
    live = _blocking(calls.live)
    ready = _blocking(calls.ready)
    models = _blocking(calls.models)
    load = _blocking(calls.load)
    unload = _blocking(calls.unload)

    def close(self) -> None:
        """Close every connection, when no call is under way."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stream(self, call: Call[Events]) -> Iterator[dict[str, Any]]:
        for attempt in itertools.count():
            with self._turns:
                http = self._connection()
                try:
                    with http.stream(call.method, call.path, content=call.body, headers=call.headers) as response:
                        if response.is_success:
                            events = call.answer(response)
                            for chunk in response.iter_bytes():
                                yield from events.feed(chunk)
                            return
                        response.read()
                        outcome: httpx.Response | UnreachableError = response
                except httpx.HTTPError as error:
                    outcome = connection_error(error, str(self._options["base_url"]))
                finally:
                    self._idle.append(http)
            pause = self._patience.pause_s(call, outcome, attempt)
            if pause is None:
                call.answer(outcome)
                return
            time.sleep(pause)

    def _run(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while (pause := self._patience.pause_s(call, outcome := self._send(call), attempt)) is not None:
            time.sleep(pause)
            attempt += 1
        return call.answer(outcome)

    def _send(self, call: Call[Any]) -> httpx.Response | UnreachableError:
        with self._turns:
            http = self._connection()
            try:
                return http.request(call.method, call.path, content=call.body, headers=call.headers)
            except httpx.HTTPError as error:
                return connection_error(error, str(self._options["base_url"]))
            finally:
                self._idle.append(http)

    def _connection(self) -> httpx.Client:
        try:
            return self._idle.pop()
        except IndexError:  # not asked before: another thread may have taken the last one since
            return httpx.Client(**self._options)


class AsyncClient:
    """`Client` for coroutines: the same options and methods, to be awaited; `async with`, or `await client.close()`."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 30.0, retries: int = 3, connections: int = 32
    ) -> None:
        self._options = _options(url, api_key, timeout)
        self._idle: list[httpx.AsyncClient] = []
        self._turns = asyncio.BoundedSemaphore(connections)
        self._patience = Patience(retries=retries)

    infer = _awaited(calls.infer)
    predict = _awaited(calls.predict)
    generate = _awaited(calls.generate)
    stream = _async_iterated(calls.stream)
    metadata = _awaited(calls.metadata)
    statistics = _awaited(calls.statistics)
    live = _awaited(calls.live)
    ready = _awaited(calls.ready)
    models = _awaited(calls.models)
    load = _awaited(calls.load)
    unload = _awaited(calls.unload)

    async def close(self) -> None:
        """Close every connection, when no call is under way."""
        while self._idle:
            await self._idle.pop().aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _stream(self, call: Call[Events]) -> AsyncIterator[dict[str, Any]]:
        for attempt in itertools.count():
            async with self._turns:
                http = self._connection()
                try:
                    async with http.stream(call.method, call.path, content=call.body, headers=call.headers) as response:
                        if response.is_success:
                            events = call.answer(response)
                            async for chunk in response.aiter_bytes():
                                for event in events.feed(chunk):
                                    yield event
                            return
                        await response.aread()
                        outcome: httpx.Response | UnreachableError = response
                except httpx.HTTPError as error:
                    outcome = connection_error(error, str(self._options["base_url"]))
                finally:
                    self._idle.append(http)
            pause = self._patience.pause_s(call, outcome, attempt)
            if pause is None:
                call.answer(outcome)
                return
            await asyncio.sleep(pause)

    async def _run(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while (pause := self._patience.pause_s(call, outcome := await self._send(call), attempt)) is not None:
            await asyncio.sleep(pause)
            attempt += 1
        return call.answer(outcome)

    async def _send(self, call: Call[Any]) -> httpx.Response | UnreachableError:
        async with self._turns:
            http = self._connection()
            try:
                return await http.request(call.method, call.path, content=call.body, headers=call.headers)
            except httpx.HTTPError as error:
                return connection_error(error, str(self._options["base_url"]))
            finally:
                self._idle.append(http)

    def _connection(self) -> httpx.AsyncClient:
        return self._idle.pop() if self._idle else httpx.AsyncClient(**self._options)
