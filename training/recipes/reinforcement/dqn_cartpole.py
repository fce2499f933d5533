"""dqn-cartpole: a deep Q-network that learns to balance a pole on a cart by trying.

Data: none but what the agent makes: it acts in CartPole-v1 of gymnasium, where every step that the pole stands is rewarded
with 1, for at most 500. The figure is the mean return of 100 episodes whose starts have the seeds 0 to 99, always by the
action of the largest value; 475 is what gymnasium calls solved. How often the network is copied, its width and the learning
rate were chosen by the validation episodes, whose seeds are 100 to 199.

Reached: 500, every test episode to its end, after 46 rounds of 500 steps. The way there is not steady: the validation
episodes are longer, then shorter again, and learning ends in the round in which they all last. It takes 30 s of one core.

    python -m training.recipes.reinforcement.dqn_cartpole --seed 0
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from training.command import recipe_main
from training.data import Split, cartpole
from training.fit import score
from training.q_learning import Agent, Rules
from training.recipe import Curves, Recipe, Settings
from zoo.codecs import make_codec
from zoo.environments import cart_pole
from zoo.families.reinforcement.q_network import Config
from zoo.original import Original
from zoo.spec import Arrays

METRIC = "mean_return"


def codec(train: Split) -> dict[str, Any]:
    return {
        "columns": list(cartpole.COLUMNS), "units": list(cartpole.UNITS), "environment": "cart-pole",
        "actions": list(cartpole.ACTIONS),
    }  # fmt: skip


def fit(original: Original, learn: Arrays, settings: Settings, seed: int) -> Curves:
    """A round of acting and learning an epoch; the weights that are kept are those of the best validation episodes.

    It ends once none of these is lost: an episode returns a step's reward of 1 for each step that there can be.
    """
    held = cartpole.load().validation
    assert held is not None
    judge, network = make_codec(original.family.task, codec(held)), original.model
    agent = Agent(network.values, cartpole.make(), Rules(), settings, seed)
    curves: Curves = {"epoch": [], "train_loss": [], "validation_metric": []}
    best, kept = -np.inf, network.state_dict()
    for epoch in range(1, settings.epochs + 1):
        loss = agent.round()
        found = score(original, METRIC, {"targets": held.targets}, settings.evaluation_rows, judge)
        for name, value in zip(curves, (epoch, loss, found), strict=True):
            curves[name].append(value)
        if found > best:
            best, kept = found, copy.deepcopy(network.state_dict())
        if found >= cart_pole.MAX_STEPS:
            break
    network.load_state_dict(kept)
    return curves


RECIPE = Recipe(
    family="q-network",
    config=Config(observed=4, hidden=(64, 64), actions=2),
    summary="Deep Q-network that balances a pole on a cart",
    load=cartpole.load,
    codec=codec,
    metric=METRIC,
    settings=Settings(epochs=100, batch_size=64, lr=1e-3, schedule="constant", gradient_clip=10, keep="metric", threads=1),
    fit=fit,
    reference={METRIC: 475.0, "what": "the mean return from which gymnasium calls CartPole-v1 solved"},
)

if __name__ == "__main__":
    recipe_main(__file__)
