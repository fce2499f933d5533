"""The micro-batcher: no row lost, doubled or swapped, whatever arrives, fails or hangs up."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import serving.batching.runner
from serving.batching.batcher import Batcher, Limits
from serving.errors import ExecutionError, GoneError, NotReadyError, ProtocolError, QueueFullError
from zoo.errors import PortError
from zoo.spec import Arrays, Graph, Port

POISON = 666.0


def port(name: str, *shape: int | str, **more: Any) -> Port:
    return Port(name=name, dtype="float32", shape=shape, **more)


# Two free axes: requests of other widths must not be mixed.
ROWS = Graph(inputs=(port("x", "batch", "width"),), outputs=(port("y", "batch", "width"),))


class Doubler:
    """y = 2x, remembering what every execution was given; fails on a batch that holds POISON."""

    def __init__(self) -> None:
        self.executions: list[np.ndarray] = []
        self.tries = 0

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.tries += 1
        if (inputs["x"] == POISON).any():
            raise RuntimeError("poisoned")
        self.executions.append(inputs["x"].copy())
        return {"y": inputs["x"] * 2}

    @property
    def rows(self) -> list[float]:
        """First value of every row, in the order in which rows were computed."""
        return [float(row[0]) for batch in self.executions for row in batch]


def rows(*values: float, width: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32)[:, None] * np.ones(width, np.float32)}


@pytest.fixture(params=["inline", "thread"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where executions run: on the event loop, or in the batcher's thread."""
    monkeypatch.setattr(serving.batching.runner, "INLINE_MS", 1e9 if request.param == "inline" else -1.0)
    return request.param


by_property = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
some_limits = st.builds(Limits, max_rows=st.integers(1, 8), max_delay_ms=st.sampled_from([0.0, 1.0, 2.0]))
requests = st.lists(
    st.fixed_dictionaries(
        {
            "rows": st.integers(1, 12),
            "width": st.integers(1, 2),
            "client": st.integers(0, 2),
            "pause": st.booleans(),
            "fate": st.sampled_from(["good"] * 4 + ["poisoned", "gone", "cancelled"]),
        }
    ),
    min_size=1,
    max_size=12,
)


async def play(batcher: Batcher, asked: list[dict[str, Any]]) -> list[Any]:
    """Submit all, pausing where it says so; the answer or error of each."""
    tasks = []
    start = 1
    for request in asked:
        request["values"] = np.arange(start, start + request["rows"], dtype=np.float32)
        start += request["rows"]
        inputs = rows(*request["values"], width=request["width"])
        if request["fate"] == "poisoned":
            inputs["x"][-1] = POISON
        gone = request["fate"] == "gone"
        tasks.append(asyncio.ensure_future(batcher.submit(inputs, is_gone=lambda gone=gone: gone)))
        await asyncio.sleep(0)  # it is in the queue now
        if request["fate"] == "cancelled":
            tasks[-1].cancel()
        if request["pause"]:
            await asyncio.sleep(0.001)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await batcher.close()
    return answers


@by_property
@given(asked=requests, limits=some_limits)
def test_everyone_gets_the_answer_to_their_own_rows(asked: list[dict[str, Any]], limits: Limits, where: str) -> None:
    model = Doubler()
    answers = asyncio.run(play(Batcher(ROWS, model, limits), asked))
    for request, answer in zip(asked, answers, strict=True):
        if request["fate"] == "good":
            np.testing.assert_array_equal(answer["y"], rows(*request["values"] * 2, width=request["width"])["x"])
        elif request["fate"] == "poisoned":
            assert isinstance(answer, ExecutionError)
        elif request["fate"] == "gone":
            assert isinstance(answer, GoneError)
        else:
            assert isinstance(answer, asyncio.CancelledError)


