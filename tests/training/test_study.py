"""Studies: cells that are run once, and their table, with the published figures beside ours."""

import csv
import math
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from training import cells, command, study
from training.cells import cells_of, chosen, figures_of, obtain, recipe_for, state
from training.recipes import load_recipe
from training.study import Row, Study, Trained, load_study, study_modules
from training.study_figures import curve, loss_on_test, seconds_per_epoch
from training.study_table import write
from zoo.errors import UnknownNameError, UsageError
from zoo.original import Original
from zoo.run import CHECKPOINT, EVALUATION, Run, save_arrays

RECIPE = load_recipe("convnet-mnist")
RUN = Run(
    model="convnet-mnist", recipe="", summary="", codec={}, metric="accuracy", data={}, command="", seed=0,
    settings={"lr": RECIPE.settings.lr, "keep": "loss"}, hardware="an abacus", versions={}, started="", duration_s=7.5,
    metrics={"accuracy": 0.75}, validation={"accuracy": 0.5},
    curves={"validation_loss": [3.0, 1.0, 2.0], "validation_metric": [0.5, None, 0.75]},
)  # fmt: skip


def table(**fields):
    def few(seed):
        return {"error": 2.0 + seed, "validation error": seed}

    rows = (
        Row(name="few", seeds=(0, 1), published={"error": 2.5}, measure=few),
        Row(name="many", published={"error": 0.5}, said="few", measure=lambda _: {"error": 1.25, "validation error": 0.5}),
        Row(name="most", seeds=(), published={"error": 0.25}),
    )
    return Study(title="A table", source="errors", note="Not here.", rows=rows, better={"error": -1}, **fields)


def trains_nothing(*_):
    pytest.fail("nothing is trained")


def run_all(found, folder):
    for cell in cells_of(found, folder):
        obtain(found, cell, trains_nothing, trains_nothing)


def trained(folder, **changes):
    """A `train` that leaves a run behind."""

    def train(model, recipe, seed, where):
        run = replace(RUN, seed=seed, **changes)
        run.write(where)
        return run

    return train


def test_a_table_has_the_published_figures_beside_the_mean_and_the_spread(tmp_path):
    found = table(remark="Of ten.")
    run_all(found, tmp_path)
    path = write(found, "a-table", tmp_path, tmp_path / "docs")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# A table\n\nPublished: errors. Not here.\n")
    assert (
        "| row | published | published error | error | validation error | seeds |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| few |  | 2.5 | 2.500 (2 to 3) | 0.5000 (0 to 1) | 0 1 |\n"
        "| many | few | 0.5 | 1.250 | 0.5000 | 0 |\n"
        "| most |  | 0.25 |  |  | left out |\n"
    ) in text
    assert "Met or beaten: few, error (2.500, published 2.5).\nMissed: many, error (1.250, published 0.5).\n" in text
    assert "Best on validation data: few, seed 0 (validation error 0, error 2 on the test split).\n" in text
    assert text.endswith("Of ten.\n\nMade by `zoo study a-table`.\n")
    lines = list(csv.DictReader(path.with_suffix(".csv").open()))
    assert lines[0] == {
        "row": "few", "figure": "error", "published": "2.5", "mean": "2.5", "lowest": "2", "highest": "3", "seeds": "0 1",
    }  # fmt: skip
    assert [line["row"] for line in lines] == ["few", "few", "many", "many", "most"]


def test_the_picture_has_a_point_a_row_and_a_ring_a_published_figure(tmp_path):
    found = table(plotted=("error",))
    run_all(found, tmp_path)
    write(found, "a-table", tmp_path, tmp_path)
    circles = ElementTree.parse(tmp_path / "a-table.svg").getroot().findall(".//{*}circle")
    titled = [(circle.get("class"), circle[0].text) for circle in circles if len(circle)]
    assert titled == [
        ("published", "published: 2.5"), ("ours", "2.5"), ("published", "published: 0.5"), ("ours", "1.25"),
        ("published", "published: 0.25"),
    ]  # fmt: skip
    x = [float(circle.get("cx")) for circle in circles if len(circle)]
    assert x[0] == x[1]
    assert x[2] < x[3] < x[0]


def test_a_cell_that_is_done_is_not_run_again(tmp_path):
    calls = []
    row = Row(name="a", seeds=(0, 1), measure=lambda seed: calls.append(seed) or {"error": 1.0})
    found = Study(title="", source="", note="", rows=(row,))
    first, second = cells_of(found, tmp_path)
    obtain(found, first, trains_nothing, trains_nothing)
    assert (state(found, first), state(found, second)) == ("done", "open")
    assert "| a | 1 | 0 (1 not run yet) |" in write(found, "a", tmp_path, tmp_path).read_text()
    run_all(found, tmp_path)
    run_all(found, tmp_path)
    assert calls == [0, 1]


def test_figures_are_derived_from_all_rows_ours_and_published(tmp_path):
    def ratios(rows):
        return {name: {"ratio": figures["error"] / rows["few"]["error"]} for name, figures in rows.items()}

    found = table(derive=ratios, shown=("ratio",))
    run_all(found, tmp_path)
    text = write(found, "a", tmp_path, tmp_path).read_text()
    assert "| many | few | 0.2000 | 0.5000 | 0 |" in text
    assert "| most |  | 0.1000 |  | left out |" in text


