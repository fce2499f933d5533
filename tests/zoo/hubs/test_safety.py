"""What a hub must not get into the cache, each with its sentence; here the hub's publisher is the attacker."""

import dataclasses
import hashlib
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.zoo.hubs.edits import blob_of, entry_of, rewrite_index
from zoo.artifact import Artifact
from zoo.errors import ArtifactError, HubError, IntegrityError
from zoo.hub import Hub
from zoo.hubs.depot import Depot
from zoo.onnx_files import external_locations
from zoo.publish import publish

pytestmark = pytest.mark.usefixtures("trusting")


def everything(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def refused(root, tmp_path, error=IntegrityError):
    """Nothing appears outside the cache, no model in it."""
    outside = everything(tmp_path) - everything(Depot().root)
    with pytest.raises(error) as caught:
        Hub(str(root)).artifact("tiny")
    assert everything(tmp_path) - everything(Depot().root) == outside
    assert not [path for path in (Depot().root / "models").glob("*") if path.is_file() or any(path.iterdir())]
    return str(caught.value)


def rename(root, name, new):
    def change(document):
        files = entry_of(document)["files"]
        files[new] = files[name] if name == "manifest.json" else files.pop(name)

    rewrite_index(root, change)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../outside", "leaves the artifact's folder"),
        ("a/../../outside", "leaves the artifact's folder"),
        ("..", "leaves the artifact's folder"),
        ("a\\..\\outside", "leaves the artifact's folder"),
        ("/etc/outside", "has an absolute path"),
        ("C:/outside", "has an absolute path"),
        ("c:outside", "has an absolute path"),
        ("a//b", "has a name that not every disk can hold"),
        ("a/./b", "has a name that not every disk can hold"),
        ("a/", "has a name that not every disk can hold"),
        ("NUL", "has a name that not every disk can hold"),
        ("com1.txt", "has a name that not every disk can hold"),
        ("name.", "has a name that not every disk can hold"),
        ("stream:data", "has a name that not every disk can hold"),
        ("", "has no usable name"),
        ("a\nb", "has no usable name"),
        ("a\0b", "has no usable name"),
        ("x" * 201, "has no usable name"),
        ("weights.zip", "is an archive"),
        ("deep/WEIGHTS.TAR.GZ", "is an archive"),
        ("weights.pt", "may hold pickled code"),
        ("original/model.PKL", "may hold pickled code"),
        ("x.joblib", "may hold pickled code"),
        ("Weights.bin", "are one file on disks that ignore case"),
        ("PREDICT.onnx", "are one file on disks that ignore case"),
        ("Original/x", "are one file on disks that ignore case"),
        ("predict.onnx/x", "are one file on disks that ignore case"),
        ("original", "are one file on disks that ignore case"),
    ],
)
def test_a_name_is_refused(hub_of, tmp_path, name, words):
    root = hub_of()
    rename(root, "manifest.json", name)
    assert words in refused(root, tmp_path)


def test_names_of_one_normal_form_are_one_file(hub_of, tmp_path):
    root = hub_of()
    rename(root, "manifest.json", "caf\u00e9")
    rename(root, "manifest.json", "cafe\u0301")
    assert "are one file on disks that ignore case" in refused(root, tmp_path)


def pickled():
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    return [pickle.dumps(Evil(), protocol) for protocol in range(6)]


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"), io.BytesIO())
    return buffer.getvalue()


def object_array():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


CONTENTS = [
    *((f"labels{number}.bin", content, "holds pickled code") for number, content in enumerate(pickled())),
    *((f"more{number}.bin", content + b"\nmore", "holds pickled code") for number, content in enumerate(pickled())),
    *((f"cut{number}.bin", content[:-1] + b"\xff", "holds pickled code") for number, content in enumerate(pickled()[2:])),
    ("weights.bin", zipped("archive/data.pkl", b"x"), "is a zip archive"),
    ("weights.bin", b"\x1f\x8b" + bytes(20), "is a gzip archive"),
    ("weights.bin", b"7z\xbc\xaf\x27\x1c" + bytes(20), "is a 7z archive"),
    ("weights.bin", tarred(), "is a tar archive"),
    ("more.npz", zipped("x.pkl", b"x"), "holds 'x.pkl', no array"),
    ("more.npz", zipped("x.npy", object_array()), "holds pickled objects"),
    ("more.npz", zipped("x.npy", b"x")[:-10], "is a damaged file of arrays"),
]