@by_property
@given(asked=requests, limits=some_limits)
def test_no_row_is_lost_doubled_or_computed_for_nobody(asked: list[dict[str, Any]], limits: Limits, where: str) -> None:
    model = Doubler()
    batcher = Batcher(ROWS, model, limits)
    asyncio.run(play(batcher, asked))
    computed = model.rows
    assert len(computed) == len(set(computed))
    values = {fate: {float(v) for r in asked if r["fate"] == fate for v in r["values"]} for fate in ("good", "gone")}
    assert values["good"] <= set(computed)
    assert not values["gone"] & set(computed)
    assert batcher.statistics.rows == len(computed)
    assert sum(batcher.statistics.compute_time.counts) == len(model.executions)


@by_property
@given(asked=requests, limits=some_limits)
def test_executions_keep_the_limit_and_the_order_of_each_client(
    asked: list[dict[str, Any]], limits: Limits, where: str
) -> None:
    model = Doubler()
    asyncio.run(play(Batcher(ROWS, model, limits), asked))
    assert all(len(batch) <= limits.max_rows for batch in model.executions)
    good = [request for request in asked if request["fate"] == "good"]
    if len(good) < len(asked):
        return  # halves of a failed batch are computed again: order is kept, but not in one line
    for client, width in {(request["client"], request["width"]) for request in good}:
        mine = [float(v) for r in good if (r["client"], r["width"]) == (client, width) for v in r["values"]]
        assert [value for value in model.rows if value in set(mine)] == mine


def test_requests_that_arrive_together_share_executions(where: str) -> None:
    model = Doubler()

    async def scenario() -> list[Any]:
        batcher = Batcher(ROWS, model, Limits(max_rows=16))
        return await asyncio.gather(*(batcher.submit(rows(i, i + 0.5)) for i in range(1, 17)))

    answers = asyncio.run(scenario())
    assert [len(batch) for batch in model.executions] == [16, 16]  # 16 requests of 2 rows: rows are counted
    assert [answer["y"][0, 0] for answer in answers] == [2.0 * i for i in range(1, 17)]


def test_requests_of_other_sizes_do_not_meet_in_a_batch(where: str) -> None:
    run = Recorder(lambda inputs: {"y": inputs["x"] * 2})
    run_together(ROWS, run, *(rows(value, width=1 + value % 2) for value in range(5)))
    assert sorted(run.shapes) == [(2, 2), (3, 1)]


def test_an_oversized_request_is_split_and_put_together_again(where: str) -> None:
    model = Doubler()

    async def scenario() -> Any:
        return await Batcher(ROWS, model, Limits(max_rows=4)).submit(rows(*range(1, 12)))

    np.testing.assert_array_equal(asyncio.run(scenario())["y"], rows(*range(2, 24, 2))["x"])
    assert [len(batch) for batch in model.executions] == [4, 4, 3]


