"""The routes that are not hot, as a Starlette application: health, metadata, configuration and statistics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.catalogue import Catalogue
from serving.documents import config_document, index_document, model_document, server_document, statistics_document
from serving.errors import explain
from serving.reply import render_error

Handler = Callable[[Request], Awaitable[Any]]


def make_app(catalogue: Catalogue) -> Starlette:
    """The application over what `catalogue` has at the time of each request."""
    routes = _Routes(catalogue)
    model = "/v2/models/{model}"
    version = f"{model}/versions/{{version}}"
    get: dict[str, Handler] = {
        "/": routes.index,
        "/v2": routes.server,
        "/v2/health/live": routes.live,
        "/v2/health/ready": routes.ready,
        "/v2/models/stats": routes.all_statistics,
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
    }
    return Starlette(
        routes=[
            *(Route(path, _answer(handler), methods=["GET"]) for path, handler in get.items()),
            *(Route(path, _answer(handler), methods=["POST"]) for path, handler in post.items()),
        ]
    )


class _Routes:
    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    async def index(self, request: Request) -> dict[str, Any]:
        return index_document(list(self.catalogue.models), list(self.catalogue.endpoints))

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
        return statistics_document([self.catalogue.endpoint(**request.path_params)])

    async def all_statistics(self, request: Request) -> dict[str, Any]:
        return statistics_document(self.catalogue.first_endpoints())

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


def _answer(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """What `handler` returns as JSON; what it raises as `{"error": "…"}`."""

    async def answer(request: Request) -> Response:
        try:
            return Response(orjson.dumps(await handler(request)), media_type="application/json")
        except HTTPException:
            raise
        except Exception as error:  # every error becomes an answer
            status, sentence = explain(error)
            headers, body = render_error(status, sentence)
            return Response(body, status, {name.decode(): value.decode() for name, value in headers})

    return answer
