"""What `python -m benchmarks.fuzz` found: requests that the service once answered with a 5xx, or in another form."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        ("/predict", json.dumps({"model": "tiny-picture", "instances": [10**30]}), "application/json"),
        ("/predict", '{"model": "tiny-picture", "instances": [[NaN, 1, 2, 3]]}', "application/json"),
        ("/predict", '{"model": "tiny-picture", "instances": [[1e999, 1, 2, 3]]}', "application/json"),
        ("/v1/models/tiny-series/predict", "1,2\n3,4\r5,x\n", "text/csv"),
        ("/v1/models/tiny-series/predict", "1," + "2" * 200_000, "text/csv"),
    ],
)
def test_it_is_a_mistake_of_the_client(server: Any, path: str, body: str, media_type: str) -> None:
    assert server.error("POST", path, body, {"Content-Type": media_type})[0] == 400


def test_lines_of_a_csv_end_as_any_system_ends_them(server: Any) -> None:
    answers = [
        server.request("POST", "/v1/models/tiny-series/predict", f"1,2{end}3,9{end}", {"Content-Type": "text/csv"})[2]
        for end in ("\n", "\r\n", "\r")
    ]
    assert answers == [answers[0]] * 3
    assert json.loads(answers[0])["predictions"][0]["label"] == "down"


def test_mistakes_at_the_native_endpoint_do_not_fill_the_log(server: Any) -> None:
    before = server.log.stat().st_size
    for body in ("{}", "nonsense", '{"model": 1, "instances": 2}'):
        assert server.error("POST", "/predict", body, JSON)[0] == 400
    assert "Traceback" not in server.log.read_bytes()[before:].decode()


def test_a_websocket_is_refused_in_the_form_of_all_errors(server: Any) -> None:
    head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall((head + key).encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 404")
    assert list(json.loads(answer.partition(b"\r\n\r\n")[2])) == ["error"]
