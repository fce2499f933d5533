"""The ONNX model zoo that proves itself: models that are numerically equal to their originals, with the proof.

>>> import zoo
>>> zoo.names()
>>> zoo.load("convnet-mnist").predict(image)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.model import Model

__version__ = "0.1.0"


def names() -> list[str]:
    """Names of the published models, sorted."""
    from zoo.hub import Hub

    return Hub().names()


def load(model: str, *, provider: str = "cpu", threads: int = 0, variant: str = "", hub: str | None = None) -> Model:
    """A published model, `name` or `name@version`, checked against its certificate and fetched first if need be.

    `hub` is used instead of those that ZOO_HUB names. `threads` within one operator; 0 takes one for each core. `variant`
    is fp16 or int8, where the model has it. Raises UnknownNameError, IntegrityError and HubError.
    """
    from zoo.hub import Hub
    from zoo.model import Model

    return Model(Hub(hub).artifact(model), provider=provider, threads=threads, variant=variant)
