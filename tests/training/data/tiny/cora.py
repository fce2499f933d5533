"""Tiny files in the format of Cora: pickles as Python 2 and SciPy wrote them, of which today's Python makes no such ones."""

import pickle

import numpy as np

WORDS, CLASSES = 1433, 7
LEARNED, ALL, TESTED = 14, 40, 60  # rows of x, of allx, of tx


def text(value):
    return b"U" + bytes([len(value)]) + value


def array(values):
    """The instructions that build an array: an empty one, then its type, shape and bytes."""
    values = np.ascontiguousarray(values)
    kind = values.dtype.str[1:].encode()
    dtype = (
        b"cnumpy\ndtype\n("
        + text(kind)
        + b"K\x00K\x01tR(K\x03"
        + text(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    shape = b"(" + b"".join(b"J" + size.to_bytes(4, "little") for size in values.shape) + b"t"
    data = values.tobytes()
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    return empty + b"(K\x01" + shape + dtype + b"\x89T" + len(data).to_bytes(4, "little") + data + b"tb"


def matrix(dense):
    """The instructions that build a compressed sparse matrix."""
    rows, columns = np.nonzero(dense)
    starts = np.concatenate([[0], np.cumsum(dense.astype(bool).sum(1))]).astype("<i4")
    fields = {b"data": dense[rows, columns].astype("<f4"), b"indices": columns.astype("<i4"), b"indptr": starts}
    shape = b"(" + b"".join(b"J" + size.to_bytes(4, "little") for size in dense.shape) + b"t"
    state = b"".join(text(name) + array(values) for name, values in fields.items()) + text(b"_shape") + shape
    return b"cscipy.sparse.csr\ncsr_matrix\n)\x81}(" + state + b"ub"


def pickled(instructions):
    return b"\x80\x02" + instructions + b"."


def papers(seed=0):
    """Words (rows, words), classes and citations of a hundred papers; those of one class share words."""
    rng = np.random.default_rng(seed)
    labels = np.arange(ALL + TESTED) % CLASSES
    words = rng.random((len(labels), WORDS)) < 0.005
    words[np.arange(len(labels)), labels] = True
    links = {paper: [int(other) for other in rng.integers(0, len(labels), 3)] for paper in range(len(labels))}
    return words.astype(np.float32), labels, links


def contents():
    """In the order of `FILES`: y, allx, ally, tx, ty, graph, test.index; the tested papers are listed backwards."""
    words, labels, links = papers()
    classes = np.eye(CLASSES, dtype="<i4")[labels]
    order = np.arange(ALL + TESTED - 1, ALL - 1, -1)
    return (
        pickled(array(classes[:LEARNED])),
        pickled(matrix(words[:ALL])),
        pickled(array(classes[:ALL])),
        pickled(matrix(words[order])),
        pickled(array(classes[order])),
        pickle.dumps(links, protocol=2),
        "\n".join(map(str, order)).encode() + b"\n",
    )
