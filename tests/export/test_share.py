"""Tensors that several graphs hold lie once beside them; the graphs answer as before."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.share import share_weights
from zoo.session import Session
from zoo.spec import Graph, Port

RNG = np.random.default_rng(0)
WIDE, OTHER = RNG.normal(size=(16, 32)).astype(np.float32), RNG.normal(size=(16, 32)).astype(np.float32)  # 2,048 bytes
SMALL = RNG.normal(size=32).astype(np.float32)  # 128 bytes
X = RNG.normal(size=(3, 16)).astype(np.float32)


def write(path, weight, bias):
    """x @ weight + bias, as an ONNX file."""
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in (("x", 16), ("y", 32))
    ]
    values = [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")]
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "weight", "bias"], ["y"])], "g", ports[:1], ports[1:], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def answer(path):
    ports = [Port(name=name, dtype="float32", shape=("batch", size)) for name, size in (("x", 16), ("y", 32))]
    return Session(path, Graph(inputs=(ports[0],), outputs=(ports[1],))).run({"x": X})["y"]


def external(path):
    found = onnx.load(path, load_external_data=False).graph.initializer
    return {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}
        for tensor in found
        if tensor.data_location == TensorProto.EXTERNAL
    }


def test_a_common_tensor_is_stored_once(tmp_path):
    paths = [write(tmp_path / "a.onnx", WIDE, SMALL), write(tmp_path / "b.onnx", WIDE, SMALL + 1)]
    before = [answer(path) for path in paths]
    share_weights(paths, tmp_path / "weights.bin")
    assert (tmp_path / "weights.bin").read_bytes() == WIDE.tobytes()
    place = {"weight": {"location": "weights.bin", "offset": "0", "length": "2048"}}
    assert [external(path) for path in paths] == [place, place]
    assert all(path.stat().st_size < 1024 for path in paths)
    for path, expected in zip(paths, before, strict=True):
        assert answer(path).tobytes() == expected.tobytes()
        onnx.checker.check_model(path, full_check=True)


def test_what_one_graph_has_alone_stays_in_it(tmp_path):
    contents = []
    for weight in (WIDE, OTHER):
        paths = [write(tmp_path / f"{name}.onnx", *pair) for name, pair in (("a", (WIDE, SMALL)), ("b", (weight, SMALL)))]
        paths += [write(tmp_path / "c.onnx", OTHER + 1, SMALL)]
        before = [path.read_bytes() for path in paths]
        share_weights(paths, tmp_path / "weights.bin")
        contents.append([path.read_bytes() == old for path, old in zip(paths, before, strict=True)])
    assert contents[0] == [False, False, True]
    assert contents[1] == [True, True, True]  # the bias is common to all, and too small to be worth a file


def test_nothing_common_writes_no_file(tmp_path):
    share_weights([write(tmp_path / "a.onnx", WIDE, SMALL), write(tmp_path / "b.onnx", OTHER, SMALL)], tmp_path / "w.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_tensors_begin_at_aligned_places(tmp_path):
    odd = RNG.normal(size=300).astype(np.float32)  # 1,200 bytes
    paths = []
    for name in "ab":
        path = write(tmp_path / f"{name}.onnx", WIDE, SMALL)
        model = onnx.load(path)
        model.graph.initializer.insert(0, numpy_helper.from_array(odd, "odd"))
        model.graph.node.append(helper.make_node("ReduceSum", ["odd"], ["unused"]))
        path.write_bytes(model.SerializeToString())
        paths.append(path)
    share_weights(paths, tmp_path / "weights.bin")
    assert {name: place["offset"] for name, place in external(paths[1]).items()} == {"odd": "0", "weight": "1216"}
    assert (tmp_path / "weights.bin").read_bytes() == odd.tobytes() + bytes(16) + WIDE.tobytes()
    assert np.array_equal(numpy_helper.to_array(onnx.load(paths[0]).graph.initializer[1]), WIDE)


def test_bodies_of_branches_share_too(tmp_path):
    paths = []
    for name in "ab":
        value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [16, 32])
        bodies = {
            key: helper.make_graph(
                [helper.make_node("Identity", [key], [f"{key}_out"])],
                key,
                [],
                [helper.make_tensor_value_info(f"{key}_out", TensorProto.FLOAT, [16, 32])],
                [numpy_helper.from_array(array, key)],
            )
            for key, array in (("then_branch", WIDE), ("else_branch", OTHER))
        }
        node = helper.make_node("If", ["x"], ["y"], **bodies)
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.BOOL, [])], [value])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        paths.append(tmp_path / f"{name}.onnx")
        paths[-1].write_bytes(model.SerializeToString())
    share_weights(paths, tmp_path / "weights.bin")
    assert (tmp_path / "weights.bin").stat().st_size == WIDE.nbytes + OTHER.nbytes
    ports = [Port(name="x", dtype="bool", shape=()), Port(name="y", dtype="float32", shape=(16, 32))]
    session = Session(paths[1], Graph(inputs=(ports[0],), outputs=(ports[1],), batch=None))
    assert np.array_equal(session.run({"x": np.array(True)})["y"], WIDE)
    assert np.array_equal(session.run({"x": np.array(False)})["y"], OTHER)


@pytest.fixture(scope="module")
def shared(candidate_of):
    return candidate_of("resnet20-cifar10")


def test_a_model_of_two_graphs_ships_its_weights_once(shared):
    certificate = json.loads((shared / "certificate.json").read_text())
    assert "weights.bin" in certificate["files"]
    assert set(certificate["files"]) >= {"predict.onnx", "features.onnx"}
    parameters = json.loads((shared / "manifest.json").read_text())["parameters"]
    assert 0.9 < (shared / "weights.bin").stat().st_size / (4 * parameters) < 1  # without small tensors and the dense layer
    assert all((shared / name).stat().st_size < 120_000 for name in ("predict.onnx", "features.onnx"))
    twins = {name for name, twin in certificate["twins"].items() if twin["accepted"]}
    assert {f"weights.{name}.bin" for name in twins} == {path.name for path in shared.glob("weights.*.bin")}


def test_a_damaged_weights_file_is_refused(candidate):
    from zoo.artifact import Artifact
    from zoo.errors import IntegrityError

    folder = candidate("resnet20-cifar10")
    Artifact(folder).verify()
    content = bytearray((folder / "weights.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "weights.bin").write_bytes(content)
    with pytest.raises(IntegrityError, match=r"weights\.bin"):
        Artifact(folder).verify()
