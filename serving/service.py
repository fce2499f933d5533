"""The BentoML service: `ZOO_MODELS=a,b bentoml serve serving.service:Zoo`, or `python -m serving a b`.

BentoML supervises the workers, holds the socket and serves its own client; inference requests are answered in front of
its router (`serving.asgi.hotpath`). Metrics, access log and tracing of BentoML are off: they cost more than the models.
What an operator can set is in `serving.settings`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any, cast

import bentoml
from bentoml.exceptions import BentoMLException
from pydantic import ValidationError
from starlette.responses import JSONResponse

from serving.app import OursFirst, make_app
from serving.asgi.access import observe, require_sinks
from serving.asgi.body import App
from serving.asgi.hotpath import HotPath
from serving.catalogue import Catalogue
from serving.errors import explain
from serving.processes.fleet import Fleet
from serving.processes.state import set_up_state
from serving.processes.worker import Worker
from serving.processes.workers import claim_gpu, plan
from serving.settings import Settings
from zoo.errors import ZooError

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

# BentoML logs a traceback, which a client could fill the log with, for every body at /predict that it answers with 400.
logging.getLogger("bentoml._internal.server.http_app").addFilter(
    lambda record: record.exc_info is None or not isinstance(record.exc_info[1], ValidationError | BentoMLException)
)

catalogue = Catalogue()
worker = Worker(catalogue)
fleet = Fleet(worker)
app = make_app(fleet)


class Fronted(bentoml.Service[Any]):
    """A BentoML service with our routes in front of everything that BentoML puts around an application.

    As one of its own middlewares (`add_asgi_middleware`) the hot path would come after BentoML's timeout, which leaves a
    timer behind for each request until it runs out: at 8,000 requests a second that was 130 MB of them, and 15 us each.
    Nor does BentoML's metrics endpoint, or a page of its that loads from elsewhere, come before ours.
    """

    def to_asgi(self, is_main: bool = True) -> App:
        worker.app = HotPath(OursFirst(app, super().to_asgi(is_main=is_main)), catalogue)
        return observe(worker.app, Settings.from_environment())


@bentoml.service(
    name="zoo",
    **plan(),
    http={"host": "127.0.0.1"},
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    monitoring={"enabled": False},
    service_class=Fronted,
)
class Zoo:
    """Models of the zoo behind the Open Inference Protocol v2, a task endpoint and BentoML's own client."""

    def __init__(self) -> None:
        claim_gpu(bentoml.server_context.worker_index)
        worker.index = (bentoml.server_context.worker_index or 1) - 1

    @bentoml.on_deployment
    @staticmethod
    def refuse_what_is_not_proven() -> None:
        """In the supervisor, before any worker starts: a model whose bytes differ from its certificate ends it."""
        try:
            settings = Settings.from_environment()
            require_sinks(settings)
            set_up_state(settings, supervisor=True)
        except ZooError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(error.status) from None

    @bentoml.api
    async def predict(self, model: str, instances: list[Any]) -> list[dict[str, Any]]:
        """The codec's answer to each instance, as `POST /v1/models/{model}/predict` gives them."""
        try:
            body = json.dumps({"instances": instances}).encode()  # orjson has no integers beyond 64 bits, and no NaN
            return await catalogue.model(model).predict(body, "application/json")
        except Exception as error:  # every error becomes an answer
            status, sentence = explain(error)
            # Raised, it would be logged with its traceback at every mistake of a client.
            return cast(Any, JSONResponse({"error": sentence}, status))

    def __is_ready__(self) -> bool:
        return catalogue.ready


cast(Any, Zoo).mount_asgi_app(app, path="/", name="zoo")  # which starts and stops it
