"""The loops of an ONNX file as graphs of their own: what is around them, and one step of each.

Around the loops, their results are inputs and everything that goes into them is an output. A step's inputs are the state, a
slice of each scanned input, and the values that the body takes from the graph around it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from zoo.session import open_session
from zoo.spec import Arrays

OPERATORS = ("Loop", "Scan")
PART_BYTES = 1_000_000


@dataclass(frozen=True)
class FileLoop:
    """A Loop or Scan node. `state` and `inputs` name what goes in, `results` what comes out: last state, then stacked.

    `condition` names the Boolean that a Loop starts with, and `captured` what its body takes from around it.
    """

    node: NodeProto
    body: GraphProto
    condition: str
    state: tuple[str, ...]
    inputs: tuple[str, ...]
    results: tuple[str, ...]
    captured: tuple[str, ...]

    @property
    def carried(self) -> int:
        """Place of the body's first state input: a Loop's body has the number of the step and a Boolean in front."""
        return 2 if self.node.op_type == "Loop" else 0


def names_loops(path: Path) -> bool:
    """Whether a file may hold loops: its bytes are searched in parts, since parsing takes twice the weights in memory."""
    operators = [b'"\x04' + operator.encode() for operator in OPERATORS]  # field op_type of a node, 4 bytes long
    tail = b""
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            if any(operator in tail + part for operator in operators):
                return True
            tail = part[-8:]
    return False


def file_loops(model: ModelProto) -> list[FileLoop]:
    """The loops of the main graph, in the order in which they run; loops in the body of another belong to its steps."""
    return [_loop(node) for node in model.graph.node if node.op_type in OPERATORS and node.domain in ("", "ai.onnx")]


def _loop(node: NodeProto) -> FileLoop:
    attributes = {attribute.name: attribute for attribute in node.attribute}
    body = attributes["body"].g
    if node.op_type == "Loop":
        condition, state, inputs = (node.input[1] if len(node.input) > 1 else ""), list(node.input[2:]), []
    else:
        scanned = attributes["num_scan_inputs"].i
        condition, state, inputs = "", list(node.input[:-scanned]), list(node.input[-scanned:])
    return FileLoop(
        node, body, condition, tuple(state), tuple(inputs), tuple(node.output), tuple(dict.fromkeys(_free(body)))
    )


def _free(graph: GraphProto) -> Iterator[str]:
    """Names that a subgraph uses and does not make."""
    made = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        for name in node.input:
            if name and name not in made:
                yield name
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from (name for name in _free(attribute.g) if name not in made)
        made.update(node.output)


class Part:
    """A cut-out of a file, opened like the file itself. Its inputs take their types from the first call's arrays."""

    def __init__(self, model: ModelProto, provider: str) -> None:
        self._model, self._provider = model, provider
        self._session: object | None = None

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Values of the model's outputs, in order. Inputs that no node uses are left out."""
        if self._session is None:
            used = set(_names(self._model.graph))
            for name, array in inputs.items():
                if name in used:
                    self._model.graph.input.append(_declared(name, array))
            self._session = _open(self._model, self._provider)
        known = {value.name for value in self._model.graph.input}
        return self._session.run(None, {name: array for name, array in inputs.items() if name in known})  # type: ignore[attr-defined]


def around(model: ModelProto, provider: str) -> Part:
    """The model without its loops. Outputs: for each loop its condition, state, inputs and captured values, then its own."""
    loops, part = file_loops(model), ModelProto()
    part.CopyFrom(model)
    wanted = [name for loop in loops for name in entering(loop)] + [value.name for value in model.graph.output]
    kept = [node for node in part.graph.node if node.output[0] not in {loop.results[0] for loop in loops}]
    del part.graph.node[:], part.graph.input[:], part.graph.output[:]
    part.graph.node.extend(kept)
    for number, name in enumerate(wanted):  # a constant or an input cannot be an output itself
        part.graph.node.append(helper.make_node("Identity", [name], [f"wanted {number}"]))
        part.graph.output.append(ValueInfoProto(name=f"wanted {number}"))
    return Part(part, provider)


def entering(loop: FileLoop) -> list[str]:
    """Names of everything that a loop takes from around it, each as often as it is taken."""
    return [*([loop.condition] if loop.condition else []), *loop.state, *loop.inputs, *loop.captured]


def step(model: ModelProto, loop: FileLoop, provider: str) -> Part:
    """One step. Inputs are named as in the body and around it; a Loop's first output says whether another step follows."""
    constants = [tensor for tensor in model.graph.initializer if tensor.name in loop.captured]
    graph = helper.make_graph(
        list(loop.body.node), loop.body.name or "step", [], list(loop.body.output), [*loop.body.initializer, *constants]
    )
    part = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    part.functions.extend(model.functions)
    return Part(part, provider)


def step_inputs(loop: FileLoop, number: int, values: Sequence[np.ndarray], captured: Arrays) -> Arrays:
    """What `step` takes: the state and slices of one step, and captured values by name."""
    names = [value.name for value in loop.body.input]
    head = {names[0]: np.array(number), names[1]: np.array(True)} if loop.carried else {}
    return {**head, **dict(zip(names[loop.carried :], values, strict=True)), **captured}


def _names(graph: GraphProto) -> Iterator[str]:
    """Inputs of the nodes, but for those that a graph holds as constants, and what it gives."""
    constants = {tensor.name for tensor in graph.initializer}
    used = [*_free(graph), *(name for node in graph.node for name in node.input), *(value.name for value in graph.output)]
    return (name for name in used if name not in constants)


def _declared(name: str, array: np.ndarray) -> ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, [None] * array.ndim)


def _open(model: ModelProto, provider: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "part.onnx")
        onnx.save(model, path)
        return open_session(path, provider, 0, {})
