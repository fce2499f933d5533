"""The fuzzer: its requests can be had again, its verdicts are right, and it passes the service and no other."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.fuzz.__main__ import Fuzz
from benchmarks.fuzz.corpus import Seed
from benchmarks.fuzz.mutate import MUTATIONS, mutated
from benchmarks.fuzz.verdict import Tally, problem_of, same
from benchmarks.fuzz.wire import HUNG_UP, SILENT, WAITING, Answer, Line, Request

ROOT = Path(__file__).parents[2]
JSON = {"content-type": "application/json"}
TENSOR = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}'
SEEDS = [
    Seed(
        "/v2/models/m/infer", {"Inference-Header-Content-Length": str(len(TENSOR))}, TENSOR + bytes(8), json_size=len(TENSOR)
    ),
    Seed("/v1/models/m/predict", {"Content-Type": "application/json"}, b'{"instances": [[1, 2.5]]}'),
    Seed("/v2", {}, b"", "GET"),
]


def test_the_same_seed_gives_the_same_requests_and_another_gives_others() -> None:
    made = [mutated(SEEDS, number, 7) for number in range(400)]
    assert made == [mutated(SEEDS, number, 7) for number in range(400)]
    assert sum(one == mutated(SEEDS, number, 8) for number, one in enumerate(made)) < 40
    kinds = {request.kind for number in range(4000) for request in [mutated(SEEDS, number, 0)]}
    assert len(kinds) == len(MUTATIONS)


def test_requests_of_right_framing_say_how_long_they_are() -> None:
    for number in range(3000):
        request = mutated(SEEDS, number, 1)
        if request.whole:
            head, _, body = request.data.partition(b"\r\n\r\n")
            lengths = re.findall(rb"\r\ncontent-length: (\d+)", head.lower())
            chunked = b"transfer-encoding: chunked" in head.lower()
            assert body.endswith(b"0\r\n\r\n") if chunked else lengths == [b"%d" % len(body)], request


@pytest.mark.parametrize(
    ("answer", "whole", "problem"),
    [
        (Answer(200, JSON, b"anything"), True, None),
        (Answer(400, JSON, b'{"error": "Send x."}'), True, None),
        (Answer(503, JSON, b'{"error": "Not ready."}'), True, None),
        (Answer(504, JSON, b'{"error": "Late."}'), True, None),
        (Answer(429, {**JSON, "retry-after": "1"}, b'{"error": "Full."}'), True, None),
        (Answer(429, JSON, b'{"error": "Full."}'), True, "429 without Retry-After"),
        (Answer(500, JSON, b'{"error": "Failed."}'), True, "server error 500"),
        (Answer(502, JSON, b'{"error": "Failed."}'), False, "server error 502"),
        (Answer(503, JSON, b""), True, "status 503 not in the form of errors"),
        (Answer(404, {"content-type": "text/plain"}, b'{"error": "x"}'), True, "status 404 not in the form of errors"),
        (Answer(404, JSON, b'{"error": ""}'), True, "status 404 not in the form of errors"),
        (Answer(404, JSON, b'{"error": "x", "more": 1}'), True, "status 404 not in the form of errors"),
        (Answer(404, JSON, b"not found"), False, "status 404 not in the form of errors"),
        (Answer(400, {}, b"Invalid HTTP request received."), False, None),
        (Answer(400, {}, b"Invalid HTTP request received."), True, "status 400 not in the form of errors"),
        (HUNG_UP, True, "hung up without an answer"),
        (HUNG_UP, False, None),
        (SILENT, True, "no answer in time"),
        (WAITING, False, None),
        (Answer(101), False, "status 101"),
    ],
)
def test_verdicts(answer: Answer, whole: bool, problem: str | None) -> None:
    assert problem_of(Request("kind", b"", whole), answer) == problem


def test_good_answers_may_differ_in_their_last_digits_only() -> None:
    good = {"label": "1", "p": [0.5, 1e-9], "n": 3}
    assert same({"label": "1", "p": [0.500001, 2e-9], "n": 3}, good)
    for wrong in (
        {**good, "p": [0.51, 0.0]},
        {**good, "p": [0.5]},
        {**good, "n": 4},
        {**good, "label": "2"},
        {"p": 1},
        None,
    ):
        assert not same(wrong, good)


async def answers_of(script: list[bytes | None], *requests: Request) -> tuple[list[Answer], list[bytes]]:
    """What one line gets from a server that sends these, one a request; None hangs up."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.append(data)
            answer = script.pop(0) if script else b""
            if answer is None:
                break
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        line = Line(server.sockets[0].getsockname()[1])
        answers = [await line.ask(request) for request in requests]
        line.close()
    return answers, heard


