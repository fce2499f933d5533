"""Old pickles that hold nothing but numbers: read with a list of what they may build, never by `pickle.load`.

A pickle is a program. The one that runs here may build NumPy arrays, sparse matrices of SciPy (their three arrays), lists
and dictionaries, and is stopped at the first name of anything else, before that is imported.
https://docs.python.org/3/library/pickle.html#restricting-globals
"""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from typing import Any

import numpy as np

from zoo.errors import DataError


def parse(content: bytes, *, name: str) -> Any:
    """What the pickle holds: dictionaries and arrays; a sparse matrix is a dense one. `name` is what errors call it.

    Strings of Python 2 are read as Latin-1, as the bytes of its arrays need it. Raises DataError.
    """
    try:
        found = _Numbers(io.BytesIO(content), encoding="latin1").load()
        return _dense(found) if isinstance(found, _Sparse) else found
    except Exception as error:  # a damaged pickle raises what its first wrong instruction leads to
        raise DataError(f"{name} is no pickle of numbers ({error}); delete it and fetch it again.") from error


class _Numbers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not built here")
        return _ALLOWED[module, name]


class _Sparse:
    """Stands for a compressed sparse matrix: takes its fields, and computes nothing."""

    __slots__ = ("fields",)

    def __setstate__(self, fields: dict[str, Any]) -> None:
        self.fields = fields


def _array(kind: type, shape: tuple[int, ...], code: str) -> np.ndarray:
    """An empty array, whose content follows; always a plain one."""
    return np.empty(0, np.uint8)


def _dense(matrix: _Sparse) -> np.ndarray:
    """(rows, columns) of row pointers, column numbers and values."""
    values, columns, starts = (np.asarray(matrix.fields[name]) for name in ("data", "indices", "indptr"))
    dense = np.zeros(matrix.fields["_shape"], values.dtype)
    dense[np.repeat(np.arange(len(dense)), np.diff(starts)), columns] = values
    return dense


_ALLOWED = {
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("scipy.sparse.csr", "csr_matrix"): _Sparse,
}
