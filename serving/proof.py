"""Ready means proven: golden requests through the worker's own ASGI application must answer as certified.

The graphs themselves answer within the bound that the certificate stores for each output. A twin of lower precision
loses no more of its task metric than its certificate allows, and keeps nearly all labels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import orjson

from serving.asgi.body import App, Message
from serving.asgi.protocol import DATATYPES
from serving.errors import UnservableError
from zoo.budgets import BUDGETS
from zoo.calls import drive_async
from zoo.entries import split_rows
from zoo.free_run import comparable
from zoo.hub import GOLDEN, Artifact
from zoo.metrics import load_metric
from zoo.model import Model
from zoo.run import graph_inputs, load_arrays
from zoo.spec import Arrays, Graph

Infer = Callable[[Graph, Arrays], Awaitable[Arrays]]
ROW_ALONE = 1  # one row is asked for by itself too: it may take another path through the runtime than a batch
LABELS_KEPT = 0.9
RESAMPLES = 200


async def prove(artifact: Artifact, variant: str, infer: Infer) -> None:
    """Raises UnservableError, which names model, graph and output, unless every golden answer holds."""
    golden = load_arrays(artifact.folder / GOLDEN)
    if variant in BUDGETS:
        await _prove_twin(artifact, variant, golden, infer)
        return
    for graph in artifact.manifest.graphs:
        bounds = artifact.certificate.graphs.get(graph.name, {}).get("bounds", {})
        inputs = graph_inputs(golden, graph)
        if not inputs or not bounds:
            raise UnservableError(
                f"{_name(artifact)} has no golden samples or bounds of graph {graph.name!r}; validate it again."
            )
        outputs = {port.name: golden[f"{graph.name}/{port.name}"] for port in graph.outputs}
        inputs, expected = comparable(graph, inputs, outputs, artifact.certificate.graphs[graph.name].get("horizon"))
        _compare(artifact, graph, await infer(graph, inputs), expected, bounds)
        if graph.batch is not None:
            rows = len(next(iter(inputs.values())))
            first = {name: array[:ROW_ALONE] for name, array in inputs.items()}
            own = split_rows(graph, expected, [ROW_ALONE, rows - ROW_ALONE])[0]
            _compare(artifact, graph, await infer(graph, first), own, bounds)


def _compare(artifact: Artifact, graph: Graph, found: Arrays, expected: Arrays, bounds: dict[str, Any]) -> None:
    for name, values in expected.items():
        answer = found[name]
        if answer.shape != values.shape:
            raise UnservableError(f"{_name(artifact)}: golden output {name!r} has shape {answer.shape}, not {values.shape}.")
        error = _largest_error(answer, values)
        if not error <= bounds[name]:
            raise UnservableError(
                f"{_name(artifact)}: graph {graph.name!r} answers golden requests with an error of {error:.3g} in {name!r}, "
                f"certified are {bounds[name]:.3g}; validate the model on this machine."
            )


def _largest_error(found: np.ndarray, expected: np.ndarray) -> float:
    """NaN unless NaN and infinities are at the same places."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return float(np.max(np.abs(np.where(same, 0.0, found - expected)), initial=0.0))


async def _prove_twin(artifact: Artifact, variant: str, golden: Arrays, infer: Infer) -> None:
    """The task metric of the twin on the golden rows, beside that of the graphs that are proven equal, pair by pair."""
    model = Model(artifact, threads=1)
    metric = load_metric(artifact.certificate.twins[variant]["comparison"]["metric"], model.codec)

    async def score(arrays: Arrays, answer: Infer) -> np.ndarray:
        graphs = {graph.name: graph for graph in artifact.manifest.graphs}
        return await drive_async(metric.score(arrays), lambda name, inputs: answer(graphs[name], inputs))

    async def proven(graph: Graph, inputs: Arrays) -> Arrays:
        return await asyncio.to_thread(model.run, graph.name, inputs)

    outputs = {f"{graph.name}/{port.name}" for graph in artifact.manifest.graphs for port in graph.outputs}
    samples = {name: array for name, array in golden.items() if name not in outputs}
    expected, found = await score(samples, proven), await score(samples, infer)
    loss = metric.direction * (metric.reduce(expected) - metric.reduce(found))
    allowed = BUDGETS[variant].allowed(metric.name, metric.reduce(expected))
    doubt = 2 * float(metric.resample(expected, found, np.random.default_rng(0), RESAMPLES).std())  # the rows are few
    if not loss <= allowed + doubt:
        raise UnservableError(
            f"{_name(artifact)}: the {variant} twin loses {loss:.3g} {metric.name} on the golden samples, allowed "
            f"are {allowed:.3g}; serve another variant."
        )
    if metric.name == "accuracy":
        codec: Any = model.codec
        graph = artifact.manifest.graph(codec.graph)
        labels = (await proven(graph, graph_inputs(samples, graph)))[codec.output].argmax(axis=-1)
        kept = float((await score({**samples, "targets": labels}, infer)).mean())
        if kept < LABELS_KEPT:
            raise UnservableError(
                f"{_name(artifact)}: the {variant} twin gives {kept:.0%} of the golden samples the original's label, "
                f"{LABELS_KEPT:.0%} are asked for; serve another variant."
            )


def asgi_infer(app: App, path: Callable[[Graph], str], headers: list[tuple[bytes, bytes]]) -> Infer:
    """Graph calls as binary requests of the v2 protocol through `app`; `path` is where a graph is asked for."""

    async def infer(graph: Graph, inputs: Arrays) -> Arrays:
        whole = graph.complete(inputs)
        arrays = {port.name: np.ascontiguousarray(whole[port.name], port.dtype) for port in graph.inputs}
        tensors = [
            {
                "name": name,
                "datatype": DATATYPES[array.dtype.name],
                "shape": array.shape,
                "parameters": {"binary_data_size": array.nbytes},
            }
            for name, array in arrays.items()
        ]
        head = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
        body = b"".join((head, *(array.tobytes() for array in arrays.values())))
        sizes = [(b"inference-header-content-length", b"%d" % len(head)), (b"content-length", b"%d" % len(body))]
        return _read(graph, *await _request(app, path(graph), [*headers, *sizes], body))

    return infer


async def _request(
    app: App, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of what `app` answers to a POST, as a server would have asked it."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    answered: list[Message] = []

    async def receive() -> Message:
        return asked.pop() if asked else await asyncio.Future()  # the client stays until it is answered

    async def send(message: Message) -> None:
        answered.append(message)

    await app(scope, receive, send)
    return (
        answered[0]["status"],
        dict(answered[0]["headers"]),
        b"".join(message.get("body", b"") for message in answered[1:]),
    )


def _read(graph: Graph, status: int, headers: dict[bytes, bytes], body: bytes) -> Arrays:
    if status != 200:
        raise UnservableError(
            f"Graph {graph.name!r} answers a golden request with {status}: {body[:500].decode(errors='replace')}"
        )
    size = int(headers[b"inference-header-content-length"])
    arrays, start = {}, size
    dtypes = {port.name: port.dtype for port in graph.outputs}
    for tensor in orjson.loads(body[:size])["outputs"]:
        end = start + tensor["parameters"]["binary_data_size"]
        arrays[tensor["name"]] = np.frombuffer(body[start:end], dtypes[tensor["name"]]).reshape(tensor["shape"])
        start = end
    return arrays


def _name(artifact: Artifact) -> str:
    return f"{artifact.manifest.model}@{artifact.manifest.version}"