def test_answers_are_read_in_every_framing_of_http() -> None:
    script = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n ho\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ]
    requests = [Request("a", b"1"), Request("b", b"2"), Request("c", b"3", method="HEAD"), Request("d", b"4")]
    answers, heard = asyncio.run(answers_of(script, *requests))
    assert [(one.status, one.body) for one in answers] == [(200, b"hi"), (404, b"hi ho"), (200, b""), (204, b"")]
    assert heard == [b"1", b"2", b"3", b"4"]


def test_a_closed_connection_is_opened_once_more_and_an_incomplete_request_is_not_waited_for() -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    answers, _ = asyncio.run(answers_of([good, None, good, None, None], *(Request("a", b"1") for _ in range(3))))
    assert [one.status for one in answers] == [200, 200, 0]
    answers, _ = asyncio.run(answers_of([b""], Request("a", b"1", whole=False)))
    assert answers == [WAITING]


def fuzz_against(answer: Callable[[bytes], bytes], dead: set[int]) -> Tally:
    """A short run against a server that answers each request by this function."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**20):
            writer.write(answer(data))
        writer.close()

    async def run() -> Tally:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            fuzz = Fuzz(SimpleNamespace(port=server.sockets[0].getsockname()[1], dead=lambda: dead), 2.0**60)  # type: ignore[arg-type]
            await fuzz.learn(SEEDS[1:2])
            await fuzz.send(Request("bad", b"bad %d" % number) for number in range(200))
        return fuzz.tally

    return asyncio.run(run())


def http(status: int, document: Any) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


def test_a_server_that_breaks_is_found_out() -> None:
    def refuse(data: bytes) -> bytes:
        return http(400, {"error": "No."}) if data.startswith(b"bad") else http(200, {"label": 1})

    assert not fuzz_against(refuse, set()).problems
    assert fuzz_against(refuse, {1234}).problems[0]["problem"] == "processes of the service died: [1234]"
    failing = fuzz_against(lambda data: http(500, {"error": "x"}) if data == b"bad 77" else refuse(data), set())
    assert [(one["problem"], bytes.fromhex(one["request"])) for one in failing.problems] == [("server error 500", b"bad 77")]
    turns = iter(range(10**6))
    mixed = fuzz_against(lambda data: refuse(data) if data.startswith(b"bad") else http(200, {"label": next(turns)}), set())
    assert "a good request was answered wrongly" in {one["problem"] for one in mixed.problems}


def test_the_service_passes(tmp_path: Path) -> None:
    """A short run of the command itself, without schemathesis, which the extra [bench] has."""
    command = [sys.executable, "-m", "benchmarks.fuzz", "--requests", "600", "--schemathesis", "0", "--seed", "3"]
    files = ["--out", str(tmp_path / "table.md"), "--problems", str(tmp_path / "problems")]
    models = ["convnet-mnist", "lstm-japanese-vowels"]
    done = subprocess.run([*command, *files, *models], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    problems = (tmp_path / "problems").read_text() if (tmp_path / "problems").exists() else ""
    assert done.returncode == 0, (done.stdout, done.stderr, problems)
    assert "| **all** | 600 |" in (tmp_path / "table.md").read_text()