class Gate(Doubler):
    """A Doubler that computes nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert self.open.wait(10)
        return super().__call__(inputs)


def in_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.batching.runner, "INLINE_MS", -1.0)


def test_a_full_queue_refuses_at_once_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)
    gate = Gate()

    async def scenario() -> list[Any]:
        batcher = Batcher(ROWS, gate, Limits(max_rows=2, max_queue_rows=5))
        running = asyncio.ensure_future(batcher.submit(rows(1, 2)))
        await asyncio.sleep(0.02)  # it left the queue
        waiting = [asyncio.ensure_future(batcher.submit(rows(3, 4, 5))), asyncio.ensure_future(batcher.submit(rows(6, 7)))]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="5 rows wait"):
            await batcher.submit(rows(8))
        with pytest.raises(ProtocolError, match="6 rows; send at most 5"):
            await batcher.submit(rows(*range(6)))
        gate.open.set()
        answers = await asyncio.gather(running, *waiting)
        assert batcher.statistics.outcomes["rejected"].count == 1
        await batcher.submit(rows(9))
        return answers

    answers = asyncio.run(scenario())
    assert [answer["y"].ravel().tolist() for answer in answers] == [[2, 4], [6, 8, 10], [12, 14]]


def test_closing_answers_what_is_queued_or_runs_and_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)
    gate = Gate()

    async def scenario() -> list[Any]:
        batcher = Batcher(ROWS, gate, Limits(max_rows=1))
        tasks = [asyncio.ensure_future(batcher.submit(rows(value))) for value in (1, 2, 3)]
        await asyncio.sleep(0.02)
        closing = asyncio.ensure_future(batcher.close())
        await asyncio.sleep(0.02)
        assert not closing.done()
        with pytest.raises(NotReadyError):
            await batcher.submit(rows(4))
        gate.open.set()
        await closing
        assert all(task.done() for task in tasks)
        return [float((await task)["y"][0, 0]) for task in tasks]

    assert asyncio.run(scenario()) == [2, 4, 6]


def test_closing_waits_for_what_runs_though_nothing_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)
    gate = Gate()

    async def scenario() -> bool:
        batcher = Batcher(ROWS, gate)
        running = asyncio.ensure_future(batcher.submit(rows(1)))
        await asyncio.sleep(0.02)
        asyncio.get_running_loop().call_later(0.05, gate.open.set)
        await batcher.close()
        return gate.open.is_set() and (await running)["y"].tolist() == [[2]]

    assert asyncio.run(scenario())


def test_closing_waits_for_what_runs_though_its_client_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)
    gate = Gate()

    async def scenario() -> int:
        batcher = Batcher(ROWS, gate)
        running = asyncio.ensure_future(batcher.submit(rows(1)))
        await asyncio.sleep(0.02)
        running.cancel()
        asyncio.get_running_loop().call_later(0.05, gate.open.set)
        await batcher.close()
        return batcher.statistics.rows

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_fails_its_check_never_joins_a_batch(bad: float) -> None:
    model = Doubler()

    async def scenario() -> list[Any]:
        batcher = Batcher(ROWS, model)
        return await asyncio.gather(*(batcher.submit(rows(v)) for v in (1, bad, 3)), return_exceptions=True)

    first, second, third = asyncio.run(scenario())
    assert isinstance(second, PortError)
    assert (first["y"][0, 0], third["y"][0, 0]) == (2, 6)
    assert [len(batch) for batch in model.executions] == [2]


def run_together(graph: Graph, run: Callable[..., Any], *inputs: dict[str, np.ndarray]) -> list[Any]:
    async def scenario() -> list[Any]:
        batcher = Batcher(graph, run)
        return await asyncio.gather(*(batcher.submit(one) for one in inputs), return_exceptions=True)

    return asyncio.run(scenario())


class Recorder:
    def __init__(self, answer: Callable[..., dict[str, np.ndarray]]) -> None:
        self.answer = answer
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.shapes.append(next(iter(inputs.values())).shape)
        return self.answer(inputs)


WHOLE = Graph(inputs=(port("x", "nodes", 2),), outputs=(port("y", "nodes", 2),), batch=None)
SUMMARY = Graph(inputs=(port("x", "batch", 2),), outputs=(port("y", 2),))
KEPT = Graph(inputs=(port("x", "batch", 2),), outputs=(port("y", "batch", "kept"),))


@pytest.mark.parametrize("graph", [WHOLE, SUMMARY, KEPT], ids=["no batch axis", "output without rows", "size from data"])
def test_a_graph_whose_answer_cannot_be_taken_apart_is_called_once_a_request(graph: Graph) -> None:
    run = Recorder(lambda inputs: {"y": inputs["x"].sum(0)})
    answers = run_together(graph, run, *(rows(*[i] * i, width=2) for i in (1, 2, 40)))
    assert run.shapes == [(1, 2), (2, 2), (40, 2)]  # 40 rows are more than one execution takes, and yet are not split
    assert [answer["y"][0] for answer in answers] == [1, 4, 1600]


def test_the_batch_axis_may_stand_elsewhere_in_other_ports() -> None:
    graph = Graph(
        inputs=(port("x", "batch"), port("state", 2, "batch", role="state")),
        outputs=(port("y", "batch"), port("new", 2, "batch")),
    )
    run = Recorder(lambda inputs: {"y": inputs["x"], "new": inputs["state"] + inputs["x"]})
    inputs = [{"x": np.full(n, n, np.float32), "state": np.full((2, n), 10 * n, np.float32)} for n in (1, 2, 35)]
    answers = run_together(graph, run, *inputs)
    assert run.shapes == [(3,), (32,), (3,)]
    for n, answer in zip((1, 2, 35), answers, strict=True):
        np.testing.assert_array_equal(answer["new"], np.full((2, n), 11 * n))


def test_requests_share_a_batch_only_with_equal_shared_inputs() -> None:
    graph = Graph(inputs=(port("x", "batch"), port("scale", role="parameter")), outputs=(port("y", "batch"),))
    run = Recorder(lambda inputs: {"y": inputs["x"] * inputs["scale"]})
    scales = (2, 3, 2)
    inputs = [{"x": np.ones(1, np.float32), "scale": np.array(scale, np.float32)} for scale in scales]
    answers = run_together(graph, run, *inputs)
    assert [answer["y"].tolist() for answer in answers] == [[2], [3], [2]]
    assert sorted(run.shapes) == [(1,), (2,)]


def test_a_graph_that_gives_too_few_rows_is_found_out() -> None:
    run = Recorder(lambda inputs: {"y": inputs["x"][:1]})  # a batch axis frozen at 1
    answers = run_together(ROWS, run, rows(1), rows(2), rows(3, 4))
    assert [answer["y"][0, 0] for answer in answers[:2]] == [1, 2]
    assert isinstance(answers[2], ExecutionError)
    assert "shape [1, 1] for 2 rows" in str(answers[2])


def test_one_poisoned_request_of_sixteen_fails_alone() -> None:
    model = Doubler()
    values = [float(i) for i in range(1, 16)]
    answers = run_together(ROWS, model, *(rows(v) for v in [*values[:5], POISON, *values[5:]]))
    assert isinstance(answers.pop(5), ExecutionError)
    assert [answer["y"][0, 0] for answer in answers] == [2 * v for v in values]
    assert sorted(model.rows) == values  # and nobody's row was computed twice
    assert model.tries == 9  # all 16, then two halves four times


class Crashing(Doubler):
    """A session that ends its thread the first time, and works from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.crashes = 1

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.crashes:
            self.crashes -= 1
            raise SystemExit(3)
        return super().__call__(inputs)


