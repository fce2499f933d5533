"""The batcher in simulated time: executions take as long as they are told to, and any mix of requests meets them.

The event loop's clock is a number that jumps to the next timer, threads are entries in its timetable: a run of seconds
takes no time, and the same requests always meet the same way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serving.runner
from serving.batcher import Batcher, Limits
from serving.errors import DeadlineError, ExecutionError, GoneError, ProtocolError, QueueFullError
from zoo.spec import Graph, Port

MS = 1_000_000
POISON = -666.0


def port(name: str, *shape: int | str, **more: Any) -> Port:
    return Port(name=name, dtype="float32", shape=shape, **more)


# Two free axes: requests of other widths must not be mixed.
ROWS = Graph(inputs=(port("x", "batch", "width"),), outputs=(port("y", "batch", "width"),))


class Simulation(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps."""

    def __init__(self) -> None:
        self.ns = 1000 * MS
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.ns / 1e9

    def play(self, scenario: Coroutine[Any, Any, Any]) -> Any:
        asyncio.set_event_loop(self)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("time.perf_counter_ns", lambda: self.ns)
                patch.setattr(serving.runner, "ThreadPoolExecutor", lambda threads, **_: Threads(self))
                return self.run_until_complete(scenario)
        finally:
            asyncio.set_event_loop(None)
            self.close()


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: Simulation) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everyone waits and nothing will happen: somebody was forgotten"
        self.loop.ns += max(0, round(timeout * 1e9))
        return super().select(0)


class Threads:
    """Executions that begin at once and end when they have taken their time, whatever else goes on."""

    def __init__(self, loop: Simulation) -> None:
        self.loop = loop

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        began, outcome = self.loop.ns, Future()
        result = function(*arguments)
        took, self.loop.ns = self.loop.ns - began, began
        self.loop.call_later(took / 1e9, outcome.set_result, result)
        return outcome

    def shutdown(self, wait: bool) -> None:
        pass


@dataclass
class Doubler:
    """y = 2x in `fixed_ms + row_ms · rows`; fails on POISON. `tries` are what it was called with, and when."""

    loop: Simulation
    fixed_ms: float = 0.5
    row_ms: float = 0.1
    tries: list[tuple[int, int, np.ndarray]] = field(default_factory=list)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        x, began = inputs["x"], self.loop.ns
        self.loop.ns += int((self.fixed_ms + self.row_ms * len(x)) * MS)
        self.tries.append((began, self.loop.ns, x.copy()))
        if (x == POISON).any():
            raise RuntimeError("poisoned")
        return {"y": x * 2}

    @property
    def sizes(self) -> list[int]:
        return [len(x) for _, _, x in self.tries]

    def began(self) -> dict[float, int]:
        """When each row, by its first value, was computed first, in that order."""
        first: dict[float, int] = {}
        for began, _, x in self.tries:
            for value in x[:, 0]:
                first.setdefault(float(value), began)
        return first


