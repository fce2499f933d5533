"""The comparison of servers: its judgements, its page, and that it starts, checks and ends a server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import import_module
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

FIELDS = ("round", "server", "model", "load", "requests_per_s", "p50_ms", "p99_ms", "cpu_us", "failed", "generator")


def part(name):
    """The benchmark's module: the folder is no package of the project."""
    return import_module(f"benchmarks.serving.{name}")


def found(rates):
    """What was found, from requests per second by (round, server); p99 is 1000 / rate."""
    measure = part("measure")
    cells, starts = [], []
    for (number, server), rate in rates.items():
        where = {"round": number, "server": server, "model": "convnet-mnist"}
        starts.append(measure.Start(**where, ready_s=1.0, memory_mb=100.0))
        for load in ("1", "8", "32", "random"):
            figures = {"requests_per_s": rate, "p50_ms": 1.0, "p99_ms": 1000 / rate, "cpu_us": 50.0, "generator": 0.1}
            cells.append(measure.Cell(**where, load=load, failed=0, **figures))
    return measure.Found(cells, starts, {})


def test_ratios_are_taken_within_a_round():
    """Rounds in which the machine was twice as fast for both servers change nothing."""
    rates = {
        (1, "ours"): 800,
        (1, "floor"): 1000,
        (2, "ours"): 1600,
        (2, "floor"): 2000,
        (3, "ours"): 300,
        (3, "floor"): 1000,
    }
    rate, p99 = part("targets").verdicts(found(rates), None)
    assert (rate.figure, rate.values, rate.met) == (0.8, (0.8, 0.8, 0.3), True)
    assert p99.figure == pytest.approx(1.25)
    assert p99.met


def test_a_missed_target_is_said():
    rates = {(1, "ours"): 900, (1, "litserve"): 100, (1, "mlserver"): 100}
    judged = {verdict.what.split(" (")[0]: verdict for verdict in part("targets").verdicts(found(rates), None)}
    assert judged["requests/s against MLServer"].met  # 9 times, 6 promised
    assert not judged["requests/s against LitServe"].met  # 9 times, 10 promised


def test_start_and_memory_are_judged():
    """Five further models in 2.5 s are 0.5 s each; 400 MB above the small one for 100 MB of weights are 4 times."""
    own = part("own").Own(100_000_000, [1.0], [3.5], [200_000_000], [600_000_000])
    judged = part("targets").verdicts(found({}), own)
    assert [(verdict.figure, verdict.met) for verdict in judged] == [(1.0, True), (0.5, False), (200.0, True), (4.0, False)]


def test_the_page(tmp_path):
    measure, servers, report = part("measure"), part("servers"), part("report")
    kinds = tuple(servers.KINDS[name] for name in ("ours", "floor", "ray"))
    subject = SimpleNamespace(name="convnet-mnist")
    plan = measure.Plan((kinds[0], kinds[1]), (subject,), 1, 1, tmp_path, tmp_path)
    about = report.Circumstances("python -m x", {"ray": "it is too large"}, 3.0, 2.0)
    text = report.write(plan, found({(1, "ours"): 800, (1, "floor"): 1600}), None, about, tmp_path)
    assert "| requests/s against the floor (convnet-mnist, 1 MFLOP) | at least 0.75 | 0.5 | **missed** |" in text
    assert "- Ray Serve was not run: it is too large." in text
    assert "The machine was not quiet" in text
    assert (tmp_path / "serving.md").read_text() == text
    assert len((tmp_path / "serving.csv").read_text().splitlines()) == 1 + 2 * 4
    assert ElementTree.parse(tmp_path / "serving.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", ["V2_BINARY", "V2_JSON"])
def test_payloads_are_read_by_the_protocol(name):
    from serving.asgi.protocol import parse
    from serving.asgi.reply import render
    from zoo.spec import Graph, Port

    ports = [Port(name=port, dtype="float32", shape=("batch", 3)) for port in "xy"]
    graph = Graph(inputs=(ports[0],), outputs=(ports[1],))
    payload = getattr(part("payloads"), name)
    x = np.array([[1, 2.5, -3]], np.float32)
    body, headers = payload.encode("x", x)
    size = headers.get("Inference-Header-Content-Length")
    request = parse(body, int(size) if size else None, graph)
    assert np.array_equal(request.inputs["x"], x)
    answered, body = render(request, {"y": x * 2}, "m", "1")
    names = {key.decode(): value.decode() for key, value in answered}
    assert payload.decode(body, names).tolist() == [2, 5, -6]


def test_a_server_is_ended_with_the_children_that_leave_it(tmp_path):
    """The child starts a session of its own, and its parent ends at once."""
    process = part("process")
    child = "import time; time.sleep(300)"
    parent = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True).pid)"
    )
    server = process.Server([sys.executable, "-c", parent], {}, tmp_path, tmp_path / "log")
    server.process.wait()
    pid = int((tmp_path / "log").read_text())
    assert [one.pid for one in server.tree()] == [pid]
    assert server.memory_bytes() > 0
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_ends_is_said(tmp_path):
    process = part("process")
    server = process.Server([sys.executable, "-c", "raise SystemExit('no such model')"], {}, tmp_path, tmp_path / "log")
    with pytest.raises(process.ServerError, match="no such model"):
        server.wait(lambda: False)
    server.stop()


def test_the_floor_answers_like_the_service(tmp_path):
    subjects, servers, measure = part("subjects"), part("servers"), part("measure")
    [subject] = subjects.subjects(tmp_path / "hub", ("convnet-100-mflop",))
    assert subject.x.shape == (1, 3, 64, 64)
    kind = servers.KINDS["floor"]
    body, headers = kind.payload.encode(subject.input, subject.x)
    server, url = kind.start(subject, tmp_path, tmp_path / "floor")
    try:
        began = time.perf_counter()
        assert server.wait(lambda: measure.answers_rightly(url, body, headers, kind, subject)) < 20
        assert server.cpu_seconds() > 0
        wrong = SimpleNamespace(**{**vars(subject), "y": subject.y + 1})
        with pytest.raises(part("process").ServerError, match="it answers"):
            measure.answers_rightly(url, body, headers, kind, wrong)
        assert time.perf_counter() - began < 30
    finally:
        server.stop()


def test_unknown_servers_are_named():
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", "--servers", "ours,apache"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "apache is unknown; choose from ours, ours-2, floor" in ended.stderr