def test_a_session_that_crashes_fails_its_requests_and_the_next_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)

    async def scenario() -> list[Any]:
        batcher = Batcher(ROWS, Crashing(), Limits(max_in_flight=1))
        first = await asyncio.gather(*(batcher.submit(rows(value)) for value in (1, 2)), return_exceptions=True)
        second = await batcher.submit(rows(3))
        await batcher.close()
        return [*first, second]

    *failed, answer = asyncio.run(scenario())
    assert all(isinstance(error, ExecutionError) for error in failed)
    assert answer["y"].tolist() == [[6]]


def test_where_no_thread_can_be_had_requests_fail_and_nobody_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def scenario() -> Any:
        batcher = Batcher(ROWS, Doubler())
        answers = await asyncio.gather(batcher.submit(rows(1)), return_exceptions=True)
        await batcher.close()
        return answers

    assert isinstance(asyncio.run(scenario())[0], ExecutionError)


def test_two_executions_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    in_thread(monkeypatch)
    meeting = threading.Barrier(2, timeout=10)

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        meeting.wait()  # nobody passes alone
        return {"y": inputs["x"] * 2}

    async def scenario() -> list[Any]:
        batcher = Batcher(ROWS, run, Limits(max_rows=1, max_in_flight=2))
        return await asyncio.gather(*(batcher.submit(rows(value)) for value in (1, 2)))

    assert [answer["y"].tolist() for answer in asyncio.run(scenario())] == [[[2]], [[4]]]


def test_a_closed_batcher_lets_its_graph_go() -> None:
    """Also when the garbage collector was told to spare it: a session is all of a model's memory."""

    class Run:
        def __call__(self, inputs: Arrays) -> Arrays:
            return {"y": inputs["x"]}

    async def scenario() -> Any:
        run = Run()
        batcher = Batcher(ROWS, run)
        await batcher.submit({"x": np.ones((1, 2), np.float32)})
        gc.freeze()
        try:
            await batcher.close()
            return weakref.ref(run), batcher
        finally:
            gc.unfreeze()

    left, batcher = asyncio.run(scenario())
    assert left() is None, batcher
