"""Requests and answers of the Open Inference Protocol, without a server."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

from serving.asgi.protocol import DATATYPES, parse
from serving.asgi.reply import render
from serving.errors import ProtocolError
from zoo.spec import DTYPES, Graph, Port


def port(name: str, *shape: int | str, dtype: str = "float32") -> Port:
    return Port(name=name, dtype=dtype, shape=shape)


GRAPH = Graph(
    inputs=(port("x", "batch", 2), port("n", "batch", dtype="int64")),
    outputs=(port("y", "batch", 2), port("z", "batch")),
)
HUGE = 2**62
N = {"name": "n", "shape": [1], "datatype": "INT64", "data": [7]}
X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2.5]}


def body(*tensors: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def without(tensor: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {**{name: value for name, value in tensor.items() if name not in names}, **changes}


def blob(size: Any, **changes: Any) -> dict[str, Any]:
    return without(X, "data", parameters={"binary_data_size": size}, **changes)


def binary(document: bytes, *blobs: bytes) -> tuple[bytes, int]:
    return document + b"".join(blobs), len(document)


def one_port(dtype: str, *shape: int | str) -> Graph:
    return Graph(inputs=(port("x", *(shape or ("batch",)), dtype=dtype),), outputs=(port("y", "batch"),))


def test_json_flat_and_nested() -> None:
    for data in ([1, 2.5], [[1, 2.5]]):
        request = parse(body(without(X, data=data), N, id="abc"), None, GRAPH)
        assert request.id == "abc"
        assert request.inputs["x"].dtype == np.float32
        np.testing.assert_array_equal(request.inputs["x"], [[1, 2.5]])
        np.testing.assert_array_equal(request.inputs["n"], np.array([7], np.int64))
        assert request.outputs == (("y", False), ("z", False))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_both_ways(dtype: str) -> None:
    """What goes in as bytes or as JSON comes back from `render` bit by bit."""
    values = np.array([0, 1, 1]).astype(dtype) if dtype[0] in "bu" else np.array([-3, 0, 100]).astype(dtype)
    graph = one_port(dtype)
    tensor = {"name": "x", "shape": [3], "datatype": DATATYPES[dtype]}
    sent = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": values.nbytes}}]}).encode()
    for text, size in (
        binary(sent, values.tobytes()),
        (body({**tensor, "data": values.tolist()}), None),
    ):
        request = parse(text, size, graph)
        assert request.inputs["x"].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(request.inputs["x"], values)
    for wanted in (True, False):
        asked = parse(body({**tensor, "data": values.tolist()}, parameters={"binary_data_output": wanted}), None, graph)
        headers, answer = render(asked, {"y": values}, "m", "1")
        size = int(dict(headers).get(b"inference-header-content-length", len(answer)))
        document = json.loads(answer[:size])
        assert document["outputs"][0]["datatype"] == DATATYPES[dtype]
        assert document["outputs"][0]["shape"] == [3]
        found = np.frombuffer(answer[size:], dtype) if wanted else np.array(document["outputs"][0]["data"], dtype)
        np.testing.assert_array_equal(found, values)


def test_binary_and_json_inputs_may_be_mixed_and_need_not_be_aligned() -> None:
    x = np.array([[0.1, -2]], np.float32)
    for padding in range(4):
        text, size = binary(body(blob(8), N) + b" " * padding, x.tobytes())
        request = parse(text, size, GRAPH)
        np.testing.assert_array_equal(request.inputs["x"], x)
        assert request.inputs["x"].flags.aligned


def test_outputs_are_chosen_each_in_its_form() -> None:
    wanted = [{"name": "z", "parameters": {"binary_data": True}}, {"name": "y"}]
    request = parse(body(X, N, outputs=wanted), None, GRAPH)
    outputs = {"y": np.array([[1, 0.1]], np.float32), "z": np.array([3], np.float32)}
    headers, answer = render(request, outputs, "model", "2")
    size = int(dict(headers)[b"inference-header-content-length"])
    assert answer[size:] == np.array([3], np.float32).tobytes()
    assert json.loads(answer[:size]) == {
        "model_name": "model",
        "model_version": "2",
        "outputs": [
            {"name": "z", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
            {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 0.1]},
        ],
    }
    assert int(dict(headers)[b"content-length"]) == len(answer)


def test_timeout_and_priority() -> None:
    """Of priorities, a client's 1 is the highest, and larger is sooner from here on."""
    plain = parse(body(X, N), None, GRAPH)
    assert (plain.timeout_us, plain.priority) == (0, 0)
    levels = [parse(body(X, N, parameters={"priority": level}), None, GRAPH).priority for level in (1, 2, 9, 11, 2**62)]
    assert levels == sorted(levels, reverse=True)
    assert levels[2] > 0 > levels[3]
    assert parse(body(X, N, parameters={"timeout": 1500, "custom": [1]}), None, GRAPH).timeout_us == 1500


