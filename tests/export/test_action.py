"""The action's script on a small project that is not the zoo's, and the workflow files that call it."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

FILES = ("report.html", "report.json", "junit.xml")


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project, with its files made: right ones in `right`, faulty ones in `faulty`."""
    folder = Path(shutil.copytree(root / "tests/example_project", tmp_path_factory.mktemp("project") / "rings"))
    (folder / "export").mkdir()
    (folder / "export/__init__.py").write_text("raise RuntimeError('the project has a package of this name, too')\n")
    for arguments in (["right"], ["faulty", "--fault"]):
        subprocess.run([sys.executable, "make.py", *arguments], cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


@pytest.fixture
def act(root, project, tmp_path):
    return partial(run_action, root, project, tmp_path / "proof")


def run_action(root, folder, reports, **inputs):
    """The action with these inputs, and its report folder."""
    variables = {f"PROVE_{name.upper()}": str(value) for name, value in inputs.items()}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PROVE_REPORT_DIR": str(reports), **variables}
    environment.pop("PYTHONPATH", None)
    script = root / ".github/actions/validate/run.sh"
    done = subprocess.run(
        ["bash", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    return done, reports


def inputs_of(folder):
    return {
        "original": "model:rings",
        "weights": f"{folder}/weights.safetensors",
        "onnx": f"{folder}/model.onnx",
        "ports": f"{folder}/ports.json",
        "samples": f"{folder}/samples.npz",
    }


def check_reports(reports, *, passed):
    html, data, junit = (reports / name for name in FILES)
    assert json.loads(data.read_text(encoding="utf-8"))["passed"] is passed
    root = ElementTree.fromstring(junit.read_bytes())
    assert (int(root.get("failures")) == 0) is passed
    assert int(root.get("tests")) == 7  # five kinds of input, invariances, the artifact itself
    text = html.read_text(encoding="utf-8")
    assert ("✓ PASSED" if passed else "✗ FAILED") in text
    references = re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']?([^"' >]+)""", text)
    assert references
    assert all(each.startswith("data:") for each in references)
    assert not re.search("https?://", text)


def test_a_right_export_passes(act):
    done, reports = act(**inputs_of("right"))
    assert done.returncode == 0, done.stdout + done.stderr
    check_reports(reports, passed=True)
    assert "::notice file=right/model.onnx,title=PASSED" in done.stdout


def test_a_nudged_number_fails_with_status_1(act):
    done, reports = act(**inputs_of("faulty"))
    assert done.returncode == 1, done.stdout + done.stderr
    check_reports(reports, passed=False)
    assert "::error file=faulty/model.onnx,title=FAILED" in done.stdout


def test_file_against_file(act):
    done, _ = act(onnx_reference="right/model.onnx", onnx="right/model.onnx")
    assert done.returncode == 0, done.stdout + done.stderr
    done, _ = act(onnx_reference="right/model.onnx", onnx="faulty/model.onnx")
    assert done.returncode == 1, done.stdout + done.stderr


@pytest.mark.parametrize(
    "inputs", [{}, {"original": "model:rings"}, {"original": "model:missing", "weights": "w", "onnx": "o"}]
)
def test_unusable_inputs_have_status_2_and_leave_nothing(act, inputs):
    done, reports = act(**inputs)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not reports.exists()


def test_an_artifact_of_the_zoo_passes(root, candidate_of, tmp_path):
    folder = candidate_of("softmax-digits")
    done, reports = run_action(root, folder.parent, tmp_path / "proof", artifact=folder.name, depth="quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in reports.iterdir()) == sorted(FILES)


def test_every_input_reaches_the_script(root):
    action = yaml.safe_load((root / ".github/actions/validate/action.yml").read_text(encoding="utf-8"))
    (step,) = action["runs"]["steps"]
    passed = {re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) }}", value)[1]: name for name, value in step["env"].items()}
    assert set(passed) == set(action["inputs"]) - {"working-directory"}
    assert all(variable == f"PROVE_{name.upper().replace('-', '_')}" for name, variable in passed.items())
    assert step["run"] == 'bash "$GITHUB_ACTION_PATH/run.sh"'


def test_the_workflow_hands_every_input_on_and_keeps_the_report(root):
    action = yaml.safe_load((root / ".github/actions/validate/action.yml").read_text(encoding="utf-8"))
    workflow = yaml.load((root / ".github/workflows/prove.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    inputs, steps = workflow["on"]["workflow_call"]["inputs"], workflow["jobs"]["prove"]["steps"]
    (prove,) = (step for step in steps if step.get("uses", "").endswith("/.github/actions/validate"))
    assert set(prove["with"]) == set(action["inputs"])
    handed = {name for name, value in prove["with"].items() if value == f"${{{{ inputs.{name} }}}}"}
    assert handed == set(action["inputs"]) - {"report-dir"}
    assert handed <= set(inputs)
    keep = steps[-1]
    assert keep["uses"].startswith("actions/upload-artifact@")
    assert keep["with"]["path"] == prove["with"]["report-dir"]
    assert keep["if"] == "always()"
