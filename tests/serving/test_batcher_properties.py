"""The batcher by property, in simulated time: whatever mix of requests arrives, fails, expires or hangs up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching.batcher import Batcher, Limits
from serving.errors import DeadlineError, ExecutionError, GoneError, ProtocolError, QueueFullError
from tests.serving.simulation import MS, POISON, ROWS, Doubler, Simulation, rows


class Elsewhere:
    """Other processes in which so many rows queue."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.published = [0]

    def others(self) -> int:
        return self.rows

    def publish(self, rows: int) -> None:
        self.published.append(rows)


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


by_property = settings(max_examples=300, deadline=None, derandomize=True)
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
