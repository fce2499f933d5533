"""Hub, manifests, certificates and the files of a run."""

import dataclasses
import json
import os

import numpy as np
import pytest

from zoo.errors import ArtifactError, DataError, UnknownNameError, UsageError
from zoo.hub import INDEX, Hub
from zoo.manifest import CERTIFICATE, MANIFEST, Certificate, Manifest, file_hashes, read_json, sha256, write_json
from zoo.run import Run, load_arrays, raw_arrays, raw_items, save_arrays, take_rows


def test_names_are_sorted_and_artifacts_found(hub_folder):
    hub = Hub(hub_folder)
    assert hub.names() == ["convnet-mnist", "lstm-japanese-vowels", "random-forest-digits", "softmax-digits", "vae-mnist"]
    for name in hub.names():
        artifact = hub.artifact(name)
        artifact.verify()
        assert artifact.manifest.model == name
        assert hub.artifact(f"{name}@1").folder == artifact.folder


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("convnet-mnits", "No model is named 'convnet-mnits'; did you mean convnet-mnist"),
        ("softmax", "No model is named 'softmax'; did you mean softmax-digits"),
        ("qqq", "No model is named 'qqq'; known: convnet-mnist, lstm-japanese-vowels"),
        ("softmax-digits@2", "No version of softmax-digits is named '2'"),
        ("", "No model is named ''"),
    ],
)
def test_unknown_names_are_offered_the_nearest(hub_folder, reference, message):
    with pytest.raises(UnknownNameError, match=message):
        Hub(hub_folder).artifact(reference)


def test_a_hub_must_be_a_folder(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="nowhere is not a folder; set ZOO_HUB to one, or unset it"):
        Hub(tmp_path / "nowhere")
    monkeypatch.setenv("ZOO_HUB", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="gone is not a folder"):
        Hub()


def test_an_empty_hub_has_no_models(tmp_path):
    assert Hub(tmp_path).names() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "holds a list, not an object"),
        ("{}", "lists no models"),
        ('{"models": 3}', "lists no models"),
    ],
)
def test_a_damaged_index_is_named(tmp_path, text, message):
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ArtifactError, match=rf"index\.json {message}"):
        Hub(tmp_path).names()


@pytest.mark.parametrize("reader", [Manifest, Certificate, Run])
@pytest.mark.parametrize(
    ("text", "message"), [(None, "There is no file"), ("{", "cannot be read"), ("3", "holds a int"), ("{}", "is malformed")]
)
def test_damaged_descriptions_are_named(tmp_path, reader, text, message):
    name = {Manifest: MANIFEST, Certificate: CERTIFICATE, Run: "run.json"}[reader]
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ArtifactError, match=message) as caught:
        reader.read(tmp_path)
    assert name in str(caught.value)


def test_an_unknown_field_is_malformed(hub_folder, tmp_path):
    write_json(tmp_path / MANIFEST, {**read_json(hub_folder / "softmax-digits" / MANIFEST), "colour": "red"})
    with pytest.raises(ArtifactError, match=r"manifest\.json is malformed .*colour"):
        Manifest.read(tmp_path)


def test_descriptions_survive_writing(hub_folder, tmp_path):
    for reader in (Manifest, Certificate):
        found = reader.read(hub_folder / "vae-mnist")
        found.write(tmp_path)
        assert reader.read(tmp_path) == found
    assert (tmp_path / MANIFEST).read_bytes() == (hub_folder / "vae-mnist" / MANIFEST).read_bytes()


def test_a_manifest_knows_its_graphs(hub_folder):
    manifest = Manifest.read(hub_folder / "vae-mnist")
    assert manifest.graph("decode").outputs[0].name == "logits"
    with pytest.raises(UnknownNameError, match="No graph of vae-mnist is named 'decod'; did you mean decode"):
        manifest.graph("decod")


def test_hashes_are_those_of_sha256(tmp_path):
    """Of "abc": FIPS 180-4's own example."""
    (tmp_path / "a").write_text("abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "a") == digest
    (tmp_path / CERTIFICATE).write_text("{}")
    (tmp_path / "card.md").write_text("")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b").write_text("abc")
    assert file_hashes(tmp_path) == {"a": digest, "deep/b": digest}


def test_json_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}

    class Broken:
        pass

    with pytest.raises(TypeError):
        write_json(path, {"a": Broken()})
    assert json.loads(path.read_text()) == {"a": 1}

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        patch.setattr("pathlib.Path.replace", full)
        with pytest.raises(OSError, match="No space"):
            write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_arrays_survive_and_their_bytes_go_by_the_content_only(tmp_path):
    arrays = {"b/x": np.arange(6.0).reshape(2, 3), "a": np.array(["ä", "bc"]), "empty": np.zeros((0, 2), np.int8)}
    save_arrays(tmp_path / "1.npz", arrays)
    save_arrays(tmp_path / "2.npz", dict(reversed(arrays.items())))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    found = load_arrays(tmp_path / "1.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npz", "2.npz"]


def damaged(path, how):
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_bytes(b"hello")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    elif how == "flipped":
        content = bytearray(path.read_bytes())
        content[150] ^= 255
        path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["missing", "empty", "text", "cut", "flipped"])
def test_damaged_arrays_are_named(tmp_path, how):
    path = tmp_path / "golden.npz"
    save_arrays(path, {"x": np.random.default_rng(0).random(1000)})
    damaged(path, how)
    with pytest.raises(DataError, match=r"golden\.npz cannot be read"):
        load_arrays(path)


def test_pickled_arrays_are_not_read(tmp_path):
    np.savez(tmp_path / "golden.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"golden\.npz cannot be read"):
        load_arrays(tmp_path / "golden.npz")


def test_raw_items_of_different_lengths_lie_end_to_end():
    raws = [np.full((length, 2), length) for length in (3, 1, 2)]
    arrays = {**raw_arrays(raws), "targets": np.array([7, 8, 9])}
    assert arrays["raw"].shape == (6, 2)
    assert [item.tolist() for item in raw_items(arrays)] == [raw.tolist() for raw in raws]
    chosen = take_rows(arrays, np.array([2, 0]))
    assert [len(item) for item in raw_items(chosen)] == [2, 3]
    assert chosen["targets"].tolist() == [9, 7]


def test_raw_items_of_one_shape_stay_an_array():
    arrays = {**raw_arrays(np.arange(8).reshape(4, 2)), "targets": np.arange(4)}
    chosen = take_rows(arrays, np.array([3, 1]))
    assert chosen["raw"].tolist() == [[6, 7], [2, 3]]
    assert "raw_length" not in chosen


def test_the_index_describes_what_lies_there(hub_folder):
    hub = Hub(hub_folder)
    before = (hub_folder / INDEX).read_bytes()
    entry = hub.index["vae-mnist"]
    assert (entry["graphs"], entry["version"], entry["family"]) == (["encode", "decode"], 1, "vae")
    hub.write_index()
    assert (hub_folder / INDEX).read_bytes() == before


def test_leftovers_of_an_installation_are_no_models(hub_folder, tmp_path):
    import shutil

    shutil.copytree(hub_folder, tmp_path / "hub")
    shutil.copytree(hub_folder / "softmax-digits", tmp_path / "hub" / ".softmax-digits.old")
    hub = Hub(tmp_path / "hub")
    hub.write_index()
    assert ".softmax-digits.old" not in hub.names()


def test_a_certificate_is_not_changed_in_memory(hub_folder):
    certificate = Hub(hub_folder).artifact("softmax-digits").certificate
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.passed = False
