"""Answers that grow, over HTTP: Triton's generate extension, completions, streams, limits, leaving and reloading."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serving.asgi.generating import Generating, _data
from serving.batching.limits import Alone
from serving.catalogue import Catalogue
from serving.keys import hash_of
from serving.served import ServedModel
from serving.settings import Settings
from tests.serving import decoder
from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.generation import run_generations
from zoo.hub import Hub

GENERATE, STREAM, COMPLETIONS = "/v2/models/tiny-text/generate", "/v2/models/tiny-text/generate_stream", "/v1/completions"
JSON = {"Content-Type": "application/json"}
KEY, ADMIN = "client-key-0123456789", "admin-key-0123456789"


def alone(prompt: str, **options: Any) -> str:
    """What the model's codec writes by itself, with the decoder in NumPy."""
    codec: Any = make_codec("text-generation", decoder.CODEC)
    [raw] = codec.read(prompt.encode(), "text/plain")
    generation = drive(codec.generate(raw, options), lambda *_: {})
    [pieces] = drive(run_generations([generation], decoder.GRAPH), lambda _, inputs: decoder.run(inputs))
    return "".join(piece["text"] for piece in pieces)


def post(server: Any, path: str, **document: Any) -> Any:
    status, _, body = server.request("POST", path, json.dumps(document), JSON)
    assert status == 200, body
    return json.loads(body)


def events(server: Any, path: str, headers: dict[str, str] = JSON, **document: Any) -> list[Any]:
    """The documents of a stream, its marks as text."""
    status, found, body = server.request("POST", path, json.dumps(document), headers)
    assert (status, found["content-type"]) == (200, "text/event-stream; charset=utf-8"), body
    return read_events(body)


def read_events(body: bytes) -> list[Any]:
    blocks = body.decode().split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [json.loads(text) if text[0] == "{" else text for text in (block.removeprefix("data: ") for block in blocks)]


