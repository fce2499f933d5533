"""Acting: the cart and its pole by hand and beside gymnasium, returns of episodes, and what the codec answers."""

import math

import gymnasium
import numpy as np
import pytest

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.environments import cart_pole, load_environment
from zoo.errors import UnknownNameError
from zoo.metrics import load_metric

COLUMNS = ["position", "velocity", "angle", "spin"]
CODEC = make_codec("control", {"columns": COLUMNS, "environment": "cart-pole", "actions": ["left", "right"]})
METRIC = load_metric("mean_return", CODEC)


def agent(rule, asked=None):
    """A model that pushes to the right where `rule(x, velocity, angle, spin)` is above 0."""

    def run(graph, inputs):
        assert (graph, list(inputs), inputs["x"].dtype) == ("act", ["x"], np.float32)
        if asked is not None:
            asked.append(len(inputs["x"]))
        side = np.asarray(rule(*inputs["x"].T))
        return {"values": np.stack([-side, side], axis=1), "action": (side > 0).astype(np.int64)}

    return run


def returns(rule, starts, asked=None):
    return drive(METRIC.score({"targets": np.array(starts)}), agent(rule, asked)).tolist()


def balanced(x, velocity, angle, spin):
    return 0.1 * x + 0.2 * velocity + 2 * angle + 0.5 * spin


def test_a_push_from_rest_is_as_by_hand():
    """m = ±10 / 1.1 = ±100/11; θ″ = ∓(100/11) / (0.5 (4/3 − 1/11)) = ∓600/41; x″ = ±(100/11 + 600/41 · 1/22) = ±400/41."""
    after, rewards, ended = cart_pole.step(np.zeros((2, 4)), np.array([1, 0]))
    assert after == pytest.approx(np.array([[0, 8 / 41, 0, -12 / 41], [0, -8 / 41, 0, 12 / 41]]), abs=1e-15)
    assert (rewards.tolist(), ended.tolist()) == ([1, 1], [False, False])


def test_an_episode_ends_beyond_twelve_degrees_and_at_the_end_of_the_track():
    """Euler: position and angle move by 0.02 of the old rates, whatever the push."""
    limit = math.radians(12)
    states = np.array([[0, 0, limit - 0.02, 0.99], [0, 0, limit - 0.02, 1.01], [2.39, 0.4, 0, 0], [-2.39, -0.6, 0, 0]])
    assert cart_pole.step(states, np.zeros(4, int))[2].tolist() == [False, True, False, True]


def test_the_world_is_that_of_gymnasium():
    """Random actions; the same states, ends and rewards until each of ten episodes is over."""
    environment, rng = gymnasium.make("CartPole-v1"), np.random.default_rng(0)
    for seed in range(10):
        environment.reset(seed=seed)
        state, over = np.array([environment.unwrapped.state]), False
        while not over:
            action = int(rng.integers(2))
            _, reward, over, _, _ = environment.step(action)
            state, rewards, ended = cart_pole.step(state, np.array([action]))
            assert state[0] == pytest.approx(environment.unwrapped.state, rel=1e-12, abs=1e-12)
            assert (rewards[0], ended[0]) == (reward, over)
    assert environment.spec.max_episode_steps == cart_pole.MAX_STEPS


def test_a_return_counts_the_steps_until_the_end():
    """0.02 m before the end of the track at 0.8 m/s, 0.016 m a step, and faster after the first: out with the second."""
    starts = [[0, 0, 0.2, 1], [2.38, 0.8, 0, 0], [0, 0, 0, 0]]
    asked = []
    found = returns(lambda x, *_: np.ones_like(x), starts, asked)
    assert found[:2] == [1, 2]
    assert asked[:3] == [3, 2, 1], "who is out is not asked again"
    assert len(asked) == found[2]
    assert METRIC.direction == 1
    assert METRIC.reduce(np.array(found)) == sum(found) / 3


def test_a_pole_that_stands_is_worth_500_and_no_more():
    assert returns(balanced, [[0, 0, 0.05, 0], [0, 0, -0.05, 0]]) == [500, 500]


def test_an_episode_does_not_depend_on_others():
    starts = np.random.default_rng(0).uniform(-0.05, 0.05, (5, 4))
    together = returns(lambda x, velocity, angle, spin: angle, starts)
    assert together == [returns(lambda x, velocity, angle, spin: angle, [start])[0] for start in starts]
    assert len(set(together)) > 1


def test_an_answer_names_the_action_and_the_value_of_each():
    rows = CODEC.read(b"position,velocity,angle,spin\n0,0,0.25,0\n0,0,-0.5,0\n", "text/csv")
    assert drive(CODEC.predict(rows), agent(lambda x, velocity, angle, spin: angle)) == [
        {"action": "right", "values": {"left": -0.25, "right": 0.25}},
        {"action": "left", "values": {"left": 0.5, "right": -0.5}},
    ]


def test_an_unknown_environment_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="No environment is named 'cart-pol'; did you mean cart-pole"):
        load_environment("cart-pol")
