"""Gradient boosting for regression: small trees one after the other, each fitted to what those before it leave over.

    ŷ⁰ = mean of the targets,    ŷᵐ(x) = ŷᵐ⁻¹(x) + ν f_m(x),  f_m fitted to the residuals t − ŷᵐ⁻¹        S1, section 5.4.4

Paper: Friedman (2001), https://doi.org/10.1214/aos/1013203451, for squared error, whose negative gradient is the residual;
with `subsample` below 1 each tree sees a part of the rows (Friedman 2002, https://doi.org/10.1016/S0167-9473(01)00065-2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 10
    num_trees: int = 100
    depth: int = 3
    shrinkage: float = 0.1  # ν
    subsample: float = 1  # share of the rows that a tree is fitted to
    low: float = 0
    high: float = 300  # range of a feature


def build(config: Config) -> GradientBoostingRegressor:
    return GradientBoostingRegressor(
        n_estimators=config.num_trees,
        max_depth=config.depth,
        learning_rate=config.shrinkage,
        subsample=float(config.subsample),
    )


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", config.in_features), doc="features", low=config.low, high=config.high
    )
    value = Port(name="value", dtype="float32", shape=("batch",), doc="the trees' sum, in the unit of the targets")
    return (Graph(inputs=(x,), outputs=(value,), methods=("predict",)),)


def inspect(boosted: GradientBoostingRegressor) -> None:
    """Raise ValueError where the first guess is no constant, or a tree's node points outside the tree or its features."""
    if not isinstance(boosted.init_, DummyRegressor) or np.shape(boosted.init_.constant_) != (1, 1):
        raise ValueError("the first guess is no constant")
    if np.shape(boosted.estimators_) != (boosted.n_estimators, 1):
        raise ValueError("there are not as many trees as rounds")
    for tree in (estimator.tree_ for estimator in boosted.estimators_[:, 0]):
        inner = np.flatnonzero(tree.children_left != -1)
        if not np.array_equal(inner, np.flatnonzero(tree.children_right != -1)):
            raise ValueError("a node has one child")
        for children in (tree.children_left[inner], tree.children_right[inner]):
            if (children <= inner).any() or (children >= tree.node_count).any():
                raise ValueError("a node's child does not come after it in the tree")
        if ((tree.feature[inner] < 0) | (tree.feature[inner] >= boosted.n_features_in_)).any():
            raise ValueError("a node's feature is out of range")


FAMILY = Family(
    task="tabular-regression",
    config=Config,
    build=build,
    graphs=graphs,
    tiny=Config(in_features=4, num_trees=5, depth=2, low=0, high=1),
    paper="https://doi.org/10.1214/aos/1013203451",
    kind="estimator",
    trusted=("sklearn.tree._tree.Tree",),
    inspect=inspect,
)
