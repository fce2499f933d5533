"""The codec of graphs, their accuracy, and the network by hand."""

import json

import numpy as np
import pytest
import torch

from zoo.calls import drive
from zoo.codecs.node_classification import NodeClassification, to_raw
from zoo.errors import CodecError, MediaTypeError
from zoo.metrics import load_metric
from zoo.original import Original
from zoo.registry import load_family

CODEC = NodeClassification(labels=("a", "b"), features=4, max_nodes=5, max_edges=6)
JSON = "application/json"
PATH = {"nodes": [[0, 2], [3], []], "edges": [[0, 1], [1, 2]]}


def body(document):
    return json.dumps(document).encode()


def encode(document):
    return CODEC.encode(CODEC.read(body(document), JSON))


def test_features_are_shares_and_edges_go_both_ways():
    arrays = encode(PATH)
    assert arrays["x"].tolist() == [[0.5, 0, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert arrays["edges"].tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert (arrays["x"].dtype, arrays["edges"].dtype) == (np.float32, np.int64)


def test_edges_have_no_direction_and_are_there_once():
    again = {**PATH, "edges": [[1, 0], [0, 1], [2, 1], [2, 2]]}
    assert np.array_equal(encode(again)["edges"], encode(PATH)["edges"])
    assert encode({"nodes": [[1]]})["edges"].shape == (2, 0)


def test_features_may_be_numbers():
    dense = {"features": [[3, 0, 3, 0], [0, 0, 0, 0.5], [0, 0, 0, 0]], "edges": PATH["edges"]}
    assert np.array_equal(encode(dense)["x"], encode(PATH)["x"])


def test_many_graphs_are_many_calls():
    raws = CODEC.read(body({"instances": [PATH, {"nodes": [[1], [1]], "edges": []}]}), JSON)
    sizes = []

    def run(graph, inputs):
        sizes.append(len(inputs["x"]))
        return {"logits": np.tile(np.log([1.0, 3.0]), (len(inputs["x"]), 1)).astype(np.float32)}

    first, second = drive(CODEC.predict(raws), run)
    assert sizes == [3, 2]
    assert [len(first["nodes"]), len(second["nodes"])] == [3, 2]
    assert first["nodes"][0]["label"] == "b"
    assert first["nodes"][0]["probabilities"] == pytest.approx({"a": 0.25, "b": 0.75})
    with pytest.raises(CodecError, match="2 graphs cannot enter one call, which is one graph; send one at a time"):
        CODEC.encode(raws)


def test_a_raw_graph_is_its_document():
    [raw] = CODEC.read(body(PATH), JSON)
    assert raw.dtype == np.uint8
    assert CODEC.instance(raw) == PATH
    assert np.array_equal(raw, to_raw(PATH))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "The body is not JSON"),
        (b"\xff", "The body is not JSON"),
        (b"[" * 100_000, "The body is not JSON"),
        ([], "There is no graph; send at least one"),
        ([3], "A graph is a JSON object with either nodes or features, and edges"),
        ({"edges": []}, "with either nodes or features"),
        ({"nodes": [[1]], "features": [[1, 0, 0, 0]]}, "with either nodes or features"),
        ({"nodes": []}, "The graph has no list of nodes"),
        ({"nodes": {"0": [1]}}, "The graph has no list of nodes"),
        ({"nodes": [[1]] * 6}, "The graph has 6 nodes; send at most 5"),
        ({"nodes": [[1], 2]}, "Node 1 is no list of whole numbers"),
        ({"nodes": [[True]]}, "Node 0 is no list of whole numbers"),
        ({"nodes": [[0, 4]]}, "Node 0 has feature 4; send 0 to 3"),
        ({"nodes": [[-1]]}, "Node 0 has feature -1; send 0 to 3"),
        ({"nodes": [[10**30]]}, f"Node 0 has feature {10**30}; send 0 to 3"),
        ({"features": [[1, 2, 3]]}, "Node 0 is no list of 4 numbers"),
        ({"features": [[1, 2, 3, "4"]]}, "Node 0 is no list of 4 numbers"),
        ({"features": [[1, 2, 3, -4]]}, "The graph holds the feature -4; send numbers of 0 or more"),
        (b'{"features": [[1, 2, 3, NaN]]}', "The graph holds NaN or infinity"),
        (b'{"features": [[1, 2, 3, 1e999]]}', "The graph holds NaN or infinity"),
        ({"nodes": [[1]], "edges": 3}, "The edges are no list"),
        ({"nodes": [[1]], "edges": [[0, 0]] * 7}, "The graph has 7 edges; send at most 6"),
        ({"nodes": [[1]], "edges": [[0]]}, "Edge 0 is no pair of node numbers"),
        ({"nodes": [[1]], "edges": [[0, 0], [0, 0.5]]}, "Edge 1 is no pair of node numbers"),
        ({"nodes": [[1]], "edges": [[0, 1]]}, "Edge 0 names node 1; send 0 to 0"),
        ({"nodes": [[1]], "edges": [[-1, 0]]}, "Edge 0 names node -1; send 0 to 0"),
    ],
)
def test_bad_graphs_are_refused(document, message):
    with pytest.raises(CodecError, match=message):
        CODEC.read(document if isinstance(document, bytes) else body(document), JSON)


