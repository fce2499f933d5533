"""The rules that hold the parts apart: who imports whom, what runs without torch, which code may know a model."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.recipes import recipe_modules
from zoo.registry import family_names

ROOT = Path(__file__).parents[1]
PACKAGES = ("zoo", "training", "export", "serving")
HEAVY = ("torch", "sklearn", "onnx", "onnxscript", "skl2onnx", "safetensors", "skops", "lightning_fabric", "gymnasium")

# Every heavy import fails, as on a machine where the extra [train] is not installed.
BLOCKED = f"""
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Blocker())
"""


def python(code, *arguments, **environment):
    line = [sys.executable, "-c", code, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def sources(*folders):
    """Every Python file below these folders or files of the repository."""
    for folder in folders:
        path = ROOT / folder
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def test_the_import_contracts_are_kept(tmp_path):
    line = [Path(sys.executable).with_name("lint-imports"), "--cache-dir", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
    assert "Contracts: 3 kept" in done.stdout


@pytest.mark.parametrize(
    "module",
    ["zoo", "zoo.__main__", "zoo.calls", "zoo.codecs", "zoo.cpus", "zoo.hub", "zoo.manifest", "zoo.metrics", "zoo.model",
     "zoo.pipeline", "zoo.placement", "zoo.proofs", "zoo.providers", "zoo.publish",
     "zoo.registry", "zoo.run", "zoo.session", "zoo.spec", "serving"],
)  # fmt: skip
def test_importing_loads_nothing_heavy(module):
    done = python(f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_every_module_of_the_service_loads_nothing_heavy():
    modules = [f"serving.{path.stem}" for path in (ROOT / "serving").glob("*.py") if path.stem[0] != "_"]
    assert modules
    done = python(f"import sys, {', '.join(modules)}; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_the_blocker_blocks():
    assert "torch is not installed here" in python(BLOCKED + "import torch").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--json"],
        ["info", "convnet-mnist"],
        ["card", "convnet-mnist"],
        ["gallery", "--out", "{picture}-mnist"],
        ["predict", "vae-mnist", "{picture}", "--json"],
    ],
)
def test_commands_work_without_torch(hub_folder, tmp_path, arguments):
    from PIL import Image

    picture = tmp_path / "picture.png"
    Image.new("L", (28, 28), 0).save(picture)
    code = BLOCKED + "from zoo.__main__ import main; main()"
    done = python(code, *(argument.format(picture=picture) for argument in arguments), ZOO_HUB=str(hub_folder))
    assert done.returncode == 0, done.stderr
    assert "mnist" in done.stdout or "reconstruction" in done.stdout


def test_training_without_torch_says_what_to_install(hub_folder):
    code = BLOCKED + "sys.modules['torch'] = None\nfrom zoo.__main__ import main; main()"
    done = python(code, "train", "mlp-mnist", ZOO_HUB=str(hub_folder))
    assert done.returncode == 2
    assert "error: The stage 'training' needs torch; install the extra [train]." in done.stderr


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


PICKLES = ROOT / "training/data/pickled.py"  # reads old data sets by a list of what they may build


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_pickled(package):
    for path in sources(package):
        if path == PICKLES:
            continue
        roots = {name.partition(".")[0] for name in imports(path)}
        assert not roots & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "torch.save"):
                pytest.fail(f"{path} uses {ast.unparse(node.func)}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", path


def test_old_pickles_are_read_by_a_list_only():
    used = {ast.unparse(node) for node in ast.walk(ast.parse(PICKLES.read_text())) if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("pickle.")} == {"pickle.Unpickler", "pickle.UnpicklingError"}


def test_families_do_not_import_one_another():
    for path in (ROOT / "zoo/families").glob("*/*.py"):
        assert not [name for name in imports(path) if name.startswith("zoo.families")], path


def docstrings(tree):
    """The nodes of module, class and function docstrings, and of other strings that stand alone."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}


def constants(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value, node.lineno


def test_generic_code_knows_no_model():
    known = {*family_names(), *recipe_modules()}
    assert len(known) >= 14
    found = []
    for path in sources("zoo", "training/fit.py", "training/data", "export", "serving"):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(("zoo/families/", "zoo/artifacts/")) or place == "zoo/demo.py":
            continue
        found += [f"{place}:{line} {value!r}" for value, line in constants(path) if value in known]
    assert found == []


def test_the_search_for_names_finds_one(tmp_path):
    file = tmp_path / "file.py"
    file.write_text('"""mlp"""\nclass A:\n    "lstm"\n    name = "mlp"\n')
    assert list(constants(file)) == [("mlp", 4)]


def test_no_package_below_tests():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_modules_do_not_hide_those_of_others():
    taken = {"onnx.py", "torch.py", "types.py", "queue.py", "utils.py", "helpers.py", "manager.py"}
    assert [path for path in sources(*PACKAGES) if path.name in taken] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_files_hold_one_concept_each(package):
    assert [
        f"{path} has {lines} lines" for path in sources(package) if (lines := len(path.read_text().splitlines())) > 400
    ] == []
