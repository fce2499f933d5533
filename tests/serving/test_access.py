"""What is noted of requests: the access log and OpenTelemetry spans."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from serving.asgi.access import VISIT, AccessLog, Visit, observe, require_sinks
from serving.settings import Settings
from zoo.errors import UsageError

SECRET = "secret-key-0123456789"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(json.loads(record.getMessage()))


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines, log = Lines(), logging.getLogger("zoo.access")
    log.handlers[:] = [lines]
    yield lines
    log.handlers.clear()


def app(status: int, *, fail: bool = False) -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        scope[VISIT].model, scope[VISIT].version = "m", "3"
        scope[VISIT].asked("id-1", 2)
        if fail:
            raise RuntimeError("broken")
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"de"})

    return answer


async def visit(layer: Any, *, path: str = "/v2/models/m/infer", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    messages = [{"type": "http.request", "body": body, "more_body": body != b"last"} for body in (b"first", b"last")]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        pass

    await layer(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": f"key={SECRET}".encode(),
            "headers": [(b"x-api-key", SECRET.encode()), *headers],
            "client": ("10.1.2.3", 5),
        },
        receive,
        send,
    )


def test_nothing_is_put_in_front_when_nothing_is_noted() -> None:
    plain = app(200)
    assert observe(plain, Settings()) is plain


def test_a_line_says_all_but_secrets(lines: Lines) -> None:
    asyncio.run(visit(observe(app(200), Settings(access_log=1.0))))
    [line] = lines.records
    assert 0 <= line.pop("ms") < 1000
    assert line.pop("time")[:2] == "20"
    assert line == {
        "method": "POST",
        "path": "/v2/models/m/infer",
        "status": 200,
        "bytes_in": 9,
        "bytes_out": 5,
        "rows": 2,
        "model": "m",
        "version": "3",
        "id": "id-1",
        "client": "10.1.2.3",
    }
    assert SECRET not in json.dumps(lines.records)


def test_errors_are_always_logged_and_the_rest_by_share(lines: Lines) -> None:
    async def many(status: int, share: float, times: int) -> int:
        layer, before = observe(app(status), Settings(access_log=share)), len(lines.records)
        for _ in range(times):
            await visit(layer)
        return len(lines.records) - before

    assert asyncio.run(many(200, 1e-9, 200)) == 0
    assert asyncio.run(many(429, 1e-9, 200)) == 200
    assert 300 < asyncio.run(many(200, 0.5, 1000)) < 700
    assert asyncio.run(many(200, 1.0, 50)) == 50


def test_a_crash_is_logged_as_500_and_goes_on(lines: Lines) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(visit(observe(app(200, fail=True), Settings(access_log=0.001))))
    assert [line["status"] for line in lines.records] == [500]


def test_what_a_client_wrote_is_one_short_line(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("zoo.access").handlers.clear()
    log = AccessLog(1.0)
    try:
        one = Visit("GET", "/a\nb", "10.0.0.1", [], 0, status=200)
        one.asked("\n" + "x" * 10_000, 1)
        log.note(one)
    finally:
        logging.getLogger("zoo.access").handlers.clear()
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert len(text) < 500
    log.close()
    assert json.loads(text)["path"] == "/a\nb"


SPANS = """
import asyncio, sys
sys.path[:0] = ["tests/serving"]
from test_access import app, visit
from serving.asgi.access import observe
from serving.settings import Settings
layer = observe(app(int(sys.argv[1])), Settings(otel=1))
asyncio.run(visit(layer, headers=((b"traceparent", b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-" + sys.argv[2].encode()),)))
"""


def spans(status: int, flags: str = "01", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SPANS, str(status), flags],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "console", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("status", "code"), [(200, "UNSET"), (404, "UNSET"), (500, "ERROR")])
def test_a_span_belongs_to_its_caller(status: int, code: str) -> None:
    done = spans(status, OTEL_SERVICE_NAME="mine")
    assert done.returncode == 0, done.stderr
    span = json.loads(done.stdout)
    assert span["context"]["trace_id"] == "0x" + "ab" * 16
    assert span["parent_id"] == "0x" + "cd" * 8
    assert (span["name"], span["kind"], span["status"]["status_code"]) == ("POST m", "SpanKind.SERVER", code)
    assert span["resource"]["attributes"]["service.name"] == "mine"
    assert span["attributes"]["http.response.status_code"] == status
    assert (span["attributes"]["zoo.rows"], span["attributes"]["client.address"]) == (2, "10.1.2.3")
    assert span["end_time"] >= span["start_time"]
    assert SECRET not in done.stdout


def test_a_caller_that_does_not_sample_gets_no_span() -> None:
    assert spans(200, flags="00").stdout == ""
    assert spans(200, OTEL_TRACES_SAMPLER="always_off").stdout == ""


def test_spans_that_have_nowhere_to_go_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    with pytest.raises(UsageError, match="OTEL_TRACES_EXPORTER is 'carrier-pigeon'; set it to otlp or console"):
        require_sinks(Settings(otel=1))
    monkeypatch.delenv("OTEL_TRACES_EXPORTER")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    for call in (require_sinks, lambda settings: observe(app(200), settings)):
        with pytest.raises(UsageError, match=r"spans cannot be sent .*; install opentelemetry-exporter-otlp-proto-http"):
            call(Settings(otel=1))
    require_sinks(Settings())


def test_opentelemetry_is_not_even_imported_when_off() -> None:
    code = "import sys, serving.asgi.hotpath, serving.asgi.access; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


STOPPED = """
import asyncio, os, sys
sys.path[:0] = ["tests/serving"]
from test_access import app, visit
from serving.asgi.access import observe
from serving.settings import Settings

async def both(scope, receive, send):
    if scope["type"] == "http":
        await app(200)(scope, receive, send)

layer = observe(both, Settings(otel=1))
asyncio.run(visit(layer))
asyncio.run(layer({"type": "lifespan"}, None, None))
sys.stdout.flush()
os._exit(0)
"""


def test_a_worker_that_stops_has_sent_its_spans() -> None:
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "console"}
    done = subprocess.run([sys.executable, "-c", STOPPED], env=environment, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["name"] == "POST m", done.stderr
