"""Loops: a right export of a chaotic run passes, and faults that a run hides or blames on chaos are found step by step."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.exporter import OPSET
from export.loops import names_loops
from export.prove import prove
from export.reference import TorchReference
from export.torch_exporter import export_module
from zoo.layers.free_run import free_run
from zoo.layers.loops import scan, watching, while_loop
from zoo.session import Session
from zoo.spec import Axis, Graph, Port

HORIZON = Axis(name="steps", high=60, free_run=True)
X = Port(name="x", dtype="float32", shape=("batch", 1), low=0.1, high=0.9)
DRIFT = Port(name="drift", dtype="float32", shape=("batch", "steps"), low=0, high=1e-3)
RUN = Port(name="run", dtype="float32", shape=("batch", "steps"))
LAST = Port(name="last", dtype="float32", shape=("batch", 1))


class Logistic(nn.Module):
    """x ← r x (1 − x) with r = 3.9, which doubles a small error in less than two steps."""

    def __init__(self, rate=3.9):
        super().__init__()
        self.rate = nn.Parameter(torch.full((1,), rate))

    def step(self, x):
        return self.rate * x * (1 - x)

    def by_loop(self, x, drift):
        return free_run(lambda y: (self.step(y),), self.step(x), (), 0.01 * drift)

    def by_scan(self, x, drift):
        def body(y, pushed):
            y = self.step(y) + 0.01 * pushed
            return y, y

        (last,), (run,) = scan(body, (x,), (drift.T[:, :, None],))
        return run[:, :, 0].T, last


LOOP = Graph(name="loop", methods=("by_loop",), inputs=(X, DRIFT), outputs=(RUN,), axes=(HORIZON,))
SCAN = Graph(name="scan", methods=("by_scan",), inputs=(X, DRIFT), outputs=(RUN, LAST), axes=(HORIZON,))
GRAPHS = {graph.name: graph for graph in (LOOP, SCAN)}


def export(graph, path):
    torch.manual_seed(0)
    model = export_module(Logistic(), graph, OPSET)
    model.ir_version = 10
    for port, value in zip((*graph.inputs, *graph.outputs), (*model.graph.input, *model.graph.output), strict=True):
        for size, name in zip(value.type.tensor_type.shape.dim, port.shape, strict=True):
            if isinstance(name, str):
                size.dim_param = name
    onnx.save(model, path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops")
    for graph in GRAPHS.values():
        export(graph, folder / graph.file)
    return folder


def proof(graph, path, build=Logistic):
    return prove(graph, Session(path, graph), TorchReference(build), {}, np.random.default_rng(0))


def sentences(report):
    return [*report.broken, *(sentence for record in (*report.records, *report.loops) for sentence in record.failures)]


@pytest.fixture
def faulty(exported, tmp_path):
    """A copy of an export that `change` was applied to: the node of its loop, and that node's body."""

    def make(name, change):
        model = onnx.load(exported / f"{name}.onnx")
        [node] = [node for node in model.graph.node if node.op_type in ("Loop", "Scan")]
        [body] = [attribute.g for attribute in node.attribute if attribute.name == "body"]
        change(model.graph, node, body)
        onnx.save(model, tmp_path / f"{name}.onnx")
        return proof(GRAPHS[name], tmp_path / f"{name}.onnx")

    return make


@pytest.mark.parametrize("name", GRAPHS)
def test_a_right_export_of_a_chaotic_run_passes(exported, name):
    """An error of 6e-8 that grows by e^0.5 a step (r = 3.9 has that exponent) reaches a thousandth in some 20 steps."""
    for seed in range(2):
        report = prove(
            GRAPHS[name], Session(exported / f"{name}.onnx", GRAPHS[name]), TorchReference(Logistic), {},
            np.random.default_rng(seed),
        )  # fmt: skip
        assert report.passed, sentences(report)
        assert 8 <= report.horizons["drawn"] <= 40
        assert report.horizon == report.horizons["drawn"]
        assert all(case.sizes["steps"] <= report.horizons[case.kind] for case in report.cases)
        assert sum(record.cases for record in report.loops) > 100
        assert all(record.error <= record.bound for record in report.loops)


def other_constant(body_name):
    """The rate, which the body takes from around it, is another one within the loop only."""

    def change(graph, node, body):
        rate = next(tensor for tensor in graph.initializer if tensor.dims == [1] and numpy_helper.to_array(tensor)[0] > 3)
        wrong = numpy_helper.from_array(numpy_helper.to_array(rate) * np.float32(1 + 1e-5), "wrong rate")
        graph.initializer.append(wrong)
        for inner in body.node:
            inner.input[:] = ["wrong rate" if name == rate.name else name for name in inner.input]

    return change


