"""What every recipe promises by existing: it is run here from raw files to a published model, on tiny data."""

import csv
import dataclasses
import importlib
import json
from collections import Counter

import numpy as np
import pytest
from safetensors.numpy import load_file

import zoo
from export.report import failures
from export.validate import validate
from training.recipe import Settings
from training.recipes import load_recipe, recipe_modules
from training.train import prepare, recipe_of
from zoo.codecs import make_codec
from zoo.errors import UnknownNameError, UsageError
from zoo.hub import GOLDEN, Hub
from zoo.manifest import Certificate, Manifest
from zoo.metrics import metric_names
from zoo.original import Original
from zoo.publish import publish
from zoo.registry import family_names
from zoo.run import CALIBRATION, CHECKPOINT, EVALUATION, FILES, Run, graph_inputs, load_arrays, raw_items

every_recipe = pytest.mark.parametrize("model", list(recipe_modules()))
SLOW = ("attention-seq2seq-multi30k", "ddpm-mnist", "gpt-shakespeare", "hmm-casino", "lstm-laser", "mlp-laser")  # to prove
every_candidate = pytest.mark.parametrize(
    "model", [pytest.param(model, marks=pytest.mark.long) if model in SLOW else model for model in recipe_modules()]
)


def rows_of(graph, arrays):
    """The bytes of every sample of `graph`, less its padding."""
    inputs = graph_inputs(arrays, graph) or {port.name: arrays[port.name] for port in graph.inputs}
    counted = next((port for port in graph.inputs if port.axis), None)
    rows = []
    for row in range(len(inputs[graph.inputs[0].name])):
        parts = []
        for port in graph.inputs:
            value = inputs[port.name][row]
            if counted and counted.axis in port.shape:
                value = value.take(range(inputs[counted.name][row]), axis=port.shape.index(counted.axis) - 1)
            parts.append(value.tobytes())
        rows.append(b"".join(parts))
    return rows


@every_recipe
def test_a_recipe_names_what_exists(model):
    recipe, module = load_recipe(model), importlib.import_module(recipe_modules()[model])
    assert recipe.family in family_names()
    assert recipe.metric.partition(":")[0] in metric_names()
    assert recipe.summary
    assert module.__doc__.startswith(f"{model}: ")
    assert f"python -m {module.__name__} " in module.__doc__


def test_an_unknown_recipe_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="No recipe is named 'mlp-mnits'; did you mean mlp-mnist"):
        load_recipe("mlp-mnits")


@every_recipe
def test_the_splits_share_no_row(model, raw_data, monkeypatch, tmp_path):
    raw_data(monkeypatch)
    recipe = recipe_of(model, [])
    original, dataset = Original.build(recipe.family, recipe.config), recipe.load()
    split = prepare(recipe, original, tmp_path).dataset
    if original.graphs[0].batch is None:  # one input, of which each split judges a part of its own
        parts = [np.flatnonzero(part.targets >= 0).tolist() for part in (split.train, split.validation, split.test)]
    else:
        parts = [[np.asarray(raw).tobytes() for raw in part.raws] for part in (split.train, split.validation, split.test)]
        whole = [*dataset.train.raws, *(dataset.validation.raws if dataset.validation else [])]
        assert Counter(parts[0] + parts[1]) == Counter(
            np.asarray(raw).tobytes() for raw in whole
        )  # nothing dropped or doubled
        assert parts[2] == [np.asarray(raw).tobytes() for raw in dataset.test.raws]
    train, validation, test = parts
    assert min(map(len, parts)) > 0
    assert not set(train) & set(validation)
    assert not set(train + validation) & set(test)


@every_recipe
def test_the_validation_rows_are_the_same_every_time_and_hold_every_class(model, raw_data, monkeypatch, tmp_path):
    raw_data(monkeypatch)
    recipe = recipe_of(model, [])
    original, dataset = Original.build(recipe.family, recipe.config), recipe.load()
    first, again = (prepare(recipe, original, tmp_path).dataset.validation for _ in range(2))
    assert [np.asarray(raw).tobytes() for raw in first.raws] == [np.asarray(raw).tobytes() for raw in again.raws]
    assert np.array_equal(first.targets, again.targets)
    if dataset.validation is None and dataset.train.targets.ndim == 1 and dataset.train.targets.dtype.kind == "i":
        shares = np.bincount(first.targets) / np.bincount(dataset.train.targets)
        assert np.abs(shares - recipe.settings.validation).max() < 0.1
        assert shares.min() > 0


@every_recipe
def test_the_run_folder_is_complete(model, run_of, tiny_recipe):
    folder = run_of(model)
    run, recipe, original = Run.read(folder), tiny_recipe(model), Original.load(folder / CHECKPOINT)
    assert (run.model, run.recipe, run.seed, run.metric) == (model, recipe_modules()[model], 0, recipe.metric)
    assert run.settings["epochs"] == 2
    assert set(run.metrics) == set(run.validation) == {recipe.metric}
    assert np.isfinite([*run.metrics.values(), *run.validation.values()]).all()
    assert run.duration_s >= 0
    assert run.hardware
    assert run.data["licence"]
    assert (original.family_name, original.config) == (recipe.family, recipe.config)
    assert not (folder / "state").exists()
    evaluation, calibration = load_arrays(folder / EVALUATION), load_arrays(folder / CALIBRATION)
    for graph in original.graphs:
        for samples in (evaluation, calibration):
            assert set(graph.check(graph_inputs(samples, graph))) == set(graph.free_axes)
    assert len(raw_items(evaluation)) == len(evaluation["targets"])
    if original.graphs[0].batch is None:
        assert run.data["rows"]["test"] == (evaluation["targets"] >= 0).sum()
        return
    assert len(evaluation["targets"]) == run.data["rows"]["test"]
    assert len(calibration["targets"]) == min(256, run.data["rows"]["train"])


