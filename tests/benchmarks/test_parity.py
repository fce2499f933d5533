import csv
from functools import cache
from importlib import import_module

import numpy as np
import onnx
import pytest

JUDGES = ("ours", "torch", "optimum")
KINDS = ("weights nudged by 0.1 %", "one bias shifted by 0.0001", "batch declared as one", "rows of a batch mixed")


def part(name):
    """The benchmark's module: the folder is no package of the project."""
    return import_module(f"benchmarks.parity.{name}")


@cache
def subject(name):
    (found,) = part("subject").subjects([name])
    return found


@pytest.fixture(scope="module")
def options():
    return part("trial").Options(rows=1000, repetitions=2, judges=JUDGES, kinds=KINDS)


@pytest.fixture(scope="module")
def outcomes(options):
    return {name: part("trial").try_subject(subject(name), options) for name in ("scalar-head", "text-bag")}


@pytest.mark.parametrize("network", ["scalar-head", "text-bag"])
def test_ours_passes_the_right_export_and_catches_what_counts(outcomes, network):
    rows = outcomes[network].rows
    right = [row for row in rows if row.kind == "right export"]
    assert len(right) == 2
    assert all(row.passed["ours"] for row in right)
    counted = {row.kind: row for row in rows if row.counts}
    assert set(KINDS) == set(counted)
    assert all(row.caught("ours") for row in counted.values())


def test_other_judges_see_structure_and_miss_small_faults(outcomes):
    rows = [row for outcome in outcomes.values() for row in outcome.rows if row.counts]
    assert all(row.caught("torch") and row.caught("optimum") for row in rows if row.kind == "batch declared as one")
    assert not all(row.caught("torch") for row in rows if row.kind == "weights nudged by 0.1 %")


def test_a_right_export_does_not_count():
    pool = part("truth").Pool(subject("scalar-head"), rows=500, seed=1)
    effect = pool.effect(subject("scalar-head").model)
    assert effect.how == "float64"
    assert effect.floors < 4
    assert not effect.counts


def test_a_recurrent_layer_in_float64_is_the_original():
    """Whatever runs the lifted file, it agrees with the original far below float32."""
    pool = part("truth").Pool(subject("bi-lstm"), rows=250, seed=1)
    assert pool.effect(subject("bi-lstm").model).floors < 1e-3


def test_every_fault_of_weights_is_another_valid_file():
    right = subject("scalar-head").model.SerializeToString(deterministic=True)
    found = list(part("plant").faults(subject("scalar-head"), seed=0, kinds=list(part("plant").WEIGHT_FAULTS)))
    assert len(found) > 15
    for fault in found:
        onnx.checker.check_model(fault.model)
        assert fault.model.SerializeToString(deterministic=True) != right


def test_the_tables_name_the_survivors(outcomes, options, tmp_path):
    row = part("trial").Row
    missed = row("net", "bias zeroed", "head.bias", 40.0, 40.0, "float64", True, dict.fromkeys(JUDGES, True), 0.1)
    right = row("net", "right export", "0", 0.0, 0.0, "", False, dict.fromkeys(JUDGES, True), 0.1)
    outcome = part("trial").Outcome("net", 1.0, 1.0, [missed, right])
    text = part("report").write([*outcomes.values(), outcome], options, tmp_path, 60.0)
    assert "| net | bias zeroed | head.bias | 40 |" in text
    counted = sum(row.counts for each in outcomes.values() for row in each.rows) + 1
    assert f"| ours | {counted - 1} of {counted} |" in text
    with (tmp_path / "parity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(each.rows) for each in outcomes.values()) + 2
    assert {row["ours"] for row in rows if row["kind"] == "right export"} == {"passed"}
    assert np.isfinite([float(row["seconds_ours"]) for row in rows]).all()
