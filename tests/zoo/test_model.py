"""A model in use from Python, and the one way to open a graph."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.errors import ArtifactError, CodecError, PortError, RuntimeUnavailableError, SpecError, UnknownNameError, UsageError
from zoo.hub import GOLDEN
from zoo.manifest import Manifest
from zoo.run import load_arrays
from zoo.session import PROVIDERS, Session


@pytest.fixture(autouse=True)
def hub(monkeypatch, hub_folder):
    monkeypatch.setenv("ZOO_HUB", str(hub_folder))
    return hub_folder


@pytest.fixture
def raws(hub_folder):
    return load_arrays(hub_folder / "convnet-mnist" / GOLDEN)["raw"]


def test_an_array_a_picture_and_a_file_are_the_same(raws, tmp_path):
    model = zoo.load("convnet-mnist")
    Image.fromarray(raws[0]).save(tmp_path / "digit.png")
    expected = model.predict(raws[0])
    assert model.predict(Image.fromarray(raws[0])) == expected
    assert model.predict(tmp_path / "digit.png") == expected
    assert model.predict(str(tmp_path / "digit.png")) == expected
    assert model.predict([tmp_path / "digit.png"]) == [expected]


def test_a_list_is_answered_by_a_list(raws):
    model = zoo.load("convnet-mnist")
    answers = model.predict(list(raws[:3]))
    assert [answer["label"] for answer in answers] == [model.predict(raw)["label"] for raw in raws[:3]]


def test_inputs_are_checked_before_they_run():
    model = zoo.load("convnet-mnist")
    with pytest.raises(PortError, match=r"send float32 \[batch, 1, 28, 28\]"):
        model.run("predict", {"x": np.zeros((1, 784), np.float32)})
    with pytest.raises(PortError, match="NaN or infinity"):
        model.run("predict", {"x": np.full((1, 1, 28, 28), np.nan, np.float32)})
    with pytest.raises(UnknownNameError, match="No graph of convnet-mnist is named 'predic'; did you mean predict"):
        model.run("predic", {})


def test_raws_that_do_not_fit_are_refused(tmp_path):
    model = zoo.load("convnet-mnist")
    with pytest.raises(CodecError, match="has shape"):
        model.predict(np.zeros((3, 3)))
    with pytest.raises(CodecError, match="There is no picture"):
        model.predict([])
    with pytest.raises(UsageError, match="cannot be read"):
        model.predict(tmp_path / "nothing.png")


def test_threads_do_not_change_the_answer_beyond_the_bound(raws, hub_folder):
    x = {"x": (raws / 255).astype(np.float32)[:, None]}
    one, two = (zoo.load("convnet-mnist", threads=threads).run("predict", x)["logits"] for threads in (1, 2))
    bound = zoo.hub.Hub().artifact("convnet-mnist").certificate.graphs["predict"]["bounds"]["logits"]
    assert np.abs(one - two).max() <= bound


def test_a_provider_must_exist_and_start():
    with pytest.raises(UnknownNameError, match="No provider is named 'cdua'; did you mean cuda"):
        zoo.load("convnet-mnist", provider="cdua").session("predict")
    assert set(PROVIDERS) == {"cpu", "cuda", "tensorrt"}


def test_a_provider_that_falls_back_is_an_error(hub_folder, monkeypatch):
    """A session that silently runs elsewhere than it was asked to would not be the one that was validated."""
    monkeypatch.setitem(PROVIDERS, "cuda", ["AzureExecutionProvider"])
    graph = Manifest.read(hub_folder / "convnet-mnist").graph("predict")
    with pytest.raises((RuntimeUnavailableError, ArtifactError)):
        Session(hub_folder / "convnet-mnist" / "predict.onnx", graph, provider="cuda")


def test_a_session_says_how_it_runs(hub_folder):
    options = zoo.load("convnet-mnist").session("predict").options()
    assert options["provider"] == "CPUExecutionProvider"
    assert options["graph_optimization_level"] == "ORT_ENABLE_ALL"


def test_files_that_are_no_graphs_are_refused(hub_folder, tmp_path):
    graph = Manifest.read(hub_folder / "convnet-mnist").graph("predict")
    with pytest.raises(ArtifactError, match="There is no file"):
        Session(tmp_path / "predict.onnx", graph)
    (tmp_path / "predict.onnx").write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"ONNX Runtime cannot open .*; export the model again"):
        Session(tmp_path / "predict.onnx", graph)


def test_the_graph_of_another_model_is_refused(hub_folder):
    graph = Manifest.read(hub_folder / "softmax-digits").graph("predict")
    with pytest.raises(
        SpecError, match=r"Port 'x' of predict\.onnx has shape .* in the file and \['batch', 64\] in its declaration"
    ):
        Session(hub_folder / "convnet-mnist" / "predict.onnx", graph)
    decode = Manifest.read(hub_folder / "vae-mnist").graph("decode")
    with pytest.raises(
        SpecError, match=r"The inputs of encode\.onnx are \[\('x', 'float32'\)\], its ports are \[\('z', 'float32'\)\]"
    ):
        Session(hub_folder / "vae-mnist" / "encode.onnx", decode)
