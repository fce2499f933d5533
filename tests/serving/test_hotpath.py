"""The door of the service at the level of ASGI: keys, deadlines, limits, methods and statuses, without a socket."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from serving.asgi.access import VISIT, Visit
from serving.asgi.hotpath import HotPath
from serving.batching.batcher import Batcher
from serving.batching.limits import Limits
from serving.catalogue import Catalogue
from serving.keys import hash_of, read_keys
from serving.served import Endpoint
from serving.settings import Settings
from zoo.errors import CodecError
from zoo.spec import Graph, Port

GRAPH = Graph(
    inputs=(Port(name="x", dtype="float32", shape=("batch", 4)),),
    outputs=(Port(name="y", dtype="float32", shape=("batch", 4)),),
)
INFER = "/v2/models/double/infer"
PREDICT = "/v1/models/double/predict"
KEY, ADMIN = "client-key-0123456789", "admin-key-0123456789"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert list(self.json) == ["error"]
        return self.json["error"]


class Model:
    """A task endpoint that says how it was called."""

    def __init__(self, *, name: str = "double", version: str = "1") -> None:
        self.name, self.version = name, version
        self.responses: Counter[int] = Counter()
        self.calls: list[dict[str, Any]] = []

    async def predict(self, data: bytes, media_type: str, **more: Any) -> list[Any]:
        self.calls.append({"data": data, "media_type": media_type, **more})
        if data == b"unreadable":
            raise CodecError("The data cannot be read; send other data.")
        if data == b"endless":
            await asyncio.sleep(60)
        return [{"label": "a"}] * 2


def endpoint(run: Callable[..., Any] | None = None, *, version: str = "1", **limits: Any) -> Endpoint:
    batcher = Batcher(GRAPH, run or (lambda inputs: {"y": inputs["x"] * 2}), Limits(**limits))
    return Endpoint("double", version, batcher, Counter())


async def rest(request: Request) -> Any:
    if request.method == "POST":
        return JSONResponse({"got": (await request.body()).decode(), "type": request.headers.get("content-encoding")})
    return PlainTextResponse("fine")


class Door:
    """A hot path over one endpoint and one model, with a small application behind it."""

    def __init__(self, served: Endpoint | None = None, **settings: Any) -> None:
        self.catalogue = Catalogue()
        self.catalogue.settings = Settings(**settings)
        self.endpoint = served or endpoint()
        self.model = Model()
        self.catalogue.endpoints["double"] = self.endpoint
        self.catalogue.infer_paths[INFER] = self.endpoint
        self.catalogue.predict_paths[PREDICT] = self.model  # type: ignore[assignment]
        get = ["/", "/docs", "/openapi.json", "/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready"]
        get += ["/playground/app.js", "/metrics", "/v2", "/v2/models/double", "/v1/models"]
        post = ["/v2/repository/index", "/v2/repository/models/{m}/load", "/v2/repository/models/{m}/unload", "/predict"]
        routes = [Route(path, rest, methods=["GET"]) for path in get] + [Route(p, rest, methods=["POST"]) for p in post]
        self.app = HotPath(Starlette(routes=routes), self.catalogue)

    async def ask(
        self,
        method: str,
        path: str,
        chunks: Iterable[bytes] = (b"",),
        receive: Callable[[], Awaitable[dict[str, Any]]] | None = None,
        **headers: str,
    ) -> Answer:
        """Header names have _ for -."""
        messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        messages[-1]["more_body"] = False
        sent: list[dict[str, Any]] = []

        async def take() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            return await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": pairs, "query_string": b"", "client": None}
        await self.app(scope, receive or take, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))

    def __call__(self, method: str, path: str, body: bytes | Iterable[bytes] = b"", **headers: str) -> Answer:
        chunks = [body] if isinstance(body, bytes) else body
        return asyncio.run(self.ask(method, path, chunks, **headers))


def request(rows: int = 1, **more: Any) -> bytes:
    tensor = {"name": "x", "shape": [rows, 4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0] * rows}
    return json.dumps({"inputs": [tensor], **more}).encode()


def keyed(**more: Any) -> dict[str, Any]:
    return {"api_keys": read_keys({"ZOO_API_KEYS": hash_of(KEY)}, "ZOO_API_KEYS"), **more}


def administered(**more: Any) -> dict[str, Any]:
    return {"admin_keys": read_keys({"ZOO_ADMIN_KEYS": hash_of(ADMIN)}, "ZOO_ADMIN_KEYS"), **more}


# Keys


@pytest.mark.parametrize("headers", [{"x_api_key": KEY}, {"authorization": f"Bearer {KEY}"}, {"x_api_key": ADMIN}])
def test_with_keys_only_a_right_one_is_let_in(headers: dict[str, str]) -> None:
    door = Door(**keyed(**administered()))
    for method, path in (
        ("POST", INFER),
        ("GET", "/metrics"),
        ("GET", "/v2/models/double"),
        ("POST", "/v2/repository/index"),
    ):
        assert door(method, path, request(), **headers).status == 200
        for wrong in ({}, {"x_api_key": KEY[:-1]}, {"authorization": f"Basic {KEY}"}, {"x_api_key": "", "x_key": KEY}):
            answer = door(method, path, request(), **wrong)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="zoo"')
            assert "send a key as X-API-Key" in answer.error
    assert door("POST", PREDICT, b"x", content_type="text/csv").status == 401
    assert door("POST", "/nowhere", b"x").status == 401
    assert door("DELETE", "/", b"x").status == 401
    assert door.endpoint.responses == {200: 1, 401: 4}
    assert door.model.responses == {401: 1}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/openapi.json",
        "/livez",
        "/readyz",
        "/healthz",
        "/v2/health/live",
        "/v2/health/ready",
        "/playground/app.js",
    ],
)
def test_what_has_to_be_seen_without_a_key_is_open(path: str) -> None:
    door = Door(**keyed())
    assert door("GET", path).status == 200
    assert door("HEAD", path).status == 200


@pytest.mark.parametrize("path", ["//", "/docs/../metrics", "/v2/health", "/playground", "/Docs", "/livez/"])
def test_near_to_an_open_path_is_not_open(path: str) -> None:
    assert Door(**keyed())("GET", path).status == 401


@pytest.mark.parametrize("path", [INFER, PREDICT, "/predict", "/v2/repository/models/double/load"])
def test_without_a_key_no_body_is_read(path: str) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing was to be read")

    door = Door(**keyed(**administered()))
    assert asyncio.run(door.ask("POST", path, receive=receive, content_type="text/csv")).status == 401


@pytest.mark.parametrize("action", ["load", "unload"])
def test_loading_takes_an_admin_key(action: str) -> None:
    path = f"/v2/repository/models/double/{action}"
    for settings in ({}, keyed()):
        answer = Door(**settings)("POST", path, x_api_key=KEY)
        assert answer.status == 403
        assert "set ZOO_ADMIN_KEYS" in answer.error
    open_door = Door(**administered())
    assert open_door("POST", path, x_api_key=ADMIN).status == 200
    assert open_door("POST", path).status == 401
    assert open_door("POST", "/v2/repository/index").status == 200
    door = Door(**keyed(**administered()))
    assert door("POST", path, authorization=f"Bearer {ADMIN}").status == 200
    answer = door("POST", path, x_api_key=KEY)
    assert answer.status == 403
    assert "send an admin key" in answer.error
    answer = door("POST", path, x_api_key="nobody")
    assert (answer.status, "www-authenticate" in answer.headers) == (401, True)


# Deadlines


class Slow:
    """A graph that computes when it is let, in its own thread; counts what it computed."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.rows = 0

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.go.wait(5)
        self.rows += len(inputs["x"])
        return {"y": inputs["x"] * 2}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr("serving.batching.runner.INLINE_MS", -1.0)
    return Slow()