@pytest.mark.parametrize(
    ("number", "message"), [(10**400, "beyond 1e308"), (1e308, r"feature 1e\+308; send numbers of at most")]
)
def test_numbers_that_are_too_large_are_refused(number, message):
    with pytest.raises(CodecError, match=message):
        CODEC.read(body({"features": [[number, 0, 0, 0]]}), JSON)


def test_other_types_are_refused():
    with pytest.raises(MediaTypeError, match="'text/csv' is not read here; send application/json"):
        CODEC.read(b"1,2", "text/csv")


def test_only_judged_nodes_count():
    arrays = {"predict/x": np.zeros((4, 2)), "predict/edges": np.zeros((2, 0), int), "targets": np.array([[1, -1, 0, 1]])}
    scores = np.array([[0.0, 1], [0, 1], [0, 1], [0, 1]])
    metric = load_metric("accuracy")
    asked = []

    def run(graph, inputs):
        asked.append(sorted(inputs))
        return {"logits": scores}

    assert drive(metric.score(arrays), run).tolist() == [1, 0, 1]
    assert asked == [["edges", "x"]]


def gcn(**weights):
    """A network of one feature, one hidden unit and one class, with these two weights."""
    family = load_family("gcn")
    original = Original.build("gcn", family.config(in_features=1, hidden=1, classes=1))
    with torch.no_grad():
        for name, value in weights.items():
            getattr(original.model, name).weight.fill_(value)
    return original


def logits(original, x, edges):
    inputs = {"x": np.array(x, np.float32)[:, None], "edges": np.array(edges, np.int64).reshape(2, -1)}
    return original.call(original.graphs[0], inputs)["logits"][:, 0]


def test_a_pair_shares_alike():
    """Ã has ones only and D̃ = 2: each node becomes half of both, twice over: 2 · 3 · (1 + 3) / 2."""
    assert logits(gcn(hidden=2, head=3), [1, 3], [[0, 1], [1, 0]]) == pytest.approx([12, 12])


def test_a_path_by_hand():
    """Nodes 0 - 1 - 2: D̃ = (2, 3, 2), so Â has rows (1/2, 1/√6, 0), (1/√6, 1/3, 1/√6), (0, 1/√6, 1/2).

    From x = (6, 0, 0): Â x = (3, √6, 0); Â of that (3/2 + 1, 3/√6 + √6/3, 1).
    """
    found = logits(gcn(hidden=1, head=1), [6, 0, 0], [[0, 1, 1, 2], [1, 0, 2, 1]])
    assert found == pytest.approx([2.5, 3 / 6**0.5 + 6**0.5 / 3, 1])


def test_the_hidden_units_are_rectified():
    assert logits(gcn(hidden=-1, head=1), [1, 3], [[0, 1], [1, 0]]) == pytest.approx([0, 0])


def test_a_node_without_edges_keeps_to_itself():
    assert logits(gcn(hidden=1, head=1), [5, 7], []) == pytest.approx([5, 7])


def test_an_edge_goes_one_way_and_may_count_twice():
    """Two edges 0 → 1: Ã's row of node 1 is (2, 1), D̃ = (1, 3). Â x of (1, 0) is (1, 2/√3), of that (1, 2/√3 + 2/(3√3))."""
    found = logits(gcn(hidden=1, head=1), [1, 0], [[0, 0], [1, 1]])
    assert found == pytest.approx([1, 2 / 3**0.5 + 2 / (3 * 3**0.5)])


def test_the_published_size():
    """Kipf and Welling: 1,433 words, 16 hidden units, 7 classes, no biases."""
    original = Original.build("gcn", load_family("gcn").config())
    assert original.num_parameters() == 1433 * 16 + 16 * 7
