"""Random forest: trees on bootstrap samples, each split chosen among a random subset of the features.

Paper: Breiman (2001), https://doi.org/10.1023/A:1010933404324. Breiman's trees vote; scikit-learn's, which are the original
here, average their class probabilities, p(k | x) = (1/B) Σ_b p_b(k | x), and the label is the largest average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 64
    classes: int = 10
    num_trees: int = 100
    features_per_split: float | str = "sqrt"  # share of the features, or sklearn's name of a rule
    min_rows_leaf: int = 1
    low: float = 0
    high: float = 16  # range of a feature


def build(config: Config) -> RandomForestClassifier:
    return RandomForestClassifier(
        n_estimators=config.num_trees,
        max_features=config.features_per_split,
        min_samples_leaf=config.min_rows_leaf,
    )


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", config.in_features), doc="features", low=config.low, high=config.high
    )
    label = Port(
        name="label", dtype="int64", shape=("batch",), doc="class number", low=0, high=config.classes - 1,
        argmax_of="probabilities",
    )  # fmt: skip
    shape = ("batch", config.classes)
    probabilities = Port(name="probabilities", dtype="float32", shape=shape, doc="mean over the trees", low=0, high=1)
    return (Graph(inputs=(x,), outputs=(label, probabilities), methods=("predict", "predict_proba")),)


def inspect(forest: RandomForestClassifier) -> None:
    """Raise ValueError where a tree's node points outside the tree or its features: predicting would read past its end."""
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        inner = tree.children_left != -1
        if not np.array_equal(inner, tree.children_right != -1):
            raise ValueError("a node has one child")
        for name, values, low, high in (
            ("child", tree.children_left[inner], 1, tree.node_count),
            ("child", tree.children_right[inner], 1, tree.node_count),
            ("feature", tree.feature[inner], 0, forest.n_features_in_),
        ):
            if values.size and (values.min() < low or values.max() >= high):
                raise ValueError(f"a node's {name} is out of range")


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=build,
    graphs=graphs,
    tiny=Config(in_features=4, classes=3, num_trees=5),
    paper="https://doi.org/10.1023/A:1010933404324",
    kind="estimator",
    trusted=("sklearn.tree._tree.Tree",),
    inspect=inspect,
)
