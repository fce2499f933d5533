"""Both clients against the real service, and against servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.client import (
    AnswerError,
    AsyncClient,
    Client,
    ClientError,
    DeniedError,
    LateError,
    NotFoundError,
    OverloadedError,
    RefusedError,
    ServerFailedError,
    StatusError,
    UnreachableError,
)
from serving.keys import hash_of
from zoo.errors import UsageError

ROOT = Path(__file__).parents[2]
X = np.array([[1, 2, 3, 4], [0.5, 0, -1, 0]], np.float32)


async def _await(client: AsyncClient, name: str, arguments: Any, options: Any) -> Any:
    async with client:
        return await getattr(client, name)(*arguments, **options)


@pytest.fixture(params=["blocking", "awaited"])
def ask(request: Any) -> Callable[..., Any]:
    """`ask(url, method, …)` by either client; `client=` are options of the client itself."""

    def call(url: str, name: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any) -> Any:
        if request.param == "awaited":
            return asyncio.run(_await(AsyncClient(url, **client or {}), name, arguments, options))
        with Client(url, **client or {}) as blocking:
            return getattr(blocking, name)(*arguments, **options)

    return call


@pytest.fixture
def url(server: Any) -> str:
    return f"http://{server.address}"


# Against the service


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", [None, 1])
def test_infer(ask: Any, url: str, tiny: SimpleNamespace, binary: bool, version: int | None) -> None:
    outputs = ask(url, "infer", "tiny-picture", {"x": X}, version=version, binary=binary, id="mine")
    assert list(outputs) == ["logits"]
    assert outputs["logits"].dtype == np.float32
    assert outputs["logits"].flags.writeable
    np.testing.assert_allclose(outputs["logits"], X @ tiny.weight + tiny.bias, rtol=1e-6)


def test_infer_several_inputs_of_any_memory_layout(ask: Any, url: str) -> None:
    x = np.asfortranarray(np.arange(12, dtype=">f4").reshape(2, 3, 2))
    asked = {"outputs": ["logits"], "priority": 1, "timeout_ms": 5000}
    outputs = ask(url, "infer", "tiny-series", {"x": x, "length": np.array([1, 3])}, **asked)
    np.testing.assert_array_equal(outputs["logits"], [[0, 1], [6 + 8 + 10, 7 + 9 + 11]])


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def test_predict_takes_files_bytes_and_values(ask: Any, url: str, tmp_path: Path) -> None:
    picture = png([[0, 10], [20, 30]])
    (tmp_path / "picture.png").write_bytes(picture)
    (tmp_path / "unnamed").write_bytes(picture)
    (tmp_path / "row.csv").write_text("0,10,20,30\n")
    array = np.array([[0, 10, 20, 30]])
    sources = [tmp_path / "picture.png", str(tmp_path / "unnamed"), tmp_path / "row.csv", picture, array, array.tolist()]
    answers = [ask(url, "predict", "tiny-picture", source) for source in [*sources, {"instances": array}]]
    assert all(answer == answers[0] for answer in answers)
    assert sum(answers[0][0]["probabilities"].values()) == pytest.approx(1)
    assert len(ask(url, "predict", "tiny-picture", b"1,2,3,4\n5,6,7,8", media_type="text/csv")) == 2


def test_what_the_server_says_of_itself(ask: Any, url: str) -> None:
    assert ask(url, "live") is True
    assert ask(url, "ready") is True
    assert ask(url, "ready", "tiny-code", version="1") is True
    assert ask(url, "ready", "tiny-picture", version=7) is False
    assert ask(url, "ready", "nobody") is False
    assert ask(url, "metadata")["name"] == "zoo"
    assert ask(url, "metadata", "tiny-picture", version=1)["inputs"][0]["shape"] == [-1, 4]
    assert ask(url, "statistics", "tiny-code.encode")[0]["name"] == "tiny-code.encode"
    assert "tiny-table" in [one["name"] for one in ask(url, "statistics")]


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "status", "sentence"),
    [
        ("infer", ("nobody", {"x": X}), NotFoundError, 404, "No model is named 'nobody'"),
        ("metadata", ("a/b?c#d",), NotFoundError, 404, ""),
        ("infer", ("tiny-picture", {"x": X.astype(np.float64)}), RefusedError, 400, "send FP32"),
        ("infer", ("tiny-picture", {"x": X * np.nan}), RefusedError, 400, "NaN or infinity"),
        ("predict", ("tiny-picture", [[1, 2, 3]]), RefusedError, 400, "picture has shape"),
        ("infer", ("tiny-table", {"index": np.array([3])}), ServerFailedError, 500, "'predict' failed on this input"),
    ],
)
def test_errors_carry_status_and_sentence(
    ask: Any, url: str, name: str, arguments: Any, kind: type[StatusError], status: int, sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(url, name, *arguments)
    assert caught.value.http_status == status
    assert sentence in caught.value.sentence
    assert caught.value.sentence in str(caught.value)


def test_models_come_and_go_by_an_admin_key(ask: Any, serve: Any, hub: Path, tmp_path: Path) -> None:
    keys = {"ZOO_API_KEYS": hash_of("a key of a client"), "ZOO_ADMIN_KEYS": hash_of("a key of an admin")}
    locked = serve(hub, tmp_path / "log", "tiny-picture", **keys)
    url, user, admin = f"http://{locked.address}", {"api_key": "a key of a client"}, {"api_key": "a key of an admin"}
    try:
        for key, status in (({}, 401), (user, 403)):
            with pytest.raises(DeniedError) as caught:
                ask(url, "unload", "tiny-picture", client=key)
            assert caught.value.http_status == status
        ask(url, "unload", "tiny-picture", client=admin)
        with pytest.raises(NotFoundError):
            ask(url, "infer", "tiny-picture", {"x": X}, client=user)
        ask(url, "load", "tiny-picture", version=1, client=admin)
        assert ask(url, "infer", "tiny-picture", {"x": X}, client=user)["logits"].shape == (2, 3)
        ready = [one["name"] for one in ask(url, "models", client=user) if one["state"] == "READY"]
        assert ready == ["tiny-picture"]
        with pytest.raises(NotFoundError):
            ask(url, "load", "nobody", client=admin)
    finally:
        locked.stop()


def test_a_client_is_shared_by_threads_and_tasks(url: str, tiny: SimpleNamespace) -> None:
    rows = [np.array([[number, 1, 2, 3]], np.float32) for number in range(60)]
    expected = [row @ tiny.weight + tiny.bias for row in rows]
    with Client(url, connections=4) as client, ThreadPoolExecutor(12) as pool:
        blocking = list(pool.map(lambda row: client.infer("tiny-picture", {"x": row})["logits"], rows))

    async def all_at_once() -> list[Any]:
        async with AsyncClient(url, connections=4) as client:
            return await asyncio.gather(*(client.infer("tiny-picture", {"x": row}) for row in rows))

    awaited = [answer["logits"] for answer in asyncio.run(all_at_once())]
    np.testing.assert_allclose(np.stack(blocking), np.stack(expected), rtol=1e-6)
    np.testing.assert_allclose(np.stack(awaited), np.stack(expected), rtol=1e-6)


# Against servers that misbehave


class Script:
    """A server that plays one answer a request: bytes to send; None cuts the connection; seconds wait and then cut it."""

    def __init__(self, *answers: bytes | float | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while head := b"".join(iter(lambda: stream.readline().strip(b"\r\n") + b"\n", b"\n")):
                lengths = [line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length:")]
                self.requests.append(head + b"\n" + stream.read(int(lengths[0]) if lengths else 0))
                self.times.append(time.monotonic())
                answer = self.answers.pop(0)
                if not isinstance(answer, bytes):
                    time.sleep(answer or 0)
                    return
                connection.sendall(answer)


def answer(status: int, body: bytes = b'{"error": "busy"}', **headers: Any) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(*answers: Any) -> Script:
        made.append(Script(*answers))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()


GOOD = answer(200, b'{"name": "x"}')


def test_a_busy_server_is_asked_again(ask: Any, script: Any) -> None:
    busy = script(answer(503), answer(429), answer(503), GOOD)
    assert ask(busy.url, "metadata", client={"api_key": "secret"}) == {"name": "x"}
    assert len(busy.requests) == 4
    assert busy.connections == 1  # kept alive
    assert b"authorization: bearer secret" in busy.requests[-1].lower()
    pauses = np.diff(busy.times)
    assert (pauses > [0.04, 0.09, 0.19]).all()
    assert pauses[2] > pauses[0]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept(ask: Any, script: Any, form: str) -> None:
    until = formatdate(time.time() + 3, usegmt=True)  # which has no fractions of a second
    busy = script(answer(429, Retry_After=1 if form == "seconds" else until), GOOD)
    assert ask(busy.url, "metadata") == {"name": "x"}
    assert 1 <= busy.times[1] - busy.times[0] < 5


def test_a_server_that_stays_busy_is_an_error(ask: Any, script: Any) -> None:
    busy = script(answer(429), answer(429))
    with pytest.raises(OverloadedError, match="busy") as caught:
        ask(busy.url, "infer", "m", {"x": X}, client={"retries": 1})
    assert (caught.value.http_status, len(busy.requests)) == (429, 2)
    closed = script(answer(503, Retry_After=3600))
    with pytest.raises(OverloadedError) as caught:
        ask(closed.url, "metadata")
    assert (caught.value.retry_after_s, len(closed.requests)) == (3600, 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, StatusError),
        (400, RefusedError),
        (401, DeniedError),
        (403, DeniedError),
        (404, NotFoundError),
        (413, RefusedError),
        (422, RefusedError),
        (500, ServerFailedError),
        (502, ServerFailedError),
        (504, LateError),
    ],
)
def test_other_errors_are_final(ask: Any, script: Any, status: int, kind: type[StatusError]) -> None:
    server = script(answer(status, b'{"error": "it is so"}', Location="http://127.0.0.1:1/"))
    with pytest.raises(kind) as caught:
        ask(server.url, "metadata", client={"api_key": "secret"})
    assert type(caught.value) is kind
    assert (caught.value.http_status, caught.value.sentence, len(server.requests)) == (status, "it is so", 1)


def test_errors_of_other_forms_are_quoted(ask: Any, script: Any) -> None:
    for body, sentence in [(b"plain text", "plain text"), (b"", "X"), (b"[1]", "[1]"), (b"\xff\xfe" * 400, "")]:
        with pytest.raises(RefusedError) as caught:
            ask(script(answer(400, body)).url, "metadata")
        assert caught.value.sentence.startswith(sentence)
        assert len(caught.value.sentence) <= 300


def test_a_probe_asks_once(ask: Any, script: Any) -> None:
    server = script(answer(503), answer(200), answer(401))
    assert ask(server.url, "ready") is False
    assert ask(server.url, "ready") is True
    with pytest.raises(DeniedError):
        ask(server.url, "ready")
    assert len(server.requests) == 3


def test_no_server_is_tried_again_and_then_an_error(ask: Any, tiny: SimpleNamespace) -> None:
    port = tiny.free_port()
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="start the server") as caught:
        ask(f"http://127.0.0.1:{port}", "metadata", client={"retries": 2})
    assert not caught.value.sent
    assert time.monotonic() - started > 0.15
    assert ask(f"http://127.0.0.1:{port}", "live") is False


def test_a_server_that_starts_meanwhile_is_found(ask: Any, tiny: SimpleNamespace) -> None:
    port = tiny.free_port()
    late: list[socket.socket] = []

    def start() -> None:
        late.append(socket.create_server(("127.0.0.1", port)))
        connection, _ = late[0].accept()
        connection.recv(65536)
        connection.sendall(GOOD)
        connection.close()

    timer = threading.Timer(0.25, start)
    timer.start()
    assert ask(f"http://127.0.0.1:{port}", "metadata", client={"retries": 8}) == {"name": "x"}
    timer.join()
    late[0].close()


@pytest.mark.parametrize("cut", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"])
def test_a_request_that_may_have_arrived_is_not_repeated(ask: Any, script: Any, cut: bytes | None) -> None:
    server = script(cut, None) if cut is None else script(cut, 0.0)
    if cut is not None:
        server.answers[0] = cut + b"\r\n"
    with pytest.raises(UnreachableError) as caught:
        ask(server.url, "infer", "m", {"x": X}, client={"timeout": 0.5})
    assert caught.value.sent
    assert len(server.requests) == 1


def test_a_slow_server_is_not_waited_for(ask: Any, script: Any) -> None:
    server = script(3.0)
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="did not answer in time") as caught:
        ask(server.url, "metadata", client={"timeout": 0.2})
    assert caught.value.sent
    assert time.monotonic() - started < 2


def infer_answer(json_part: Any, blob: bytes = b"", **headers: Any) -> bytes:
    text = json_part if isinstance(json_part, bytes) else json.dumps(json_part).encode()
    length = {"Inference_Header_Content_Length": len(text)} if blob else {}
    return answer(200, text + blob, **{**length, **headers})


def output(**changes: Any) -> dict[str, Any]:
    return {"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [1, 2], **changes}]}


BINARY = {"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}]}


@pytest.mark.parametrize(
    "garbage",
    [
        infer_answer(b"\x00\x01 garbage"),
        infer_answer(b"[]"),
        infer_answer(b"{}"),
        infer_answer({"outputs": [1]}),
        infer_answer({"outputs": None}),
        infer_answer(output(datatype="FP31")),
        infer_answer(output(shape=[3])),
        infer_answer(output(shape=["a"])),
        infer_answer(output(data=["a", "b"])),
        infer_answer(output(data=[[1], [2, 3]])),
        infer_answer(output(parameters=[1])),
        infer_answer(output(name="z")),
        infer_answer({**output(), "id": "another"}),
        infer_answer(BINARY, bytes(7)),
        infer_answer(BINARY, bytes(9)),
        infer_answer(BINARY, bytes(8), Inference_Header_Content_Length=10**6),
        infer_answer(BINARY, bytes(8), Inference_Header_Content_Length="many"),
        infer_answer({"outputs": [{**BINARY["outputs"][0], "shape": [2**40, 2**40]}]}, bytes(8)),
    ],
)
def test_garbage_is_an_error_that_says_so(ask: Any, script: Any, garbage: bytes) -> None:
    server = script(garbage)
    with pytest.raises(AnswerError):
        ask(server.url, "infer", "m", {"x": X}, outputs=["y"], id="mine")
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["metadata", "statistics", "models"])
def test_documents_of_another_kind_are_errors(ask: Any, script: Any, name: str) -> None:
    for body in (b"<html>", b'"text"', b"3"):
        with pytest.raises(AnswerError, match="not of the protocol"):
            ask(script(answer(200, body)).url, name)


def test_what_is_sent_is_the_protocol(ask: Any, script: Any) -> None:
    """Compared with the protocol's text, by hand."""
    server = script(infer_answer(output()), infer_answer(BINARY, np.array([1, 2], "<f4").tobytes()))
    sent = {"x": np.array([[1, 2]], np.int16)}
    plain = ask(server.url, "infer", "a b", sent, binary=False, version=3, outputs=["y"])
    binary = ask(server.url, "infer", "m", sent, id="7", priority=2, timeout_ms=1.5)
    assert plain["y"].tolist() == binary["y"].tolist() == [1, 2]
    head, _, body = server.requests[0].partition(b"\n\n")
    assert head.startswith(b"POST /v2/models/a%20b/versions/3/infer HTTP/1.1")
    tensor = {"name": "x", "datatype": "INT16", "shape": [1, 2]}
    assert json.loads(body) == {"inputs": [{**tensor, "data": [1, 2]}], "outputs": [{"name": "y"}]}
    head, _, body = server.requests[1].partition(b"\n\n")
    [size] = [int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"inference-header")]
    assert body[size:] == b"\x01\x00\x02\x00"
    assert json.loads(body[:size]) == {
        "inputs": [{**tensor, "parameters": {"binary_data_size": 4}}],
        "id": "7",
        "parameters": {"priority": 2, "timeout": 1500, "binary_data_output": True},
    }