def test_rows_are_limited_by_what_is_declared() -> None:
    parse(body(X, N), None, GRAPH, max_rows=1)
    for shape in ([2, 2], [HUGE, 2]):
        with pytest.raises(
            ProtocolError, match=rf"has {shape[0]} rows; send at most 1 at once \(ZOO_MAX_QUEUE_ROWS\)"
        ) as error:
            parse(body(without(X, shape=shape), N), None, GRAPH, max_rows=1)
        assert error.value.http_status == 413


def test_the_same_json_again_is_read_anew_for_every_body_graph_and_limit() -> None:
    """What was understood of a head is remembered; nothing else may be."""
    head = body({"name": "x", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}})
    first, second = one_port("float32"), one_port("float32")
    other = Graph(inputs=(port("x", "batch"),), outputs=(port("other", "batch"),))
    for graph, output in ((first, "y"), (second, "y"), (other, "other"), (first, "y")):
        for values in ([1, 2], [3, 4]):
            blobs = np.array(values, np.float32).tobytes()
            request = parse(head + blobs, len(head), graph)
            np.testing.assert_array_equal(request.inputs["x"], values)
            assert request.outputs == ((output, False),)
        for blobs in (b"", b"\0" * 7, b"\0" * 9):
            with pytest.raises(ProtocolError, match=r"left in the body|bytes follow"):
                parse(head + blobs, len(head), graph)
    with pytest.raises(ProtocolError, match="send FP64"):
        parse(head + b"\0" * 8, len(head), one_port("float64"))
    with pytest.raises(ProtocolError, match="at most 1 at once"):
        parse(head + b"\0" * 8, len(head), first, max_rows=1)
    with pytest.raises(ProtocolError, match="nested deeper than 2"):
        parse(head + b"\0" * 8, len(head), first, max_depth=2)


def test_many_heads_and_ids_are_not_remembered_for_ever() -> None:
    graph = one_port("float32")
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}
    tracemalloc.start()
    try:
        for number in range(3000):
            for text in (body(tensor, parameters={"timeout": number, "more": "x" * 1000}), body(tensor, id=str(number))):
                assert parse(text + b"\0" * 4, len(text), graph).id in (None, str(number))
        assert tracemalloc.get_traced_memory()[0] < 2**20
    finally:
        tracemalloc.stop()


def test_float32_survives_json() -> None:
    values = np.random.default_rng(0).normal(size=200).astype(np.float32)
    request = parse(body({"name": "x", "shape": [1], "datatype": "FP32", "data": [0]}), None, one_port("float32"))
    _, answer = render(request, {"y": values}, "m", "1")
    np.testing.assert_array_equal(np.array(json.loads(answer)["outputs"][0]["data"], np.float32), values)


def test_an_infinite_answer_is_not_hidden_as_null() -> None:
    request = parse(body(X, N), None, GRAPH)
    outputs = {"y": np.array([[1, np.inf]], np.float32), "z": np.zeros(1, np.float32)}
    with pytest.raises(ProtocolError, match="'y' holds NaN or infinity") as error:
        render(request, outputs, "m", "1")
    assert error.value.http_status == 422


