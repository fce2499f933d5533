"""Many models through the chain: cached steps, one failure that stops only its own model, what a revision changed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from zoo import builds
from zoo.errors import UsageError
from zoo.hub import Hub


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """An empty folder with an empty hub, and no data but what scikit-learn carries."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("ZOO_DATA", raising=False)
    (tmp_path / "hub").mkdir()
    return Hub(tmp_path / "hub")


def test_steps_are_cached_and_a_failure_stops_only_its_model(workplace: Hub) -> None:
    (first,) = builds.build_many(["softmax-digits"], hub=workplace, jobs=1, arguments=["--set", "epochs=2"])
    assert list(first.seconds) == ["train", "export", "validate", "publish"], first.failure
    assert workplace.names() == ["softmax-digits"]

    (again,) = builds.build_many(["softmax-digits"], hub=workplace, jobs=1)
    assert again.cached == ["train", "export", "validate", "publish"]
    assert workplace.index["softmax-digits"]["version"] == 1

    Path("build/softmax-digits/certificate.json").unlink()  # as if killed before it was written
    (resumed,) = builds.build_many(["softmax-digits"], hub=workplace, jobs=1)
    assert resumed.cached == ["train", "export", "publish"]
    assert list(resumed.seconds) == ["validate"]

    Path("runs/mlp-mnist").mkdir(parents=True)
    Path("runs/mlp-mnist/run.json").write_text("{}")  # a run that cannot be exported
    outcomes = builds.build_many(["mlp-mnist", "softmax-digits"], hub=workplace, jobs=2)
    assert outcomes[0].failure.startswith("export ended with status 2: ")
    assert "run.json is malformed" in outcomes[0].failure
    assert not outcomes[1].failure

    suite = ElementTree.fromstring(builds.junit(outcomes))
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite.findall("testcase/failure/..")] == ["mlp-mnist"]


def test_an_unknown_model_is_refused_before_anything_runs(workplace: Hub) -> None:
    with pytest.raises(UsageError, match="no recipe for 'nothing'"):
        builds.build_many(["nothing"], hub=workplace, jobs=1)
    assert not Path("build").exists()


KNOWN = {
    "a": {"module": "training.recipes.linear.softmax_digits", "family": "softmax-regression"},
    "b": {"module": "training.recipes.mlp.mlp_mnist", "family": "mlp"},
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("zoo/families/mlp/mlp.py", ["b"]),
        ("training/recipes/linear/softmax_digits.py", ["a"]),
        ("README.md", []),
        ("export/compare.py", ["a", "b"]),
        ("zoo/spec.py", ["a", "b"]),
        ("zoo/codecs/read.py", ["a", "b"]),
    ],
)
def test_what_a_revision_changed(changed: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=changed + "\n", stderr="")
    monkeypatch.setattr(builds.subprocess, "run", lambda *_, **__: done)
    assert builds.changed_since("HEAD", KNOWN) == expected


def test_an_unknown_revision_is_named() -> None:
    with pytest.raises(UsageError, match="'no-such-revision'"):
        builds.changed_since("no-such-revision", KNOWN)
