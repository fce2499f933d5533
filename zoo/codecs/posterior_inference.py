"""What is known of some variables in; how likely each state of every variable then is out.

Evidence is a state's name by a variable's, as JSON: {"symptom": "yes"}. Variables that are left out, or null, are not known.
In a CSV the first line names variables, and each line after it has a state for each, or nothing where it is not known.
A raw row is (variables,) int64, the number of the state that each variable is in, −1 where it is not known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.read import CSV_TYPES, JSON_TYPE, read_cells, unknown_type
from zoo.errors import CodecError, UsageError
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class PosteriorInference:
    """`states` has the names of each variable's states, in the order of `variables`."""

    variables: tuple[str, ...]
    states: tuple[Sequence[str], ...]
    graph: str = "infer"
    port: str = "evidence"
    output: str = "posterior"
    log_evidence: str = "log_evidence"

    def __post_init__(self) -> None:
        if len(self.states) != len(self.variables):
            raise UsageError(
                f"The codec has states of {len(self.states)} variables for {len(self.variables)}; give each its own."
            )

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """Evidence of one case or several: rows of a CSV, a JSON object, a list of them or `{"instances": […]}`."""
        if media_type in CSV_TYPES:
            return [self._row(case) for case in _from_csv(data)]
        if media_type == JSON_TYPE:
            return [self._row(case) for case in _from_json(data)]
        raise unknown_type(media_type, "text/csv or application/json")

    def instance(self, raw: np.ndarray) -> dict[str, str]:
        """The evidence of a raw row as it stands in a JSON body."""
        known = zip(self.variables, self.states, np.asarray(raw).tolist(), strict=True)
        return {variable: states[number] for variable, states, number in known if number >= 0}

    def encode(self, raws: Raws) -> Arrays:
        """evidence (batch, variables). Raises CodecError for another number of variables, or of a state that is none."""
        if not len(raws):
            raise CodecError("There is no case; send at least one.")
        evidence = np.stack([self._numbers(np.asarray(raw)) for raw in raws])
        return {self.port: evidence.astype(np.int64)}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        rows = zip(outputs[self.output], outputs[self.log_evidence].tolist(), strict=True)
        return [self._answer(posterior, log) for posterior, log in rows]

    def _answer(self, posterior: np.ndarray, log: float) -> Answer:
        """Where the evidence cannot be, no state has a probability."""
        shares = {
            variable: {name: float(share) for name, share in zip(states, row, strict=False)}
            for variable, states, row in zip(self.variables, self.states, posterior, strict=True)
        }
        return {"probability_of_evidence": math.exp(log), "posteriors": shares}

    def _row(self, case: Mapping[str, Any]) -> np.ndarray:
        """The raw row of evidence by name."""
        row = np.full(len(self.variables), -1, dtype=np.int64)
        for variable, state in case.items():
            if variable not in self.variables:
                raise CodecError(f"There is no variable {variable[:40]!r}; the variables are {', '.join(self.variables)}.")
            place = self.variables.index(variable)
            states = list(self.states[place])
            if state is None:
                continue
            if state not in states:
                raise CodecError(f"{variable} is {str(state)[:40]!r}; send {', '.join(states)}, or leave it out.")
            row[place] = states.index(state)
        return row

    def _numbers(self, raw: np.ndarray) -> np.ndarray:
        if raw.shape != (len(self.variables),):
            raise CodecError(f"The case has shape {list(raw.shape)}; send {len(self.variables)} numbers of states.")
        for variable, states, number in zip(self.variables, self.states, raw.tolist(), strict=True):
            if number not in range(-1, len(states)):
                raise CodecError(
                    f"{variable} is in state {number}; send 0 to {len(states) - 1}, or −1 where it is not known."
                )
        return raw


def _from_csv(data: bytes) -> list[dict[str, str | None]]:
    names, *rows = ([cell.strip() for cell in row] for row in read_cells(data))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise CodecError(f"Row {number} of the CSV has {len(row)} cells for {len(names)} names; send equal rows.")
    if not rows or len(set(names)) < len(names):
        raise CodecError("The CSV has no row below its names, or a name twice; send the variables' names and a row a case.")
    return [dict(zip(names, (cell or None for cell in row), strict=True)) for row in rows]


def _from_json(data: bytes) -> list[dict[str, Any]]:
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send states by variable.") from error
    if isinstance(document, dict) and list(document) == ["instances"]:
        document = document["instances"]
    cases = document if isinstance(document, list) else [document]
    if not cases or not all(isinstance(case, dict) for case in cases):
        raise CodecError('The JSON holds no case; send {"instances": [{"a variable": "its state"}]}.')
    return cases


CODEC = PosteriorInference
