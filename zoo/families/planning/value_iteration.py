"""Value iteration: how much each state of a known world is worth, and what to do in it.

    Q_0 = 0    V_k(s) = max_a Q_k(s, a)
    Q_{k+1}(s, a) = Σ_s' P(s' | s, a) (R(s, a, s') + γ V_k(s'))

Book: Bellman (1957), Dynamic Programming; as a method for any finite world Howard (1960), in this form Puterman (1994),
section 6.3, https://doi.org/10.1002/9780470316887. Worlds come in through the ports, so nothing is learnt and there are no
weights. The probabilities of what follows an action may add up to less than 1: with the rest the world ends, and nothing
more is earned. Where they add up to more they are divided by their sum, and a discount beyond 0 … 1 is taken for its end.

A row has settled once no action's value moves by more than `STILL` of the largest one, which is where float32 ends: a
coarser tolerance would let rounding decide how many steps a row takes. It stays as it is from then on. With a discount γ
its values are within STILL γ / (1 − γ) of the largest one of the fixed point. A row stops in any case after `max_steps`;
its values are then the best returns of that many actions. The sums are added up in float64.

In worlds with symmetry several actions are equally good, and rounding would choose among them. So an action must be
better than those before it by `NEAR` of the largest value: `preference` is Q less that much for every action before.

Shape letters: B batch, S states, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.layers.loops import while_loop
from zoo.spec import Axis, Family, Graph, Port

STILL = 2.0**-22  # change in a step, in parts of the largest value, that leaves values where they are
NEAR = 2.0**-15  # what an action must be better by than the one before it, in parts of the largest value


@dataclass(frozen=True, kw_only=True)
class Config:
    max_states: int = 36
    actions: int = 4
    max_steps: int = 200


class ValueIteration(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.actions, self.max_steps = config.actions, config.max_steps

    def plan(self, p_BSAS: Tensor, r_BSAS: Tensor, discount_B: Tensor) -> tuple[Tensor, ...]:
        """Values (B, S), values of actions (B, S, A), what is preferred (B, S, A) and the actions to take (B, S)."""
        p_BSAS = _probabilities(p_BSAS.double())
        reward_BSA = (p_BSAS * r_BSAS.double()).sum(dim=-1)
        next_BNS = p_BSAS.flatten(1, 2) * discount_B.double().clamp(0, 1)[:, None, None]  # N = S A

        def moving(change_B: Tensor, step_B: Tensor) -> Tensor:
            return (change_B > STILL) & (step_B < self.max_steps)

        def condition(q_BSA: Tensor, change_B: Tensor, step_B: Tensor) -> Tensor:
            return moving(change_B, step_B).any()

        def body(q_BSA: Tensor, change_B: Tensor, step_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            moving_B, value_BS1 = moving(change_B, step_B), q_BSA.amax(dim=-1, keepdim=True).double()
            future_BSA = (next_BNS @ value_BS1).reshape(q_BSA.shape)
            next_BSA = (reward_BSA + future_BSA).to(q_BSA)
            change_B = torch.where(moving_B, _change(q_BSA, next_BSA), change_B)
            return torch.where(moving_B[:, None, None], next_BSA, q_BSA), change_B, step_B + 1

        start_BSA = torch.zeros_like(r_BSAS[..., 0])
        step_B = torch.zeros_like(discount_B, dtype=torch.int64)
        q_BSA = while_loop(condition, body, (start_BSA, torch.ones_like(discount_B), step_B))[0]
        near_B11 = NEAR * _largest(q_BSA.double())[:, None, None]
        preference_BSA = (q_BSA.double() - near_B11 * torch.arange(self.actions).double()).to(q_BSA)
        return q_BSA.amax(dim=-1), q_BSA, preference_BSA, preference_BSA.argmax(dim=-1)


def _probabilities(p_BSAS: Tensor) -> Tensor:
    """None below 0, and no sum of what may follow above 1."""
    p_BSAS = p_BSAS.clamp(min=0)
    return p_BSAS / p_BSAS.sum(dim=-1, keepdim=True).clamp(min=1)


def _change(before_BSA: Tensor, after_BSA: Tensor) -> Tensor:
    """Largest change in parts of the largest value, (B,); 0 where all values are."""
    largest_B = _largest(after_BSA)
    return _largest(after_BSA - before_BSA) / torch.where(largest_B > 0, largest_B, 1)


def _largest(x_BSA: Tensor) -> Tensor:
    return x_BSA.abs().amax(dim=(1, 2))


def graphs(config: Config) -> tuple[Graph, ...]:
    next_shape = ("batch", "states", config.actions, "states")
    inputs = (
        Port(
            name="transition", dtype="float32", shape=next_shape, low=0, high=1,
            doc="probability of each next state, by state and action; the world ends with what is left to 1",
        ),
        Port(
            name="reward", dtype="float32", shape=next_shape, low=-1, high=1,
            doc="what is earned on the way to each next state, by state and action",
        ),
        Port(
            name="discount", dtype="float32", shape=("batch",), low=0, high=1, role="parameter",
            doc="what a reward one step later is worth",
        ),
    )  # fmt: skip
    actions_shape = ("batch", "states", config.actions)
    outputs = (
        Port(name="value", dtype="float32", shape=("batch", "states"), doc="largest return to expect, by state"),
        Port(name="q", dtype="float32", shape=actions_shape, doc="largest return to expect after each action"),
        Port(name="preference", dtype="float32", shape=actions_shape, doc="q, less a little for every action before"),
        Port(
            name="action", dtype="int64", shape=("batch", "states"), low=0, high=config.actions - 1,
            doc="action to take: the first of the best", argmax_of="preference",
        ),
    )  # fmt: skip
    axes = (Axis(name="states", high=config.max_states, unordered=True),)
    return (Graph(name="plan", methods=("plan",), inputs=inputs, outputs=outputs, axes=axes),)


FAMILY = Family(
    task="grid-planning",
    config=Config,
    build=ValueIteration,
    graphs=graphs,
    tiny=Config(max_states=3, actions=3, max_steps=6),
    paper="https://doi.org/10.1002/9780470316887",
)
