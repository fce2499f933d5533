"""The folder that workers share: versions that stay, a private place, one service at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.processes.backlog import ALIVE_NS, SharedBacklog
from serving.processes.state import State, set_up_state
from serving.settings import Settings
from zoo.errors import IntegrityError, UsageError
from zoo.hub import Hub


@pytest.fixture
def hub(tmp_path: Path, tiny: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tiny.make_hub(tmp_path / "hub", "tiny-picture", "tiny-series")
    monkeypatch.setenv("ZOO_HUB", str(root))
    monkeypatch.setenv("ZOO_STATE", str(tmp_path / "state"))
    return root


@pytest.fixture
def state(hub: Path) -> State:
    return set_up_state(Settings(models=("tiny-picture",)), supervisor=False)


def test_a_version_in_use_outlives_its_place_in_the_hub(hub: Path, state: State) -> None:
    folder = state.current()["tiny-picture"]
    assert folder.startswith("tiny-picture@1-")
    shutil.rmtree(hub / "tiny-picture")
    state.artifact(folder).verify()


def test_the_original_is_not_kept(hub: Path, tiny: SimpleNamespace, state: State) -> None:
    (hub / "tiny-series" / "original").mkdir()
    (hub / "tiny-series" / "original" / "weights.safetensors").write_bytes(b"large")
    kept = state.root / "models" / state.keep(Hub(hub).artifact("tiny-series"))
    assert (kept / "predict.onnx").exists()
    assert not (kept / "original").exists()


def test_what_is_served_no_more_is_removed(hub: Path, state: State) -> None:
    series = state.keep(Hub(hub).artifact("tiny-series"))
    assert state.keep(Hub(hub).artifact("tiny-series")) == series
    state.write_current({"tiny-series": series})
    assert [path.name for path in (state.root / "models").iterdir()] == [series]


def test_a_damaged_model_is_not_set_up(hub: Path) -> None:
    (hub / "tiny-picture" / "predict.onnx").write_bytes(b"other")
    with pytest.raises(IntegrityError, match=r"tiny-picture: predict.onnx differs from its certificate"):
        set_up_state(Settings(models=("tiny-picture",)), supervisor=True)


def test_a_worker_takes_what_is_set_up_and_a_supervisor_starts_anew(state: State) -> None:
    other = Settings(models=("tiny-series",))
    assert list(set_up_state(other, supervisor=False).current()) == ["tiny-picture"]
    assert list(set_up_state(other, supervisor=True).current()) == ["tiny-series"]


def test_a_folder_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    monkeypatch.setenv("ZOO_STATE", str(tmp_path / "open"))
    with pytest.raises(UsageError, match="is not private to this user"):
        State.make()


def test_a_path_too_long_for_sockets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_STATE", str(tmp_path / ("long" * 25)))
    with pytest.raises(UsageError, match="too long for the sockets below it"):
        State.make()


def test_two_services_cannot_share_a_folder(hub: Path, tmp_path: Path) -> None:
    imports = "import sys; from serving.processes.state import State;"
    code = f"{imports} State.make().own(); print('mine', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"mine\n"
        with pytest.raises(UsageError, match="which another service uses"):
            State.make().own()
        first.communicate()
    State.make().own()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path for temporary folders, and no folder chosen by the variable before and after."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("ZOO_STATE", "")
    del os.environ["ZOO_STATE"]
    yield folder
    shutil.rmtree(folder)


def test_what_a_killed_service_left_is_swept_away(place: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, live = place / f"zoo-state-{dead.pid}-x", place / f"zoo-state-{os.getpid()}-x"
    left.mkdir()
    live.mkdir()
    made = State.make().root
    assert set(place.iterdir()) == {live, made}
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_change_waits_for_workers_that_start(state: State) -> None:
    order: list[str] = []

    def change() -> None:
        with state.lock():
            order.append("change")

    with state.lock(shared=True), state.lock(shared=True):
        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(0.1)
        order.append("started")
    thread.join()
    assert order == ["started", "change"]


def test_rows_of_all_workers(tmp_path: Path) -> None:
    first, second, third = (SharedBacklog(tmp_path / "queue", worker, 3) for worker in range(3))
    first.publish(5)
    second.publish(7)
    assert (first.others(), second.others(), third.others()) == (7, 5, 12)
    first.publish(0)
    assert third.others() == 7
    assert SharedBacklog(tmp_path / "queue", 1, 3).others() == 0  # the second one started again
    assert third.others() == 0


def test_rows_of_a_dead_worker_stop_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (SharedBacklog(tmp_path / "queue", worker, 2) for worker in range(2))
    now = time.monotonic_ns()
    monkeypatch.setattr("time.monotonic_ns", lambda: now)
    first.publish(5)
    monkeypatch.setattr("time.monotonic_ns", lambda: now + ALIVE_NS // 2)
    assert second.others() == 5
    first.live()
    monkeypatch.setattr("time.monotonic_ns", lambda: now + ALIVE_NS + 1)
    assert second.others() == 5
    monkeypatch.setattr("time.monotonic_ns", lambda: now + 2 * ALIVE_NS)
    assert second.others() == 0
