"""Studies that measure without training: the table as Markdown and as CSV."""

from types import SimpleNamespace

import pytest

from training import study
from training.study import Measured, load_study, run_study, study_modules


def test_a_measured_table_is_written_in_both_forms(monkeypatch, tmp_path):
    table = Measured(
        title="A table",
        source="all of it",
        note="Not here.",
        columns=("noise", "share"),
        measure=lambda: [("0 %", "1.000"), ("50 %", "0.100")],
        remark="Of ten.",
    )
    monkeypatch.setattr(study, "study_modules", lambda: {"a-table": "a"})
    monkeypatch.setattr(study, "import_module", lambda name: SimpleNamespace(STUDY=table))
    path = run_study("a-table", lambda *_: pytest.fail("nothing is trained"), tmp_path / "runs", tmp_path / "docs")
    text = path.read_text(encoding="utf-8")
    assert "| noise | share |\n| --- | --- |\n| 0 % | 1.000 |\n| 50 % | 0.100 |\n" in text
    assert text.startswith("# A table\n\nPublished: all of it. Not here.\n")
    assert text.endswith("Of ten.\nMade by `python -m training study a-table`.\n")
    assert path.with_suffix(".csv").read_text().split() == ["noise,share", "0", "%,1.000", "50", "%,0.100"]


@pytest.mark.parametrize("name", study_modules())
def test_a_study_has_a_title_and_a_source(name):
    found = load_study(name)
    assert found.title
    assert found.source
