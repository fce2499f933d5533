"""BLEU by the width of the search: at the usual width it is the figure that the certificate holds."""

import pytest

from benchmarks.beams import rows_of
from zoo.errors import UsageError
from zoo.hub import Hub
from zoo.publish import publish

MODEL = "attention-seq2seq-multi30k"


@pytest.fixture
def hub(candidate_of, tmp_path, monkeypatch):
    (tmp_path / "hub").mkdir()
    monkeypatch.setenv("ZOO_HUB", str(tmp_path / "hub"))
    return lambda model: publish(candidate_of(model), Hub(tmp_path / "hub"))


def test_the_usual_width_gives_the_published_figure(hub, run_of):
    manifest = hub(MODEL).manifest
    [(name, width, bleu, rate)] = rows_of(MODEL, run_of(MODEL), [5])
    assert (name, width, bleu) == (MODEL, "5", f"{manifest.metrics['bleu']:.2f}")
    assert float(rate.replace(",", "")) > 0


def test_what_cannot_be_measured_is_named(hub, tmp_path):
    hub(MODEL)
    with pytest.raises(UsageError, match=f"train {MODEL} first, or name its run folder"):
        rows_of(MODEL, tmp_path, [1])
    hub("softmax-digits")
    with pytest.raises(UsageError, match="softmax-digits does not search with a beam"):
        rows_of("softmax-digits", tmp_path, [1])
