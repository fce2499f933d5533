"""A picture in, its label and the probability of each label out."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.classes import class_answers, softmax
from zoo.codecs.picture import PictureInput
from zoo.spec import Raws


@dataclass(frozen=True, kw_only=True)
class ImageClassification(PictureInput):
    """`output` names the port with the scores; `scores` says whether it has logits or probabilities."""

    labels: tuple[str, ...]
    graph: str = "predict"
    output: str = "logits"
    scores: str = "logits"

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        scores = outputs[self.output]
        return class_answers(softmax(scores) if self.scores == "logits" else scores, self.labels)


CODEC = ImageClassification
