"""Kernel support vector machine: for each class the widest margin between it and the rest, in the space of a kernel.

    s_k(x) = Σ_i α_ki k(x_i, x) + b_k,    k(x, z) = exp(−γ |x − z|²),    y = argmax_k s_k(x)

Paper: Cortes and Vapnik (1995), https://doi.org/10.1007/BF00994018. scikit-learn's SVC, which is libsvm's, fits each class
against the rest here. Its own scheme for several classes lets the pairs of classes vote: those scores jump where a single
vote changes, and its label is not that of the largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 64
    classes: int = 10
    penalty: float = 10  # C: of a row that is within the margin
    gamma: float = 0.001  # of the kernel, in 1 / (feature unit)²
    low: float = 0
    high: float = 16  # range of a feature


def build(config: Config) -> OneVsRestClassifier:
    return OneVsRestClassifier(SVC(C=config.penalty, gamma=config.gamma))


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("batch", config.in_features), doc="features", low=config.low, high=config.high
    )
    label = Port(
        name="label", dtype="int64", shape=("batch",), doc="class number", low=0, high=config.classes - 1, argmax_of="scores"
    )
    scores = Port(
        name="scores", dtype="float32", shape=("batch", config.classes), doc="how far on the side of each class, in margins"
    )
    return (Graph(inputs=(x,), outputs=(label, scores), methods=("predict", "decision_function")),)


def inspect(machine: OneVsRestClassifier) -> None:
    """Raise ValueError where the arrays of a machine do not fit one another: libsvm would read past their ends."""
    if len(machine.estimators_) != len(machine.classes_):
        raise ValueError("there are not as many machines as classes")
    for each in machine.estimators_:
        if (
            not isinstance(each, SVC)
            or each.kernel != "rbf"
            or each._sparse
            or each.probability not in (False, "deprecated")
        ):
            raise ValueError("a machine is another one than is built here")
        vectors = len(each.support_)
        shapes = {
            "support_vectors_": (vectors, machine.n_features_in_),
            "_n_support": (2,),
            "_dual_coef_": (1, vectors),
            "_intercept_": (1,),
        }
        for name, shape in shapes.items():
            array = getattr(each, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} has shape {list(array.shape)} instead of {list(shape)}, or no finite numbers")
        if each._n_support.min() < 0 or each._n_support.sum() != vectors or each.n_features_in_ != machine.n_features_in_:
            raise ValueError("the numbers of support vectors or of features disagree")


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=build,
    graphs=graphs,
    tiny=Config(in_features=4, classes=3, gamma=0.05),
    paper="https://doi.org/10.1007/BF00994018",
    kind="estimator",
    inspect=inspect,
)