def test_the_repository_is_controlled(ask: Any, script: Any) -> None:
    server = script(answer(200, b'[{"name": "m"}]'), answer(200, b"{}"), answer(200, b""))
    assert ask(server.url, "models") == [{"name": "m"}]
    assert ask(server.url, "load", "m", version=2) is None
    assert ask(server.url, "unload", "m") is None
    lines = [request.splitlines()[0] for request in server.requests]
    assert [line.split()[1] for line in lines] == [
        b"/v2/repository/index",
        b"/v2/repository/models/m/load",
        b"/v2/repository/models/m/unload",
    ]
    assert server.requests[1].endswith(b'{"parameters":{"version":"2"}}')


def test_what_cannot_be_sent_is_refused_at_once(ask: Any, script: Any, tmp_path: Path) -> None:
    server = script()
    for name, arguments, match in [
        ("infer", ("m", {"x": np.array(["text"])}), "cannot be sent"),
        ("predict", ("m", tmp_path / "missing.png"), r"missing.png.*cannot be read"),
        ("predict", ("m", b"1,2,3"), "media_type="),
        ("predict", ("m", {1: object()}), "cannot be sent as JSON"),
    ]:
        with pytest.raises(ClientError, match=match):
            ask(server.url, name, *arguments)
    assert not server.requests
    for address in ("127.0.0.1:3000", "ftp://x", "", "http://[::1", "http://"):
        with pytest.raises(UsageError, match="give one such as"):
            ask(address, "live")


# As a library


def test_both_clients_have_the_same_documented_methods() -> None:
    names = [name for name in vars(Client) if not name.startswith("_") and name != "close"]
    assert len(names) == 11
    for name in names:
        one, other = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(one) == inspect.signature(other)
        assert one.__doc__ == other.__doc__
        assert "aises" in one.__doc__


def test_importing_is_quick_and_loads_no_framework() -> None:
    code = (
        "import sys, time, numpy; start = time.process_time(); import serving.client; print(time.process_time() - start); "
        "print([name for name in ('bentoml', 'torch', 'onnxruntime', 'starlette') if name in sys.modules])"
    )
    seconds, loaded = [], ""
    for _ in range(3):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        second, loaded = done.stdout.split(maxsplit=1)
        seconds.append(float(second))
    assert loaded == "[]\n"
    assert min(seconds) < 0.3
