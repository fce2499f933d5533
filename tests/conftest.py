"""What tests share: tiny originals, raw data, runs, candidates and a hub, each made once a session.

No test reads the machine's own data or hub: `ZOO_DATA`, `ZOO_HUB` and `ZOO_CACHE` are unset for the whole session.
"""

import dataclasses
import hashlib
import importlib.util
import os
import pkgutil
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

for variable in ("ZOO_DATA", "ZOO_HUB", "ZOO_CACHE"):
    os.environ.pop(variable, None)

if "PYTEST_XDIST_WORKER" in os.environ:  # one processor a worker, or threads wait for each other
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) % len(cores)]})

ROOT = Path(__file__).parents[1]
ASSIGNMENTS = ("epochs=2", "rows=120", "patience=5")
FEWER = {"num_trees": 7, "layers": 1, "blocks": "1,1,1"}  # fields of a configuration that only cost time
SMALLER = {
    "attention-seq2seq-multi30k": (
        "config.embedding=12",
        "config.encoder=8",
        "config.decoder=12",
        "config.alignment=6",
        "config.max_source=30",
    ),
    "dcgan-mnist": ("config.features=12,6",),
    "ddpm-mnist": ("config.features=2,4,6", "config.embedding=4"),  # called hundreds of times a row
    "gpt-shakespeare": ("config.width=16", "config.mlp_width=24"),
    "hmm-casino": ("config.max_steps=200",),
    "lstm-laser": ("config.hidden=8", "config.max_steps=60", "config.max_horizon=100"),
    "mlp-laser": ("config.hidden=8", "config.max_steps=110", "config.max_horizon=100"),
    "rbm-mnist": ("config.steps=9",),
    "resnet20-cifar10": ("config.channels=8,16,32",),
    "ssd-bccd": (
        "config.height=24",
        "config.width=32",
        "config.filters=4,4,4,4,4",
        "config.sizes=4,8,14,24",
        "config.max_boxes=5",
        *("batch_size=3", "lr=0.01", "warmup_epochs=0", "average=0"),  # or no box would be likelier than another
    ),
    "value-iteration-gridworld": ("config.max_states=25", "config.max_steps=12"),
    "vit-mnist": ("config.dim=16", "config.heads=2", "config.hidden=24"),
}


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def tiny_original():
    """`tiny_original(family, seed)`: an original of the tiny configuration; an estimator is fitted on drawn rows."""
    return _tiny_original


def _tiny_original(name, seed=0):
    import torch

    from zoo.original import Original
    from zoo.registry import load_family

    torch.manual_seed(seed)
    original = Original.build(name, load_family(name).tiny)
    if original.family.kind == "estimator":
        _fit(original, seed)
    return original.cast("float32")


def _fit(original, seed):
    from export.inputs import draw

    graph = original.graphs[0]
    inputs = draw(graph, dict.fromkeys(graph.free_axes, 90), np.random.default_rng(seed))
    if "random_state" in original.model.get_params():
        original.model.set_params(random_state=seed)
    x, values = inputs[graph.inputs[0].name], np.random.default_rng(seed).normal(size=90)
    original.model.fit(x, np.arange(90) % original.config.classes if hasattr(original.config, "classes") else values)


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory):
    """`tiny_export(family)`: `original`, its `checkpoint` folder and the exported `files` by graph name."""

    @cache
    def make(name):
        from export.exporter import export_graph

        folder = tmp_path_factory.mktemp(name)
        original = _tiny_original(name)
        original.save(folder / "checkpoint")
        files = {graph.name: folder / graph.file for graph in original.graphs}
        for graph in original.graphs:
            export_graph(original, graph, files[graph.name])
        return SimpleNamespace(original=original, checkpoint=folder / "checkpoint", files=files)

    return make


