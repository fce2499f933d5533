"""Cora on tiny files of the real format, the unpickler that stops at everything but numbers, and parts of graphs."""

import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from training.data import Split, cora, pickled
from training.data.subgraph import nearest, neighbourhoods
from zoo.codecs.node_classification import to_raw
from zoo.errors import DataError

SPEC = importlib.util.spec_from_file_location("tiny_cora", Path(__file__).parent / "tiny" / "cora.py")
tiny = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tiny)


@pytest.fixture
def dataset(monkeypatch, source):
    files = [source.file(file.path, content) for file, content in zip(cora.FILES, tiny.contents(), strict=True)]
    monkeypatch.setattr(cora, "FILES", tuple(files))
    return cora.load()


def test_every_split_is_the_whole_graph(dataset):
    words, _, links = tiny.papers()
    documents = [json.loads(split.raws[0].tobytes()) for split in (dataset.train, dataset.validation, dataset.test)]
    assert documents[0] == documents[1] == documents[2]
    assert documents[0]["nodes"] == [np.flatnonzero(row).tolist() for row in words]
    cited = {frozenset((paper, other)) for paper, others in links.items() for other in others if other != paper}
    assert {frozenset(edge) for edge in documents[0]["edges"]} == cited
    assert len(documents[0]["edges"]) == len(cited)
    assert all(a < b for a, b in documents[0]["edges"])


def test_each_split_judges_papers_of_its_own(dataset):
    """y has 14 rows; the next of allx (40 rows) validate; test.index lists the 60 others, backwards."""
    _, labels, _ = tiny.papers()
    expected = {"train": range(14), "validation": range(14, 40), "test": range(40, 100)}
    for name, nodes in expected.items():
        targets = getattr(dataset, name).targets
        assert targets.shape == (1, 100)
        assert np.flatnonzero(targets[0] >= 0).tolist() == list(nodes)
        assert targets[0, list(nodes)].tolist() == labels[list(nodes)].tolist()
    assert len(dataset.labels) == 7


def test_papers_that_are_missing_are_noticed(monkeypatch, source):
    contents = list(tiny.contents())
    contents[-1] = b"99\n98\n"
    files = [source.file(file.path, content) for file, content in zip(cora.FILES, contents, strict=True)]
    monkeypatch.setattr(cora, "FILES", tuple(files))
    with pytest.raises(DataError, match=r"have 42 papers, 100 of them linked; fetch them again"):
        cora.load()


def test_an_array_of_python_2_is_read():
    values = np.array([[1, -2], [3, 4]], "<i4")
    assert pickled.parse(tiny.pickled(tiny.array(values)), name="y").tolist() == values.tolist()
    dense = np.array([[0, 2, 0], [0, 0, 0], [1, 0, 3]], np.float32)
    assert pickled.parse(tiny.pickled(tiny.matrix(dense)), name="x").tolist() == dense.tolist()


class Spy:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_asks_for_more_is_stopped(tmp_path, protocol):
    content = pickle.dumps({"numbers": [1, Spy(tmp_path / "was here")]}, protocol)
    with pytest.raises(
        DataError, match=r"allx is no pickle of numbers \(.*is not built here\); delete it and fetch it again"
    ):
        pickled.parse(content, name="allx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"cos\nsystem\n(S'true'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cnumpy\nsave\n.",
        b"Ppersistent\n.",
        tiny.pickled(tiny.array(np.arange(4)))[:-9],
        tiny.pickled(tiny.matrix(np.eye(3, dtype=np.float32)).replace(b"indices", b"indicez")),
        tiny.pickled(tiny.matrix(np.eye(3, dtype=np.float32)).replace(b"J\x03\x00\x00\x00J\x03", b"J\x02\x00\x00\x00J\x03")),
    ],
)
def test_a_damaged_pickle_is_refused(content):
    with pytest.raises(DataError, match="x is no pickle of numbers"):
        pickled.parse(content, name="x")


def test_the_nearest_come_first():
    """0 - 1 - 2 - 3, and 4 beside 0."""
    neighbours = [[1, 4], [0, 2], [1, 3], [2], [0]]
    assert nearest(neighbours, 0, 4) == [0, 1, 4, 2]
    assert nearest(neighbours, 3, 2) == [3, 2]
    assert nearest([[], []], 1, 5) == [1]


def test_a_part_of_a_graph_keeps_its_edges_and_targets():
    """A path of six: around node 1, the first of class 0, and node 4, the only one of class 2."""
    document = {"nodes": [[k] for k in range(6)], "edges": [[k, k + 1] for k in range(5)]}
    part = neighbourhoods(Split(raws=[to_raw(document)], targets=np.array([[-1, 0, -1, 0, 2, -1]])), 2)
    assert json.loads(part.raws[0].tobytes()) == {"nodes": [[0], [1], [3], [4]], "edges": [[0, 1], [2, 3]]}
    assert part.targets.tolist() == [[-1, 0, 0, 2]]
