"""Completed pictures: what is hidden from the model, and pseudo-likelihood by hand."""

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.metrics import load_metric

CODEC = make_codec("image-completion", {"height": 3, "width": 2, "hidden": 5, "removed": 1, "steps": 4, "call_steps": 4})
PICTURE = np.array([[255, 0], [127, 128], [255, 255]])


def pixels(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))).tolist()


def test_pixels_are_on_from_half_the_white():
    assert CODEC.encode([PICTURE])["v"].tolist() == [[1, 0, 0, 1, 1, 1]]
    assert CODEC.encode([PICTURE])["v"].dtype == np.float32


def test_the_last_rows_are_hidden_and_drawn():
    asked = []

    def run(graph, inputs):
        asked.append((graph, inputs))
        return {"sample": inputs["v"], "p": np.float32([[1, 0, 0, 1, 0.5, 0]] * len(inputs["v"]))}

    first, second = drive(CODEC.predict([PICTURE, 255 - PICTURE]), run)
    [(graph, inputs)] = asked
    assert graph == "gibbs"
    assert inputs["v"].tolist() == [[1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0]]
    assert inputs["keep"].tolist() == [[1, 1, 1, 1, 0, 0]] * 2
    assert inputs["hidden_noise"].shape == (2, 4, 5)
    assert inputs["visible_noise"].shape == (2, 4, 6)
    assert np.array_equal(inputs["visible_noise"][0], inputs["visible_noise"][1])  # whatever else is asked with it
    assert pixels(first["given"]) == [[255, 0], [0, 255], [0, 0]]
    assert pixels(first["completion"]) == [[255, 0], [0, 255], [128, 0]]
    assert first["squared_error"] == pytest.approx((0.25 + 1) / 6)
    assert first.keys() == second.keys()


def settings(**changes):
    return make_codec(
        "image-completion", {"height": 3, "width": 2, "hidden": 5, "removed": 1, "steps": 4, "call_steps": 4} | changes
    )


def test_another_seed_has_another_noise():
    noise = settings().noise(3, 6)["visible_noise"]
    assert np.array_equal(noise[0], noise[2])
    assert not np.array_equal(noise, settings(seed=1).noise(3, 6)["visible_noise"])
    assert 0 <= noise.min() < noise.max() < 1


def test_several_calls_are_one_long_one():
    asked = []

    def run(graph, inputs):
        asked.append(inputs)
        return {"sample": inputs["v"] + 1, "p": inputs["v"] + 2}

    v = np.zeros((2, 6), np.float32)
    completed = drive(settings(call_steps=3).complete(v), run)
    assert [call["v"].max() for call in asked] == [0, 1]  # the sample goes on
    assert completed.tolist() == (v + 3).tolist()
    whole = settings().noise(2, 6)
    for name, noise in whole.items():
        assert [call[name].shape[1] for call in asked] == [3, 1]
        assert np.array_equal(np.concatenate([call[name] for call in asked], axis=1), noise)


def test_the_pseudo_likelihood_of_independent_units_is_their_likelihood():
    """Unit i is on with odds e^θ_i: F(v) = −θᵀv. Each of two units turned over once: the mean of n log σ(·) over them is
    log p(v_1) + log p(v_2), here with odds 3 and 1/4: ln 3/4 + ln 4/5 where only the first is on."""
    theta = np.log([3.0, 0.25])
    arrays = {"free_energy/v": np.float32([[1, 0], [0, 1]]), "draws": np.array([[0, 1], [1, 0]])}

    def run(graph, inputs):
        assert graph == "free_energy"
        return {"energy": -(inputs["v"] @ theta)}

    metric = load_metric("pseudo_likelihood")
    found = drive(metric.score(arrays), run)
    assert found == pytest.approx([math.log(3 / 4) + math.log(4 / 5), math.log(1 / 4) + math.log(1 / 5)])
    assert arrays["free_energy/v"].tolist() == [[1, 0], [0, 1]]
    assert metric.direction == 1


def test_the_pseudo_likelihood_is_that_of_scikit_learn():
    """The same draws, the same weights: BernoulliRBM draws its units from its own random state."""
    from sklearn.neural_network import BernoulliRBM

    rng = np.random.default_rng(0)
    v = (rng.random((50, 7)) < 0.4).astype(np.float64)
    machine = BernoulliRBM(n_components=3, n_iter=2, random_state=0).fit(v)
    draws = np.random.RandomState(5).randint(0, 7, 50)
    expected = machine.set_params(random_state=5).score_samples(v)
    arrays = {"free_energy/v": v.astype(np.float32), "draws": draws[:, None]}
    found = drive(
        load_metric("pseudo_likelihood").score(arrays), lambda _, inputs: {"energy": machine._free_energy(inputs["v"])}
    )
    assert found == pytest.approx(expected)
