"""What an agent observes in, a row of numbers; the action that it takes and the value of every action out."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.table import TableInput
from zoo.spec import Raws


@dataclass(frozen=True, kw_only=True)
class Control(TableInput):
    """`environment` (`zoo.environments`) is where the agent acts; `actions` are names, in the order of the values.

    `output` names the port with the values (batch, actions), `action` that with the number of the one that is taken.
    """

    environment: str
    actions: tuple[str, ...]
    graph: str = "act"
    output: str = "values"
    action: str = "action"

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        rows = zip(outputs[self.action].tolist(), outputs[self.output].tolist(), strict=True)
        return [
            {"action": self.actions[number], "values": dict(zip(self.actions, values, strict=True))}
            for number, values in rows
        ]


CODEC = Control