@pytest.mark.parametrize(
    ("settings", "more", "headers", "limit_ms"),
    [
        ({"timeout_ms": 40}, {}, {}, "40"),
        ({}, {}, {"x_request_timeout_ms": "30"}, "30"),
        ({}, {"parameters": {"timeout": 25_000}}, {}, "25"),
        ({"timeout_ms": 20}, {"parameters": {"timeout": 35_500}}, {}, "35.5"),
        ({"timeout_ms": 20}, {}, {"x_request_timeout_ms": "60"}, "60"),
        ({}, {"parameters": {"timeout": 9_000_000}}, {"x_request_timeout_ms": "30"}, "30"),
        ({}, {"parameters": {"timeout": 30_000}}, {"x_request_timeout_ms": "9000"}, "30"),
    ],
)
def test_an_answer_comes_in_time_or_not_at_all(slow: Slow, settings: Any, more: Any, headers: Any, limit_ms: str) -> None:
    door = Door(endpoint(slow), **settings)
    start = time.perf_counter()
    answer = door("POST", INFER, request(**more), **headers)
    took_ms = (time.perf_counter() - start) * 1e3
    slow.go.set()
    assert answer.status == 504
    assert f"within its {limit_ms} ms" in answer.error
    assert float(limit_ms) <= took_ms < float(limit_ms) + 500
    assert door.endpoint.responses == {504: 1}


