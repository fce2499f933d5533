"""Which value of a shipped graph is which value of a fresh conversion, and which module a difference belongs to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from export.cuts import Cuts, reads

_SCOPES = "pkg.torch.onnx.name_scopes"
_TRUSTED_SHARE = 0.5  # of the values that carry the same name, those that the same operator computes


@dataclass(frozen=True)
class Blame:
    """The node of the shipped graph and the module path that a divergence is laid on; `note` says what is uncertain."""

    node: onnx.NodeProto
    module: str
    note: str = ""


class Match:
    """`of` maps values of the shipped graph to those of the fresh conversion; `by_name` says that names were enough."""

    def __init__(self, shipped: onnx.GraphProto, fresh: onnx.GraphProto) -> None:
        self.shipped, self.fresh = Cuts(shipped), Cuts(fresh)
        outputs = {value.name: value.name for value in fresh.output}
        self.by_name = self._names_agree(set(outputs))
        self.of = self._same_names() if self.by_name else dict(_aligned(shipped, fresh))
        self.of = {**{value: other for value, other in self.of.items() if other not in outputs}, **outputs}

    def blame(self, value: str, low: int) -> Blame:
        """Lay the difference of `value` on its node or on one between it and node `low`, before which all is right.

        A node of another operator than the conversion's was swapped; a value that the conversion computes on the way and
        the file does not was removed; a node that the conversion does not have was put in. Where the file goes another way
        altogether, the module is the innermost one that holds all that it replaces.
        """
        number = self.shipped.producer[value]
        node, other = self.shipped.nodes[number], self._counterpart(value)
        strangers = [each for each in self.shipped.nodes[low:number] if not any(name in self.of for name in each.output)]
        if other is None:
            return Blame(node, module_path(node), "a fresh conversion has no counterpart of this node")
        missing = list(self._missing(other))
        if missing and strangers:
            paths = [module_path(each) for each in (*missing, other)]
            return Blame(
                node,
                _common(paths),
                f"{len(strangers)} other nodes are in the place of {len(missing)} of a fresh conversion",
            )
        if missing:
            return self._removed(node, other, missing)
        if strangers and node.op_type == other.op_type:
            path = module_path(strangers[0]) or module_path(other)
            return Blame(strangers[0], path, f"a fresh conversion has no counterpart of {len(strangers)} nodes before it")
        return Blame(node, module_path(other) or module_path(node))

    def _removed(self, node: onnx.NodeProto, other: onnx.NodeProto, missing: list[onnx.NodeProto]) -> Blame:
        """`missing` are the conversion's nodes, in their order, that lead to `other` and that the file does not have."""
        chain = [*missing, other]
        twins = [number for number, each in enumerate(chain) if each.op_type == node.op_type]
        if not twins:
            return Blame(node, module_path(other), f"the conversion has {len(chain)} nodes in its place")
        first = 0 if twins[-1] == len(chain) - 1 else twins[-1] + 1
        gone = chain[first]
        return Blame(
            node, module_path(gone), f"the conversion computes {gone.output[0]!r} ({gone.op_type}), the file does not"
        )

    def _missing(self, other: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        present, nodes, wanted = set(self.of.values()), self.fresh.nodes, {id(other)}
        last = next(number for number, node in enumerate(nodes) if node is other)
        found = []
        for node in reversed(nodes[: last + 1]):
            if id(node) in wanted:
                found.append(node)
                gone = [name for name in reads(node) if name not in present and name in self.fresh.producer]
                wanted.update(id(nodes[self.fresh.producer[name]]) for name in gone)
        yield from reversed(found[1:])

    def _counterpart(self, value: str) -> onnx.NodeProto | None:
        number = self.fresh.producer.get(self.of.get(value, ""))
        return None if number is None else self.fresh.nodes[number]

    def _same_names(self) -> dict[str, str]:
        return {value: value for value in self.shipped.producer if value in self.fresh.producer}

    def _names_agree(self, outputs: set[str]) -> bool:
        """Inner values only: the outputs have the ports' names in any file."""
        same = [
            self.shipped.nodes[self.shipped.producer[value]].op_type == self.fresh.nodes[self.fresh.producer[value]].op_type
            for value in self._same_names().keys() - outputs
        ]
        return len(same) > 0 and sum(same) >= _TRUSTED_SHARE * len(same)


def module_path(node: onnx.NodeProto) -> str:
    """Path of the innermost module that a node was exported from; empty for the root and where the file does not say."""
    scopes = _scopes(node)
    paths = [path for path in scopes[:-1] if not path.startswith("_")]
    return paths[-1] if paths else ""


def _common(paths: list[str]) -> str:
    """The longest path that all paths lie below."""
    shared = []
    for parts in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def _scopes(node: onnx.NodeProto) -> list[str]:
    text = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "[]")
    try:
        return [str(scope) for scope in ast.literal_eval(text)]
    except (SyntaxError, ValueError):
        return []


def _aligned(shipped: onnx.GraphProto, fresh: onnx.GraphProto) -> Iterator[tuple[str, str]]:
    """Pairs of values where names say nothing: the same operator, with the same scopes or on the same inputs."""
    of = {value.name: value.name for value in shipped.input}
    here, there = _sizes(shipped), _sizes(fresh)
    free = list(fresh.node)
    for node in shipped.node:
        inputs = [here.get(name) or of.get(name, "") for name in node.input]
        for other in free:
            same_inputs = inputs == [there.get(name) or name for name in other.input]
            same_scopes = bool(_scopes(node)) and _scopes(node) == _scopes(other)
            if node.op_type == other.op_type and (same_scopes or same_inputs):
                free.remove(other)
                pairs = [(value, name) for value, name in zip(node.output, other.output, strict=False) if value and name]
                of.update(pairs)
                yield from pairs
                break


def _sizes(graph: onnx.GraphProto) -> dict[str, str]:
    """A stand-in for the name of a weight: its sizes, or its contents where it is small."""
    return {
        tensor.name: f"weight {list(tensor.dims)}" + (str(onnx.numpy_helper.to_array(tensor)) if not tensor.dims else "")
        for tensor in graph.initializer
    }
