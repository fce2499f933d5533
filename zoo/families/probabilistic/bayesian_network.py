"""Bayesian network: what is known of some variables makes the others more or less likely.

    p(x) = Π_v p(x_v | parents of v)        S3 5.1; S1 16.1.2

Book: Pearl (1988), Probabilistic Reasoning in Intelligent Systems. The weights are the conditional probabilities, a table a
variable; the edges are a matter of the configuration. Inference is exact, by variable elimination in both directions, which
is the propagation of Lauritzen and Spiegelhalter (1988), https://doi.org/10.1111/j.2517-6161.1988.tb01721.x: variables are
summed out one after the other, that next which leaves the smallest table. What a sum leaves goes on to the variable of it
that is summed out next; along the same way comes back what all the others say, and both together with the tables in the
place make the posterior. Every message is divided by its sum, so that evidence as rare as you like does not vanish.

All of it is unrolled into sums and products of small tables. They grow with the number of parents and with loops, as much as
exponentially: a network with a table of more than `LARGEST` entries is refused.

Evidence that contradicts a zero in the tables is impossible: its logarithm is −∞, and the posteriors are zero.

Shape letters: B batch, V variables, K states of the variable that has the most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Family, Graph, Port

LARGEST = 2**16  # entries of a table on the way

Scope = tuple[int, ...]  # numbers of variables, ascending


@dataclass(frozen=True, kw_only=True)
class Config:
    states: tuple[int, ...] = (2, 2, 2)  # of each variable
    edges: tuple[int, ...] = (0, 1, 0, 2)  # pairs of a parent and a child, end to end; parents come first in number

    @property
    def families(self) -> tuple[Scope, ...]:
        """Each variable with its parents."""
        pairs = list(zip(self.edges[::2], self.edges[1::2], strict=True))
        return tuple(tuple(sorted({v, *(a for a, b in pairs if b == v)})) for v in range(len(self.states)))


@dataclass(frozen=True)
class Bucket:
    """Where a variable is summed out of a table over `scope`; the sum goes to the bucket of `target`, if any is left."""

    variable: int
    scope: Scope
    target: int | None

    @property
    def left(self) -> Scope:
        return tuple(v for v in self.scope if v != self.variable)


class BayesianNetwork(nn.Module):
    """Tables drawn at random stand until others are set. The axes of one are the parents, then the variable itself."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        _check(config)
        self.states, self.families = config.states, config.families
        self.buckets = eliminate(config)
        for v, family in enumerate(self.families):
            table = functional.softmax(torch.randn([config.states[one] for one in family]), dim=-1)
            self.register_parameter(f"table_{v}", nn.Parameter(table))

    def table(self, v: int) -> nn.Parameter:
        """p(x_v | parents), an axis a parent in the order of their numbers, then that of the variable."""
        return self.get_parameter(f"table_{v}")

    def infer(self, evidence_BV: Tensor) -> tuple[Tensor, Tensor]:
        """Posteriors (B, V, K) and the logarithm of the probability of the evidence (B,)."""
        own = {bucket.variable: self._own(bucket, evidence_BV) for bucket in self.buckets}
        up, logs = self._collect(own)
        down = self._distribute(own, up)
        posteriors = []
        for bucket in sorted(self.buckets, key=lambda each: each.variable):
            belief = math.prod(self._incoming(bucket, up), start=own[bucket.variable])
            if bucket.target is not None:
                belief = belief * _spread(down[bucket.variable], bucket.left, bucket.scope)
            posterior_BK, _ = _normalised(_sum_out(belief, bucket.scope, (bucket.variable,)))
            posteriors.append(functional.pad(posterior_BK, (0, max(self.states) - self.states[bucket.variable])))
        return torch.stack(posteriors, dim=1), torch.stack(logs).sum(dim=0)

    def _own(self, bucket: Bucket, evidence_BV: Tensor) -> Tensor:
        """What the tables and the evidence of a bucket say together."""
        product = _spread(self._likelihood(bucket.variable, evidence_BV), (bucket.variable,), bucket.scope)
        for v in range(len(self.states)):
            if bucket.variable == self._first(self.families[v]):
                product = product * _spread(self.table(v)[None], self.families[v], bucket.scope)
        return product

    def _first(self, scope: Scope) -> int:
        """The variable of these that is summed out first: there a table of them is known."""
        return next(bucket.variable for bucket in self.buckets if bucket.variable in scope)

    def _likelihood(self, v: int, evidence_BV: Tensor) -> Tensor:
        """1 for the state that is observed and 0 for others, (B, states); all 1 where none is."""
        hit = evidence_BV[:, v, None] == torch.arange(self.states[v], device=evidence_BV.device)
        return (hit | ~hit.any(dim=1, keepdim=True)).to(self.table(v).dtype)

    def _collect(self, own: dict[int, Tensor]) -> tuple[dict[int, Tensor], list[Tensor]]:
        """Messages of each bucket to its target, and the logarithms that their sums were divided by."""
        up: dict[int, Tensor] = {}
        logs = []
        for bucket in self.buckets:
            product = math.prod(self._incoming(bucket, up), start=own[bucket.variable])
            up[bucket.variable], log_B = _normalised(_sum_out(product, bucket.scope, bucket.left))
            logs.append(log_B)
        return up, logs

    def _distribute(self, own: dict[int, Tensor], up: dict[int, Tensor]) -> dict[int, Tensor]:
        """Messages of each bucket's target back to it: what all that is not behind it says."""
        place = {bucket.variable: bucket for bucket in self.buckets}
        down: dict[int, Tensor] = {}
        for bucket in reversed(self.buckets):
            if bucket.target is None:
                continue
            target = place[bucket.target]
            product = math.prod(self._incoming(target, up, but=bucket.variable), start=own[target.variable])
            if target.target is not None:
                product = product * _spread(down[target.variable], target.left, target.scope)
            down[bucket.variable], _ = _normalised(_sum_out(product, target.scope, bucket.left))
        return down

    def _incoming(self, bucket: Bucket, up: dict[int, Tensor], but: int | None = None) -> list[Tensor]:
        """Messages to a bucket, over its scope."""
        sources = [one for one in self.buckets if one.target == bucket.variable and one.variable != but]
        return [_spread(up[one.variable], one.left, bucket.scope) for one in sources]