def inside(model: ServedModel) -> Callable[[str, Any], Awaitable[bytes]]:
    """`await ask(verb, parameters)`: the body that the model's route answers with, in this process."""
    catalogue = Catalogue()
    catalogue.install(model)
    catalogue.not_ready = ""
    door = Generating(catalogue)

    async def ask(verb: str, parameters: Any) -> bytes:
        messages = [{"type": "http.request", "body": json.dumps({"parameters": parameters}).encode()}]
        answered: list[Any] = []

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Future()

        async def send(message: Any) -> None:
            answered.append(message)

        path = f"/v2/models/{model.name}/{verb}"
        assert door.has(path)
        await door({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
        assert answered[0]["status"] == 200, answered
        return b"".join(message["body"] for message in answered[1:])

    return ask


def metric(server: Any, name: str) -> float:
    text = server.request("GET", "/metrics")[2].decode()
    [line] = [line for line in text.splitlines() if line.startswith(name + "{") and "tiny-text" in line]
    return float(line.split()[-1])


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# Triton's generate extension


def test_generate(server: Any) -> None:
    answer = post(server, GENERATE, text_input="abc", parameters={"max_tokens": 9, "seed": 3}, id="mine")
    assert answer == {
        "model_name": "tiny-text",
        "model_version": "1",
        "id": "mine",
        "text_output": alone("abc", max_tokens=9, seed=3),
        "finish_reason": "length",
    }
    same = post(server, "/v2/models/tiny-text/versions/1/generate", text_input="abc", max_tokens=9, seed=3)
    assert same["text_output"] == answer["text_output"]
    assert post(server, GENERATE, max_tokens=5)["text_output"] == alone("", max_tokens=5)


def test_generate_stream(server: Any) -> None:
    found = events(server, STREAM, text_input="abc", parameters={"max_tokens": 9, "seed": 3, "stream": True})
    text = alone("abc", max_tokens=9, seed=3)
    assert [event["text_output"] for event in found] == list(text)
    assert [event["token"] for event in found] == [decoder.VOCABULARY.index(character) for character in text]
    assert [event.get("finish_reason") for event in found] == [None] * 8 + ["length"]
    assert {(event["model_name"], event["model_version"]) for event in found} == {("tiny-text", "1")}


def test_each_of_many_streams_is_what_it_would_be_alone(server: Any) -> None:
    asked = [("abcdefgh"[seed % 8 :] * (1 + seed * seed % 40), seed) for seed in range(40)]
    steps = metric(server, "zoo_generation_steps_total")
    with ThreadPoolExecutor(40) as threads:
        found = list(threads.map(lambda one: events(server, STREAM, text_input=one[0], max_tokens=60, seed=one[1]), asked))
    for (prompt, seed), stream in zip(asked, found, strict=True):
        assert "".join(event["text_output"] for event in stream) == alone(prompt, max_tokens=60, seed=seed)
    assert metric(server, "zoo_generation_steps_total") - steps < 40 * 60 / 2


def test_a_stop_word_ends_the_text(server: Any) -> None:
    text = alone("abc", max_tokens=40, seed=5)
    word = text[10:13]
    answer = post(server, GENERATE, text_input="abc", max_tokens=40, seed=5, stop=[word, "zzz"])
    assert answer["text_output"] == text[: text.index(word)]
    assert answer["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        (GENERATE, {"text_input": 3}, 400, "'text_input' is a number; send a string."),
        (GENERATE, {"parameters": []}, 400, "'parameters'; send an object"),
        (GENERATE, {"max_tokens": 0}, 400, "max_tokens is 0; send 1 to"),
        (STREAM, {"tempreture": 1}, 400, "There is no option 'tempreture'; the options are max_tokens, temperature"),
        (STREAM, {"text_input": "€"}, 400, "The prompt holds '€'"),
        (STREAM, {"stop": [""]}, 400, "'stop' is"),
        (STREAM, {"id": 1}, 400, "'id' is a number"),
        (GENERATE, [], 400, "The body is a JSON a list; send an object."),
        ("/v2/models/tiny-picture/generate", {}, 404, "No model generates at /v2/models/tiny-picture/generate"),
        ("/v2/models/tiny-tex/generate_stream", {}, 404, "did you mean tiny-text"),
        ("/v2/models/tiny-text/versions/2/generate", {}, 404, "No version of tiny-text is named '2'"),
    ],
)
def test_what_is_wrong_with_a_request(server: Any, path: str, body: Any, status: int, sentence: str) -> None:
    found = server.error("POST", path, json.dumps(body), JSON)
    assert (found[0], sentence in found[1]) == (status, True), found


def test_errors_of_the_door(server: Any) -> None:
    assert server.error("POST", GENERATE, "nonsense", JSON)[0] == 400
    assert server.error("POST", GENERATE, "[" * 99 + "]" * 99, JSON)[0] == 400
    assert server.error("GET", GENERATE)[0] == 405
    status, _, body = server.request("POST", COMPLETIONS, "{", {"X-Request-Timeout-Ms": "soon"})
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")


def test_the_steps_of_a_sampler(tmp_path: Path, tiny: SimpleNamespace) -> None:
    """Pictures, one a step, of several clients at the same time."""
    asked = {"steps": 3, "eta": 0.5}

    async def scenario() -> tuple[list[list[Any]], Any]:
        hub = Hub(tiny.make_hub(tmp_path / "hub", "tiny-noise"))
        model = ServedModel(hub.artifact("tiny-noise"), Settings(), lambda _: Alone())
        ask = inside(model)
        streams = await asyncio.gather(*(ask("generate_stream", {**asked, "seed": seed}) for seed in range(8)))
        whole = await ask("generate", {**asked, "seed": 7})
        await model.close()
        return [read_events(body) for body in streams], json.loads(whole)

    found, whole = asyncio.run(scenario())
    codec: Any = make_codec("image-generation", decoder.PICTURES)
    for seed, stream in enumerate(found):
        generation = drive(codec.generate(np.empty(0), {**asked, "seed": seed}), lambda *_: {})
        [pieces] = drive(run_generations([generation], decoder.DENOISER), lambda _, inputs: decoder.denoise(inputs))
        assert [{**piece, "model_name": "tiny-noise", "model_version": "1"} for piece in pieces] == stream
        assert stream[0]["image"].startswith("data:image/png;base64,")
        assert [event["step"] for event in stream] == [1, 2, 3]
    assert whole == found[7][-1]


# As OpenAI's clients ask


def test_completions(server: Any) -> None:
    answer = post(server, COMPLETIONS, model="tiny-text", prompt="abc", max_tokens=9, seed=3, temperature=0.5)
    assert answer.pop("id").startswith("cmpl-")
    assert abs(answer.pop("created") - time.time()) < 60
    text = alone("abc", max_tokens=9, seed=3, temperature=0.5)
    assert answer == {
        "object": "text_completion",
        "model": "tiny-text",
        "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12},
    }


def test_completions_stream(server: Any) -> None:
    asked = {"model": "tiny-text", "prompt": "abc", "max_tokens": 9, "seed": 3, "stream": True}
    *chunks, done = events(server, COMPLETIONS, **asked)
    assert done == "[DONE]"
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == alone("abc", max_tokens=9, seed=3)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 8 + ["length"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    *chunks, last, done = events(server, COMPLETIONS, stream_options={"include_usage": True}, echo=True, **asked)
    assert chunks[0]["choices"][0]["text"] == "abc"
    assert {json.dumps(chunk["usage"]) for chunk in chunks} == {"null"}
    assert (last["choices"], last["usage"]) == ([], {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12})


def test_several_choices_to_several_prompts(server: Any) -> None:
    asked = {"model": "tiny-text", "prompt": ["abc", "def"], "n": 3, "max_tokens": 20, "seed": 7}
    answer = post(server, COMPLETIONS, **asked, echo=True)
    assert answer["usage"] == {"prompt_tokens": 6, "completion_tokens": 120, "total_tokens": 126}
    expected = [prompt + alone(prompt, max_tokens=20, seed=7 + number) for prompt in ("abc", "def") for number in range(3)]
    assert [choice["text"] for choice in answer["choices"]] == expected
    assert [choice["index"] for choice in answer["choices"]] == list(range(6))
    texts = [""] * 6
    for chunk in events(server, COMPLETIONS, **asked, stream=True)[:-1]:
        [choice] = chunk["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == [text[3:] for text in expected]


def test_without_a_seed_no_two_answers_are_the_same(server: Any) -> None:
    asked = {"model": "tiny-text", "prompt": "abc", "max_tokens": 40}
    assert len({post(server, COMPLETIONS, **asked)["choices"][0]["text"] for _ in range(5)}) == 5
    assert len(post(server, COMPLETIONS, model="tiny-text", prompt="abc")["choices"][0]["text"]) == 16


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"model": "nobody"}, 404, "No model is named 'nobody'"),
        ({"model": 3}, 400, "The request has a number as 'model'"),
        ({"model": "tiny-picture"}, 400, "Model 'tiny-picture' completes no text"),
        ({"prompt": None}, 400, "'prompt' is None"),
        ({"prompt": [1, 2]}, 400, "'prompt' is [1, 2]; send a string, or a list of strings."),
        ({"n": 0}, 400, "'n' is 0"),
        ({"n": 200}, 400, "'n' is 200; send a whole number from 1 to 128."),
        ({"logprobs": 5}, 400, "'logprobs' is 5, which is not served; leave it out."),
        ({"best_of": 4}, 400, "'best_of' is 4"),
        ({"stream": "yes"}, 400, "'stream' is a string"),
        ({"stream_options": 1}, 400, "'stream_options' is a number"),
        ({"seed": "x"}, 400, "seed is 'x'; send a whole number."),
        ({"temperature": -1}, 400, "temperature is -1; send 0 to"),
        ({"prompt": ["a"] * 64, "n": 5}, 413, "wants 320 answers; ask for at most 288 at once"),
    ],
)
def test_errors_have_the_form_of_openai(server: Any, change: Any, status: int, sentence: str) -> None:
    body = json.dumps({"model": "tiny-text", "prompt": "abc", **change})
    found, headers, answer = server.request("POST", COMPLETIONS, body, JSON)
    error = json.loads(answer)["error"]
    assert (found, headers["content-type"]) == (status, "application/json")
    assert sentence in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == ("model_not_found" if status == 404 else None)


