"""The profile of a published graph by operator."""

from benchmarks.operators import inputs_of, profile
from zoo.hub import EMBEDDED, Hub


def test_the_operators_of_a_perceptron_make_up_its_time():
    artifact = Hub(EMBEDDED).artifact("mlp-mnist")
    graph = artifact.manifest.graph("predict")
    inputs = inputs_of(artifact, graph, 40)
    assert inputs["x"].shape == (40, 784)
    ms, spent = profile(artifact.folder / graph.file, inputs, 1)
    assert any("Gemm" in name or "MatMul" in name for name in spent)
    assert 0 < sum(spent.values()) < 3 * ms  # a mean beside a median
    assert list(spent.values()) == sorted(spent.values(), reverse=True)
