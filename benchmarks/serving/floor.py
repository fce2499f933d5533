"""The floor: what the same protocol code, batcher and runtime do behind nothing but uvicorn.

`python -m benchmarks.serving.floor PORT MODEL`; the hub is that of ZOO_HUB. No BentoML, no limits but the body's, no keys,
no deadlines, no statistics of answers: one route.
"""

from __future__ import annotations

import gc
import sys

import uvicorn

from serving.asgi.body import Receive, Scope, Send, content_length, read_body
from serving.asgi.protocol import parse
from serving.asgi.reply import render, render_error
from serving.batching.batcher import Batcher, Limits
from serving.errors import explain
from zoo.hub import GOLDEN, Hub
from zoo.run import graph_inputs, load_arrays
from zoo.session import Session

MAX_BODY_BYTES = 2**25


class Floor:
    """`POST /v2/models/{model}/infer` and nothing else."""

    def __init__(self, model: str) -> None:
        artifact = Hub().artifact(model)
        self.name, self.version = model, str(artifact.manifest.version)
        self.graph = artifact.manifest.graphs[0]
        session = Session(artifact.graph_path(self.graph), self.graph, threads=1)
        golden = graph_inputs(load_arrays(artifact.folder / GOLDEN), self.graph)
        self.batcher = Batcher(self.graph, session.run, Limits(max_in_flight=1))
        self.batcher.warm_up({name: array[:1] for name, array in golden.items()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers = 200, dict(scope["headers"])
        try:
            body = await read_body(headers, receive, MAX_BODY_BYTES)
            request = parse(body, content_length(headers, b"inference-header-content-length"), self.graph)
            outputs = await self.batcher.submit(request.inputs)
            answer, body = render(request, outputs, self.name, self.version)
        except Exception as error:  # every error becomes an answer
            status, sentence = explain(error)
            answer, body = render_error(status, sentence)
        await send({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    floor = Floor(sys.argv[2])
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvicorn.run(
        floor,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
