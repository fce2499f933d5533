"""What an installed package carries: the index of all models, and the small ones."""

import os
import subprocess
import sys
import zipfile

import pytest

from hatch_build import MOST_BYTES, chosen_files
from tests.zoo.hubs.conftest import ROOT
from zoo.hub import EMBEDDED, Hub


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package, built and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_has_the_index_and_no_checkpoint(wheel):
    artifacts = wheel / "zoo" / "artifacts"
    assert (artifacts / "index.json").read_bytes() == (EMBEDDED / "index.json").read_bytes()
    assert not list(artifacts.glob("*/original"))
    assert sum(path.stat().st_size for path in artifacts.rglob("*") if path.is_file()) <= MOST_BYTES


def test_an_installed_package_lists_and_opens_its_models(wheel, tmp_path):
    code = "import zoo; print(zoo.__file__); print(zoo.names()); zoo.load('softmax-digits')"
    env = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(wheel / "zoo" / "__init__.py"), str(Hub(EMBEDDED).names())]


def test_the_smaller_models_go_in_first(tmp_path, make_artifact):
    for name, size in (("large", 9_000_000), ("small", 1_000_000), ("middle", 8_000_000)):
        make_artifact(tmp_path / "zoo" / "artifacts" / name, name, files={"weights.bin": size})
    (tmp_path / "zoo" / "artifacts" / "index.json").write_text("{}")
    chosen = chosen_files(tmp_path)
    assert {place.split("/")[2] for place in chosen.values()} == {"index.json", "small", "middle"}
    assert "zoo/artifacts/small/weights.bin" in chosen.values()
    assert not [place for place in chosen.values() if "original" in place]
