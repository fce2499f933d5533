"""The routes that are not hot, as a Starlette application: health, metadata, configuration and statistics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from serving.asgi.body import App, Receive, Scope, Send
from serving.asgi.reply import render_error
from serving.errors import ProtocolError, explain
from serving.pages.docs import docs_page
from serving.pages.documents import (
    config_document,
    model_document,
    repository_document,
    server_document,
    statistics_document,
)
from serving.pages.metrics import METRICS_TYPE, render_metrics
from serving.pages.openapi import openapi_document
from serving.playground import examples_document, model_entry, models_document, playground_routes
from serving.processes.fleet import Fleet
from zoo.hub import Hub

Handler = Callable[[Request], Awaitable[Any]]


def make_app(fleet: Fleet) -> Starlette:
    """The application over what the fleet serves at the time of each request; it starts and stops this worker."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await fleet.start()
        try:
            yield
        finally:
            await fleet.stop()

    routes = _Routes(fleet)
    model = "/v2/models/{model}"
    version = f"{model}/versions/{{version}}"
    get: dict[str, Handler] = {
        "/docs": docs_page,
        "/openapi.json": routes.openapi,
        "/v1/models": routes.models,
        "/v1/models/{model}": routes.model,
        "/v1/models/{model}/examples": routes.examples,
        "/v2": routes.server,
        "/v2/health/live": routes.live,
        "/v2/health/ready": routes.ready,
        "/v2/models/stats": routes.all_statistics,
        "/metrics": routes.metrics,
    }
    for base in (model, version):
        get |= {
            base: routes.metadata,
            f"{base}/ready": routes.model_ready,
            f"{base}/config": routes.config,
            f"{base}/stats": routes.statistics,
        }
    # Names that are served never come here, the hot path has answered: these say what is wrong with the others.
    post: dict[str, Handler] = {
        f"{model}/infer": routes.metadata,
        f"{version}/infer": routes.metadata,
        "/v1/models/{model}/predict": routes.unknown_task,
        **dict.fromkeys(
            (f"{base}/{verb}" for base in (model, version) for verb in ("generate", "generate_stream")), routes.mute
        ),
        "/v2/repository/index": routes.repository,
        "/v2/repository/models/{model}/load": routes.load,
        "/v2/repository/models/{model}/unload": routes.unload,
    }
    return Starlette(
        routes=[
            *playground_routes(),
            *(Route(path, _answer(handler), methods=["GET"]) for path, handler in get.items()),
            *(Route(path, _answer(handler), methods=["POST"]) for path, handler in post.items()),
        ],
        lifespan=lifespan,
    )


class OursFirst:
    """What `ours` has a path for, it answers; everything else is left to `theirs`, the lifespan of both included."""

    def __init__(self, ours: Starlette, theirs: App) -> None:
        self.ours = ours
        self.theirs = theirs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] == "http" and any(route.matches(scope)[0] is not Match.NONE for route in self.ours.routes)
        await (self.ours if known else self.theirs)(scope, receive, send)


class _Routes:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.catalogue = fleet.worker.catalogue

    async def openapi(self, request: Request) -> dict[str, Any]:
        return openapi_document(self.catalogue)

    async def models(self, request: Request) -> dict[str, Any]:
        return models_document(self.catalogue)

    async def model(self, request: Request) -> dict[str, Any]:
        return model_entry(self.catalogue.model(**request.path_params))

    async def examples(self, request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(examples_document, self.catalogue.model(**request.path_params))

    async def server(self, request: Request) -> dict[str, Any]:
        return server_document()

    async def live(self, request: Request) -> dict[str, Any]:
        return {"live": True}

    async def ready(self, request: Request) -> dict[str, Any]:
        self.catalogue.require_ready()
        return {"ready": True}

    async def metadata(self, request: Request) -> dict[str, Any]:
        return model_document(self.catalogue.endpoint(**request.path_params))

    async def config(self, request: Request) -> dict[str, Any]:
        return config_document(self.catalogue.endpoint(**request.path_params))

    async def statistics(self, request: Request) -> dict[str, Any]:
        return statistics_document([self.catalogue.endpoint(**request.path_params)], await self.fleet.records())

    async def all_statistics(self, request: Request) -> dict[str, Any]:
        return statistics_document(self.catalogue.first_endpoints(), await self.fleet.records())

    async def metrics(self, request: Request) -> Response:
        served = [(model.name, model.version) for model in self.catalogue.models.values()] if self.catalogue.ready else []
        text = render_metrics(await self.fleet.records(), served, len(self.fleet.names()))
        return Response(text, media_type=METRICS_TYPE)

    async def repository(self, request: Request) -> list[dict[str, Any]]:
        only_ready = bool((await _parameters(request)).get("ready"))
        return repository_document(self.catalogue, await asyncio.to_thread(_index), only_ready=only_ready)

    async def load(self, request: Request) -> dict[str, Any]:
        await self.fleet.load(request.path_params["model"], str((await _parameters(request)).get("version", "")))
        return {}

    async def unload(self, request: Request) -> dict[str, Any]:
        await self.fleet.unload(request.path_params["model"])
        return {}

    async def model_ready(self, request: Request) -> dict[str, Any]:
        name = request.path_params["model"]
        version = request.path_params.get("version")
        if name in self.catalogue.models:
            self.catalogue.model(name, version)
        else:
            self.catalogue.endpoint(name, version)
        return {"name": name, "ready": True}

    async def unknown_task(self, request: Request) -> dict[str, Any]:
        return {"name": self.catalogue.model(**request.path_params).name}

    async def mute(self, request: Request) -> dict[str, Any]:
        self.catalogue.model(**request.path_params)  # a wrong name is said to be one
        return {"name": self.catalogue.generating(request.url.path)[0].name}


def _answer(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """What `handler` returns as JSON; what it raises as `{"error": "…"}`."""

    async def answer(request: Request) -> Response:
        try:
            answer = await handler(request)
            if isinstance(answer, Response):
                return answer
            return Response(orjson.dumps(answer), media_type="application/json")
        except HTTPException:
            raise
        except Exception as error:  # every error becomes an answer
            status, sentence = explain(error)
            headers, body = render_error(status, sentence)
            return Response(body, status, {name.decode(): value.decode() for name, value in headers})

    return answer


def _index() -> dict[str, dict[str, Any]]:
    """What the hubs have; those elsewhere are asked."""
    return Hub().index


async def _parameters(request: Request) -> dict[str, Any]:
    """What the body of a repository request asks for: an object, or nothing. Raises ProtocolError."""
    body = await request.body()
    try:
        document = orjson.loads(body or b"{}")
    except ValueError as error:
        raise ProtocolError(f"The body is not JSON ({error}); send an object, or nothing.") from error
    if not isinstance(document, dict) or not isinstance(document.get("parameters", {}), dict):
        raise ProtocolError("The body is no object with 'parameters' as an object; send such a one, or nothing.")
    return {**document, **document.get("parameters", {})}
