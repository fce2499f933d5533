"""The largest arrival rate at which the 99th percentile of the latency keeps a bound."""

from __future__ import annotations

from collections.abc import Callable

from serving.load.connection import Target
from serving.load.measurement import Measurement
from serving.load.open_loop import open_loop

PRECISION = 0.03  # the rate is found to within this share
SLACK = 0.95  # a rate that passed once and fails when confirmed is lowered by this factor
CONFIRMATIONS = 6
ATTEMPTS = 2  # a rate that fails once may have met a hiccup of the machine

Say = Callable[[Measurement], None]


def largest_rate(
    target: Target, *, bound_ms: float, capacity: float, seconds: float, clients: int, say: Say = lambda found: None
) -> Measurement | None:
    """The run at the largest rate that kept the bound; None where none does.

    `capacity` is what a closed loop reached, in requests a second: no open loop sustains more. The interval is halved,
    each time with other arrival times; the rate that remains must keep the bound once more, for twice as long.
    """
    low, high, number = 0.0, 1.1 * capacity, 0

    def attempt(rate: float, length: float) -> Measurement:
        nonlocal number
        number += 1
        found = open_loop(target, rate=rate, seconds=length, clients=clients, seed=number, give_up_ms=bound_ms)
        say(found)
        return found

    while high - low > PRECISION * high and high > 1:
        middle = (low + high) / 2
        kept = any(attempt(middle, seconds).percentile_ms(99) <= bound_ms for _ in range(ATTEMPTS))
        low, high = (middle, high) if kept else (low, middle)
    for _ in range(CONFIRMATIONS if low else 0):
        found = attempt(low, 2 * seconds)
        if found.percentile_ms(99) <= bound_ms:
            return found
        low *= SLACK
    return None
