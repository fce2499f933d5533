"""The benchmark of generated texts, on the tiny decoder and for a moment."""

from benchmarks.generation import CLIENTS, Figures, asked, measure, study
from tests.serving.conftest import make_hub


def test_it_measures_service_and_loop_and_compares_what_they_say(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HUB", str(make_hub(tmp_path / "hub", "tiny-text")))
    figures = measure("tiny-text", rounds=1, seconds=0.6)
    assert len(figures) == len(CLIENTS) + 2
    assert all(one.rate[0] > 0 for one in figures.values())
    service = figures["service, 8 clients"]
    assert service.gap_ms[0] > 0
    assert service.first_ms[0] > 0


def test_the_study_says_how_many_times_the_loop():
    figures = {"loop, 1 thread": Figures(rate=[100, 300, 200]), "service, 8 clients": Figures([500.0], [1.5], [20.0])}
    about = {"rounds": 3, "machine": "a machine", "load": 0.5, "date": "today", "command": "python -m benchmarks.generation"}
    text = study("some-model", figures, about, 10)
    assert "| loop, 1 thread | 200 | 1.00 |  |  |" in text
    assert "| service, 8 clients | 500 | 2.50 | 1.5 | 20 |" in text
    assert asked(3, "ab") == asked(3, "ab") != asked(4, "ab")
