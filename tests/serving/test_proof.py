"""What must hold before a model is served: golden answers within the certified bounds, twins within their loss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serving.errors import UnservableError
from serving.proof import prove
from serving.served import require_provider
from serving.settings import Settings
from zoo import proofs
from zoo.errors import RuntimeUnavailableError
from zoo.hub import Artifact, Hub
from zoo.model import Model
from zoo.spec import Arrays, Graph

Change = Callable[[str, np.ndarray], np.ndarray]


def ask(name: str, variant: str = "", change: Change = lambda port, array: array) -> None:
    """Prove a published model by what its graphs answer, `change`d."""
    artifact = Hub().artifact(name)
    model = Model(artifact, variant=variant)

    async def infer(graph: Graph, inputs: Arrays) -> Arrays:
        return {port: change(port, array) for port, array in model.run(graph.name, inputs).items()}

    asyncio.run(prove(artifact, variant, infer))


@pytest.mark.parametrize("variant", ["", "fp16", "int8"])
@pytest.mark.parametrize("name", Hub().names())
def test_what_is_published_is_proven_here(name: str, variant: str) -> None:
    if variant in ("", *Hub().artifact(name).certificate.variants):
        ask(name, variant)


def shifted(port: str, array: np.ndarray) -> np.ndarray:
    return array + np.float32(1e-3)


def missing_a_row(port: str, array: np.ndarray) -> np.ndarray:
    return array[:-1]


def not_a_number(port: str, array: np.ndarray) -> np.ndarray:
    return np.where(np.arange(array.size).reshape(array.shape) == 3, np.float32(np.nan), array)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (shifted, r"graph 'predict' answers golden requests with an error of 0.001 in 'logits'"),
        (not_a_number, r"with an error of nan in 'logits'"),
        (missing_a_row, r"golden output 'logits' has shape \(31, 10\), not \(32, 10\)"),
    ],
)
def test_other_answers_are_refused(change: Change, sentence: str) -> None:
    with pytest.raises(UnservableError, match=sentence):
        ask("convnet-mnist", change=change)


def test_another_label_is_refused() -> None:
    with pytest.raises(UnservableError, match=r"'label', certified are 0;"):
        ask("random-forest-digits", change=lambda port, array: array + 1 if port == "label" else array)


def test_a_twin_may_differ_as_much_as_its_metric_allows() -> None:
    ask("convnet-mnist", "int8", change=shifted)
    with pytest.raises(UnservableError, match=r"int8 twin loses [\d.]+ accuracy on the golden samples, allowed are 0.01"):
        ask("convnet-mnist", "int8", change=lambda port, array: np.roll(array, 1, axis=-1))
    with pytest.raises(UnservableError, match=r"fp16 twin loses .* elbo"):
        ask("vae-mnist", "fp16", change=lambda port, array: array + 1)


def test_a_provider_must_have_been_validated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    artifact = Hub().artifact("mlp-mnist")
    [graph] = artifact.manifest.graphs
    assert require_provider(artifact, graph, Settings()) == "cpu"
    with pytest.raises(RuntimeUnavailableError, match=r"run `zoo validate mlp-mnist --provider cuda` on this machine"):
        require_provider(artifact, graph, Settings(provider="cuda"))
    assert require_provider(artifact, graph, Settings(provider="cuda", allow_cpu=1)) == "cpu"


def test_a_provider_must_have_run_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    artifact: Artifact = Hub().artifact("mlp-mnist")
    [graph] = artifact.manifest.graphs
    proofs.record(artifact, "cuda", {})
    settings = Settings(provider="cuda")
    monkeypatch.setattr("zoo.placement.nodes_elsewhere", lambda path, inputs, provider: ["node_linear"])
    with pytest.raises(RuntimeUnavailableError, match=r"1 nodes of mlp-mnist ran on the CPU instead of cuda"):
        require_provider(artifact, graph, settings)
    monkeypatch.setattr("zoo.placement.nodes_elsewhere", lambda path, inputs, provider: [])
    assert require_provider(artifact, graph, settings) == "cuda"
