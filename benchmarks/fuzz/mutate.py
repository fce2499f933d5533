"""Good requests made bad: at random, but the same ones again for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from benchmarks.fuzz.bodies import (
    bit_flips,
    dimensions,
    encodings,
    extension,
    nesting,
    noise,
    not_finite,
    splices,
    truncation,
    values,
)
from benchmarks.fuzz.corpus import Seed
from benchmarks.fuzz.transport import chunks, compression, framing, header_lies, large_bodies, targets
from benchmarks.fuzz.wire import Request

Mutation = Callable[[Seed, Random], Request]

# How often each is chosen, among all.
MUTATIONS: dict[Mutation, float] = {
    bit_flips: 12,
    splices: 10,
    truncation: 8,
    extension: 6,
    noise: 4,
    values: 18,
    dimensions: 14,
    not_finite: 10,
    nesting: 4,
    encodings: 4,
    compression: 5,
    header_lies: 10,
    targets: 6,
    framing: 6,
    chunks: 2,
    large_bodies: 0.1,
}


def mutated(seeds: list[Seed], number: int, seed: int) -> Request:
    """Request `number` of the run with this seed: always the same one."""
    random = Random(f"{seed}/{number}")
    [mutation] = random.choices(list(MUTATIONS), list(MUTATIONS.values()))
    chosen = random.choice(seeds)
    return mutation(chosen if chosen.body or mutation in (targets, header_lies, framing) else seeds[0], random)