def test_what_expires_while_it_queues_is_never_computed(slow: Slow) -> None:
    door = Door(endpoint(slow, max_in_flight=1))

    async def scenario() -> tuple[Answer, Answer]:
        first = asyncio.create_task(door.ask("POST", INFER, [request()]))
        await asyncio.sleep(0.02)
        second = await door.ask("POST", INFER, [request(3)], x_request_timeout_ms="20")
        slow.go.set()
        return await first, second

    first, second = asyncio.run(scenario())
    assert (first.status, second.status, slow.rows) == (200, 504, 1)


def test_a_deadline_covers_the_body_and_the_task_endpoint() -> None:
    async def silent() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError("never sent")

    door = Door(timeout_ms=20)
    for path in (INFER, PREDICT):
        assert asyncio.run(door.ask("POST", path, receive=silent, content_type="text/csv")).status == 504
    assert door("POST", PREDICT, b"endless", content_type="text/csv").status == 504
    assert door.model.calls[-1]["deadline_ns"] < time.perf_counter_ns()


def test_who_cancels_the_task_is_not_answered_with_a_deadline(slow: Slow) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(Door(endpoint(slow)).ask("POST", INFER, [request()]))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.go.set()

    asyncio.run(scenario())


@pytest.mark.parametrize("value", ["0", "", "-1", "1.5", "soon", "1" * 10])
def test_a_bad_timeout_header_is_refused(value: str) -> None:
    answer = Door()("POST", INFER, request(), x_request_timeout_ms=value)
    assert answer.status == 400
    assert "X-Request-Timeout-Ms is" in answer.error


@pytest.mark.parametrize("timeout", [-1, 1.5, "1", True, 2**63, None, [1]])
def test_a_bad_timeout_parameter_is_refused(timeout: Any) -> None:
    answer = Door()("POST", INFER, request(parameters={"timeout": timeout}))
    assert answer.status == 400
    assert "'timeout' is" in answer.error


@pytest.mark.parametrize("timeout", [0, 2**63 - 1])
def test_no_timeout_and_the_longest_one(timeout: int) -> None:
    assert Door()("POST", INFER, request(parameters={"timeout": timeout})).status == 200


def test_priorities_reach_the_batcher_with_larger_as_sooner() -> None:
    seen = []
    served = endpoint()
    submit = served.batcher.submit

    async def spy(inputs: Any, **more: Any) -> Any:
        seen.append(more["priority"])
        return await submit(inputs, **more)

    served.batcher.submit = spy  # type: ignore[method-assign]
    door = Door(served)
    for priority in (None, 0, 1, 2, 10, 50):
        parameters = {} if priority is None else {"priority": priority}
        assert door("POST", INFER, request(parameters=parameters)).status == 200
    assert seen[:2] == [0, 0]
    assert seen[2:] == sorted(seen[2:], reverse=True)
    assert seen[2] > seen[3] > 0 > seen[5]
    assert door("POST", INFER, request(parameters={"priority": -1})).status == 400


# Versions that take over, clients that hang up


def test_a_version_that_took_over_while_the_body_came_answers() -> None:
    door = Door()
    new = endpoint(lambda inputs: {"y": inputs["x"] * 3}, version="2")
    bodies = [request()[:10], request()[10:]]

    async def receive() -> dict[str, Any]:
        if not bodies:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        if len(bodies) == 1:
            await door.endpoint.batcher.close()
            door.catalogue.infer_paths[INFER] = new
        return {"type": "http.request", "body": bodies.pop(0), "more_body": bool(bodies)}

    answer = asyncio.run(door.ask("POST", INFER, receive=receive))
    assert (answer.json["model_version"], answer.json["outputs"][0]["data"]) == ("2", [3, 6, 9, 12])
    assert (new.responses, door.endpoint.responses) == ({200: 1}, {})


