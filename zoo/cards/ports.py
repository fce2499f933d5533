"""Ports of a model as tables: what goes in and out, what it means, in which unit and range."""

from __future__ import annotations

from collections.abc import Iterable

from zoo.spec import Graph, Port, describe

HEADER = ("port", "", "type", "meaning", "unit", "range")


def port_rows(graph: Graph) -> Iterable[tuple[str, ...]]:
    """Rows of a table with `HEADER`."""
    for side, ports in (("in", graph.inputs), ("out", graph.outputs)):
        for port in ports:
            yield port.name, side, describe(port), _meaning(port), port.unit, _range(port)


def _meaning(port: Port) -> str:
    remarks = [port.doc]
    if port.role not in ("data", "length"):
        remarks.append(port.role)
    if port.feeds:
        remarks.append(f"feeds {port.feeds} of the next call")
    return "; ".join(remark for remark in remarks if remark)


def _range(port: Port) -> str:
    if port.low is None and port.high is None:
        return ""
    if port.high is None:
        return f"{port.low:g} or more"
    return f"at most {port.high:g}" if port.low is None else f"{port.low:g} to {port.high:g}"
