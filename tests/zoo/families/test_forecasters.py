"""Forecasters: a free run is `step` fed its own forecasts, and both are the equations of their papers."""

import numpy as np
import pytest
import torch

from zoo.original import Original
from zoo.registry import load_family

RNG = np.random.default_rng(0)


@pytest.fixture(params=["lstm-forecaster", "mlp-forecaster"])
def original(request):
    torch.manual_seed(0)
    family = load_family(request.param)
    config = type(family.tiny)(hidden=3, mean=10.0, std=2.0, **({"lag": 4} if "mlp" in request.param else {}))
    return Original.build(request.param, config).cast("float64")


def step(original, x, state):
    """The forecast after the last value of `x`, and the state."""
    graph = original.graph("step")
    outputs = original.call(graph, graph.complete({"x": x, **state}), "float64")
    return outputs["next_x"][:, -1:], {name: outputs[output] for name, output in graph.successors.items()}


def test_a_free_run_is_step_fed_its_own_forecasts(original):
    x = 10 + 2 * RNG.standard_normal((2, 6))
    innovation = RNG.standard_normal((2, 5))
    run = original.call(original.graph("forecast"), {"x": x, "innovation": innovation}, "float64")["forecast"]
    value, state = step(original, x, {})
    for place in range(5):
        value = value + innovation[:, place : place + 1]
        np.testing.assert_allclose(run[:, place : place + 1], value, rtol=1e-12)
        value, state = step(original, value, state)


def test_the_perceptron_looks_at_the_last_values_in_order():
    """x̂ = wᵀ tanh(V x + β) + b on scaled values; before the first there are zeros, the series' mean."""
    torch.manual_seed(0)
    family = load_family("mlp-forecaster")
    original = Original.build("mlp-forecaster", type(family.tiny)(lag=4, hidden=3, mean=10.0, std=2.0)).cast("float64")
    weights = {name: tensor.detach().numpy() for name, tensor in original.model.named_parameters()}
    x = np.array([[12.0, 8.0, 13.0]])
    scaled = np.array([0.0, 1.0, -1.0, 1.5])
    hidden = np.tanh(weights["hidden.weight"] @ scaled + weights["hidden.bias"])
    expected = 10 + 2 * (weights["head.weight"] @ hidden + weights["head.bias"])
    found, state = step(original, x, {})
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)
    assert state["past_window"].tolist() == [scaled.tolist()]


def test_an_lstm_with_open_forget_gates_and_closed_input_gates_keeps_its_cell():
    """f = 1, i = 0 and o = 1: c stays, h = tanh c, and the forecast never changes."""
    original = Original.build("lstm-forecaster", load_family("lstm-forecaster").tiny).cast("float64")
    hidden = original.config.hidden
    with torch.no_grad():
        for name, parameter in original.model.lstm.named_parameters():
            parameter.zero_()
            if name == "bias_ih_l0":
                parameter[:hidden], parameter[hidden : 2 * hidden], parameter[3 * hidden :] = -1000, 1000, 1000
        original.model.head.weight.fill_(1)
        original.model.head.bias.zero_()
    cell = np.arange(1.0, hidden + 1)[None] / 10
    graph = original.graph("step")
    outputs = original.call(graph, {"x": np.ones((1, 3)), "past_h": np.zeros_like(cell), "past_c": cell}, "float64")
    np.testing.assert_allclose(outputs["present_c"], cell)
    np.testing.assert_allclose(outputs["next_x"], np.full((1, 3), np.tanh(cell).sum()))
