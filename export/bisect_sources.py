"""Reference values of a traced module and of an estimator; see `export.bisect_values`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_aggregate
from torch.utils._pytree import tree_leaves

from export.bisect_values import Evaluator, Untraced, decided, deviation
from export.compare import FACTOR, distance, ulp32
from export.exporter import OPSET, convert
from export.lift import lift
from export.reference import EstimatorReference, neighbours
from export.torch_exporter import strip_local, trace_module
from zoo.original import call_module
from zoo.spec import Arrays, Graph

DRAWS = 3  # float32 runs that an inner value's floor is taken over
_WIDE = {torch.float32: torch.float64}


class TraceSource:
    """Values of a module's trace. `module` is copied, not changed. Raises ExportError where it cannot be traced."""

    def __init__(self, module: nn.Module, graph: Graph, opset: int = OPSET) -> None:
        self.graph = graph
        self._originals = {
            "float32": copy.deepcopy(module).float().eval(),
            "float64": copy.deepcopy(module).double().eval(),
        }
        program = trace_module(self._originals["float32"], graph, opset)
        self.model: onnx.ModelProto = program.model_proto
        strip_local(self.model)
        self._steps = {dtype: _Steps(program.exported_program, dtype) for dtype in ("float32", "float64")}
        self._evaluators = {"float32": Evaluator(self.model), "float64": Evaluator(lift(self.model))}
        self._shapes = {value.name: value.type.tensor_type for value in self.model.graph.value_info}

    def expected(self, inputs: Arrays) -> Arrays:
        return self._values(inputs, "float64", self._outputs(inputs, "float64"))

    def pairs(self, inputs: Arrays) -> list[tuple[Arrays, Arrays]]:
        """The inner values as they are, and with every input and weight moved by one ulp up or down at random.

        A single row can carry the floor of an inner value (one that a normalisation blows up, say), and the rounding of
        one run may happen to be small there: with many values to compare, one run in float32 gives false alarms.
        """
        ref64, outputs = self.expected(inputs), self._outputs(inputs, "float32")
        return [(self._values(inputs, "float32", outputs, seed), ref64) for seed in range(DRAWS)]

    def steady(self, inputs: Arrays) -> np.ndarray:
        return decided(self.graph, self._outputs(inputs, "float64"))

    def _outputs(self, inputs: Arrays, dtype: str) -> Arrays:
        """Outputs of the untouched original."""
        return call_module(self._originals[dtype], self.graph, inputs, dtype)

    def untraced(self, inputs: Arrays, bounds: dict[str, float]) -> Untraced | None:
        """Where the trace itself leaves the original: code that asks whether it is being exported, say.

        `bounds` are those of the outputs. The modules' outputs are looked up in the trace only when an output is off.
        """
        steps, outputs = self._steps["float64"].run(_tensors(self.graph, inputs, "float64"))
        expected = self._outputs(inputs, "float64")
        off = [
            (deviation(found, expected[port.name]), bounds[port.name])
            for port, found in zip(self.graph.outputs, outputs, strict=True)
            if port.is_float
        ]
        if all(error <= bound for error, bound in off):
            return None
        for path, value in _module_outputs(self._originals["float64"], self.graph, inputs):
            same = [distance(step, value) for step in (*steps.values(), *inputs.values()) if step.shape == value.shape]
            bound = FACTOR * ulp32(float(np.abs(value).max(initial=0.0)))
            if not min(same, default=np.inf) <= bound:
                return Untraced(path, min(same, default=np.inf), bound)
        return Untraced("", *max(off))

    def _values(self, inputs: Arrays, dtype: str, outputs: Arrays, seed: int = 0) -> Arrays:
        steps, _ = self._steps[dtype].run(_tensors(self.graph, inputs, dtype), seed)
        named = {name: value for name, value in steps.items() if name in self._shapes and self._fits(name, value)}
        given = {
            port.name: inputs[port.name].astype(dtype) if port.is_float else inputs[port.name] for port in self.graph.inputs
        }
        return self._evaluators[dtype].complete({**named, **outputs, **given})

    def _fits(self, name: str, value: np.ndarray) -> bool:
        """Whether the conversion declares the value with this rank and these fixed sizes: then the name means the same."""
        sizes = self._shapes[name].shape.dim
        return len(sizes) == value.ndim and all(
            not size.HasField("dim_value") or size.dim_value == found for size, found in zip(sizes, value.shape, strict=True)
        )


