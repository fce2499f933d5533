"""Two workers as one service: models come and go in both at once, and what they count is counted together."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from serving.keys import hash_of
from zoo.hub import Hub

KEY = "an-operator's-key-for-a-test"
ADMIN = {"X-API-Key": KEY}
ASK = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]})
INFER = "/v2/models/tiny-picture/infer"
REPOSITORY = "/v2/repository/models/tiny-picture"


@pytest.fixture
def fleet(tmp_path: Path, tiny: SimpleNamespace, serve: Any) -> Iterator[SimpleNamespace]:
    """A service of two workers over a hub of its own, which a test may change."""
    hub = tiny.make_hub(tmp_path / "hub", "tiny-picture", "tiny-code")
    server = serve(hub, tmp_path / "log", "tiny-picture", ZOO_WORKERS="2", ZOO_ADMIN_KEYS=hash_of(KEY))
    wait_for(lambda: len(workers(server)) == 2 and all_answer(server))
    yield SimpleNamespace(server=server, hub=hub, publish=lambda version: publish(tiny, hub, version))
    server.stop()


def publish(tiny: SimpleNamespace, hub: Path, version: int) -> None:
    """The next version, whose folder takes the place of the last one's."""
    shutil.rmtree(hub / "tiny-picture")
    tiny.publish(hub, "tiny-picture", version)
    Hub(hub).write_index()


def workers(server: Any) -> list[psutil.Process]:
    """The worker processes that are alive."""
    children = psutil.Process(server.process.pid).children()
    alive = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "_bentoml_impl.worker" in " ".join(child.cmdline())]


def all_answer(server: Any) -> bool:
    return b"zoo_workers 2.0" in server.request("GET", "/metrics")[2]


def wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def versions(server: Any, times: int = 24) -> set[str]:
    """The versions that answer, asked over new connections, which either worker may take."""
    return {json.loads(server.request("POST", INFER, ASK)[2])["model_version"] for _ in range(times)}


def test_a_new_version_takes_over_in_every_worker(fleet: SimpleNamespace) -> None:
    assert versions(fleet.server) == {"1"}
    fleet.publish(2)
    assert versions(fleet.server) == {"1"}  # until somebody says so
    assert fleet.server.request("POST", f"{REPOSITORY}/load", headers=ADMIN)[0] == 200
    assert versions(fleet.server) == {"2"}
    assert fleet.server.error("GET", "/v2/models/tiny-picture/versions/1")[0] == 404


def test_a_worker_that_starts_again_takes_the_current_set(fleet: SimpleNamespace) -> None:
    """Also when the hub has a later version by then, which nobody has loaded."""
    fleet.publish(2)
    fleet.server.request("POST", f"{REPOSITORY}/load", headers=ADMIN)
    fleet.publish(3)
    before = {worker.pid for worker in workers(fleet.server)}
    os.kill(min(before), signal.SIGKILL)
    wait_for(lambda: len({worker.pid for worker in workers(fleet.server)} | before) == 3 and all_answer(fleet.server))
    assert versions(fleet.server) == {"2"}


def test_models_come_and_go(fleet: SimpleNamespace) -> None:
    server = fleet.server
    with triton.InferenceServerClient(server.address) as client:
        headers = dict(ADMIN)
        index = {entry["name"]: entry for entry in client.get_model_repository_index()}
        assert (index["tiny-picture"]["state"], index["tiny-code"]["state"]) == ("READY", "UNAVAILABLE")
        assert not client.is_model_ready("tiny-code")
        client.load_model("tiny-code", headers=headers)
        assert client.is_model_ready("tiny-code")
        assert {entry["state"] for entry in client.get_model_repository_index()} == {"READY"}
        client.unload_model("tiny-picture", headers=headers)
        assert not any(client.is_model_ready("tiny-picture") for _ in range(12))
        assert {server.request("POST", INFER, ASK)[0] for _ in range(12)} == {404}
        with pytest.raises(InferenceServerException, match="No model is named 'nobody'"):
            client.load_model("nobody", headers=headers)
        client.load_model("tiny-picture", headers=headers)
        assert versions(server) == {"1"}


def test_a_bad_version_never_takes_over(fleet: SimpleNamespace) -> None:
    """One with other bytes than certified, and one whose answers are not the certified ones."""
    fleet.publish(2)
    graph = fleet.hub / "tiny-picture" / "predict.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    status, sentence = fleet.server.error("POST", f"{REPOSITORY}/load", None, ADMIN)
    assert (status, "differs from its certificate" in sentence) == (422, True)
    assert versions(fleet.server) == {"1"}

    fleet.publish(2)
    golden = fleet.hub / "tiny-picture" / "golden.npz"
    arrays = dict(np.load(golden))
    arrays["predict/logits"] = arrays["predict/logits"] + np.float32(1e-3)
    recertify(fleet.hub, arrays)
    status, sentence = fleet.server.error("POST", f"{REPOSITORY}/load", None, ADMIN)
    assert (status, "answers golden requests with an error of 0.001 in 'logits'" in sentence) == (422, True)
    assert versions(fleet.server) == {"1"}
    assert fleet.server.request("GET", "/v2/health/ready")[0] == 200


def recertify(hub: Path, golden: dict[str, np.ndarray]) -> None:
    """A certificate of other golden samples than the graph's."""
    from dataclasses import replace

    from zoo.manifest import Certificate, file_hashes
    from zoo.run import save_arrays

    folder = hub / "tiny-picture"
    save_arrays(folder / "golden.npz", golden)
    replace(Certificate.read(folder), files=file_hashes(folder)).write(folder)
    Hub(hub).write_index()


def test_what_both_workers_count_is_counted_together(fleet: SimpleNamespace) -> None:
    before = count(fleet.server)
    versions(fleet.server, 40)
    assert count(fleet.server) == before + 40
    time.sleep(1.5)  # a worker that is killed leaves what it had a second before
    os.kill(workers(fleet.server)[0].pid, signal.SIGKILL)
    wait_for(lambda: count(fleet.server) >= before + 40)
    assert count(fleet.server) == before + 40
    text = fleet.server.request("GET", "/metrics")[2].decode()
    assert f'zoo_rows_total{{model="tiny-picture",version="1"}} {before + 40}.0' in text
    assert f'zoo_responses_total{{endpoint="infer",model="tiny-picture",status="200",version="1"}} {before + 40}.0' in text


def count(server: Any) -> int:
    return sum(entry["inference_count"] for entry in server.json("/v2/models/stats")["model_stats"])


def test_no_request_fails_while_versions_change(fleet: SimpleNamespace) -> None:
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            statuses.append(fleet.server.request("POST", INFER, ASK)[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 8):
        fleet.publish(version)
        assert fleet.server.request("POST", f"{REPOSITORY}/load", headers=ADMIN)[0] == 200
    over.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 50
    assert set(statuses) == {200}
    assert versions(fleet.server) == {"7"}


def test_without_an_operators_key_nothing_is_loaded(fleet: SimpleNamespace) -> None:
    for headers in ({}, {"X-API-Key": "somebody's"}):
        assert fleet.server.request("POST", f"{REPOSITORY}/unload", headers=headers)[0] in (401, 403)
    assert versions(fleet.server) == {"1"}
