"""How many workers there are, and which GPU each sees. No GPU is needed: what the driver says is given."""

from __future__ import annotations

import subprocess
import sys

import pytest

from serving.processes.workers import claim_gpu, plan, visible_gpus


def four() -> int:
    return 4


def none() -> int:
    return 0


@pytest.mark.parametrize(
    ("environment", "count", "expected"),
    [
        ({}, four, {"workers": 1}),
        ({"ZOO_WORKERS": "3"}, none, {"workers": 3}),
        ({"ZOO_PROVIDER": "cuda"}, four, {"workers": 4, "resources": {"gpu": 4}}),
        ({"ZOO_PROVIDER": "tensorrt"}, four, {"workers": 4, "resources": {"gpu": 4}}),
        ({"ZOO_PROVIDER": "cuda"}, none, {"workers": 1}),
        ({"ZOO_PROVIDER": "cuda", "ZOO_WORKERS": "2"}, four, {"workers": 2, "resources": {"gpu": 4}}),
        ({"ZOO_PROVIDER": "cuda", "CUDA_VISIBLE_DEVICES": "2,3"}, four, {"workers": 2, "resources": {"gpu": 2}}),
        ({"ZOO_PROVIDER": "cuda", "CUDA_VISIBLE_DEVICES": ""}, four, {"workers": 1}),
        ({"ZOO_WORKERS": "many"}, none, {"workers": 1}),
    ],
)
def test_each_gpu_has_a_worker(environment, count, expected):
    assert plan(environment, count) == expected


def test_the_number_of_workers_is_told_to_everyone():
    environment = {"ZOO_PROVIDER": "cuda"}
    plan(environment, four)
    assert environment["ZOO_WORKERS"] == "4"
    wrong = {"ZOO_WORKERS": "many"}
    plan(wrong, none)
    assert wrong["ZOO_WORKERS"] == "many"  # for Settings to refuse


def test_gpus_may_have_names():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "MIG-1, MIG-2"}, none) == ["MIG-1", "MIG-2"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}, four) == []
    assert visible_gpus({}, four) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("worker", "visible", "seen"),
    [
        (1, "0,1,2", "0"),
        (3, "0,1,2", "2"),
        (4, "0,1,2", "0"),
        (2, "GPU-a,GPU-b", "GPU-b"),
        (None, "0,1", "0,1"),
        (2, "5", "5"),
    ],
)
def test_a_worker_sees_one_gpu(worker, visible, seen):
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    claim_gpu(worker, environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == seen


def test_on_the_cpu_nothing_is_claimed():
    environment = {}
    claim_gpu(1, environment)
    assert environment == {}


def test_bentoml_gives_workers_the_gpus_that_they_claim(root):
    """What `resources` becomes in BentoML's own allocator, on a machine that seems to have three GPUs."""
    code = (
        "import serving.processes.workers as w; w.count_gpus.__code__ = (lambda: 3).__code__\n"
        "from bentoml._internal.resource import NvidiaGpuResource as R; R.from_system = classmethod(lambda cls: [0, 1, 2])\n"
        "from serving.service import Zoo; Zoo.inject_config()\n"
        "from _bentoml_impl.server.allocator import ResourceAllocator\n"
        "print(ResourceAllocator().get_worker_env(Zoo))"
    )
    environment = {"ZOO_PROVIDER": "cuda", "PATH": "", "PYTHONPATH": str(root)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "(3, {'CUDA_VISIBLE_DEVICES': '0,1,2'})", ended.stderr
