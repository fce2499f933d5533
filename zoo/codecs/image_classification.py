"""A picture in, its label and the probability of each label out."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.classes import ANSWERS, check_scores
from zoo.codecs.picture import PictureInput
from zoo.spec import Raws


@dataclass(frozen=True, kw_only=True)
class ImageClassification(PictureInput):
    """`output` names the port with the scores; `scores` says whether it has logits, probabilities or margins."""

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


CODEC = ImageClassification
