"""A real service over loopback, as tritonclient, bentoml's client and plain HTTP see it."""

from __future__ import annotations

import http.client
import io
import json
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import bentoml
import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException

INFER = "/v2/models/tiny-picture/infer"


@pytest.fixture
def client(server: Any) -> Any:
    with triton.InferenceServerClient(server.address) as client:
        yield client


def tensor(name: str, values: Any, dtype: Any = np.float32, *, binary: bool = True) -> Any:
    array = np.array(values, dtype)
    sent = triton.InferInput(name, array.shape, {"float32": "FP32", "int64": "INT64"}[array.dtype.name])
    sent.set_data_from_numpy(array, binary_data=binary)
    return sent


def ask(row: list[float], **more: Any) -> str:
    return json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": row}], **more})


def statistics(server: Any, name: str) -> Any:
    return server.json(f"/v2/models/{name}/stats")["model_stats"][0]


# tritonclient


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny-picture")
    assert client.is_model_ready("tiny-picture", "1")
    assert not client.is_model_ready("tiny-picture", "2")
    assert not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("tiny-series", "1") == {
        "name": "tiny-series",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, -1, 2]},
            {"name": "length", "datatype": "INT64", "shape": [-1]},
        ],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 2]}],
    }
    config = client.get_model_config("tiny-picture")
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 4]}]
    assert client.get_inference_statistics("tiny-picture")["model_stats"][0]["name"] == "tiny-picture"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_infer(client: Any, tiny: SimpleNamespace, binary_in: bool, binary_out: bool | None) -> None:
    x = np.array([[1, 2, 3, 4], [0.5, 0, -1, 0]], np.float32)
    outputs = None if binary_out is None else [triton.InferRequestedOutput("logits", binary_data=binary_out)]
    answer = client.infer("tiny-picture", [tensor("x", x, binary=binary_in)], outputs=outputs, request_id="mine")
    np.testing.assert_allclose(answer.as_numpy("logits"), x @ tiny.weight + tiny.bias, rtol=1e-6)
    response = answer.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("mine", "tiny-picture", "1")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client: Any, tiny: SimpleNamespace, algorithm: str) -> None:
    x = np.ones((3, 4), np.float32)
    answer = client.infer(
        "tiny-picture",
        [tensor("x", x)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_allclose(answer.as_numpy("logits"), x @ tiny.weight + tiny.bias, rtol=1e-6)


def test_two_inputs_with_a_length(client: Any) -> None:
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    answer = client.infer("tiny-series", [tensor("x", x), tensor("length", [1, 3], np.int64, binary=False)])
    np.testing.assert_array_equal(answer.as_numpy("logits"), [[0, 1], [6 + 8 + 10, 7 + 9 + 11]])


def test_each_graph_of_a_model_is_a_v2_model(client: Any, tiny: SimpleNamespace) -> None:
    z = np.array([[1, -1]], np.float32)
    answer = client.infer("tiny-code.decode", [tensor("z", z)], "1")
    np.testing.assert_allclose(answer.as_numpy("logits"), z @ tiny.weight[:, :2].T)
    assert client.infer("tiny-picture.predict", [tensor("x", [[0, 0, 0, 0]])]).as_numpy("logits").shape == (1, 3)
    for call in (client.get_model_metadata, lambda name: client.infer(name, [tensor("z", z)])):
        with pytest.raises(InferenceServerException, match=r"ask for tiny-code.encode or tiny-code.decode") as error:
            call("tiny-code")
        assert error.value.status() == "404"
    assert client.is_model_ready("tiny-code")


def test_an_oversized_request_is_answered_whole(client: Any, tiny: SimpleNamespace) -> None:
    x = np.random.default_rng(0).normal(size=(75, 4)).astype(np.float32)
    answer = client.infer("tiny-picture", [tensor("x", x)])
    np.testing.assert_allclose(answer.as_numpy("logits"), x @ tiny.weight + tiny.bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "version", "inputs", "status", "sentence"),
    [
        ("nobody", "", [("x", [[1, 2, 3, 4]])], "404", "No model is named 'nobody'"),
        ("tiny-pictur", "", [("x", [[1, 2, 3, 4]])], "404", "did you mean tiny-picture"),
        ("tiny-picture", "7", [("x", [[1, 2, 3, 4]])], "404", "No version of tiny-picture is named '7'"),
        ("tiny-picture", "", [("x", [[1, 2, 3]])], "400", r"shape \[1, 3\]; send float32 \[batch, 4\]"),
        ("tiny-picture", "", [("x", [1, 2, 3, 4])], "400", r"send float32 \[batch, 4\]"),
        ("tiny-picture", "", [("x", np.zeros((0, 4)))], "400", "'batch' of input 'x' has size 0"),
        ("tiny-picture", "", [("x", [[1, 2, 3, np.nan]])], "400", "NaN or infinity"),
        ("tiny-picture", "", [("x", [[1, 2, 3, np.inf]])], "400", "NaN or infinity"),
        ("tiny-picture", "", [("y", [[1, 2, 3, 4]])], "400", "no input 'y'; its inputs are x"),
        ("tiny-picture", "", [("x", [[1, 2, 3, 4]], np.int64)], "400", "'INT64'; send FP32"),
        ("tiny-series", "", [("x", [[[1, 2]]])], "400", "'length' of graph 'predict' is missing"),
        ("tiny-series", "", [("x", [[[1, 2]]]), ("length", [2], np.int64)], "400", "lengths from 2 to 2"),
        ("tiny-series", "", [("x", np.zeros((1, 30, 2))), ("length", [2], np.int64)], "400", "size 30; it may be 1 to 29"),
        ("tiny-series", "", [("x", np.zeros((2, 3, 2))), ("length", [2], np.int64)], "400", "send equal sizes"),
        ("tiny-table", "", [("index", [3], np.int64)], "500", "'predict' failed on this input"),
    ],
)
def test_errors(client: Any, model: str, version: str, inputs: list[Any], status: str, sentence: str) -> None:
    with pytest.raises(InferenceServerException, match=sentence) as error:
        client.infer(model, [tensor(*one) for one in inputs], version)
    assert error.value.status() == status
    assert "Traceback" not in error.value.message()


# Batching across clients


def test_answers_are_never_mixed_and_requests_are_batched(server: Any, tiny: SimpleNamespace) -> None:
    before = statistics(server, "tiny-picture")
    clients, each = 24, 30
    together = threading.Barrier(clients)

    def work(number: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        together.wait()
        right = 0
        for turn in range(each):
            row = [number, turn, 1, -number]
            connection.request("POST", INFER, ask(row, id=f"{number}/{turn}"))
            answer = json.loads(connection.getresponse().read())
            expected = np.array(row, np.float32) @ tiny.weight + tiny.bias
            right += answer["id"] == f"{number}/{turn}" and answer["outputs"][0]["data"] == pytest.approx(expected.tolist())
        connection.close()
        return right

    with ThreadPoolExecutor(clients) as pool:
        assert sum(pool.map(work, range(clients))) == clients * each
    after = statistics(server, "tiny-picture")
    rows, executions = (after[name] - before[name] for name in ("inference_count", "execution_count"))
    assert rows == clients * each
    assert executions < rows / 1.3  # the clients are Python, on few cores: they cannot keep a batch of 24 full
    assert max(one["batch_size"] for one in after["batch_stats"]) <= 32


def test_a_poisoned_request_fails_alone(server: Any, tiny: SimpleNamespace) -> None:
    together = threading.Barrier(16)

    def work(number: int) -> tuple[int, Any]:
        index = 3 if number == 5 else number % 3
        text = json.dumps({"inputs": [{"name": "index", "shape": [1], "datatype": "INT64", "data": [index]}]})
        together.wait()
        status, _, body = server.request("POST", "/v2/models/tiny-table/infer", text)
        return status, json.loads(body)

    for _ in range(3):
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(work, range(16)))
        assert [status for status, _ in answers] == [500 if number == 5 else 200 for number in range(16)]
        good = [answer["outputs"][0]["data"] for number, (_, answer) in enumerate(answers) if number != 5]
        assert good == [tiny.table[number % 3].tolist() for number in range(16) if number != 5]


def test_a_client_that_hangs_up_harms_nobody(server: Any) -> None:
    text = ask([1, 2, 3, 4]).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    for sent in (head, head + text[:10], head + text):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset at close
                connection.sendall(sent)
    assert server.request("POST", INFER, text)[0] == 200
    assert "Traceback" not in server.log.read_text()


# What a person has


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def expected_answer(tiny: SimpleNamespace, pixels: list[int]) -> dict[str, Any]:
    logits = np.array(pixels) / 255 @ tiny.weight + tiny.bias
    probabilities = np.exp(logits) / np.exp(logits).sum()
    return {"label": "abc"[probabilities.argmax()], "probabilities": dict(zip("abc", probabilities, strict=True))}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (png([[0, 10], [20, 30]]), "image/png"),
        ("0,10,20,30\n", "text/csv; charset=utf-8"),
        ("[[0, 10, 20, 30]]", "application/json"),
        ('{"instances": [[[0, 10], [20, 30]]]}', "Application/JSON"),
    ],
)
def test_predict_takes_what_a_person_has(server: Any, tiny: SimpleNamespace, body: Any, media_type: str) -> None:
    status, _, answer = server.request("POST", "/v1/models/tiny-picture/predict", body, {"Content-Type": media_type})
    document = json.loads(answer)
    assert (status, document["model"], document["version"]) == (200, "tiny-picture", "1")
    [found] = document["predictions"]
    expected = expected_answer(tiny, [0, 10, 20, 30])
    assert found["label"] == expected["label"]
    assert found["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-5)


def test_predict_many_and_through_several_graphs(server: Any) -> None:
    rows = "\n".join("1,2,3,4" for _ in range(40))
    _, _, body = server.request("POST", "/v1/models/tiny-code/predict", rows, {"Content-Type": "text/csv"})
    answers = json.loads(body)["predictions"]
    assert len(answers) == 40
    assert answers[0]["mean"] == pytest.approx([(1 + 3 * 3) / 255, 2 * 2 / 255])
    assert answers[0]["reconstruction"].startswith("data:image/png;base64,")


def test_predict_a_series(server: Any) -> None:
    _, _, body = server.request("POST", "/v1/models/tiny-series/predict", "1,2\n3,9\n", {"Content-Type": "text/csv"})
    assert json.loads(body)["predictions"][0]["label"] == "down"


def test_predict_errors(server: Any) -> None:
    path = "/v1/models/tiny-picture/predict"
    json_type = {"Content-Type": "application/json"}
    assert server.error("POST", path, "1", {"Content-Type": "audio/wav"})[0] == 415
    status, sentence = server.error("POST", path, "1,2,3,4")
    assert (status, "no Content-Type" in sentence) == (415, True)
    assert server.error("POST", path, "1,2,x,4", {"Content-Type": "text/csv"}) == (
        400,
        "Row 1 of the CSV holds 'x'; send numbers.",
    )
    assert server.error("POST", path, "[[1, 2, 3]]", json_type)[0] == 400
    assert server.error("POST", path, "[[1, 2, 3, 999]]", json_type)[0] == 400
    assert server.error("POST", path, b"\x89PNG nonsense", {"Content-Type": "image/png"})[0] == 400
    assert server.error("POST", "/v1/models/nobody/predict", "[[1]]", json_type)[0] == 404
    assert server.error("GET", path)[0] == 405


# bentoml's own client


def test_bentoml_client(server: Any, tiny: SimpleNamespace) -> None:
    with bentoml.SyncHTTPClient(f"http://{server.address}") as client:
        assert client.is_ready()
        answers = client.predict(model="tiny-picture", instances=[[0, 10, 20, 30], [255, 0, 0, 0]])
        expected = [expected_answer(tiny, row) for row in ([0, 10, 20, 30], [255, 0, 0, 0])]
        assert [answer["label"] for answer in answers] == [answer["label"] for answer in expected]
        assert answers[1]["probabilities"] == pytest.approx(expected[1]["probabilities"], rel=1e-5)
        with pytest.raises(bentoml.exceptions.BentoMLException, match="No model is named 'nobody'"):
            client.predict(model="nobody", instances=[[1]])
        with pytest.raises(bentoml.exceptions.BentoMLException, match=r"picture has shape"):
            client.predict(model="tiny-picture", instances=[[1]])


# Plain HTTP


def test_every_error_has_one_form(server: Any) -> None:
    assert server.error("GET", "/nowhere") == (
        404,
        "There is no GET /nowhere here; GET /v1/models lists the models and how to call them.",
    )
    assert server.error("GET", INFER)[0] == 405
    assert server.error("PUT", INFER, "x")[0] == 405
    assert server.error("POST", "/v2/health/ready", "x")[0] == 405
    assert server.error("DELETE", "/")[0] == 405
    assert server.error("POST", INFER, "nonsense")[0] == 400
    assert server.error("POST", INFER)[0] == 400
    assert server.error("POST", INFER, "{}", {"Inference-Header-Content-Length": "-1"})[0] == 400
    assert server.error("POST", INFER, "{}", {"Content-Encoding": "br"})[0] == 415
    status, sentence = server.error("POST", "/predict", '{"model": "tiny-picture"}', {"Content-Type": "application/json"})
    assert (status, "instances: Field required" in sentence) == (400, True)


def test_a_large_body_is_refused_on_every_route(server: Any) -> None:
    """By its declared length, of which nothing need be sent, and by its real one when none is declared."""
    for path in (INFER, "/v1/models/tiny-picture/predict", "/predict"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {2**25 + 1}\r\n\r\n"
            )
            connection.sendall(head.encode())
            assert connection.recv(12) == b"HTTP/1.1 413"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request("POST", INFER, (b" " * 2**20 for _ in range(40)))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all was sent
    else:
        assert connection.getresponse().status == 413
    finally:
        connection.close()
    assert server.request("POST", INFER, ask([1, 2, 3, 4]))[0] == 200


def test_the_index_names_the_models(server: Any, tiny: SimpleNamespace) -> None:
    models = {model["name"]: model for model in server.json("/v1/models")["models"]}
    assert list(models) == sorted(tiny.names)
    assert models["tiny-picture"]["predict"] == "/v1/models/tiny-picture/predict"
    assert [graph["infer"] for graph in models["tiny-code"]["graphs"]][1] == "/v2/models/tiny-code.decode/infer"


def test_statistics_count_rows_and_executions(server: Any) -> None:
    before = statistics(server, "tiny-series")
    text = {
        "inputs": [
            {"name": "x", "shape": [5, 1, 2], "datatype": "FP32", "data": [0] * 10},
            {"name": "length", "shape": [5], "datatype": "INT64", "data": [1] * 5},
        ]
    }
    assert server.request("POST", "/v2/models/tiny-series/infer", json.dumps(text))[0] == 200
    after = statistics(server, "tiny-series")
    assert after["inference_count"] - before["inference_count"] == 5
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"] == 1
    assert abs(after["last_inference"] / 1000 - time.time()) < 60
    names = [one["name"] for one in server.json("/v2/models/stats")["model_stats"]]
    assert names == ["tiny-code.encode", "tiny-code.decode", "tiny-picture", "tiny-series", "tiny-table", "tiny-text"]