def eliminate(config: Config) -> tuple[Bucket, ...]:
    """Buckets in the order in which the variables are summed out. Raises ValueError where a table would be too large."""
    scopes, left = list(config.families), set(range(len(config.states)))
    found: list[tuple[int, Scope]] = []
    while left:
        unions = {v: tuple(sorted({v}.union(*(scope for scope in scopes if v in scope)))) for v in left}
        sizes = {v: math.prod(config.states[one] for one in scope) for v, scope in unions.items()}
        variable = min(left, key=lambda v: (sizes[v], v))
        if sizes[variable] > LARGEST:
            raise ValueError(f"the network needs a table of {sizes[variable]:,} entries, more than {LARGEST:,}")
        scope = unions[variable]
        scopes = [each for each in scopes if variable not in each] + [tuple(v for v in scope if v != variable)]
        left.remove(variable)
        found.append((variable, scope))
    order = {variable: number for number, (variable, _) in enumerate(found)}
    later = [(v, scope, [one for one in scope if one != v]) for v, scope in found]
    return tuple(Bucket(v, scope, min(rest, key=order.__getitem__) if rest else None) for v, scope, rest in later)


def _check(config: Config) -> None:
    pairs = list(zip(config.edges[::2], config.edges[1::2], strict=True))
    wrong = [pair for pair in pairs if not 0 <= pair[0] < pair[1] < len(config.states)]
    if wrong:
        raise ValueError(f"the edge {wrong[0]} is none from a variable to a later one")


def _spread(factor: Tensor, scope: Sequence[int], to: Sequence[int]) -> Tensor:
    """A factor (rows, its scope) with axes of one for the variables of `to` that it does not have."""
    index = [slice(None), *(slice(None) if v in scope else None for v in to)]
    return factor[tuple(index)]


def _sum_out(factor: Tensor, scope: Sequence[int], keep: Sequence[int]) -> Tensor:
    axes = [1 + place for place, v in enumerate(scope) if v not in keep]
    return factor.sum(dim=axes) if axes else factor


def _normalised(message: Tensor) -> tuple[Tensor, Tensor]:
    """A message in parts of its sum, and the logarithm of that (B,); zeros stay zeros."""
    total_B = message.flatten(1).sum(dim=1) if message.ndim > 1 else message
    divisor_B = torch.where(total_B > 0, total_B, 1)
    return message / divisor_B.reshape(-1, *[1] * (message.ndim - 1)), total_B.log()


def graphs(config: Config) -> tuple[Graph, ...]:
    count = len(config.states)
    evidence = Port(
        name="evidence", dtype="int64", shape=("batch", count), low=-1, high=max(config.states) - 1,
        doc="number of the state that each variable is in; a number that is none says that it is not known",
    )  # fmt: skip
    posterior = Port(
        name="posterior", dtype="float32", shape=("batch", count, max(config.states)), low=0, high=1,
        doc="probability of each state of each variable, given the evidence; zero beyond its states",
    )  # fmt: skip
    log = Port(name="log_evidence", dtype="float32", shape=("batch",), doc="logarithm of its probability", unit="nats")
    return (Graph(name="infer", methods=("infer",), inputs=(evidence,), outputs=(posterior, log)),)


FAMILY = Family(
    task="posterior-inference",
    config=Config,
    build=BayesianNetwork,
    graphs=graphs,
    tiny=Config(states=(2, 3, 2), edges=(0, 2, 1, 2)),
    paper="https://doi.org/10.1111/j.2517-6161.1988.tb01721.x",
)