def test_cells_are_named_by_row_and_seed(tmp_path):
    found = table()
    assert [cell.name for cell in chosen(found, ["many", "few:1"], tmp_path)] == ["many:0", "few:1"]
    with pytest.raises(UsageError, match="Row few has no seed '7'; its seeds are 0, 1"):
        chosen(found, ["few:7"], tmp_path)
    with pytest.raises(UnknownNameError, match="No row is named 'man'; did you mean many"):
        chosen(found, ["man"], tmp_path)


def test_a_row_may_change_the_recipe_before_its_settings():
    row = Row(name="a", assignments=("lr=0.5", "config.dropout=0"), change=lambda recipe: replace(recipe, summary="changed"))
    recipe = recipe_for(row, RECIPE)
    assert (recipe.summary, recipe.settings.lr, recipe.config.dropout) == ("changed", 0.5, 0)


def test_a_run_has_figures_and_the_study_its_own(tmp_path):
    found = Study(
        title="", source="", note="", model="convnet-mnist", rows=(Row(name="a"),),
        own={"first loss": lambda trained: trained.run.curves["validation_loss"][0]},
    )  # fmt: skip
    [cell] = cells_of(found, tmp_path)
    obtain(found, cell, trained(tmp_path), load_recipe)
    assert cells.noted(cell) == {
        "accuracy": 0.75, "validation accuracy": 0.5, "best epoch": 2, "epochs": 3, "seconds": 7.5, "first loss": 3.0,
    }  # fmt: skip
    assert "On an abacus." in write(found, "a", tmp_path, tmp_path).read_text()
    more = replace(found, own={**found.own, "last loss": lambda trained: trained.run.curves["validation_loss"][-1]})
    assert state(more, cell) == "trained"
    obtain(more, cell, trains_nothing, load_recipe)
    assert cells.noted(cell)["last loss"] == 2.0


def test_a_network_of_zeros_has_the_loss_of_ten_equal_chances(tmp_path):
    original = Original.build(RECIPE.family, RECIPE.config)
    original.model.load_state_dict({name: tensor * 0 for name, tensor in original.model.state_dict().items()})
    original.save(tmp_path / CHECKPOINT)
    save_arrays(tmp_path / EVALUATION, {"predict/x": np.ones((3, 1, 28, 28), np.float32), "targets": np.array([0, 4, 9])})
    assert loss_on_test(Trained(folder=tmp_path, run=RUN, recipe=RECIPE)) == pytest.approx(math.log(10))


def test_figures_of_the_curves_are_of_an_epoch():
    found = Trained(folder=None, run=replace(RUN, curves={**RUN.curves, "epoch": [1, 2, 3]}), recipe=RECIPE)
    assert (curve("validation_loss", 1)(found), curve("validation_loss", -1)(found)) == (3.0, 2.0)
    assert seconds_per_epoch(found) == 2.5


@pytest.mark.parametrize(("keep", "best"), [("loss", 2), ("metric", 3), ("last", 3)])
def test_the_best_epoch_is_the_one_whose_weights_were_kept(keep, best):
    curves = {"validation_loss": [3.0, 1.0, 2.0], "validation_metric": [0.5, None, 0.75]}
    assert figures_of(replace(RUN, settings={"keep": keep}, curves=curves))["best epoch"] == best


def test_a_run_under_other_settings_is_refused(tmp_path):
    found = Study(title="", source="", note="", model="convnet-mnist", rows=(Row(name="a", assignments=("lr=0.5",)),))
    [cell] = cells_of(found, tmp_path)
    with pytest.raises(
        UsageError, match=f"was trained with lr {RECIPE.settings.lr}, and the row has 0.5; delete the folder"
    ):
        obtain(found, cell, trained(tmp_path), load_recipe)


def test_the_command_lists_cells_runs_one_and_then_the_others(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "study_modules", lambda: {"a-table": "a"})
    monkeypatch.setattr(study, "import_module", lambda name: SimpleNamespace(STUDY=table()))
    folders = ["--runs", str(tmp_path / "runs"), "--docs", str(tmp_path / "docs")]

    def printed(*arguments):
        result = CliRunner().invoke(command.app, ["study", *arguments, *folders])
        assert result.exit_code == 0, result.output
        return result.stdout.split("\n")[:-1]

    assert printed() == ["a-table"]
    assert [line.split() for line in printed("a-table", "--list")] == [
        ["few:0", "open"],
        ["few:1", "open"],
        ["many:0", "open"],
    ]
    assert printed("a-table", "--cell", "few:1") == [str(tmp_path / "docs" / "a-table.md")]
    assert [line.split()[1] for line in printed("a-table", "--list")] == ["open", "done", "open"]
    assert printed("a-table") == [str(tmp_path / "docs" / "a-table.md")]
    assert [line.split()[1] for line in printed("a-table", "--list")] == ["done", "done", "done"]


@pytest.mark.parametrize("name", study_modules())
def test_a_study_says_what_was_published_and_its_rows_can_be_made(name):
    found = load_study(name)
    assert found.title
    assert found.source
    assert len({row.name for row in found.rows}) == len(found.rows)
    for row in found.rows:
        assert not set(row.name) & set("/: ")
        if row.measure is None:
            recipe_for(row, load_recipe(row.model or found.model))