class Elsewhere:
    """Other processes in which so many rows queue."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.published = [0]

    def others(self) -> int:
        return self.rows

    def publish(self, rows: int) -> None:
        self.published.append(rows)


def rows(*values: float, width: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32)[:, None] * np.ones(width, np.float32)}


asked_for = st.lists(
    st.fixed_dictionaries(
        {
            "after_ms": st.sampled_from([0, 0, 0, 0.2, 1, 5]),
            "rows": st.integers(1, 10),
            "width": st.integers(1, 2),
            "client": st.integers(0, 2),
            "priority": st.sampled_from([0, 0, 0, 1, -1, 7]),
            "deadline_ms": st.sampled_from([None, None, None, 0, 1, 3, 10]),
            "fate": st.sampled_from(["good"] * 5 + ["poisoned", "gone", "cancelled"]),
            "fate_ms": st.sampled_from([0, 1, 4]),
        }
    ),
    min_size=1,
    max_size=16,
)
some_limits = st.builds(
    Limits,
    max_rows=st.integers(1, 8),
    max_delay_ms=st.sampled_from([0.0, 1.0, 5.0]),
    max_queue_rows=st.sampled_from([10, 20, 200]),
    max_in_flight=st.integers(1, 3),
)
some_costs = st.tuples(st.sampled_from([0.0, 0.3, 3.0]), st.sampled_from([0.01, 0.5]))


@dataclass
class Asked:
    """A request, with what became of it."""

    values: list[float]
    order: tuple[int, int, int]
    fate: str
    arrived: int
    deadline: int | None
    ended: int = 0
    answer: Any = None


@dataclass
class Played:
    limits: Limits
    asked: list[Asked]
    model: Doubler
    batcher: Batcher
    elsewhere: Elsewhere


def simulate(wanted: list[dict[str, Any]], limits: Limits, costs: tuple[float, float], elsewhere: int = 0) -> Played:
    """Send the requests at their times, close, and remember everything."""
    loop = Simulation()
    model = Doubler(loop, *costs)
    backlog = Elsewhere(elsewhere)

    async def ask(batcher: Batcher, want: dict[str, Any], asked: Asked) -> None:
        inputs = rows(*asked.values, width=want["width"])
        if asked.fate == "poisoned":
            inputs["x"][-1, -1] = POISON
        gone_ns = loop.ns + want["fate_ms"] * MS
        is_gone = (lambda: loop.ns >= gone_ns) if asked.fate == "gone" else None
        try:
            asked.answer = await batcher.submit(
                inputs, is_gone=is_gone, deadline_ns=asked.deadline, priority=want["priority"]
            )
        except (Exception, asyncio.CancelledError) as error:
            asked.answer = error
        asked.ended = loop.ns

    async def scenario() -> Played:
        batcher = Batcher(ROWS, model, limits, backlog)
        everyone, tasks, value = [], [], 1.0
        for want in wanted:
            await asyncio.sleep(want["after_ms"] / 1e3)
            values = [value + i for i in range(want["rows"])]
            value += want["rows"]
            deadline = None if want["deadline_ms"] is None else loop.ns + int(want["deadline_ms"] * MS)
            order = (want["client"], want["width"], want["priority"])
            asked = Asked(values, order, want["fate"], loop.ns, deadline)
            everyone.append(asked)
            tasks.append(asyncio.ensure_future(ask(batcher, want, asked)))
            if asked.fate == "cancelled":
                loop.call_later(want["fate_ms"] / 1e3, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return Played(limits, everyone, model, batcher, backlog)

    return loop.play(scenario())


by_property = settings(max_examples=150, deadline=None, derandomize=True)
played = st.builds(simulate, asked_for, some_limits, some_costs, st.sampled_from([0, 0, 4]))


@by_property
@given(played)
def test_everyone_gets_their_own_rows_or_a_reason(played: Played) -> None:
    refusals = (DeadlineError, QueueFullError, ProtocolError)
    for asked in played.asked:
        answer = asked.answer
        if isinstance(answer, dict):
            assert asked.fate != "poisoned"
            assert answer["y"][:, 0].tolist() == [2 * value for value in asked.values]
        else:
            reasons = {
                "good": (),
                "poisoned": (ExecutionError,),
                "gone": (GoneError,),
                "cancelled": (asyncio.CancelledError,),
            }
            assert isinstance(answer, (*refusals, *reasons[asked.fate])), answer
            assert asked.deadline is not None or not isinstance(answer, DeadlineError)


@by_property
@given(played)
def test_no_row_is_lost_or_computed_twice(played: Played) -> None:
    good = [float(v) for _, _, x in played.model.tries if not (x == POISON).any() for v in x[:, 0]]
    assert len(good) == len(set(good))
    answered = {value for asked in played.asked if isinstance(asked.answer, dict) for value in asked.values}
    assert answered <= set(good)
    assert played.batcher.statistics.rows == len(good)


@by_property
@given(played)
def test_executions_keep_the_limits(played: Played) -> None:
    tries, limits = played.model.tries, played.limits
    assert all(len(x) <= limits.max_rows for _, _, x in tries)
    moments = [began for began, _, _ in tries]
    assert all(sum(began <= now < ended for began, ended, _ in tries) <= limits.max_in_flight for now in moments)
    published = played.elsewhere.published
    assert max(published) + played.elsewhere.rows <= limits.max_queue_rows or max(published) == 0
    assert published[-1] == 0


@by_property
@given(played)
def test_clients_are_served_in_the_order_in_which_they_asked(played: Played) -> None:
    began = list(played.model.began())
    for order in {asked.order for asked in played.asked}:
        mine = [value for asked in played.asked if asked.order == order for value in asked.values]
        assert [value for value in began if value in set(mine)] == [value for value in mine if value in set(began)]


@by_property
@given(played)
def test_what_has_expired_or_hung_up_is_never_computed(played: Played) -> None:
    began = played.model.began()
    for asked in played.asked:
        starts = [began[value] for value in asked.values if value in began]
        if asked.deadline is not None:
            assert all(start < asked.deadline for start in starts)
        if isinstance(asked.answer, DeadlineError):
            assert asked.ended >= asked.deadline
        if (
            isinstance(asked.answer, GoneError | QueueFullError | ProtocolError)
            and len(asked.values) <= played.limits.max_rows
        ):
            assert not starts


@by_property
@given(played)
def test_the_statistics_count_every_request_once(played: Played) -> None:
    kinds = {"success": dict, "failed": ExecutionError, "expired": DeadlineError, "rejected": QueueFullError}
    outcomes = played.batcher.statistics.outcomes
    for outcome, kind in kinds.items():
        certain = [asked for asked in played.asked if isinstance(asked.answer, kind)]
        hung_up = [asked for asked in played.asked if isinstance(asked.answer, asyncio.CancelledError)]
        assert len(certain) <= outcomes[outcome].count <= len(certain) + len(hung_up)
    counted = [asked for asked in played.asked if type(asked.answer) is not ProtocolError]
    never_asked = [asked for asked in counted if asked.fate == "cancelled" and asked.ended == 0]
    assert sum(total.count for total in outcomes.values()) == len(counted) - len(never_asked)


@by_property
@given(played)
def test_a_refused_request_found_no_room(played: Played) -> None:
    room = played.limits.max_queue_rows
    for asked in played.asked:
        if type(asked.answer) is ProtocolError:
            assert len(asked.values) > room
        if isinstance(asked.answer, QueueFullError):
            assert int(str(asked.answer).split()[0]) + len(asked.values) > room


def arrivals(loop: Simulation, batcher: Batcher, gaps_ms: list[float], **more: Any) -> Coroutine[Any, Any, list[float]]:
    """Milliseconds that each of several requests of one row took, sent one after the other with these pauses before."""

    async def ask(value: float) -> float:
        began = loop.ns
        await batcher.submit(rows(value), **more)
        return (loop.ns - began) / MS

    async def scenario() -> list[float]:
        tasks = []
        for value, gap in enumerate(gaps_ms):
            await asyncio.sleep(gap / 1e3)
            tasks.append(asyncio.ensure_future(ask(value)))
        return await asyncio.gather(*tasks)

    return scenario()


def test_a_lone_client_never_waits_for_company() -> None:
    loop = Simulation()
    model = Doubler(loop, fixed_ms=5, row_ms=0.1)

    async def scenario() -> int:
        batcher = Batcher(ROWS, model, Limits(max_delay_ms=1000))
        batcher.warm_up(rows(0))
        began = loop.ns
        for value in range(50):
            await batcher.submit(rows(value))
        return loop.ns - began

    assert loop.play(scenario()) == pytest.approx(50 * 5.1 * MS, rel=1e-3)


@pytest.mark.parametrize(
    ("fixed_ms", "max_delay_ms", "longest_ms"),
    [(5, 1000, 5), (5, 2, 2), (5, 0, 0), (0.1, 1000, 0)],
    ids=["fixed cost", "limit", "no wait allowed", "nothing to share"],
)
def test_company_is_waited_for_no_longer_than_it_saves(fixed_ms: float, max_delay_ms: float, longest_ms: float) -> None:
    """A burst of rows, one each 0.2 ms, ends; the one that comes last has reason to hope for company that stays away."""
    loop = Simulation()
    model = Doubler(loop, fixed_ms=fixed_ms, row_ms=0.01)

    async def scenario() -> tuple[list[float], list[float]]:
        batcher = Batcher(ROWS, model, Limits(max_delay_ms=max_delay_ms, max_in_flight=1))
        batcher.warm_up(rows(0))
        burst = await arrivals(loop, batcher, [0.2] * 400)
        return burst, await arrivals(loop, batcher, [0])

    burst, (last,) = loop.play(scenario())
    assert last == pytest.approx(longest_ms + fixed_ms + 0.01, abs=1.1)
    if longest_ms == 0:
        assert last == pytest.approx(fixed_ms + 0.01, abs=0.01)
    assert max(burst) <= 2 * (fixed_ms + 0.32) + longest_ms + 1


def test_waiting_shares_the_fixed_cost() -> None:
    """Rows come each 0.2 ms and an execution costs 2 ms before its first row: a batch of one at a time would never do."""

    def executions(max_delay_ms: float) -> int:
        loop = Simulation()
        model = Doubler(loop, fixed_ms=2, row_ms=0.01)

        async def scenario() -> None:
            batcher = Batcher(ROWS, model, Limits(max_delay_ms=max_delay_ms, max_in_flight=3))
            batcher.warm_up(rows(0))
            await arrivals(loop, batcher, [0.2] * 500)

        loop.play(scenario())
        return len(model.tries)

    assert executions(max_delay_ms=5) < 0.6 * executions(max_delay_ms=0)


def test_a_wait_ends_before_a_deadline_does() -> None:
    loop = Simulation()
    model = Doubler(loop, fixed_ms=5, row_ms=0.01)

    async def scenario() -> list[float]:
        batcher = Batcher(ROWS, model, Limits(max_delay_ms=1000, max_in_flight=1))
        batcher.warm_up(rows(0))
        await arrivals(loop, batcher, [0.2] * 400)
        return await arrivals(loop, batcher, [0], deadline_ns=loop.ns + 3 * MS)

    assert loop.play(scenario())[0] < 8.1


def test_a_low_priority_is_overtaken_only_for_a_while() -> None:
    """Priority 3 floods twice as fast as it can be served, for a second. Priority 0, sent at 100 ms, ranks behind those
    that come until 400 ms, three levels later: 160 requests of 5 ms are done by 800 ms."""
    loop = Simulation()
    model = Doubler(loop, fixed_ms=0, row_ms=5)

    async def scenario() -> float:
        batcher = Batcher(ROWS, model, Limits(max_rows=1, max_in_flight=1))
        flood = asyncio.ensure_future(arrivals(loop, batcher, [2.5] * 400, priority=3))
        await asyncio.sleep(0.1)
        (took,) = await arrivals(loop, batcher, [0])
        await flood
        return took

    assert loop.play(scenario()) == pytest.approx(700, abs=11)


def test_a_higher_priority_overtakes_what_waits() -> None:
    loop = Simulation()
    model = Doubler(loop, fixed_ms=5, row_ms=0)

    async def scenario() -> None:
        batcher = Batcher(ROWS, model, Limits(max_rows=1, max_in_flight=1))
        order = [(1, 0), (2, 0), (3, 0), (4, 2), (5, 1), (6, 2)]
        await asyncio.gather(*(batcher.submit(rows(value), priority=priority) for value, priority in order))

    loop.play(scenario())
    assert list(model.began()) == [4, 6, 5, 1, 2, 3]


def test_a_flood_of_one_shape_does_not_keep_another_waiting() -> None:
    loop = Simulation()
    model = Doubler(loop, fixed_ms=5, row_ms=0)

    async def scenario() -> int:
        batcher = Batcher(ROWS, model, Limits(max_rows=1, max_in_flight=1))
        flood = [asyncio.ensure_future(batcher.submit(rows(value))) for value in range(100)]
        await asyncio.sleep(0.012)
        began = loop.ns
        await batcher.submit(rows(1, width=2))
        took = loop.ns - began
        await asyncio.gather(*flood)
        return took

    assert loop.play(scenario()) <= 15 * MS


def test_long_executions_share_the_threads() -> None:
    """32 rows of 5 ms each: two threads get 16 each, and where the fixed cost is most of it, one gets all."""
    for fixed_ms, sizes in ((1.0, [16, 16]), (500.0, [32])):
        loop = Simulation()
        model = Doubler(loop, fixed_ms=fixed_ms, row_ms=5)

        async def scenario(model: Doubler = model) -> None:
            batcher = Batcher(ROWS, model, Limits(max_in_flight=2, max_delay_ms=0))
            batcher.warm_up(rows(0))
            batcher.warm_up(rows(0, 0))
            model.tries.clear()
            await asyncio.gather(*(batcher.submit(rows(value)) for value in range(32)))

        loop.play(scenario())
        assert model.sizes == sizes


def test_an_expired_request_is_answered_at_its_deadline_though_all_threads_are_busy() -> None:
    loop = Simulation()
    model = Doubler(loop, fixed_ms=1000, row_ms=0)

    async def scenario() -> tuple[int, int]:
        batcher = Batcher(ROWS, model, Limits(max_in_flight=1, max_queue_rows=1))
        batcher.warm_up(rows(0))
        running = asyncio.ensure_future(batcher.submit(rows(1)))
        await asyncio.sleep(0.01)
        began = loop.ns
        with pytest.raises(DeadlineError):
            await batcher.submit(rows(2), deadline_ns=loop.ns + 20 * MS)
        took = loop.ns - began
        queued = batcher.queued_rows
        await running
        return took, queued

    took, queued = loop.play(scenario())
    assert 20 * MS <= took <= 22 * MS
    assert queued == 0
