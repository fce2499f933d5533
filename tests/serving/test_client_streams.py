"""`generate` and `stream` of both clients, against the real service and against servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serving.client import (
    AnswerError,
    AsyncClient,
    BrokenOffError,
    Client,
    ClientError,
    LateError,
    NotFoundError,
    OverloadedError,
    RefusedError,
    UnreachableError,
)


@pytest.fixture(params=["blocking", "awaited"])
def ask(request: Any) -> Callable[..., Any]:
    """`ask(url, method, …)` by either client: the answer, or the first `most` pieces of one."""

    async def awaited(url: str, name: str, most: int, options: Any, arguments: Any, more: Any) -> Any:
        async with AsyncClient(url, **options) as client:
            if name == "generate":
                return await client.generate(*arguments, **more)
            found = []
            async for piece in client.stream(*arguments, **more):
                found.append(piece)
                if len(found) == most:
                    break
            return found

    def blocking(url: str, name: str, most: int, options: Any, arguments: Any, more: Any) -> Any:
        with Client(url, **options) as client:
            if name == "generate":
                return client.generate(*arguments, **more)
            return [piece for _, piece in zip(range(most), client.stream(*arguments, **more), strict=False)]

    def call(url: str, name: str, *arguments: Any, most: int = 10**6, client: Any = None, **more: Any) -> Any:
        if request.param == "awaited":
            return asyncio.run(awaited(url, name, most, client or {}, arguments, more))
        return blocking(url, name, most, client or {}, arguments, more)

    return call


@pytest.fixture
def url(server: Any) -> str:
    return f"http://{server.address}"


def test_the_pieces_are_the_whole(ask: Callable[..., Any], url: str) -> None:
    options = {"max_tokens": 30, "seed": 4, "temperature": 0.5}
    whole = ask(url, "generate", "tiny-text", "abc", **options)
    pieces = ask(url, "stream", "tiny-text", "abc", **options)
    assert len(pieces) == len(whole["text_output"]) == 30
    assert "".join(piece["text_output"] for piece in pieces) == whole["text_output"]
    assert pieces[-1]["finish_reason"] == whole["finish_reason"] == "length"
    assert ask(url, "stream", "tiny-text", "abc", most=3, **options) == pieces[:3]
    text, word = whole["text_output"], whole["text_output"][4:7]
    stopped = ask(url, "generate", "tiny-text", "abc", version=1, stop=word, **options)
    assert (stopped["text_output"], stopped["finish_reason"]) == (text[: text.index(word)], "stop")


def test_mistakes_are_refused_before_the_first_piece(ask: Callable[..., Any], url: str) -> None:
    with pytest.raises(RefusedError, match="There is no option 'tempreture'"):
        ask(url, "stream", "tiny-text", "abc", tempreture=1)
    with pytest.raises(NotFoundError, match="No model is named 'nobody'"):
        ask(url, "stream", "nobody", "abc")
    with pytest.raises(NotFoundError, match="No model generates at"):
        ask(url, "generate", "tiny-picture", [1, 2])
    with pytest.raises(ClientError, match="cannot be sent as JSON"):
        ask(url, "stream", "tiny-text", object())
    with pytest.raises(LateError):
        ask(url, "generate", "tiny-text", "a", max_tokens=4096, timeout_ms=20)


def test_what_breaks_off_says_so(ask: Callable[..., Any], url: str) -> None:
    with pytest.raises(BrokenOffError, match="broke its answer off: The request was not answered within its 60 ms"):
        ask(url, "stream", "tiny-text", "a", max_tokens=4096, timeout_ms=60)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"


@pytest.fixture
def answer() -> Iterator[Callable[..., str]]:
    """`answer(*chunks)`: the address of a server that says this to every request, chunk by chunk."""
    sockets = []

    def start(*answers: list[bytes]) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)

        def serve() -> None:
            for chunks in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(2**16)
                    for chunk in chunks:
                        connection.sendall(chunk)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(2**16):  # a close before all of the request is read resets the connection
                        pass

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for listening in sockets:
        listening.close()


def test_events_may_come_in_any_pieces(ask: Callable[..., Any], answer: Callable[..., str]) -> None:
    """Triton, say, sends what it likes between them; a text may hold what other readers take for the end of a line."""
    text = ': hello\r\n\r\ndata: {"text_output": "a\u2028b"}\r\n\r\nevent: x\ndata:{"text_output": "é"}\n\ndata: [DONE]\n\n'
    body = text.encode()
    chunks = [HEAD + b"\r\n", *(body[place : place + 1] for place in range(len(body)))]
    assert ask(answer(chunks), "stream", "m", "a") == [{"text_output": "a\u2028b"}, {"text_output": "é"}]


def test_an_answer_that_is_none(ask: Callable[..., Any], answer: Callable[..., str]) -> None:
    with pytest.raises(AnswerError, match="which is no event of a generated answer"):
        ask(answer([HEAD + b"\r\ndata: 3\n\n"]), "stream", "m", "a")


def test_a_connection_that_breaks(ask: Callable[..., Any], answer: Callable[..., str]) -> None:
    cut = answer([HEAD + b'Content-Length: 999\r\n\r\ndata: {"text_output": "a"}\n\n'])
    with pytest.raises(UnreachableError, match="broke before its answer was whole"):
        ask(cut, "stream", "m", "a")


def test_a_busy_server_is_asked_again(ask: Callable[..., Any], answer: Callable[..., str]) -> None:
    busy = [b'HTTP/1.1 429 Busy\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{"error": "full"}']
    done = [HEAD + b'\r\ndata: {"text_output": "a"}\n\n']
    assert ask(answer(busy, busy, done), "stream", "m", "a") == [{"text_output": "a"}]
    with pytest.raises(OverloadedError, match="429: full"):
        ask(answer(busy), "stream", "m", "a", client={"retries": 0})