def test_what_changes_nothing_is_taken(server: Any) -> None:
    nothing = dict.fromkeys(("logprobs", "suffix", "stop", "stream", "echo", "seed", "temperature", "stream_options"))
    more = {"best_of": 2, "n": 2, "user": "me", "presence_penalty": 0, "logit_bias": {}, **nothing}
    assert len(post(server, COMPLETIONS, model="tiny-text", prompt="abc", **more)["choices"]) == 2


def test_the_models_as_openai_lists_them(server: Any) -> None:
    document = server.json("/v1/models")
    assert document["object"] == "list"
    assert document["data"] == [{"id": "tiny-text", "object": "model", "created": 0, "owned_by": "zoo"}]
    one = server.json("/v1/models/tiny-text")
    assert (one["id"], one["object"], one["generate"]) == ("tiny-text", "model", STREAM)
    assert server.json("/v1/models/tiny-picture")["generate"] is None
    assert server.error("GET", "/v1/models/nobody")[0] == 404
    assert "generate" in server.json("/v2")["extensions"]


# Leaving, deadlines, limits, keys


def connect(server: Any, path: str, headers: dict[str, str] = JSON, **document: Any) -> http.client.HTTPResponse:
    """A response whose body has not been read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", path, json.dumps(document), {**headers, "Connection": "close"})
    return connection.getresponse()


def test_a_client_that_leaves_frees_its_slot(server: Any) -> None:
    before = metric(server, "zoo_tokens_total")
    responses = [connect(server, STREAM, text_input="a", max_tokens=4096, seed=seed) for seed in range(5)]
    for response in responses:
        assert response.readline().startswith(b"data: ")
        response.close()
    wait_for(lambda: metric(server, "zoo_slots_active") == 0)
    assert metric(server, "zoo_tokens_total") - before < 5 * 4096
    text = server.request("GET", "/metrics")[2].decode()
    assert 'zoo_responses_total{endpoint="generate",model="tiny-text",status="499",version="1"}' in text


def test_an_answer_whose_time_is_over_ends_with_an_error(server: Any) -> None:
    late = {**JSON, "X-Request-Timeout-Ms": "60"}
    *pieces, last = events(server, STREAM, late, text_input="a", max_tokens=4096)
    assert "The request was not answered within its 60 ms" in last["error"]
    assert "".join(piece["text_output"] for piece in pieces) == alone("a", max_tokens=len(pieces))
    *_, error, done = events(server, COMPLETIONS, late, model="tiny-text", prompt="a", max_tokens=4096, stream=True)
    assert (error["error"]["type"], done) == ("server_error", "[DONE]")
    assert server.error("POST", GENERATE, json.dumps({"max_tokens": 4096}), late)[0] == 504


@pytest.fixture
def small(serve: Callable[..., Any], tmp_path: Path, tiny: SimpleNamespace) -> Iterator[Any]:
    """Two workers with one slot each and no room to wait, and keys."""
    hub = tiny.make_hub(tmp_path / "hub", "tiny-text")
    keys = {"ZOO_API_KEYS": hash_of(KEY), "ZOO_ADMIN_KEYS": hash_of(ADMIN)}
    limits = {"ZOO_MAX_SLOTS": "1", "ZOO_MAX_WAITING": "tiny-text=0"}
    server = serve(hub, tmp_path / "log", "tiny-text", ZOO_WORKERS="2", **keys, **limits)
    wait_for(lambda: server.request("GET", "/v2/health/ready")[0] == 200, 30)
    yield server
    server.stop()


def test_slots_of_several_workers_keys_and_a_new_version(small: Any) -> None:
    server = small
    assert server.error("POST", GENERATE, "{}", JSON)[0] == 401
    status, headers, body = server.request("POST", COMPLETIONS, "{}", JSON)
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="zoo"')
    assert json.loads(body)["error"]["code"] == "invalid_api_key"
    keyed = {**JSON, "Authorization": f"Bearer {KEY}"}

    def ask(seed: int) -> tuple[int, dict[str, str], bytes]:
        return server.request("POST", STREAM, json.dumps({"text_input": "a", "max_tokens": 4096, "seed": seed}), keyed)

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(ask, range(12)))
    assert {status for status, _, _ in found} == {200, 429}
    for seed, (status, headers, body) in enumerate(found):
        if status == 429:
            assert headers["retry-after"] == "1"
            assert "1 generations of graph 'step' are under way, of 1" in json.loads(body)["error"]
        else:
            stream = read_events(body)
            assert "".join(event["text_output"] for event in stream) == alone("a", max_tokens=4096, seed=seed)

    old = connect(server, STREAM, keyed, text_input="a", max_tokens=4096, seed=99)
    body = old.readline()
    load = "/v2/repository/models/tiny-text/load"
    assert server.request("POST", load, "{}", {**JSON, "Authorization": f"Bearer {ADMIN}"})[0] == 200
    assert ask(0)[0] == 200  # the new version has slots of its own
    stream = read_events(body + old.read())
    assert "".join(event["text_output"] for event in stream) == alone("a", max_tokens=4096, seed=99)


def test_arrays_in_pieces_are_numbers() -> None:
    assert json.loads(_data({"x": np.float32(0.5), "y": np.arange(3)})) == {"x": 0.5, "y": [0, 1, 2]}
