"""How rows of a table come in, for every codec that reads them: named columns, as CSV or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.codecs.read import CSV_TYPES, JSON_TYPE, check_finite, has_number, numbers_of, read_cells, unknown_type
from zoo.errors import CodecError, UsageError
from zoo.spec import Arrays, Raws


@dataclass(frozen=True, kw_only=True)
class TableInput:
    """Settings of the input side of a codec of tables.

    A raw row is (columns,), a number a column in the order of `columns`, each in its own unit of `units`; it enters the port
    as it is. `units` may be left out.
    """

    columns: tuple[str, ...]
    units: tuple[str, ...] = ()
    port: str = "x"

    def __post_init__(self) -> None:
        if self.units and len(self.units) != len(self.columns):
            raise UsageError(f"The codec has {len(self.units)} units for {len(self.columns)} columns; give one each.")

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """Rows as CSV, with a first line of column names or without, or as JSON: each a list of numbers or an object."""
        if media_type in CSV_TYPES:
            return list(self._from_csv(data))
        if media_type == JSON_TYPE:
            return self._from_json(data)
        raise unknown_type(media_type, "text/csv or application/json")

    def instance(self, raw: np.ndarray) -> dict[str, float]:
        """A raw row by the names of its columns, in the shortest decimals that give the same numbers again."""
        return {name: float(str(value)) for name, value in zip(self.columns, self._row(np.asarray(raw)), strict=True)}

    def encode(self, raws: Raws) -> Arrays:
        """x (batch, columns). Raises CodecError for another number of columns and for a number that float32 cannot hold."""
        if not len(raws):
            raise CodecError("There is no row; send at least one.")
        x = np.stack([self._row(np.asarray(raw)) for raw in raws])
        largest = np.abs(x).max(initial=0.0)
        if largest > np.finfo(np.float32).max:
            raise CodecError(f"The row holds a number of size {largest:g}; send numbers below 3e38.")
        return {self.port: x.astype(np.float32)}

    def _row(self, array: np.ndarray) -> np.ndarray:
        if array.shape != (len(self.columns),):
            raise CodecError(f"The row has shape {list(array.shape)}; send {self._wanted()}.")
        check_finite(array, "row")
        return array

    def _from_csv(self, data: bytes) -> np.ndarray:
        names, *rows = read_cells(data)
        if has_number(names):
            return self._checked(numbers_of([names, *rows]))
        order = self._order([name.strip() for name in names])
        table = numbers_of(rows)
        if table.shape[1] != len(names):
            raise CodecError(f"The CSV names {len(names)} columns and has {table.shape[1]} in a row; send equal rows.")
        return self._checked(table[:, order])

    def _from_json(self, data: bytes) -> list[np.ndarray]:
        try:
            document: Any = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CodecError(f"The body is not JSON ({error}); send {self._wanted()}.") from error
        if isinstance(document, dict) and len(document) == 1 and next(iter(document)) in ("instances", "data"):
            document = next(iter(document.values()))
        several = isinstance(document, list) and (not document or isinstance(document[0], list | dict))
        rows = [self._from_item(item) for item in (document if several else [document])]
        if not rows:
            raise CodecError("The JSON holds no row; send at least one.")
        return rows

    def _from_item(self, item: Any) -> np.ndarray:
        if isinstance(item, dict):
            names = list(item)
            item = [item[names[position]] for position in self._order(names)]
        if not isinstance(item, list) or set(map(type, item)) - {int, float}:
            raise CodecError(f"A row is a list of numbers, or an object of numbers by column; send {self._wanted()}.")
        try:
            return self._row(np.array(item, dtype=np.float64))
        except OverflowError as error:
            raise CodecError("The row holds a number beyond 1e308; send smaller ones.") from error

    def _order(self, names: Sequence[str]) -> list[int]:
        """Where each column stands among `names`. Raises CodecError unless they are the columns, in any order."""
        for what, some, others in (("has no", self.columns, names), ("has an unknown", names, self.columns)):
            if other := next((name for name in some if name not in others), None):
                raise CodecError(f"The row {what} column {str(other)[:40]!r}; send {', '.join(self.columns)}.")
        if len(names) != len(self.columns):
            raise CodecError(f"A column is named twice; send {', '.join(self.columns)}.")
        return [names.index(name) for name in self.columns]

    def _checked(self, table: np.ndarray) -> np.ndarray:
        if table.shape[1] != len(self.columns):
            raise CodecError(f"A row of the CSV has {table.shape[1]} numbers; send {self._wanted()}.")
        check_finite(table, "CSV")
        return table

    def _wanted(self) -> str:
        return f"{len(self.columns)} numbers: {', '.join(self.columns)}"