@pytest.mark.parametrize(("name", "content", "words"), CONTENTS, ids=range(len(CONTENTS)))  # a zip holds the time
def test_a_content_is_refused_by_reader_and_publisher(hub_of, make_artifact, tmp_path, monkeypatch, name, content, words):
    artifact = make_artifact(tmp_path / "bad", files={name: content})
    with pytest.raises(IntegrityError, match=words):
        hub_of(artifact)
    monkeypatch.setattr("zoo.hubs.write.check_artifact", lambda *_: None)
    assert words in refused(hub_of(artifact), tmp_path)


def test_arrays_and_weights_are_taken(hub_of, make_artifact, tmp_path):
    """Weights that begin like a pickle, text that ends like one, arrays of numbers."""
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(3.0), words=np.array(["O", "b"]))
    files = {
        "weights.bin": b"\x80\x04\x95" + bytes(99),
        "labels.txt": b"one\ntwo.",
        "people.txt": b"R. Smith\nb. more",
        "more.npz": buffer.getvalue(),
        "n": b"N.",
    }
    Hub(str(hub_of(make_artifact(tmp_path / "good", files=files)))).artifact("tiny").verify()


# ---------------------------------------------------------------------------------------------------- external data


def onnx_with(location, how="initializer"):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in (("offset", "0"), ("location", location)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    if how == "initializer":
        graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [x], [tensor])
    elif how == "constant":
        graph = helper.make_graph([constant], "g", [x], [x])
    else:
        inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])])
        graph = helper.make_graph(
            [helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)], "g", [x], [x]
        )
    model = helper.make_model(graph)
    if how == "function":
        model = helper.make_model(helper.make_graph([], "g", [x], [x]))
        model.functions.append(helper.make_function("d", "f", [], ["w"], [constant], [helper.make_opsetid("", 20)]))
    return model.SerializeToString()


@pytest.mark.parametrize("how", ["initializer", "constant", "branch", "function"])
def test_tensors_outside_a_graph_are_found_wherever_they_are(tmp_path, how):
    (tmp_path / "g.onnx").write_bytes(onnx_with("weights.bin", how))
    onnx.load(tmp_path / "g.onnx", load_external_data=False)
    assert external_locations(tmp_path / "g.onnx") == {"weights.bin"}


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../x", "a\\b"])
def test_tensors_outside_the_folder_are_refused(hub_of, make_artifact, tmp_path, monkeypatch, location):
    artifact = make_artifact(tmp_path / "bad", files={"extra.onnx": onnx_with(location)})
    with pytest.raises(IntegrityError, match="outside its folder; it is not opened"):
        artifact.verify()
    monkeypatch.setattr("zoo.hubs.write.check_artifact", lambda *_: None)
    assert "outside its folder; it is not opened" in refused(hub_of(artifact), tmp_path)


@pytest.mark.parametrize("name", ["../outside.onnx", "original/predict.onnx", "a\\b.onnx", "unbound.onnx"])
def test_a_graph_is_a_certified_file_of_the_folder(make_artifact, tmp_path, name):
    artifact = make_artifact(tmp_path / "bad", files={"original/predict.onnx": 8})
    graph = dataclasses.replace(artifact.manifest.graphs[0])
    assert artifact.graph_path(graph).parent == artifact.folder
    object.__setattr__(graph, "name", name.removesuffix(".onnx"))
    with pytest.raises(IntegrityError, match="which its certificate does not bind"):
        artifact.graph_path(graph)


def test_tensors_of_a_graph_in_a_folder_lie_beside_it(make_artifact, tmp_path):
    graph = onnx_with("weights.bin")
    make_artifact(tmp_path / "good", files={"deep/extra.onnx": graph, "deep/weights.bin": 8}).verify()
    with pytest.raises(IntegrityError, match=r"'weights.bin', which its certificate does not bind"):
        make_artifact(tmp_path / "bad", files={"deep/extra.onnx": graph, "weights.bin": 8}).verify()


def test_tensors_must_be_in_a_certified_file(make_artifact, tmp_path):
    make_artifact(tmp_path / "good", files={"extra.onnx": onnx_with("weights.bin"), "weights.bin": 8}).verify()
    bad = make_artifact(tmp_path / "bad", files={"extra.onnx": onnx_with("weights.bin")})
    with pytest.raises(IntegrityError, match=r"'weights.bin', which its certificate does not bind"):
        bad.verify()


