"""Squares become products and a body's weights move into it; what the graph computes stays."""

import numpy as np
import onnx
import pytest
from onnx import parser
from onnx.reference import ReferenceEvaluator

from export.exporter import convert
from export.rewrite import rewrite
from zoo.original import Original
from zoo.registry import load_family

HEAD = '<ir_version: 10, opset_import: ["": 20]>\n'
SCAN = """
g (float[2] start, float[n, 2] x) => (float[2] last, float[2] other)
<float[2] weight = {1.5, -2.0}, float[2] common = {0.5, 4.0}, float two = {2.0}, float three = {3.0}>
{
  last = Scan<num_scan_inputs = 1, body = step (float[2] before, float[2] slice) => (float[2] after)
  {
    square = Pow(slice, two)
    cube = Pow(before, three)
    weighed = Mul(square, weight)
    both = Add(weighed, common)
    after = Sub(both, cube)
  }>(start, x)
  other = Mul(start, common)
}
"""
TWO_BODIES = """
g (bool first, float[2] x) => (float[2] y)
<float[2] weight = {1.5, -2.0}, float[2] left = {3.0, 1.0}>
{
  y = If(first)<
    then_branch = a () => (float[2] a_y) { scaled = Mul(x, left) a_y = Add(scaled, weight) },
    else_branch = b () => (float[2] b_y) { b_y = Sub(x, weight) }>
}
"""


def rewritten(text):
    """The model before and after, both checked."""
    before, after = parser.parse_model(HEAD + text), parser.parse_model(HEAD + text)
    rewrite(after.graph)
    for model in (before, after):
        onnx.checker.check_model(model, full_check=True)
    return before, after


def names(tensors):
    return {tensor.name for tensor in tensors}


def bodies(graph):
    return {attribute.g.name: attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")}


def test_a_square_becomes_a_product_and_a_cube_stays():
    before, after = rewritten(SCAN)
    step = bodies(after.graph)["step"]
    assert [node.op_type for node in step.node] == ["Mul", "Pow", "Mul", "Add", "Sub"]
    assert list(step.node[0].input) == ["slice", "slice"]
    inputs = {"start": np.float32([0.5, -1]), "x": np.float32([[1, 2], [3, -4], [0, 0.25]])}
    for found, expected in zip(*(ReferenceEvaluator(model).run(None, inputs) for model in (after, before)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_weights_of_the_body_alone_move_into_it():
    _, after = rewritten(SCAN)
    assert names(after.graph.initializer) == {"common"}
    assert names(bodies(after.graph)["step"].initializer) == {"weight", "three"}


def test_weights_of_two_bodies_stay_outside():
    before, after = rewritten(TWO_BODIES)
    assert names(after.graph.initializer) == {"weight"}
    assert {name: names(body.initializer) for name, body in bodies(after.graph).items()} == {"a": {"left"}, "b": set()}
    for first in (True, False):
        inputs = {"first": np.array(first), "x": np.float32([2, 7])}
        found, expected = (ReferenceEvaluator(model).run(None, inputs)[0] for model in (after, before))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("exponent", ["int64 two = {2}", "float[1] two = {2.0}", "float two = {2.5}", "float two = {-2.0}"])
def test_only_a_scalar_of_two_is_a_square(exponent):
    text = f"g (float[n] x) => (float[n] y) <{exponent}> {{ y = Pow(x, two) }}"
    _, after = rewritten(text)
    assert after.graph.node[0].op_type == ("Mul" if exponent == "int64 two = {2}" else "Pow")
    assert names(after.graph.initializer) == (set() if exponent == "int64 two = {2}" else {"two"})


def test_a_two_that_something_else_uses_is_kept():
    _, after = rewritten("g (float[n] x) => (float[n] y) <float two = {2.0}> { square = Pow(x, two) y = Add(square, two) }")
    assert [node.op_type for node in after.graph.node] == ["Mul", "Add"]
    assert names(after.graph.initializer) == {"two"}


def test_a_constant_that_nothing_uses_falls_away():
    _, after = rewritten("g (float[n] x) => (float[n] y) <float[2] left = {1.0, 2.0}> { y = Neg(x) }")
    assert not after.graph.initializer


def test_every_convolution_of_a_sampler_has_its_weights_beside_it():
    family = load_family("ddpm")
    original = Original.build("ddpm", family.tiny)
    graph = convert(original, original.graph("sample")).graph
    (step,) = bodies(graph).values()
    kernels = {node.input[1] for node in step.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")}
    assert len(kernels) >= 15
    assert kernels - names(step.initializer) <= {name for node in step.node for name in node.output}
    assert not any(node.op_type == "Pow" for node in (*graph.node, *step.node))
