"""Rewrites of an exported graph to an equal one that ONNX Runtime runs faster.

A square is exported as Pow with an exponent of 2, and becomes a product, Mul(x, x). The weights of a loop's body are
exported as tensors of the graph around it, and move into the body where nothing else uses them: ONNX Runtime fuses nodes,
and brings convolutions into its blocked layout, only where the weights are of the node's own graph. What each is worth:
`docs/studies/slower.md`. Constants that are then of no use, or that the exporter left so, fall away.
"""

from __future__ import annotations

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, NodeProto, numpy_helper


def rewrite(graph: GraphProto) -> None:
    """Change `graph`, and the bodies of its loops and branches, in place."""
    _multiply_squares(graph, frozenset())
    _drop_unused(graph)
    _move_weights(graph)


def _multiply_squares(graph: GraphProto, around: frozenset[str]) -> None:
    """`around` names the exponents of 2 of the graphs that this one lies in."""
    twos = around | {tensor.name for tensor in graph.initializer if not tensor.dims and numpy_helper.to_array(tensor) == 2}
    for node in graph.node:
        if node.op_type == "Pow" and node.input[1] in twos:
            node.op_type = "Mul"
            node.input[1] = node.input[0]
        for body in _bodies(node):
            _multiply_squares(body, twos)


def _drop_unused(graph: GraphProto) -> None:
    used = set(_uses(graph))
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _move_weights(graph: GraphProto) -> None:
    bodies = [body for node in graph.node for body in _bodies(node)]
    here = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    inside = [set(_uses(body)) for body in bodies]
    for tensor in list(graph.initializer):
        users = [body for body, names in zip(bodies, inside, strict=True) if tensor.name in names]
        if len(users) == 1 and tensor.name not in here:
            users[0].initializer.append(tensor)
            graph.initializer.remove(tensor)
    for body in bodies:
        _move_weights(body)


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    return (attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH)


def _uses(graph: GraphProto) -> Iterator[str]:
    """Names that a graph's nodes take or that it gives, those of the bodies in it included."""
    for node in graph.node:
        yield from node.input
        for body in _bodies(node):
            yield from _uses(body)
    yield from (value.name for value in graph.output)
