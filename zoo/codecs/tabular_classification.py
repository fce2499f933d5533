"""A row of a table in, its label and the score of each label out."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.classes import ANSWERS, check_scores
from zoo.codecs.table import TableInput
from zoo.spec import Raws


@dataclass(frozen=True, kw_only=True)
class TabularClassification(TableInput):
    """`output` names the port with the scores; `scores` says what they are.

    Logits and probabilities give a label and the probability of each label, margins a label and the scores as they are;
    flags, zeros and ones, give the labels that hold, of which there may be any number.
    """

    labels: tuple[str, ...]
    graph: str = "predict"
    output: str = "logits"
    scores: str = "logits"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scores(self.scores)

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        return ANSWERS[self.scores](outputs[self.output], self.labels)


CODEC = TabularClassification
