"""A row of a table in, the value that goes with it out, and how sure it is where the model says so."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.table import TableInput
from zoo.spec import Raws

QUANTILE = 1.959964  # of the normal distribution, 2.5 % above


@dataclass(frozen=True, kw_only=True)
class TabularRegression(TableInput):
    """`output` names the port with the values (batch,), `deviation` that with their standard deviations, if there is one."""

    unit: str = ""
    graph: str = "predict"
    output: str = "value"
    deviation: str = ""

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        """Where there are deviations, the interval is the one that a normal distribution is in with 95 %."""
        outputs = yield Call(self.graph, self.encode(raws))
        unit = {"unit": self.unit} if self.unit else {}
        answers: list[Answer] = [{"value": float(value), **unit} for value in outputs[self.output]]
        if self.deviation:
            for answer, deviation in zip(answers, outputs[self.deviation].tolist(), strict=True):
                value, reach = answer["value"], QUANTILE * deviation
                answer.update(standard_deviation=deviation, interval_95=[value - reach, value + reach])
        return answers


CODEC = TabularRegression
