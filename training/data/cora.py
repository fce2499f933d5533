"""Cora: 2,708 papers on machine learning, the words each of them has, and who cites whom; what is each about?

Sen et al. (2008), "Collective classification in network data", AI Magazine 29(3), https://doi.org/10.1609/aimag.v29i3.2157,
in the files and with the split of Yang, Cohen, Salakhutdinov (2016), https://arxiv.org/abs/1603.08861 ("Planetoid"): 140
papers with a label to learn from (20 a class), the next 500 to validate on, 1,000 to test on. Research use. The public
address is unproven: it could not be opened where this was written; the checksums are of the copies in $ZOO_DATA.

`ally` and `ty` number the classes. Their names follow from the sizes of the classes, which are all different: 351, 217, 418,
818, 426, 298 and 180 papers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.data import pickled
from training.data.dataset import Dataset, Split
from training.data.download import fetch
from training.data.raw import RawFile, read
from zoo.codecs.node_classification import both_directions, to_raw
from zoo.errors import DataError

ADDRESS = "https://raw.githubusercontent.com/kimiyoung/planetoid/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data/"

_CHECKSUMS = {
    "ind.cora.y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
    "ind.cora.allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
    "ind.cora.ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
    "ind.cora.tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
    "ind.cora.ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
    "ind.cora.graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
    "ind.cora.test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
}
FILES = tuple(RawFile(url=ADDRESS + name, path=f"cora/{name}", sha256=sha256) for name, sha256 in _CHECKSUMS.items())

LABELS = (
    "theory", "reinforcement learning", "genetic algorithms", "neural networks", "probabilistic methods",
    "case-based reasoning", "rule learning",
)  # fmt: skip
VALIDATION = 500  # papers after those that are learned from
UNJUDGED = -1


def load() -> Dataset:
    """The whole graph three times, as `zoo.codecs.node_classification` has raw graphs; 2,708 nodes, 5,278 edges.

    The splits differ in their targets (1, nodes): classes of the papers that belong to the split, −1 of all others.
    Raises DataError when a file cannot be had or is damaged.
    """
    learned, allx, ally, tx, ty, links, order = (_content(path) for path in fetch(*FILES))
    nodes = np.concatenate([np.arange(len(allx)), order])  # which node each row of allx and tx is
    if not np.array_equal(np.sort(nodes), np.arange(len(links))) or len(nodes) != len(ally) + len(ty):
        raise DataError(
            f"The files below {ADDRESS} have {len(nodes)} papers, {len(links)} of them linked; fetch them again."
        )
    words, labels = np.zeros((len(nodes), allx.shape[1]), bool), np.zeros(len(nodes), np.int64)
    words[nodes], labels[nodes] = np.concatenate([allx, tx]) > 0, np.concatenate([ally, ty]).argmax(axis=1)
    raw, first = to_raw(_document(words, links)), len(learned)
    return Dataset(
        name="cora",
        source=ADDRESS,
        licence="research use",
        note="One graph: all papers and citations are seen in training, the labels of 140 papers.",
        labels=LABELS,
        train=_split(raw, labels, np.arange(first)),
        validation=_split(raw, labels, np.arange(first, min(first + VALIDATION, len(allx)))),
        test=_split(raw, labels, np.sort(order)),
    )


def _content(path: Path) -> Any:
    """Arrays and a dictionary of pickles; the numbers of `test.index`, one a line."""
    content = read(path)
    if not path.name.endswith("index"):
        return pickled.parse(content, name=str(path))
    try:
        return np.array(content.split(), np.int64)
    except ValueError as error:
        raise DataError(f"{path} holds something else than numbers ({error}); fetch it again.") from error


def _document(words: np.ndarray, links: dict[int, list[int]]) -> dict[str, Any]:
    """The numbers of each paper's words, and every citation once, whoever cites."""
    ends = np.array([(paper, other) for paper, others in links.items() for other in others], np.int64).reshape(-1, 2)
    ends = both_directions(ends).T
    return {
        "nodes": [np.flatnonzero(row).tolist() for row in words],
        "edges": ends[ends[:, 0] < ends[:, 1]].tolist(),
    }


def _split(raw: np.ndarray, labels: np.ndarray, nodes: np.ndarray) -> Split:
    targets = np.full((1, len(labels)), UNJUDGED)
    targets[0, nodes] = labels[nodes]
    return Split(raws=[raw], targets=targets)
