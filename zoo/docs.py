"""`python -m zoo.docs`: write what is generated from the artifacts: evaluations, model cards, index, the README's table."""

from __future__ import annotations

from pathlib import Path

from zoo.cards import models_table, write_card
from zoo.cards.measured import measured, record
from zoo.errors import UsageError
from zoo.hub import EMBEDDED, Artifact, Hub
from zoo.run import EVALUATION

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RUNS = ROOT / "runs"
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


def keep_evaluation(artifact: Artifact, runs: Path = RUNS) -> None:
    """Evaluate a model whose test split is at hand, unless that was done for these bytes."""
    run = runs / artifact.manifest.model
    if measured(artifact, "evaluation") is None and (run / EVALUATION).is_file():
        from zoo.cards.evaluation import evaluate

        record(artifact, "evaluation", evaluate(artifact, run))


def main() -> None:
    hub = Hub(EMBEDDED)
    for name in hub.names():
        artifact = hub.artifact(name)
        keep_evaluation(artifact)
        write_card(artifact)
    hub.write_index()
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    from zoo.commands import run_command

    run_command(main)