@pytest.mark.parametrize("name", GRAPHS)
def test_a_small_fault_inside_a_body_is_caught(faulty, name):
    report = faulty(name, other_constant(name))
    assert not report.passed
    assert any(
        "off by" in failure for record in report.loops for failure in record.failures if "next state" in record.output
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_a_wrong_first_state_is_caught(faulty, name):
    def change(graph, node, body):
        place = len(node.input) - 1 if node.op_type == "Loop" else 0  # of the value that the run starts from
        graph.initializer.append(numpy_helper.from_array(np.array([1.00001], np.float32), "one"))
        scaled = onnx.helper.make_node("Mul", [node.input[place], "one"], ["scaled"])
        node.input[place] = "scaled"
        graph.node.insert(list(graph.node).index(node), scaled)

    report = faulty(name, change)
    failures = [failure for record in report.loops for failure in record.failures if "first state" in record.output]
    assert any("off by" in failure for failure in failures)


def test_a_loop_that_ends_too_early_is_caught(faulty):
    def change(graph, node, body):
        less = next(inner for inner in body.node if inner.output[0] == body.output[0].name)
        graph.initializer.append(numpy_helper.from_array(np.array(5), "five"))
        less.input[1] = "five"

    report = faulty("loop", change)
    failures = [failure for record in report.loops for failure in record.failures if "goes on" in record.output]
    assert any("0 instead of 1" in failure for failure in failures)


def test_a_scan_that_runs_backwards_is_caught(faulty):
    def change(graph, node, body):
        kept = [attribute for attribute in node.attribute if attribute.name != "scan_input_directions"]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute("scan_input_directions", [1])])

    assert "loop 0 has scan_input_directions other than 0" in faulty("scan", change).broken


def test_results_that_are_mixed_up_after_the_loop_are_caught(faulty):
    def change(graph, node, body):
        graph.initializer.append(numpy_helper.from_array(np.array(0.99999, np.float32), "nearly one"))
        last = next(other for other in graph.node if node.output[1] in other.input)
        scaled = onnx.helper.make_node("Mul", [node.output[1], "nearly one"], ["scaled"])
        last.input[:] = ["scaled" if name == node.output[1] else name for name in last.input]
        graph.node.insert(list(graph.node).index(last), scaled)

    assert not faulty("scan", change).passed


def test_a_run_that_parts_at_its_first_step_is_an_error(exported):
    class Wild(Logistic):
        def step(self, x):
            return 0.5 + 0.4 * torch.sin(1e7 * x)

    report = proof(SCAN, exported / "scan.onnx", Wild)
    assert not report.passed
    assert "drawn: rounding alone parts a free run at its first step" in report.broken


def test_a_free_run_whose_loop_cannot_be_watched_is_refused(exported):
    class Unrolled(Logistic):
        def by_scan(self, x, drift):
            run = []
            for pushed in drift.T:
                x = self.step(x) + 0.01 * pushed[:, None]
                run.append(x)
            return torch.cat(run, dim=1), x

    report = proof(SCAN, exported / "scan.onnx", Unrolled)
    assert not report.passed
    assert any("as a whole only" in sentence for sentence in report.broken)
    plain = dataclasses.replace(SCAN, axes=(Axis(name="steps", high=5),))
    report = proof(plain, exported / "scan.onnx", Unrolled)  # five steps are compared as they are
    assert report.passed, sentences(report)
    assert any("as a whole only" in remark for remark in report.remarks)


def test_a_watched_loop_tells_its_states_and_takes_given_results():
    def halve(count, x):
        return count + 1, x / 2

    def run():
        return while_loop(lambda count, x: count < 3, halve, (torch.tensor(0), torch.tensor([8.0])))

    with watching() as watch:
        count, x = run()
    assert (int(count), x.tolist()) == (3, [1.0])
    assert [step.state[1].tolist() for step in watch.loops[0].steps] == [[8.0], [4.0], [2.0]]
    with watching([(torch.tensor(7), torch.tensor([5.0]))]):
        assert [tensor.tolist() for tensor in run()] == [7, [5.0]]


@pytest.mark.parametrize("operator", ["Loop", "Scan"])
@pytest.mark.parametrize("before", range(7))
def test_an_operator_is_found_across_two_parts_of_a_file(tmp_path, monkeypatch, operator, before):
    """Field, length and name take six bytes; the first part that is read ends after `before` of them."""
    node = onnx.helper.make_node(operator, ["x"], ["y"]).SerializeToString()
    offset = node.index(operator.encode()) - 2
    monkeypatch.setattr("export.loops.PART_BYTES", offset + before)
    path = tmp_path / "node.pb"
    path.write_bytes(node)
    assert names_loops(path)
    path.write_bytes(node.replace(operator.encode(), b"Gemm"))
    assert not names_loops(path)