def test_a_model_that_was_unloaded_while_the_body_came_is_not_there() -> None:
    door = Door()

    async def receive() -> dict[str, Any]:
        door.catalogue.infer_paths.clear()
        door.catalogue.endpoints.clear()
        return {"type": "http.request", "body": request()}

    answer = asyncio.run(door.ask("POST", INFER, receive=receive))
    assert (answer.status, answer.error) == (404, "No model is named 'double'; known: none.")


def test_a_client_that_hung_up_is_recorded_as_499(slow: Slow) -> None:
    door = Door(endpoint(slow, max_in_flight=1))

    async def scenario() -> Answer:
        first = asyncio.create_task(door.ask("POST", INFER, [request()]))
        await asyncio.sleep(0.02)
        messages = [{"type": "http.request", "body": request(2)}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else {"type": "http.disconnect"}

        second = asyncio.create_task(door.ask("POST", INFER, receive=receive))
        await asyncio.sleep(0.02)
        slow.go.set()
        await first
        return await second

    assert asyncio.run(scenario()).status == 499
    assert (door.endpoint.responses, slow.rows) == ({200: 1, 499: 1}, 1)


def test_retry_after_when_full_or_shutting_down(slow: Slow) -> None:
    door = Door(endpoint(slow, max_in_flight=1, max_queue_rows=2))

    async def scenario() -> list[Answer]:
        first = asyncio.create_task(door.ask("POST", INFER, [request()]))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(door.ask("POST", INFER, [request(2)]))
        await asyncio.sleep(0)
        full = await door.ask("POST", INFER, [request()])
        slow.go.set()
        assert {(await first).status, (await second).status} == {200}
        await door.endpoint.batcher.close()
        return [full, await door.ask("POST", INFER, [request()])]

    full, closed = asyncio.run(scenario())
    assert [(answer.status, answer.headers["retry-after"]) for answer in (full, closed)] == [(429, "1"), (503, "1")]
    assert door.endpoint.responses == {200: 2, 429: 1, 503: 1}


# Methods


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("HEAD", "/v2", 200, None),
        ("GET", "/predict", 405, {"POST"}),
        ("PUT", "/v2", 405, {"GET", "HEAD"}),
        ("POST", "/v2/health/live", 405, {"GET", "HEAD"}),
        ("OPTIONS", "/v2", 204, {"GET", "HEAD", "OPTIONS"}),
        ("OPTIONS", "/predict", 204, {"POST", "OPTIONS"}),
        ("OPTIONS", "/nowhere", 404, None),
        ("BREW", "/v2", 405, {"GET", "HEAD"}),
    ],
)
def test_methods(method: str, path: str, status: int, allow: set[str] | None) -> None:
    answer = Door()(method, path)
    assert answer.status == status
    assert ({name.strip() for name in answer.headers.get("allow", "").split(",")} if allow else None) == allow
    if status in (404, 405):
        assert f"{method} {path}" in answer.error
    if status == 204:
        assert answer.body == b""


# Bodies and their limits


@pytest.mark.parametrize("path", [INFER, PREDICT, "/predict"])
@pytest.mark.parametrize(
    ("sizes", "declared", "status"),
    [
        ([999], None, 200),
        ([1000], "1000", 200),
        ([1001], "1001", 413),
        ([1001], None, 413),
        ([500, 500], None, 200),
        ([500, 501], None, 413),
        ([1001], "10", 413),  # a length that lies
        ([10], "1001", 413),
        ([1] * 1000, "1000", 200),
        ([1] * 1001, "5", 413),
        ([0, 0, 1001, 0], None, 413),
        ([1000, 0, 0], None, 200),
    ],
)
def test_body_size(path: str, sizes: list[int], declared: str | None, status: int) -> None:
    text = request().ljust(sum(sizes))[: sum(sizes)]
    chunks, start = [], 0
    for size in sizes:
        chunks.append(text[start : start + size])
        start += size
    headers = {"content_type": "text/csv" if path == PREDICT else "application/json"}
    if declared is not None:
        headers["content_length"] = declared
    answer = Door(max_body_bytes=1000)("POST", path, chunks, **headers)
    assert answer.status == status
    if status == 413:
        assert answer.error == "The body is larger than 1,000 bytes (ZOO_MAX_BODY_BYTES); send less at once."


