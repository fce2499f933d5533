"""The training loop: interrupted runs, early stopping, folders that are finished or belong to other settings."""

import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from training import fit as fit_module
from training import state as state_module
from training.recipe import Turn
from training.recipes import load_recipe, recipe_modules
from training.state import TrainState, load_state, save_state
from training.train import make_fabric, recipe_of, select
from training.train import train as train_seed
from zoo.errors import UsageError
from zoo.original import Original
from zoo.run import CHECKPOINT, Run

NETWORKS = [model for model in recipe_modules() if load_recipe(model).objective]
SMALL = ["rows=60", "batch_size=8"]


class PowerCutError(Exception):
    """Not a KeyboardInterrupt: nothing in the loop may catch it."""


class Counting:
    """An objective that counts training steps, and may fail at one of them."""

    def __init__(self, cut=None):
        self.objective, self.cut, self.steps = None, cut, 0

    def __call__(self, model, batch, generator):
        if model.training:
            self.steps += 1
            if self.steps == self.cut:
                raise PowerCutError
        return self.objective(model, batch, generator)


def watched(recipe, counting):
    """The recipe with `counting` for its objective, or for that of its first turn."""
    if isinstance(recipe.objective, tuple):
        first, *others = recipe.objective
        counting.objective = first.objective
        return dataclasses.replace(recipe, objective=(dataclasses.replace(first, objective=counting), *others))
    counting.objective = recipe.objective
    return dataclasses.replace(recipe, objective=counting)


@pytest.fixture
def run_recipe(raw_data, monkeypatch):
    """`run_recipe(recipe, folder, seed)` trains a recipe object, whatever its objective has become."""
    raw_data(monkeypatch)

    def run(model, recipe, folder, seed=0):
        fabric = make_fabric(recipe, folder, devices="1", num_nodes=1, precision=None)
        return train_seed(model, recipe, seed, folder, fabric, "command")

    return run


def trained(folder):
    """The bytes that a run leaves: weights and evaluation samples."""
    return {path.name: path.read_bytes() for path in [*(folder / CHECKPOINT).iterdir(), folder / "evaluation.npz"]}


def figures(run):
    """What a run says of itself, less times."""
    curves = {name: values for name, values in run.curves.items() if name != "rows_per_s"}
    return run.metrics, run.validation, curves