def _raw_contents(name):
    """Contents of tiny files for a data set that is not bundled, in the order of its `FILES`."""
    path = Path(__file__).parent / "training" / "data" / "tiny" / f"{name}.py"
    assert path.is_file(), f"give {path} a function contents() that returns tiny files in the format of {name}"
    spec = importlib.util.spec_from_file_location(f"tiny_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.contents()


@pytest.fixture(scope="session")
def raw_data(tmp_path_factory):
    """`raw_data(patch)`: let every data set's `FILES` be tiny files of the source's own format, below `ZOO_DATA`."""
    folder = tmp_path_factory.mktemp("raw")
    made = cache(_raw_contents)

    def install(patch):
        from training import data
        from training.data import zips
        from training.data.raw import read

        patch.setenv("ZOO_DATA", str(folder))
        for found in pkgutil.iter_modules(data.__path__, "training.data."):
            module = importlib.import_module(found.name)
            if not hasattr(module, "FILES"):
                continue
            files = []
            for file, content in zip(module.FILES, made(found.name.rpartition(".")[2]), strict=True):
                path = folder / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                held = content if file.packed else (file.content or bytes)(read(path))
                digest = zips.digest(path, file.folder) if file.folder else hashlib.sha256(held).hexdigest()
                files.append(dataclasses.replace(file, url="http://127.0.0.1:1/", sha256=digest))
            patch.setattr(module, "FILES", tuple(files))
        return folder

    return install


@pytest.fixture(scope="session")
def tiny_recipe():
    """`tiny_recipe(model, *assignments)`: the recipe, shortened."""

    def make(model, *assignments):
        from training.train import recipe_of

        config = recipe_of(model, []).config
        fewer = [f"config.{name}={value}" for name, value in FEWER.items() if hasattr(config, name)]
        return recipe_of(model, [*ASSIGNMENTS, *fewer, *SMALLER.get(model, ()), *assignments])

    return make


@pytest.fixture(scope="session")
def train_tiny(raw_data, tiny_recipe):
    """`train_tiny(model, folder, seed=0)`: the shortened recipe on tiny data, in this process."""

    def train(model, folder, seed=0):
        from training.train import make_fabric
        from training.train import train as train_seed

        recipe = tiny_recipe(model)
        fabric = make_fabric(recipe, folder, devices="1", num_nodes=1, precision=None)
        with pytest.MonkeyPatch.context() as patch:
            raw_data(patch)
            return train_seed(model, recipe, seed, folder, fabric, f"python -m training train {model}")

    return train


@pytest.fixture(scope="session")
def run_of(train_tiny, tmp_path_factory):
    """`run_of(model)`: a finished run folder of the recipe on tiny data. Shared: read only."""

    @cache
    def make(model):
        folder = tmp_path_factory.mktemp("runs") / model
        train_tiny(model, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def candidate_of(run_of, tmp_path_factory):
    """`candidate_of(model)`: a certified candidate of that run. Shared: copy it before changing it."""

    @cache
    def make(model):
        from export.candidate import build_candidate
        from export.certify import certify
        from export.report import failures
        from export.validate import validate

        folder = tmp_path_factory.mktemp("candidates") / model
        build_candidate(run_of(model), folder, version=1)
        report = validate(folder, run=run_of(model))
        assert report.passed, failures(report)
        certify(report, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def hub_folder(candidate_of, tmp_path_factory):
    """A hub with a classifier of pictures, a forest, a classifier of series and an autoencoder. Shared: read only."""
    from zoo.hub import Hub
    from zoo.publish import publish

    folder = tmp_path_factory.mktemp("hub")
    for model in ("convnet-mnist", "lstm-japanese-vowels", "random-forest-digits", "softmax-digits", "vae-mnist"):
        publish(candidate_of(model), Hub(folder))
    return folder


@pytest.fixture
def candidate(candidate_of, tmp_path):
    """`candidate(model)`: a copy of the certified candidate that a test may damage."""

    def copy(model):
        return Path(shutil.copytree(candidate_of(model), tmp_path / "copies" / model))

    return copy


@pytest.fixture(scope="session")
def command(root):
    """`command("zoo", "list", …, ZOO_HUB=…)`: `python -m zoo list …` in a process of its own."""

    def run(module, *arguments, cwd=root, **environment):
        env = {**os.environ, "PYTHONPATH": str(root), **{name: str(value) for name, value in environment.items()}}
        line = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False)

    return run
