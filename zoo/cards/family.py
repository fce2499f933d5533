"""What a family says of itself: its module's docstring, read from the source, so that torch need not be there."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import zoo.families
from zoo.cards.markdown import fence, with_links
from zoo.registry import family_names

FOLDER = Path(zoo.families.__path__[0])
OF_THE_CODE = ("Shape letters:",)  # paragraphs for readers of the source


def family_text(name: str) -> str:
    """The docstring of a family as Markdown, equations fenced; empty for a family that this version does not have."""
    if name not in family_names():
        return ""
    (path,) = FOLDER.glob(f"*/{name.replace('-', '_')}.py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    blocks = [block for block in text.split("\n\n") if not block.lstrip().startswith(OF_THE_CODE)]
    return "\n\n".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    return fence(textwrap.dedent(block), "text") if block.startswith("    ") else with_links(block)
