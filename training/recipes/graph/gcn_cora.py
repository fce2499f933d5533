"""gcn-cora: what each of 2,708 papers is about, from its words and the citations between all of them.

Data: Cora with its public split: one graph, 140 papers with a label to learn from, 500 to validate on, 1,000 of the test
split scored once. The settings are those of Kipf and Welling (2017, section 5.2), who reach 0.815 with them; the weights
with the lowest validation loss are kept.

    python -m training.recipes.graph.gcn_cora --seed 0
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.command import recipe_main
from training.data import Split, cora
from training.data.subgraph import neighbourhoods
from training.recipe import Batch, Recipe, Settings
from zoo.families.graph.gcn import Config

PUBLISHED_NODES = 14  # papers around one of each class, in the golden samples


def codec(train: Split) -> dict[str, Any]:
    return {"labels": list(cora.LABELS), "features": Config.in_features}


def objective(model: Any, batch: Batch, generator: torch.Generator) -> Tensor:
    """Categorical cross-entropy of the nodes that have a target, in nats a node; a batch is one graph."""
    logits = model(batch["x"][0], batch["edges"][0])
    return functional.cross_entropy(logits, batch["targets"][0], ignore_index=cora.UNJUDGED)


def publish(test: Split) -> Split:
    return neighbourhoods(test, PUBLISHED_NODES)


RECIPE = Recipe(
    family="gcn",
    config=Config(),
    summary="Graph convolution on citations: the subject of each paper",
    load=cora.load,
    codec=codec,
    metric="accuracy",
    objective=objective,
    settings=Settings(epochs=200, lr=0.01, schedule="constant", weight_decay=5e-4, patience=50, threads=1),
    publish=publish,
    reference={"accuracy": 0.815, "what": "Kipf and Welling (2017), table 2, mean of 100 runs"},
)

if __name__ == "__main__":
    recipe_main(__file__)