@pytest.mark.parametrize("path", [INFER, PREDICT, "/predict"])
@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("x-gzip", gzip.compress)]
)
def test_decompressed_size(path: str, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    door = Door(max_body_bytes=2000)
    headers = {"content_encoding": encoding, "content_type": "application/json"}
    for size, status in ((1999, 200), (2000, 200), (2001, 413), (2**24, 413)):
        answer = door("POST", path, pack(request().ljust(size)), **headers)
        assert answer.status == status
        if status == 413:
            expected = "decompresses to more than 2,000 bytes (ZOO_MAX_BODY_BYTES)"
            assert expected in answer.error or size == 2**24  # whose packed form is too large already
    assert door("POST", path, pack(b"{}")[:-3], **headers).status == 400


def test_what_is_passed_on_is_passed_on_unpacked() -> None:
    answer = Door()("POST", "/predict", gzip.compress(b'{"a": 1}'), content_encoding="gzip", content_length="28")
    assert answer.json == {"got": '{"a": 1}', "type": None}


def nested(depth: int) -> bytes:
    """A request whose JSON is `depth` deep."""
    deep = "[" * (depth - 2) + "]" * (depth - 2)
    return request()[:-1] + f', "more": [{deep}]}}'.encode()


@pytest.mark.parametrize("path", [INFER, PREDICT, "/predict"])
@pytest.mark.parametrize(
    ("body", "ok"),
    [
        (nested(9), True),
        (nested(10), True),
        (nested(11), False),
        (nested(900), False),
        (nested(100_000), False),
        (b"[" * 11, False),
        (b'{"a":' * 11 + b"1" + b"}" * 11, False),
        (b'{"a":[' * 5 + b"1" + b"]}" * 5 + b"[]" * 30, True),
        (request()[:-1] + b', "more": "' + b"[" * 500 + b'"}', True),
        (request()[:-1] + b', "more": "\\"[[[[[[[[[[[[[[[[[[\\\\"}', True),
        (request()[:-1] + b', "]]]]]]]]]]": ' + b"[" * 11 + b'"]"' + b"]" * 11 + b"}", False),
        (request()[:-1] + b', "\\\\": ' + b"[" * 11 + b"]" * 11 + b"}", False),
        (request()[:-1] + b', "more": [' + b"[[]]," * 300 + b"1]}", True),
    ],
)
def test_json_depth(path: str, body: bytes, ok: bool) -> None:
    answer = Door(max_json_depth=10)("POST", path, body, content_type="application/json")
    assert (b"nested deeper than 10 (ZOO_MAX_JSON_DEPTH)" not in answer.body) == ok
    assert ok or answer.status == 400


def test_the_depth_of_the_json_before_binary_tensors_counts_too() -> None:
    head = b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}]%s}'
    for depth, status in ((9, 200), (10, 400)):
        text = head % (b', "more": ' + b"[" * depth + b"]" * depth)
        answer = Door(max_json_depth=10)("POST", INFER, text + b"[" * 16, inference_header_content_length=str(len(text)))
        assert answer.status == status


