"""Values of a client's JSON: what they are in words, and those that every object may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.errors import ProtocolError


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {type(None): "nothing", bool: "a truth value", str: "a string", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a fraction" if isinstance(value, float) else "a number")


def shorten(value: Any) -> str:
    """A client's JSON value as it may be quoted back."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def read_field(holder: Any, name: str, what: str) -> str:
    """The string `holder[name]`."""
    if not isinstance(holder, dict):
        raise ProtocolError(f"{what} is {kind_of(holder)}; send an object with 'name'.")
    if not isinstance(holder.get(name), str):
        raise ProtocolError(f"{what} has {kind_of(holder.get(name))} as {name!r}; send a string.")
    return holder[name]


def read_parameters(holder: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise ProtocolError(f"{what} has {kind_of(parameters)} as 'parameters'; send an object.")
    return parameters


def read_flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise ProtocolError(f"{name!r} is {kind_of(value)}; send true or false.")
    return value


def read_count(parameters: Mapping[str, Any], name: str) -> int:
    """A whole number of 0 or more; 0 where it is not given."""
    value = parameters.get(name, 0)
    if type(value) is not int or not 0 <= value < 2**63:
        raise ProtocolError(f"{name!r} is {shorten(value)}; send a whole number of 0 or more.")
    return value
