"""Model cards: one Markdown file a model, generated from manifest, certificate, the family's docstring and measurements.

A card is whole in itself, because it travels alone: hubs bind one `card.md` a model, and a file beside it that the
certificate does not name makes an artifact invalid. Diagrams and curves are therefore Mermaid blocks, which code hosts
draw; `zoo card` writes them as text and the gallery as SVG (`zoo.cards.diagrams` reads them back). Pictures are those
that training put into the artifact.
"""

from zoo.cards.card import models_table, render_card, write_card

__all__ = ["models_table", "render_card", "write_card"]