MALFORMED: dict[str, tuple[bytes, int | None, str]] = {
    "empty": (b"", None, "not JSON"),
    "no json": (b"{'a': 1}", None, "not JSON"),
    "not utf-8": (b'{"inputs": "\xff"}', None, "not JSON"),
    "NaN": (b'{"inputs": [NaN]}', None, "not JSON"),
    "deep": (b"[" * 100_000, None, "nested deeper than 32"),
    "bytes without their header": (body(blob(8), N) + b"\0" * 8, None, "with Inference-Header-Content-Length"),
    "a list": (b"[1]", None, "a list; send an object"),
    "header beyond body": (body(X, N), 10_000, "is 10000, the body has"),
    "header cuts JSON": (body(X, N), 20, "not JSON"),
    "no inputs": (b"{}", None, "'inputs' is nothing"),
    "empty inputs": (body(), None, "send a list of tensors for x, n"),
    "inputs an object": (b'{"inputs": {"x": 1}}', None, "'inputs' is an object"),
    "input a number": (body(3), None, "An input is a number"),
    "input without name": (body(without(X, "name")), None, "nothing as 'name'"),
    "name a number": (body(without(X, name=3)), None, "a number as 'name'"),
    "unknown input": (body(X, N, without(N, name="w")), None, "no input 'w'; its inputs are x, n"),
    "twice": (body(X, X, N), None, "'x' is sent twice"),
    "no datatype": (body(without(X, "datatype"), N), None, "datatype None; send FP32"),
    "other datatype": (body(without(X, datatype="FP64"), N), None, "datatype 'FP64'; send FP32"),
    "datatype a list": (body(without(X, datatype=["FP32"]), N), None, "send FP32"),
    "strings": (
        body(without(X, datatype="BYTES", data=["a", "b"]), N),
        None,
        r"datatype 'BYTES' \(no port here takes text\); send FP32",
    ),
    "bfloat16": (*binary(body(blob(4, datatype="BF16"), N), b"\0" * 4), r"'BF16' \(NumPy has no such numbers\); send FP32"),
    "no shape": (body(without(X, "shape"), N), None, "shape None; send float32"),
    "negative size": (body(without(X, shape=[-1, 2]), N), None, "sizes of 0 or more"),
    "fraction of a size": (body(without(X, shape=[1.0, 2]), N), None, "sizes of 0 or more"),
    "true as size": (body(without(X, shape=[True, 2]), N), None, "sizes of 0 or more"),
    "shape a number": (body(without(X, shape=2), N), None, "sizes of 0 or more"),
    "rank": (body(without(X, shape=[2]), N), None, r"shape \[2\]; send float32 \[batch, 2\]"),
    "huge rank": (body(without(X, shape=[HUGE] * 1000), N), None, "send float32"),
    "huge shape": (body(without(X, shape=[HUGE, HUGE]), N), None, "2 numbers, its shape"),
    "huge empty shape": (body(without(X, shape=[0, HUGE], data=[]), N), None, "cannot have the shape"),
    "endless name": (body(X, N, without(N, name="w" * 10**6)), None, "no input 'www"),
    "endless datatype": (body(without(X, datatype=["FP32"] * 10**5), N), None, "send FP32"),
    "endless output": (body(X, N, outputs=[{"name": "w" * 10**6}]), None, "no output 'www"),
    "too few": (body(without(X, data=[1]), N), None, r"1 numbers, its shape \[1, 2\] has 2"),
    "too many": (body(without(X, data=[1, 2, 3]), N), None, "3 numbers"),
    "no data": (body(without(X, "data"), N), None, "data of input 'x' is nothing"),
    "data a number": (body(without(X, data=1), N), None, "is a number; send a list"),
    "ragged": (body(without(X, shape=[2, 2], data=[[1, 2], [3]]), N), None, "not nested as its shape"),
    "half nested": (body(without(X, shape=[2, 2], data=[[1, 2], 3]), N), None, "not nested as its shape"),
    "wrongly nested": (body(without(X, shape=[2, 2], data=[[1, 2, 3, 4]]), N), None, "not nested as its shape"),
    "too deep": (body(without(X, data=[[[1], [2]]]), N), None, "holds a list; send numbers"),
    "words": (body(without(X, data=["1", 2]), N), None, "holds a string; send numbers"),
    "null": (body(without(X, data=[None, 2]), N), None, "holds nothing; send numbers"),
    "true": (body(without(X, data=[True, 2]), N), None, "holds a truth value; send numbers"),
    "fraction": (body(X, without(N, data=[7.0])), None, "holds a fraction; send whole numbers"),
    "too large a number": (body(X, without(N, data=[2**63])), None, "does not fit int64"),
    "binary size a word": (binary(body(blob("8"), N), b"\0" * 8)[0], None, "not JSON"),
    "binary size a word, with header": (*binary(body(blob("8"), N), b"\0" * 8), "binary_data_size '8'"),
    "binary size negative": (*binary(body(blob(-8), N), b"\0" * 8), "binary_data_size -8"),
    "binary size not the shape's": (*binary(body(blob(4), N), b"\0" * 8), "has 4 bytes of data; send 8"),
    "binary and data": (*binary(body({**X, **blob(8), "data": [1, 2]}, N), b"\0" * 8), "send one"),
    "bytes missing": (*binary(body(blob(8), N), b"\0" * 7), "declares 8 bytes of binary data, 7 are left"),
    "bytes left over": (*binary(body(blob(8), N), b"\0" * 9), "1 bytes follow the last"),
    "huge binary": (*binary(body(blob(2**40, shape=[2**37, 2]), N), b"\0"), "1 are left"),
    "binary size beyond any number": (*binary(body(blob(HUGE * 8, shape=[HUGE, 2]), N), b"\0"), "send its number of bytes"),
    "shared memory": (body(without(X, "data", parameters={"shared_memory_region": "r"}), N), None, "shared memory"),
    "parameters a list": (body(without(X, parameters=[1]), N), None, "Input 'x' has a list as 'parameters'"),
    "request parameters": (body(X, N, parameters=3), None, "The request has a number as 'parameters'"),
    "flag a word": (body(X, N, parameters={"binary_data_output": "yes"}), None, "is a string; send true or false"),
    "sequence": (body(X, N, parameters={"sequence_id": 7}), None, "no model here keeps a state"),
    "priority negative": (
        body(X, N, parameters={"priority": -1}),
        None,
        "'priority' is -1; send a whole number of 0 or more",
    ),
    "priority a word": (body(X, N, parameters={"priority": "high"}), None, "'priority' is 'high'"),
    "timeout a fraction": (body(X, N, parameters={"timeout": 0.5}), None, "'timeout' is 0.5"),
    "id a number": (body(X, N, id=3), None, "'id' is a number; send a string"),
    "outputs a word": (body(X, N, outputs="y"), None, "'outputs' is a string"),
    "output a word": (body(X, N, outputs=["y"]), None, "An output is a string"),
    "unknown output": (body(X, N, outputs=[{"name": "w"}]), None, "no output 'w'; its outputs are y, z"),
    "output twice": (body(X, N, outputs=[{"name": "y"}] * 2), None, "asked for twice"),
    "classification": (body(X, N, outputs=[{"name": "y", "parameters": {"classification": 3}}]), None, "not served"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_is_refused_with_a_sentence(case: str) -> None:
    text, size, sentence = MALFORMED[case]
    with pytest.raises(ProtocolError, match=sentence) as error:
        parse(text, size, GRAPH)
    assert error.value.http_status == 400
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("dtype", "data", "sentence"),
    [
        ("uint8", [256], "does not fit uint8"),
        ("int8", [-129], "does not fit int8"),
        ("int32", [2**31], "does not fit int32"),
        ("uint64", [2**64], "holds a fraction; send whole numbers"),
        ("uint64", [-1], "does not fit uint64"),
        ("int16", [2**15], "does not fit int16"),
        ("uint16", [2**16], "does not fit uint16"),
        ("uint32", [2**32], "does not fit uint32"),
        ("bool", [1], "holds a number; send true and false"),
        ("float64", ["inf"], "holds a string"),
    ],
)
def test_numbers_that_do_not_fit(dtype: str, data: list[Any], sentence: str) -> None:
    tensor = {"name": "x", "shape": [1], "datatype": DATATYPES[dtype], "data": data}
    with pytest.raises(ProtocolError, match=sentence):
        parse(body(tensor), None, one_port(dtype))


def test_a_float_that_overflows_becomes_infinite_for_the_check_to_refuse() -> None:
    request = parse(body(without(X, data=[1e300, 1]), N), None, GRAPH)
    assert np.isinf(request.inputs["x"][0, 0])


def test_a_truth_value_is_one_of_two_bytes() -> None:
    tensor = {"name": "x", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}}
    text, size = binary(body(tensor), b"\x01\x02")
    with pytest.raises(ProtocolError, match="other than 0 and 1"):
        parse(text, size, one_port("bool"))