@every_recipe
def test_calibration_holds_training_rows_only(model, run_of):
    folder = run_of(model)
    graph = Original.load(folder / CHECKPOINT).graphs[0]
    if graph.batch is None:
        return  # one input for all splits
    calibration = rows_of(graph, load_arrays(folder / CALIBRATION))
    assert not set(calibration) & set(rows_of(graph, load_arrays(folder / EVALUATION)))


@every_recipe
def test_the_curves_have_a_row_an_epoch(model, run_of):
    run = Run.read(run_of(model))
    if load_recipe(model).objective is None:
        assert len({len(curve) for curve in run.curves.values()}) <= 1
        return
    with (run_of(model) / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["validation_loss"]) for row in rows] == run.curves["validation_loss"]
    assert list((run_of(model) / "tensorboard").rglob("events.*"))


@every_recipe
def test_the_codec_makes_the_evaluated_arrays_of_the_raw_items(model, run_of):
    folder = run_of(model)
    run, original, evaluation = Run.read(folder), Original.load(folder / CHECKPOINT), load_arrays(folder / EVALUATION)
    graph = original.graphs[0]
    encoded = graph.complete(make_codec(original.family.task, run.codec, folder / FILES).encode(raw_items(evaluation)))
    for name, array in graph_inputs(evaluation, graph).items():
        assert np.array_equal(encoded[name], array)


@every_candidate
def test_the_candidate_is_proven_on_drawn_and_on_real_inputs(model, candidate_of):
    certificate = Certificate.read(candidate_of(model))
    for graph in Manifest.read(candidate_of(model)).graphs:
        outputs = certificate.graphs[graph.name]["outputs"]
        assert set(outputs) == {port.name for port in graph.outputs}
        for kinds in outputs.values():
            assert {"drawn", "real"} <= set(kinds)
            assert all(record["rows"] >= 64 for record in kinds.values())


@pytest.mark.long
@every_recipe
def test_the_candidate_passes_with_other_drawn_inputs(model, candidate_of, run_of):
    report = validate(candidate_of(model), run=run_of(model), seed=1)
    assert report.passed, failures(report)


@every_candidate
def test_the_manifest_says_where_the_model_comes_from(model, candidate_of, run_of):
    manifest, run = Manifest.read(candidate_of(model)), Run.read(run_of(model))
    assert (manifest.model, manifest.version, manifest.family) == (model, 1, load_recipe(model).family)
    assert manifest.metrics == run.metrics
    assert manifest.training["command"] == run.command
    assert manifest.data["rows"] == run.data["rows"]
    weights = list((run_of(model) / CHECKPOINT).glob("*.safetensors"))
    assert (manifest.parameters > 0) == (not weights or bool(load_file(weights[0])))


@every_candidate
def test_the_published_model_answers(model, candidate_of, tmp_path, monkeypatch):
    (tmp_path / "hub").mkdir()
    artifact = publish(candidate_of(model), Hub(tmp_path / "hub"))
    monkeypatch.setenv("ZOO_HUB", str(tmp_path / "hub"))
    assert zoo.names() == [model]
    loaded, golden = zoo.load(model), load_arrays(artifact.folder / GOLDEN)
    raws = raw_items(golden)
    answer = loaded.predict(raws[0])
    assert json.loads(json.dumps(answer)) == answer
    answers = loaded.predict(raws[:3])
    assert len(answers) == len(raws[:3])
    assert answers[0].keys() == answer.keys()
    if "probabilities" in answer:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    for graph in artifact.manifest.graphs:
        outputs = loaded.run(graph.name, graph_inputs(golden, graph))
        bounds = artifact.certificate.graphs[graph.name]["bounds"]
        for port in graph.outputs:
            assert np.abs(outputs[port.name] - golden[f"{graph.name}/{port.name}"]).max() <= bounds[port.name]


FIELDS = [field.name for field in dataclasses.fields(Settings)]


@pytest.mark.parametrize("field", FIELDS)
def test_a_mistyped_setting_offers_the_field(field):
    with pytest.raises(UsageError, match=f"no setting '{field}{field[-1]}'; did you mean {field}\\?"):
        recipe_of("softmax-digits", [f"{field}{field[-1]}=1"])


@every_recipe
def test_a_mistyped_field_of_the_configuration_offers_the_field(model):
    for field in dataclasses.fields(load_recipe(model).config):
        with pytest.raises(UsageError, match=f"did you mean {field.name}\\?"):
            recipe_of(model, [f"config.{field.name}s=1"])


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("lr", "--set 'lr' has no value; write --set field=value"),
        ("epochs=many", "'epochs' cannot be 'many'; give a value of type int"),
        ("epochs=1.5", "'epochs' cannot be '1.5'"),
        ("config.hidden=a,b", "'hidden' cannot be 'a,b'"),
        ("zzzzzz=1", "no setting 'zzzzzz'; choose one of epochs, batch_size"),
    ],
)
def test_a_wrong_assignment_is_named(assignment, message):
    with pytest.raises(UsageError, match=message):
        recipe_of("mlp-mnist", [assignment])


def test_assignments_reach_settings_and_configuration():
    recipe = recipe_of("mlp-mnist", ["lr=3e-4", "optimizer=sgd", "config.hidden=7,5", "config.dropout=0.25"])
    assert (recipe.settings.lr, recipe.settings.optimizer) == (3e-4, "sgd")
    assert (recipe.config.hidden, recipe.config.dropout) == ((7, 5), 0.25)
    assert load_recipe("mlp-mnist").config.hidden == (256, 128)
