"""The `.ts` format of labelled time series: `@` header lines, then a series a line, `channel:…:channel:label`.

Source: https://www.aeon-toolkit.org/en/stable/api_reference/file_specifications/ts.html (unproven from here). Read here
are classified series of finite values; channels of one series are equally long, the series themselves need not be.

Shape letters: T steps, D channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesFile:
    """`series` are float32 (T, D), `targets` int64 (N,) positions in `labels`, which are in the header's order."""

    labels: tuple[str, ...]
    series: list[np.ndarray]
    targets: np.ndarray


def parse(text: str, *, name: str) -> SeriesFile:
    """The series of a `.ts` file; `name` is what errors call it. Raises DataError that names the malformed line."""
    lines = _lines(text, name)
    start = next((k for k, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if start is None:
        raise DataError(f"{name} has no @data line; it is no .ts file or ends in its header, fetch it again.")
    header = _header(lines[:start], name)
    rows = [_row(line, where, header) for where, line in lines[start + 1 :]]
    if not rows:
        raise DataError(f"{name} has no series after @data; fetch it again.")
    return SeriesFile(
        labels=header.labels,
        series=[series_TD for series_TD, _ in rows],
        targets=np.array([target for _, target in rows], np.int64),
    )


def _lines(text: str, name: str) -> list[tuple[str, str]]:
    """Every line that is neither empty nor a comment, after the words with which an error names it."""
    numbered = enumerate(map(str.strip, text.splitlines()), start=1)
    return [(f"{name}, line {number}", line) for number, line in numbered if line and line[0] not in "#%"]


@dataclass(frozen=True, kw_only=True)
class _Header:
    labels: tuple[str, ...]
    channels: int | None
    steps: int | None


def _header(lines: list[tuple[str, str]], name: str) -> _Header:
    fields = dict(_field(line, where) for where, line in lines)
    flag, *labels = fields.get("classlabel", "false").split() or ["false"]
    if flag.lower() != "true" or not labels:
        raise DataError(f"{name} has no '@classLabel true …' that lists its classes; use a classification file.")
    if fields.get("timestamps", "false").lower() == "true":
        raise DataError(f"{name} has time stamps, which are not read here; use a file with '@timeStamps false'.")
    return _Header(
        labels=tuple(labels),
        channels=_size(fields, "dimensions", name),
        steps=_size(fields, "serieslength", name),
    )


def _field(line: str, where: str) -> tuple[str, str]:
    if not line.startswith("@"):
        raise DataError(f"{where}: {line[:40]!r} before @data is neither a comment nor an @ field; fetch the file again.")
    key, _, value = line[1:].partition(" ")
    return key.lower(), value.strip()


def _size(fields: dict[str, str], key: str, name: str) -> int | None:
    value = fields.get(key)
    if value is not None and not (value.isdecimal() and int(value) > 0):
        raise DataError(f"{name}: @{key} is {value!r}, not a positive number; fetch the file again.")
    return int(value) if value is not None else None


def _row(line: str, where: str, header: _Header) -> tuple[np.ndarray, int]:
    *channels, label = line.split(":")
    if label.strip() not in header.labels:
        raise DataError(f"{where}: the label {label[:40]!r} is none of {', '.join(header.labels)}; fetch the file again.")
    if not channels or len(channels) != (header.channels or len(channels)):
        raise DataError(f"{where}: {len(channels)} channels, not {header.channels or 'at least 1'}; fetch the file again.")
    series_TD = np.stack(_equally_long([_values(text, where) for text in channels], where, header.steps), axis=1)
    return series_TD, header.labels.index(label.strip())


def _equally_long(channels: list[np.ndarray], where: str, steps: int | None) -> list[np.ndarray]:
    expected = steps or len(channels[0])
    for number, values_T in enumerate(channels, start=1):
        if len(values_T) != expected:
            raise DataError(f"{where}: channel {number} has {len(values_T)} steps, not {expected}; fetch the file again.")
    return channels


def _values(text: str, where: str) -> np.ndarray:
    try:
        values_T = np.array(text.split(","), np.float32)
    except ValueError as error:
        raise DataError(f"{where}: {error}; missing values are not read here, fetch the file again.") from error
    if not np.isfinite(values_T).all():
        raise DataError(f"{where}: a value is not finite; missing values are not read here, fetch the file again.")
    return values_T
