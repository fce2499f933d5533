"""stacked-autoencoder-mnist: two layers trained one after the other to rebuild their input, then all of it to tell digits.

Data: MNIST, 54,000 pictures to fit on, 6,000 to validate on, the 10,000 of the test split scored once. Ten epochs each
layer, then twenty of cross-entropy. Reached: 0.9757. Published beside it: 0.930 with (128, 64) features.

    python -m training.recipes.autoencoders.stacked_autoencoder_mnist --seed 0
"""

from __future__ import annotations

from typing import Any

from training.autoencoding import greedy
from training.command import recipe_main
from training.data import Split, mnist
from training.objectives import cross_entropy
from training.recipe import Recipe, Settings, Turn
from zoo.families.autoencoders.stacked_autoencoder import Config
from zoo.original import Original
from zoo.spec import Arrays


def codec(train: Split) -> dict[str, Any]:
    return {"height": 28, "width": 28, "labels": [str(digit) for digit in range(10)]}


def extend(original: Original, samples: Arrays) -> Arrays:
    """The same pictures for the graph that stops below the classifier, and their codes for the one that decodes."""
    code = original.call(original.graph("encode"), {"x": samples["predict/x"]})["code"]
    return {"encode/x": samples["predict/x"], "decode/code": code}


RECIPE = Recipe(
    family="stacked-autoencoder",
    config=Config(hidden=(128, 64)),
    summary="Stacked autoencoder, pre-trained layer by layer, on MNIST",
    load=mnist.load,
    codec=codec,
    metric="accuracy",
    objective=(
        Turn(objective=greedy(0), part="layers.0", last=10),
        Turn(objective=greedy(1), part="layers.1", first=10, last=20),
        Turn(objective=cross_entropy(), part="", first=20),
    ),
    extend=extend,
    settings=Settings(epochs=40, schedule="constant", keep="metric", patience=40, threads=1),
    reference={"accuracy": 0.930},
)

if __name__ == "__main__":
    recipe_main(__file__)
