"""When the batcher waits, whom it serves next and what it runs at once, in simulated time."""

from __future__ import annotations

import asyncio

import pytest

from serving.batching.batcher import Batcher, Limits
from serving.errors import DeadlineError
from tests.serving.simulation import MS, ROWS, Doubler, Simulation, arrivals, rows


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


def test_expired_requests_are_answered_at_their_deadlines_though_all_threads_are_busy() -> None:
    loop = Simulation()
    model = Doubler(loop, fixed_ms=1000, row_ms=0)

    async def wait(batcher: Batcher, deadline_ms: float) -> float:
        began = loop.ns
        with pytest.raises(DeadlineError):
            await batcher.submit(rows(2), deadline_ns=loop.ns + int(deadline_ms * MS))
        return (loop.ns - began) / MS

    async def scenario() -> tuple[list[float], int]:
        batcher = Batcher(ROWS, model, Limits(max_in_flight=1))
        batcher.warm_up(rows(0))
        running = asyncio.ensure_future(batcher.submit(rows(1)))
        await asyncio.sleep(0.01)
        waited = await asyncio.gather(*(wait(batcher, deadline_ms) for deadline_ms in (50, 20, 21, 200)))
        queued = batcher.queued_rows
        await running
        return waited, queued

    waited, queued = loop.play(scenario())
    for took, deadline_ms in zip(waited, (50, 20, 21, 200), strict=True):
        assert deadline_ms <= took <= deadline_ms + 6
    assert queued == 0