@pytest.mark.parametrize("limit", [1, 7])
def test_rows(limit: int) -> None:
    door = Door(endpoint(max_queue_rows=limit))
    assert door("POST", INFER, request(limit)).status == 200
    answer = door("POST", INFER, request(limit + 1))
    assert answer.status == 413
    assert answer.error == f"The request has {limit + 1} rows; send at most {limit} at once (ZOO_MAX_QUEUE_ROWS)."
    for lie in (limit + 1, 2**40, 2**62):  # refused by what is declared, whatever there is
        tensor = {"name": "x", "shape": [lie, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
        text = orjson.dumps({"inputs": [tensor]})
        assert door("POST", INFER, text + b"\0" * 16, inference_header_content_length=str(len(text))).status == 413
    assert door("POST", INFER, request(0)).status == 400


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def picture(width: int, height: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (picture(100, 99, "PNG"), 200),
        (picture(100, 100, "PNG"), 200),
        (picture(100, 101, "PNG"), 413),
        (picture(100, 100, "JPEG"), 200),
        (picture(10001, 1, "JPEG"), 413),
        (png_header(1, 10_000), 200),
        (png_header(1, 10_001), 413),
        (png_header(65_000, 65_000), 413),
        (png_header(2**31 - 1, 2**31 - 1), 413),
        (png_header(0, 0), 400),
        (b"\x89PNG\r\n\x1a\n", 400),
        (b"\xff\xd8\xff\xe0", 400),
        (b"GIF89a" + b"\0" * 50, 400),
        (b"", 400),
    ],
)
def test_pixels(body: bytes, status: int) -> None:
    door = Door(max_pixels=10_000)
    answer = door("POST", PREDICT, body, content_type="image/png")
    assert answer.status == status
    assert len(door.model.calls) == (status == 200)
    if status == 413:
        assert answer.error == "The image has more than 10,000 pixels (ZOO_MAX_PIXELS); send a smaller one."


# The task endpoint


def test_predict() -> None:
    door = Door()
    answer = door("POST", PREDICT, b"1,2", content_type="Text/CSV; charset=utf-8")
    assert answer.json == {"model": "double", "version": "1", "predictions": [{"label": "a"}] * 2}
    assert (door.model.calls[0]["data"], door.model.calls[0]["media_type"]) == (b"1,2", "text/csv")
    assert door("POST", PREDICT, b"unreadable", content_type="text/csv").status == 400
    assert door("POST", PREDICT, b"1,2").status == 415
    assert door.model.responses == {200: 1, 400: 1, 415: 1}


# Compressed answers


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("br, GZIP;q=0.5, deflate", "gzip"),
        ("gzip;q=0, deflate;q=0.1", "deflate"),
        ("gzip; q=0.000", None),
        ("identity", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("binary", [True, False])
def test_answers_are_compressed_as_the_client_accepts(accepted: str | None, encoding: str | None, binary: bool) -> None:
    headers = {} if accepted is None else {"accept_encoding": accepted}
    body = request(400, parameters={"binary_data_output": binary})
    answer = Door()("POST", INFER, body, **headers)
    assert answer.headers.get("content-encoding") == encoding
    assert int(answer.headers["content-length"]) == len(answer.body)
    unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[encoding]
    plain = unpack(answer.body)
    assert (len(answer.body) < len(plain)) == (encoding is not None)
    size = int(answer.headers.get("inference-header-content-length", len(plain)))
    document = json.loads(plain[:size])
    data = np.frombuffer(plain[size:], "<f4") if binary else np.array(document["outputs"][0]["data"])
    np.testing.assert_array_equal(data, [2, 4, 6, 8] * 400)


def test_what_is_small_or_does_not_shrink_is_sent_as_it_is() -> None:
    assert "content-encoding" not in Door()("POST", INFER, request(5), accept_encoding="gzip").headers
    noise = np.random.default_rng(0).integers(0, 2**31, (2000, 4)).astype(np.int32).view(np.float32)
    noise = np.where(np.isfinite(noise), noise, 1)
    door = Door(endpoint(lambda inputs: {"y": noise[: len(inputs["x"])]}, max_rows=2000, max_queue_rows=2000))
    answer = door("POST", INFER, request(2000, parameters={"binary_data_output": True}), accept_encoding="gzip")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) == len(answer.body) > 32_000
    assert "content-encoding" not in answer.headers


def test_what_is_no_request_is_handed_on_untouched() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    scope = {"type": "lifespan"}
    asyncio.run(HotPath(app, SimpleNamespace())(scope, 1, 2))  # type: ignore[arg-type]
    assert seen == [(scope, 1, 2)]


def test_what_is_noted_of_a_request() -> None:
    """Also of one that fails: whose it was, and of how many rows as far as that is known."""
    door = Door()
    asked = [
        (INFER, request(3, id="mine"), 200, ("double", "1", "mine", 3)),
        (INFER, b"nonsense", 400, ("double", "1", None, None)),
        (PREDICT, b"1,2", 200, ("double", "1", None, 2)),
        (PREDICT, b"unreadable", 400, ("double", "1", None, None)),
        ("/predict", b"{}", 200, (None, None, None, None)),
    ]
    for path, body, status, expected in asked:
        visit = Visit("POST", path, "", [], 0)

        async def noted(scope: Any, receive: Any, send: Any, visit: Visit = visit) -> None:
            await HotPath(door.app.app, door.catalogue)({**scope, VISIT: visit}, receive, send)

        front = SimpleNamespace(app=noted)
        answer = asyncio.run(Door.ask(front, "POST", path, [body], content_type="text/csv"))  # type: ignore[arg-type]
        assert answer.status == status
        assert (visit.model, visit.version, visit.id, visit.rows) == expected
