"""`python -m zoo.docs`: write the model cards, the index that binds them, and the README's table from the artifacts."""

from __future__ import annotations

from pathlib import Path

from zoo.card import models_table, write_card
from zoo.errors import UsageError
from zoo.hub import EMBEDDED, Hub

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- models: written by `make docs` -->", "<!-- end of models -->"


def with_table(text: str) -> str:
    """The README's text with the table of models as it is now. Raises UsageError where its markers are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{README} lacks the markers {BEGIN} and {END}; put them back.")
    hub = Hub(EMBEDDED)
    table = models_table(hub.artifact(name) for name in hub.names())
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def main() -> None:
    hub = Hub(EMBEDDED)
    for name in hub.names():
        write_card(hub.artifact(name))
    hub.write_index()
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    from zoo.commands import run_command

    run_command(main)
