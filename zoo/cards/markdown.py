"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_URL = re.compile(r"(?<!<)(?<!\]\()https?://[^\s<>]*[^\s<>.,;:)]")


def table(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A table; a bar or a line break inside a cell does not end it."""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def fence(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def with_links(text: str) -> str:
    """Bare addresses as links."""
    return _URL.sub(lambda match: f"<{match.group()}>", text)
