"""A card's Markdown as HTML: sections, diagrams drawn, the confusion matrix shaded, pictures of the artifact only.

A card may come from a hub that somebody else writes: HTML in it is shown as text, and no picture is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import PurePosixPath
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from zoo.cards.diagrams import Box, read_flowchart, read_xychart
from zoo.gallery.charts import line_chart

Sections = list[tuple[str, str]]


def card_sections(card: str, picture: Callable[[str], str | None]) -> Sections:
    """Title and HTML of every part of a card, the first being what stands above the sections.

    `picture(path)` is the address of a picture of the artifact on the page, None for any other.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    renderer: Any = parser.renderer
    rules = renderer.rules
    rules["fence"] = _fence
    rules["image"] = lambda tokens, number, *_: _image(tokens[number], picture)
    rules["table_open"] = lambda tokens, number, *_: f'<div class="wide"><table{renderer.renderAttrs(tokens[number])}>'
    rules["table_close"] = lambda *_: "</table></div>"
    tokens = parser.parse(card)
    _shade(tokens)
    return [(title, renderer.render(part, parser.options, {})) for title, part in _split(tokens)]


def _split(tokens: Sequence[Token]) -> list[tuple[str, list[Token]]]:
    """Tokens by second heading; the headings themselves are the titles."""
    parts: list[tuple[str, list[Token]]] = [("", [])]
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "heading_open" and token.tag in ("h1", "h2"):
            if token.tag == "h2":
                parts.append((tokens[position + 1].content, []))
            position += 3
            continue
        parts[-1][1].append(token)
        position += 1
    return parts


def _fence(tokens: Sequence[Token], number: int, *_: Any) -> str:
    text, language = tokens[number].content.rstrip("\n"), tokens[number].info.strip()
    if language == "mermaid":
        if graphs := read_flowchart(text):
            return "".join(_flow(box) for box in graphs)
        if chart := read_xychart(text):
            return line_chart(chart)
    return f'<pre><code class="language-{escape(language)}">{escape(text)}</code></pre>'


def _flow(box: Box) -> str:
    sides = [
        "".join(f"<li><strong>{escape(name)}</strong><span>{escape(kind)}</span></li>" for name, kind in ports)
        for ports in (box.inputs, box.outputs)
    ]
    feeds = "".join(
        f"<p>{escape(box.outputs[output][0])} is {escape(box.inputs[entry][0])} of the next call</p>"
        for output, entry in box.feeds
    )
    return f'<div class="flow"><ul>{sides[0]}</ul><b>{escape(box.name)}</b><ul>{sides[1]}</ul>{feeds}</div>'


def _image(token: Token, picture: Callable[[str], str | None]) -> str:
    path = PurePosixPath(str(token.attrs.get("src", "")))
    address = picture(path.as_posix())
    if address is None:
        return escape(token.content)
    return f'<img src="{escape(address)}" alt="{escape(token.content)}">'


def _shade(tokens: Sequence[Token]) -> None:
    """Give the cells of a table below the heading `Confusion matrix` a class by their share of the row."""
    heading = ""
    row: list[tuple[Token, str]] = []
    line = -1
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[position + 1].content
        if heading != "Confusion matrix":
            continue
        if token.type == "table_open":
            token.attrSet("class", "matrix")
            line = -1
        elif token.type == "tr_open":
            row = []
        elif token.type == "td_open":
            row.append((token, tokens[position + 1].content))
        elif token.type == "tr_close" and row:
            line += 1
            _shade_row(row[1:-1], line)


def _shade_row(cells: Sequence[tuple[Token, str]], line: int) -> None:
    counts = [int(text) if text.isdecimal() else 0 for _, text in cells]
    total = sum(counts)
    for column, ((token, _), count) in enumerate(zip(cells, counts, strict=True)):
        if not count:
            continue
        share = count / total
        level = 1 + (share >= 0.01) + (share >= 0.03) + (share >= 0.1) if column != line else 1 + int(share * 3.999)
        token.attrSet("class", f"{'right' if column == line else 'wrong'}-{level}")
