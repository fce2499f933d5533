"""Processors that may be used, where nodes ran, and local proofs; the GPU is played by the CPU under its name."""

import os

import numpy as np
import pytest

from zoo.cpus import available_cpus, planned_threads
from zoo.errors import UnknownNameError
from zoo.hub import Artifact
from zoo.manifest import CERTIFICATE, read_json, write_json
from zoo.placement import nodes_elsewhere
from zoo.proofs import covers, proof_path, record
from zoo.providers import PROVIDERS, runtime_name, with_options
from zoo.session import Session


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(groups, files)`: a machine of 16 processors whose `/proc/self/cgroup` and `/sys/fs/cgroup` are these."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)

    def make(groups, files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),  # one and a half
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),  # the parent's counts
        ("0::/../pod\n", {"cpu.max": "400000 100000\n"}, 4),
        ("4:cpuset:/\n2:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "500000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 5),
        ("2:cpu:/x\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ("2:cpu:/not/mounted\n", {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ("0::/\n", {}, 16),
    ],
)
def test_a_quota_bounds_the_processors(machine, groups, files, expected):
    assert available_cpus(machine(groups, files)) == expected


def test_without_control_groups_affinity_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert available_cpus(tmp_path) == 3


def test_threads_are_planned_only_on_part_of_a_machine(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: available_cpus())
    assert planned_threads() == 0
    monkeypatch.setattr(os, "cpu_count", lambda: available_cpus() + 6)
    assert planned_threads() == available_cpus()


def test_tf32_is_off_unless_it_is_asked_for():
    assert with_options("cuda", {})[0][1]["use_tf32"] == "0"
    name, options = with_options("cuda", {"use_tf32": "1", "device_id": "3"})[0]
    assert (name, options["use_tf32"], options["device_id"]) == ("CUDAExecutionProvider", "1", "3")
    assert PROVIDERS["cuda"][0][1]["use_tf32"] == "0"
    assert with_options("cuda", {"use_tf32": "1"})[1:] == ["CPUExecutionProvider"]


def test_an_unknown_provider_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="No provider is named 'cudda'; did you mean cuda"):
        runtime_name("cudda")


@pytest.fixture
def artifact(hub_folder):
    return Artifact(hub_folder / "lstm-japanese-vowels")


def inputs():
    return {"x": np.zeros((1, 7, 12), np.float32), "length": np.array([3])}


def test_nodes_are_found_where_they_ran(artifact, monkeypatch):
    path = artifact.folder / "predict.onnx"
    assert nodes_elsewhere(path, inputs(), "cpu") == []
    monkeypatch.setattr("zoo.placement.runtime_name", lambda provider: "CUDAExecutionProvider")
    found = nodes_elsewhere(path, inputs(), "cpu")
    assert any("lstm" in name for name in found)
    assert not any("Shape" in name for name in found)  # sizes stay on the CPU


@pytest.fixture
def played(monkeypatch, tmp_path):
    """The provider cuda, which runs on the CPU; its name in ONNX Runtime is another one than the certificate's."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PROVIDERS, "cuda", [("CUDAExecutionProvider", {})])


def test_a_certificate_covers_its_own_provider_only(artifact, played):
    assert covers(artifact, "cpu")
    assert covers(artifact, "cpu", "fp16")
    assert not covers(artifact, "cuda")
    with pytest.raises(UnknownNameError):
        covers(artifact, "gpu")


def test_a_local_proof_covers_what_it_holds(artifact, played):
    path = record(artifact, "cuda", {"variants": ["fp16"]})
    assert read_json(path)["model"] == "lstm-japanese-vowels"
    assert covers(artifact, "cuda")
    assert covers(artifact, "cuda", "fp16")
    assert not covers(artifact, "cuda", "int8")
    assert not covers(artifact, "tensorrt")


def test_a_proof_is_of_one_certificate_and_one_runtime(artifact, candidate, played, monkeypatch):
    copy = Artifact(candidate("lstm-japanese-vowels"))
    record(copy, "cuda", {})
    assert covers(copy, "cuda")
    with monkeypatch.context() as other:
        other.setattr("onnxruntime.__version__", "0.0.0")
        assert not covers(copy, "cuda")
    certificate = copy.folder / CERTIFICATE
    write_json(certificate, {**read_json(certificate), "seed": 77})
    assert not covers(Artifact(copy.folder), "cuda")


@pytest.mark.parametrize("content", ["", "[]", '{"passed": false}', '{"passed": "yes"}'])
def test_a_damaged_proof_covers_nothing(artifact, played, content):
    path = proof_path(artifact, "cuda")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert not covers(artifact, "cuda")


def test_a_session_keeps_to_the_quota(hub_folder, monkeypatch):
    monkeypatch.setattr("zoo.session.planned_threads", lambda: 1)
    artifact = Artifact(hub_folder / "convnet-mnist")
    graph = artifact.manifest.graphs[0]
    session = Session(artifact.folder / graph.file, graph)
    assert session._session.get_session_options().intra_op_num_threads == 1