class EstimatorSource:
    """Values of an estimator's fresh conversion; the outputs are the estimator's own."""

    def __init__(self, reference: EstimatorReference, graph: Graph, opset: int = OPSET) -> None:
        self.graph, self._reference = graph, reference
        self.model = convert(reference.original, graph, opset=opset)
        self._evaluator = Evaluator(self.model)

    def expected(self, inputs: Arrays) -> Arrays:
        return {**self._evaluator.complete(inputs), **self._reference.ref64(self.graph, inputs)}

    def pairs(self, inputs: Arrays) -> list[tuple[Arrays, Arrays]]:
        ref64 = self.expected(inputs)
        return [(self._evaluator.complete(moved), ref64) for moved in neighbours(self.graph, inputs)]

    def steady(self, inputs: Arrays) -> np.ndarray:
        ref64 = self._reference.ref64(self.graph, inputs)
        return decided(self.graph, ref64) & ~self._reference.unsteady_rows(self.graph, inputs)

    def untraced(self, inputs: Arrays, bounds: dict[str, float]) -> Untraced | None:
        """Nothing: an estimator is not traced."""
        return None


class _Steps:
    """The trace of a program, run by PyTorch in one precision."""

    def __init__(self, program: Any, dtype: str) -> None:
        self._dtype = getattr(torch, dtype)
        self._module = program.graph_module if dtype == "float32" else _widened(program.graph_module)
        stored = {**program.constants, **program.state_dict}
        self._arguments = [
            None if spec.target is None else self._wide(stored[spec.target]) for spec in program.graph_signature.input_specs
        ]
        self._returned = [spec.kind.name == "USER_OUTPUT" for spec in program.graph_signature.output_specs]

    def run(self, inputs: list[torch.Tensor], seed: int = 0) -> tuple[Arrays, list[np.ndarray]]:
        """Values of all steps by name, and the outputs in order; seeds other than 0 move what goes in by an ulp."""
        following = iter(inputs)
        arguments = [next(following) if argument is None else argument for argument in self._arguments]
        if seed:
            generator = torch.Generator().manual_seed(seed)
            arguments = [_moved(argument, generator) for argument in arguments]
        recorder, usual = _Recorder(self._module), torch.get_default_dtype()
        torch.set_default_dtype(self._dtype)
        try:
            with torch.no_grad():
                outputs = recorder.run(*arguments)
        finally:
            torch.set_default_dtype(usual)
        returned = [value.numpy() for value, kept in zip(outputs, self._returned, strict=True) if kept]
        return recorder.values, returned

    def _wide(self, stored: Any) -> Any:
        if not isinstance(stored, torch.Tensor):
            return stored
        return stored.detach().to(_WIDE.get(stored.dtype, stored.dtype) if self._dtype == torch.float64 else stored.dtype)


def _moved(argument: Any, generator: torch.Generator) -> Any:
    if not isinstance(argument, torch.Tensor) or not argument.is_floating_point():
        return argument
    signs = torch.randint(0, 2, argument.shape, generator=generator) * 2 - 1
    return torch.nextafter(argument, signs * torch.tensor(torch.inf, dtype=argument.dtype))


class _Recorder(Interpreter):
    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.values: Arrays = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n.op != "placeholder" and isinstance(value, torch.Tensor) and value.dtype != torch.bfloat16:
            self.values[n.name] = value.numpy()
        return value


def _widened(module: GraphModule) -> GraphModule:
    """A copy in which everything that asks for float32 asks for float64, bodies of loops included."""
    module = copy.deepcopy(module)
    for part in module.modules():
        if isinstance(part, GraphModule):
            for node in part.graph.nodes:
                node.args = map_aggregate(node.args, _wider)
                node.kwargs = map_aggregate(node.kwargs, _wider)
            part.recompile()
    return module


def _wider(argument: Any) -> Any:
    return _WIDE.get(argument, argument) if isinstance(argument, torch.dtype) else argument


def _tensors(graph: Graph, inputs: Arrays, dtype: str) -> list[torch.Tensor]:
    return [
        torch.from_numpy(inputs[port.name].astype(dtype) if port.is_float else inputs[port.name]) for port in graph.inputs
    ]


def _module_outputs(original: nn.Module, graph: Graph, inputs: Arrays) -> list[tuple[str, np.ndarray]]:
    """Path and output of every call of a module, in the order in which they return."""
    found: list[tuple[str, np.ndarray]] = []

    def keep(path: str, output: Any) -> None:
        found.extend((path, leaf.numpy().copy()) for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor))

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, path=path: keep(path, output))
        for path, module in original.named_modules()
    ]
    try:
        call_module(original, graph, inputs, "float64")
    finally:
        for hook in hooks:
            hook.remove()
    return found