@pytest.mark.parametrize(
    "content", [b"location\xff\xff", b"\x3a\xff\x01location", b"\x07location", b"\x80" * 20 + b"location"]
)
def test_a_file_that_is_no_graph_is_named(tmp_path, content):
    (tmp_path / "g.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"g\.onnx is no ONNX file"):
        external_locations(tmp_path / "g.onnx")


# ---------------------------------------------------------------------------------------------------- contradictions


def swap(root, name, content):
    """Let the hub have another content for a file, everything that binds it rewritten but the certificate."""
    digest = hashlib.sha256(content).hexdigest()
    (root / digest).write_bytes(content)

    def change(document):
        entry = entry_of(document)
        entry["files"][name] = {"sha256": digest, "bytes": len(content)}
        if name in ("certificate.json", "card.md"):
            entry[name.partition(".")[0]] = digest

    rewrite_index(root, change)


def certificate(root, **changes):
    data = json.loads(blob_of(root, name="certificate.json").read_bytes())
    swap(root, "certificate.json", json.dumps({**data, **changes}).encode())


def test_a_file_that_the_certificate_does_not_bind_is_refused(hub_of, tmp_path):
    root = hub_of()
    swap(root, "predict.onnx", b"other")
    assert "index and certificate contradict each other about 'predict.onnx'" in refused(root, tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"passed": False}, "does not say that it passed"),
        ({"model": "other"}, "about another model or version"),
        ({"version": 7}, "about another model or version"),
        ({"files": {}}, "contradict each other"),
        ({"files": []}, "certificate.json is malformed"),
        ({"colour": 1}, "certificate.json is malformed"),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(hub_of, tmp_path, changes, words):
    root = hub_of()
    certificate(root, **changes)
    assert words in refused(root, tmp_path, ArtifactError)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"a": 1e999}', b"9" * 5000])
@pytest.mark.parametrize("name", ["certificate.json", "manifest.json"])
def test_a_description_that_cannot_be_read_is_refused(hub_of, tmp_path, name, content):
    root = hub_of()
    swap(root, name, content)
    if name == "manifest.json":
        files = json.loads(blob_of(root, name="certificate.json").read_bytes())["files"]
        certificate(root, files={**files, name: hashlib.sha256(content).hexdigest()})
    assert name in refused(root, tmp_path, ArtifactError)


def test_a_link_in_a_hub_is_refused(hub_of, tmp_path):
    root = hub_of()
    weights = blob_of(root)
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    assert "is a link, which a hub must not have" in refused(root, tmp_path, HubError)


def test_a_link_in_an_artifact_is_not_published(make_artifact, tmp_path):
    artifact = make_artifact(tmp_path / "linked", files={"labels.txt": b"a"})
    (artifact.folder / "labels.txt").rename(tmp_path / "elsewhere")
    (artifact.folder / "labels.txt").symlink_to(tmp_path / "elsewhere")
    for refuse in (Artifact(artifact.folder).verify, lambda: publish(artifact.folder, Hub(f"file://{tmp_path}/new"))):
        with pytest.raises(ArtifactError, match="is a symbolic link"):
            refuse()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(format=3),
        lambda document: document.update(serial="x"),
        lambda document: document.update(serial=-5),
        lambda document: document.update(models=[]),
        lambda document: document["models"].update({"../x": document["models"]["tiny"]}),
        lambda document: document["models"]["tiny"].update(latest=9),
        lambda document: document["models"]["tiny"]["versions"].update({"01": {}}),
        lambda document: entry_of(document).update(version=2),
        lambda document: entry_of(document).update(metrics={"accuracy": "high"}),
        lambda document: entry_of(document).pop("task"),
        lambda document: entry_of(document).update(card=None),
        lambda document: entry_of(document).update(files=None),
        lambda document: entry_of(document).update(files={}),
        lambda document: entry_of(document)["files"].pop("manifest.json"),
        lambda document: entry_of(document)["files"].update(x=3),
        lambda document: entry_of(document)["files"].update(x={"sha256": "0" * 63, "bytes": 1}),
        lambda document: entry_of(document)["files"].update(x={"sha256": "../" + "0" * 61, "bytes": 1}),
        lambda document: entry_of(document)["files"]["weights.bin"].update(bytes=-1),
        lambda document: entry_of(document)["files"]["weights.bin"].update(bytes=1.5),
        lambda document: entry_of(document)["files"]["weights.bin"].update(bytes=True),
    ],
)
def test_a_malformed_index_is_refused(hub_of, tmp_path, change):
    root = hub_of()
    rewrite_index(root, change, serial=0)
    refused(root, tmp_path, ArtifactError)