@pytest.mark.parametrize("model", NETWORKS)
def test_a_run_that_was_cut_goes_on_exactly(model, run_recipe, tiny_recipe, tmp_path):
    """Cut in the middle of the second epoch of three; the third epoch goes by optimiser state, averages and noise."""
    recipe = tiny_recipe(model, "rows=60", "batch_size=5", "epochs=3")
    whole = Counting()
    expected = run_recipe(model, watched(recipe, whole), tmp_path / "whole")
    epoch = whole.steps // 3
    assert epoch >= (1 if Original.build(recipe.family, recipe.config).graphs[0].batch is None else 4)
    cut = watched(recipe, Counting(cut=epoch + epoch // 2 + 1))
    with pytest.raises(PowerCutError):
        run_recipe(model, cut, tmp_path / "cut")
    assert load_state(tmp_path / "cut" / "state").epoch == 1
    assert not (tmp_path / "cut" / "run.json").exists()
    rest = Counting()
    found = run_recipe(model, watched(recipe, rest), tmp_path / "cut")
    assert rest.steps == 2 * epoch
    assert trained(tmp_path / "cut") == trained(tmp_path / "whole")
    assert figures(found) == figures(expected)


def test_another_seed_gives_other_weights(run_recipe, tmp_path):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=1"])
    for seed in (0, 1):
        run_recipe("softmax-digits", recipe, tmp_path / str(seed), seed)
    assert trained(tmp_path / "0") != trained(tmp_path / "1")


def test_a_cut_before_the_first_epoch_ends_starts_again(run_recipe, tmp_path):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=2"])
    with pytest.raises(PowerCutError):
        run_recipe("softmax-digits", watched(recipe, Counting(cut=3)), tmp_path / "cut")
    run_recipe("softmax-digits", recipe, tmp_path / "cut")
    run_recipe("softmax-digits", recipe, tmp_path / "whole")
    assert trained(tmp_path / "cut") == trained(tmp_path / "whole")


def test_a_cut_after_the_last_epoch_only_writes_the_run(run_recipe, tmp_path, monkeypatch):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=2"])

    def cut(*_):
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write", cut)
        with pytest.raises(PowerCutError):
            run_recipe("softmax-digits", recipe, tmp_path / "cut")
    rest = Counting()
    run_recipe("softmax-digits", watched(recipe, rest), tmp_path / "cut")
    run_recipe("softmax-digits", recipe, tmp_path / "whole")
    assert rest.steps == 0
    assert trained(tmp_path / "cut") == trained(tmp_path / "whole")


def test_a_cut_between_state_and_curves_loses_no_row(run_recipe, tmp_path, monkeypatch):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=1"])

    def cut(*_):
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "save_curves", cut)
        with pytest.raises(PowerCutError):
            run_recipe("softmax-digits", recipe, tmp_path)
    run_recipe("softmax-digits", recipe, tmp_path)
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 2  # names and the only epoch


def test_a_finished_run_is_not_trained_again(run_recipe, tmp_path):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=1"])
    first = run_recipe("softmax-digits", recipe, tmp_path)
    before = trained(tmp_path)
    again = Counting()
    assert run_recipe("softmax-digits", watched(recipe, again), tmp_path) == first
    assert again.steps == 0
    assert trained(tmp_path) == before


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(("assignment", "seed"), [("lr=0.5", 0), ("config.classes=11", 0), ("epochs=1", 7)])
def test_a_folder_of_other_settings_is_refused(run_recipe, tmp_path, finished, assignment, seed):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=1"])
    if finished:
        run_recipe("softmax-digits", recipe, tmp_path)
    else:
        with pytest.raises(PowerCutError):
            run_recipe("softmax-digits", watched(recipe, Counting(cut=2)), tmp_path)
    with pytest.raises(UsageError, match="was begun with other settings; continue with those, or give another --out"):
        run_recipe("softmax-digits", recipe.override([assignment]), tmp_path, seed)


class Scripted:
    """An objective whose validation losses are given; keeps the weights that each of them was taken of."""

    def __init__(self, objective, losses):
        self.objective, self.losses, self.weights = objective, losses, []

    def __call__(self, model, batch, generator):
        if model.training:
            return self.objective(model, batch, generator)
        self.weights.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return torch.tensor(self.losses[len(self.weights) - 1])


# The table of seed 004, lines 3633-3644: validation losses of the epochs 10 to 17. By its equation 55 the weights of the
# smallest are kept, which is the third; its text takes the fifth (0.373, below the fourth only) for an improvement.
LOSSES = [0.40, 0.38, 0.37, 0.375, 0.373, 0.376, 0.379, 0.382]


@pytest.mark.parametrize(("patience", "epochs"), [(2, 5), (4, 7), (100, 8)])
def test_early_stopping_restores_the_best_weights(run_recipe, tmp_path, patience, epochs):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=8", f"patience={patience}"])
    scripted = Scripted(recipe.objective, LOSSES)
    run = run_recipe("softmax-digits", dataclasses.replace(recipe, objective=scripted), tmp_path)
    assert len(run.curves["epoch"]) == epochs
    assert run.curves["validation_loss"] == pytest.approx(LOSSES[:epochs])
    best = Original.load(tmp_path / CHECKPOINT).model.state_dict()
    equal = [all(torch.equal(best[name], weights[name]) for name in best) for weights in scripted.weights]
    assert equal == [number == 2 for number in range(epochs)]


@pytest.mark.parametrize(("keep", "metric_every", "kept", "judged"), [
    ("metric", 1, 3, [0.2, 0.4, 0.3, 0.6, 0.5]), ("metric", 2, 3, [None, 0.4, None, 0.6, 0.5]),
    ("last", 1, 4, [0.2, 0.4, 0.3, 0.6, 0.5]), ("loss", 1, 2, [0.2, 0.4, 0.3, 0.6, 0.5]),
])  # fmt: skip
def test_the_weights_that_the_settings_name_are_kept(run_recipe, tmp_path, monkeypatch, keep, metric_every, kept, judged):
    """Validation accuracy 0.2, 0.4, 0.3, 0.6, 0.5; the loss is smallest in the third epoch of five."""
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=5", f"keep={keep}", f"metric_every={metric_every}"])
    scripted = Scripted(recipe.objective, [0.5, 0.4, 0.1, 0.2, 0.3])
    accuracies = [0.2, 0.4, 0.3, 0.6, 0.5]
    monkeypatch.setattr(fit_module, "score", lambda *_: accuracies[len(scripted.weights) - 1])
    run = run_recipe("softmax-digits", dataclasses.replace(recipe, objective=scripted), tmp_path)
    assert run.curves["validation_metric"] == judged
    best = Original.load(tmp_path / CHECKPOINT).model.state_dict()
    equal = [all(torch.equal(best[name], weights[name]) for name in best) for weights in scripted.weights]
    assert equal == [number == kept for number in range(5)]


def test_turns_change_only_their_own_part(run_recipe, tmp_path):
    """The encoder's turn, whose loss is that of the whole, leaves the rest as it began; so does the decoder's."""
    recipe = recipe_of("vae-mnist", [*SMALL, "epochs=1"])
    torch.manual_seed(0)
    begun = Original.build(recipe.family, recipe.config).model.state_dict()
    for part in ("encoder", "decoder"):
        turned = dataclasses.replace(recipe, objective=(Turn(objective=recipe.objective, part=part),))
        run_recipe("vae-mnist", turned, tmp_path / part)
        after = Original.load(tmp_path / part / CHECKPOINT).model.state_dict()
        same = {name: torch.equal(tensor, begun[name]) for name, tensor in after.items()}
        assert not same[f"{part}.0.weight"]
        assert all(same[name] for name in same if not name.startswith(part))


def test_turns_follow_one_another(run_recipe, tmp_path):
    """The encoder is trained in the first epoch only, the decoder in the second."""
    recipe = recipe_of("vae-mnist", [*SMALL, "epochs=2", "keep=last"])
    turns = (
        Turn(objective=recipe.objective, part="encoder", last=1),
        Turn(objective=recipe.objective, part="decoder", first=1, last=2),
    )
    weights = {}
    for epochs in (1, 2):
        settings = dataclasses.replace(recipe.settings, epochs=epochs, schedule="constant")
        run_recipe("vae-mnist", dataclasses.replace(recipe, objective=turns, settings=settings), tmp_path / str(epochs))
        weights[epochs] = Original.load(tmp_path / str(epochs) / CHECKPOINT).model.state_dict()
    torch.manual_seed(0)
    begun = Original.build(recipe.family, recipe.config).model.state_dict()
    moved = [
        {name.split(".")[0] for name in begun if not torch.equal(before[name], after[name])}
        for before, after in ((begun, weights[1]), (weights[1], weights[2]))
    ]
    assert moved == [{"encoder"}, {"decoder"}]


def test_batches_are_cut_from_what_the_recipe_learns_and_changed_by_it(run_recipe, tmp_path):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=1"])
    seen = []

    def learn(split, settings):
        return {"number": np.arange(len(split)), "x": np.zeros((len(split), 64), np.float32), "targets": split.targets}

    def augment(batch, settings, generator):
        return {**batch, "number": -batch["number"]}

    def objective(model, batch, generator):
        if model.training:
            seen.extend(batch["number"].tolist())
        return recipe.objective(model, {"x": batch["x"], "targets": batch["targets"]}, generator)

    run_recipe("softmax-digits", dataclasses.replace(recipe, learn=learn, augment=augment, objective=objective), tmp_path)
    assert len(set(seen)) == len(seen) >= 40
    assert max(seen) <= 0


def test_the_learning_rate_of_each_epoch_is_noted(run_recipe, tmp_path):
    """The cosine from 0.02 to 0 over two epochs of 6 steps: half of it is left as the first ends."""
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=2", "lr=0.02"])
    first, second = run_recipe("softmax-digits", recipe, tmp_path).curves["lr"]
    assert first == pytest.approx(0.01, abs=0.004)
    assert 0 < second < 0.004


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverging_loss_is_a_sentence(run_recipe, tmp_path, value):
    recipe = recipe_of("softmax-digits", SMALL)
    objective = lambda model, batch, generator: recipe.objective(model, batch, generator) * value  # noqa: E731
    with pytest.raises(UsageError, match=rf"diverged: the loss is {value}; lower lr or set gradient_clip"):
        run_recipe("softmax-digits", dataclasses.replace(recipe, objective=objective), tmp_path)


def test_the_run_that_validates_best_is_selected(run_recipe, tmp_path):
    recipe = recipe_of("softmax-digits", [*SMALL, "epochs=4"])
    folders = [tmp_path / "seeds" / str(seed) for seed in range(3)]
    runs = [run_recipe("softmax-digits", recipe, folder, seed) for seed, folder in enumerate(folders)]
    # the figures are ours, so that the best on the validation split is the worst on the test split
    for run, folder, validation, test in zip(runs, folders, (0.5, 0.9, 0.7), (0.8, 0.6, 0.7), strict=True):
        dataclasses.replace(run, validation={"accuracy": validation}, metrics={"accuracy": test}).write(folder)
    chosen = select("softmax-digits", folders, tmp_path / "best")
    assert chosen.seed == 1
    assert Run.read(tmp_path / "best") == chosen
    assert trained(tmp_path / "best") == trained(folders[1])
    assert [(seed["seed"], seed["validation"]["accuracy"], seed["test"]["accuracy"]) for seed in chosen.seeds] == [
        (0, 0.5, 0.8), (1, 0.9, 0.6), (2, 0.7, 0.7),
    ]  # fmt: skip


def make_state(epoch):
    weights = {"weight": torch.full((2, 3), float(epoch))}
    optimizer = {
        "state": {0: {"step": torch.tensor(float(epoch)), "flag": True}},
        "param_groups": [{"lr": 0.1, "params": [0]}],
    }
    return TrainState(
        epoch, weights, {}, {"weight": weights["weight"] * 2}, [optimizer], {"waited": epoch, "curves": {"a": [1.5]}}
    )


def test_a_state_is_read_as_it_was_written(tmp_path):
    assert load_state(tmp_path / "state") is None
    save_state(tmp_path / "state", make_state(3))
    state, expected = load_state(tmp_path / "state"), make_state(3)
    assert (state.epoch, state.progress, state.average) == (3, expected.progress, {})
    assert torch.equal(state.weights["weight"], expected.weights["weight"])
    assert torch.equal(state.best["weight"], expected.best["weight"])
    assert state.optimizers[0]["param_groups"] == expected.optimizers[0]["param_groups"]
    assert state.optimizers[0]["state"][0] == {"step": torch.tensor(3.0), "flag": True}


def test_a_new_state_replaces_the_old_one(tmp_path):
    for epoch in (9, 10):
        save_state(tmp_path, make_state(epoch))
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00010"]
    assert load_state(tmp_path).epoch == 10


@pytest.mark.parametrize("function", ["save_file", "json.dumps", "os.fsync", "Path.replace"])
@pytest.mark.parametrize("call", [1, 2, 4])
def test_a_state_is_never_half_written(tmp_path, monkeypatch, function, call):
    save_state(tmp_path, make_state(1))
    calls = iter(range(1, 100))

    def cut(real):
        def replaced(*arguments, **options):
            if next(calls) == call:
                raise PowerCutError
            return real(*arguments, **options)

        return replaced

    owner, _, name = function.rpartition(".")
    holder = getattr(state_module, owner) if owner else state_module
    monkeypatch.setattr(holder, name, cut(getattr(holder, name)))
    written = False
    try:
        save_state(tmp_path, make_state(2))
        written = True
    except PowerCutError:
        pass
    monkeypatch.undo()
    assert load_state(tmp_path).epoch == (2 if written else 1)
    save_state(tmp_path, make_state(3))
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00003"]


LONG = ["--set", "epochs=60", "--set", "patience=1000", "--set", "rows=400"]


@pytest.fixture
def start(root, tmp_path):
    """`start(folder)`: the command of a run of some seconds, in a process of its own."""
    processes = []

    def run(folder):
        line = [sys.executable, "-m", "training", "train", "softmax-digits", *LONG, "--devices", "1", "--out", str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        process = subprocess.Popen(
            line,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def wait_for_state(process, folder, epoch):
    deadline = time.monotonic() + 120
    while not any(int(path.name.removeprefix("epoch-")) >= epoch for path in folder.glob("state/epoch-*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        pause(process, 0.005)


def pause(process, seconds):
    """Let the process go on for a while; returns as soon as it ends."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def test_a_killed_command_is_taken_up_by_the_same_command(start, run_recipe, tmp_path):
    folder = tmp_path / "killed"
    process, delay = start(folder), random.uniform(0, 0.3)
    wait_for_state(process, folder, 3)
    pause(process, delay)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, delay
    assert load_state(folder / "state").epoch >= 3, delay
    assert not (folder / "run.json").exists()
    process = start(folder)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert re.fullmatch(rf"{folder}: seed 0, test accuracy 0\.\d+, \d+ s\n", out)
    assert "accuracy" in err  # the progress bar
    recipe = recipe_of("softmax-digits", LONG[1::2])
    expected = run_recipe("softmax-digits", recipe, tmp_path / "whole")
    assert trained(folder) == trained(tmp_path / "whole"), delay
    assert figures(Run.read(folder)) == figures(expected), delay


def test_an_interrupted_command_ends_with_130(start, tmp_path):
    folder = tmp_path / "interrupted"
    process = start(folder)
    wait_for_state(process, folder, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert load_state(folder / "state").epoch >= 2


def test_curves_are_finite_and_rows_are_counted(run_of):
    run = Run.read(run_of("softmax-digits"))
    assert np.isfinite([value for values in run.curves.values() for value in values]).all()
    assert min(run.curves["rows_per_s"]) > 0
