"""Files that somebody else made: ports that are inferred, and the inputs that they are proven on."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export.foreign import file_reference, validate_file
from export.inputs import Case
from export.invariances import check_invariances
from export.lift import read_model
from export.ports import infer_ports
from export.reference import TorchReference
from export.report import findings
from zoo.errors import SpecError
from zoo.run import save_arrays
from zoo.session import Session

ROWS = 100


def embedding(path, table, shape=("batch", 3), kind=TensorProto.INT64):
    """A file that looks tokens up and adds a weight of them."""
    nodes = [
        helper.make_node("Unsqueeze", ["tokens", "axes"], ["wide"]),
        helper.make_node("Gather", ["table", "wide"], ["found"]),
        helper.make_node("Neg", ["found"], ["y"]),
    ]
    weights = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")]
    tokens = helper.make_tensor_value_info("tokens", kind, list(shape))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 1, shape[1], table.shape[1]])
    return save(path, nodes, [tokens], [y], weights)


def save(path, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, "own", inputs, outputs, list(weights))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.fixture
def table():
    return np.random.default_rng(0).standard_normal((ROWS, 4)).astype(np.float32)


def test_every_row_of_a_table_is_looked_up(tmp_path, table):
    right = embedding(tmp_path / "right.onnx", table)
    assert validate_file(right, file_reference(right)).passed
    other = table.copy()
    other[2:] += 1
    assert not validate_file(embedding(tmp_path / "wrong.onnx", other), file_reference(right)).passed


def comparing(path, names=(None, None)):
    """A file that compares two integer inputs, whose range nothing tells."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [first, 2]) for name, first in zip("ab", names, strict=True)
    ]
    nodes = [helper.make_node("Sub", ["a", "b"], ["c"]), helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]
    return save(path, nodes, inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [names[0], 2])])


def test_samples_widen_a_range_and_a_guess_is_remarked(tmp_path):
    path = comparing(tmp_path / "own.onnx", ("n", "n"))
    report = validate_file(path, file_reference(path))
    assert "integer input 'a' only drawn as 0 and 1; declare it with --ports" in " ".join(findings(report))
    save_arrays(tmp_path / "real.npz", {name: np.arange(-40, 40).reshape(-1, 2) for name in "ab"})
    report = validate_file(path, file_reference(path), samples=tmp_path / "real.npz")
    assert report.passed
    assert "only drawn" not in " ".join(findings(report))
    assert max(int(case.inputs["a"].max()) for case in report.graphs[0].cases if case.kind == "drawn") > 30


def test_unnamed_first_axes_are_one_batch(tmp_path):
    path = comparing(tmp_path / "own.onnx")
    report = validate_file(path, file_reference(path))
    assert report.passed
    assert {size for case in report.graphs[0].cases for size in case.sizes} == {"batch"}


def test_an_answer_that_depends_on_the_threads_is_caught(tmp_path, table, monkeypatch):
    path = embedding(tmp_path / "own.onnx", table)
    run, opened = Session.run, Session.__init__

    def remember(session, *arguments, threads=0, **options):
        opened(session, *arguments, threads=threads, **options)
        session.threads = threads

    def off(session, inputs):
        return {name: array + 1e-3 * (session.threads == 2) for name, array in run(session, inputs).items()}

    monkeypatch.setattr(Session, "__init__", remember)
    monkeypatch.setattr(Session, "run", lambda *all: {name: a.astype("float32") for name, a in off(*all).items()})
    report = validate_file(path, file_reference(path))
    assert not report.passed
    assert set(report.graphs[0].broken) >= {"drawn: 2 threads change output 'y'"}
    assert not any("1 threads" in sentence for sentence in report.graphs[0].broken)


def scalar(path):
    """A scalar comes in, and a scalar goes out beside a label."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])]
    outputs.append(helper.make_tensor_value_info("sign", TensorProto.BOOL, []))
    nodes = [helper.make_node("Exp", ["x"], ["y"]), helper.make_node("Less", ["x", "y"], ["sign"])]
    return save(path, nodes, inputs, outputs)


def test_scalars_are_compared(tmp_path):
    path = scalar(tmp_path / "own.onnx")
    report = validate_file(path, file_reference(path))
    assert report.passed, report.graphs[0].broken
    assert {record.rows for record in report.graphs[0].records} >= {64}


class TwoInputs(torch.nn.Module):
    def forward(self, a, b):
        return {"sum": a + b}


@pytest.mark.parametrize(("inputs", "sentence"), [(1, "forward cannot be called"), (2, "returned a dict")])
def test_an_original_that_does_not_fit_is_a_sentence(tmp_path, inputs, sentence):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "ab"[:inputs]]
    nodes = [helper.make_node("Sum", list("ab"[:inputs]), ["y"])]
    path = save(tmp_path / "own.onnx", nodes, values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])])
    with pytest.raises(SpecError, match=sentence):
        validate_file(path, TorchReference(TwoInputs))


def test_a_graph_that_takes_one_size_only_is_a_sentence(tmp_path):
    """The size of the batch is multiplied into the answer's shape, so a row alone does not run."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    path = save(tmp_path / "own.onnx", [helper.make_node("Neg", ["x"], ["y"])], [x],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])])  # fmt: skip
    graph = infer_ports(read_model(path), "own")
    session = Session(path, graph)

    class Picky:
        def run(self, inputs):
            if len(inputs["x"]) == 1:
                raise RuntimeError("one row is too few")
            return session.run(inputs)

    cases = [Case("drawn", {"x": np.ones((7, 2), np.float32)}, {"n": 7})]
    broken = check_invariances(graph, Picky(), cases, {("y", "drawn"): 0.0}, np.random.default_rng(0))
    assert broken == ["drawn: the graph does not run at other sizes (one row is too few)"]
