"""The line through the costs of executions."""

from __future__ import annotations

import numpy as np
import pytest

from serving.batching.costs import Costs


def learnt(sizes: list[int], fixed: float, per_cell: float, noise: float = 0.0) -> Costs:
    rng = np.random.default_rng(0)
    costs = Costs()
    for cells in sizes:
        costs.observe(cells, (fixed + per_cell * cells) * (1 + noise * rng.standard_normal()))
    return costs


@pytest.mark.parametrize(("fixed", "per_cell"), [(1e6, 10.0), (1e4, 1e4), (0.0, 5e3)])
def test_mixed_sizes_tell_the_fixed_cost_from_that_of_a_cell(fixed: float, per_cell: float) -> None:
    costs = learnt([1, 4, 16, 32] * 40, fixed, per_cell, noise=0.05)
    for cells in (1, 8, 32):
        assert costs.expected_ns(cells) == pytest.approx(fixed + per_cell * cells, rel=0.1)
    assert costs.fixed_ns == pytest.approx(fixed, rel=0.1, abs=0.1 * per_cell)


def test_one_size_alone_does_not_change_what_is_known_of_the_fixed_cost() -> None:
    costs = learnt([1, 32] * 20 + [32] * 2000, 1e5, 1e3, noise=0.05)
    assert costs.fixed_ns == pytest.approx(1e5, rel=0.3)
    assert costs.expected_ns(32) == pytest.approx(1.32e5, rel=0.05)


def test_costs_follow_a_machine_that_becomes_slower() -> None:
    costs = learnt([1, 8, 32] * 50, 1e5, 1e3)
    for cells in [1, 8, 32] * 150:
        costs.observe(cells, 10 * (1e5 + 1e3 * cells))
    assert costs.expected_ns(8) == pytest.approx(10 * 1.08e5, rel=0.05)


def test_a_pause_of_the_machine_is_soon_forgotten() -> None:
    costs = learnt([1, 8, 32] * 50, 1e5, 1e3)
    costs.observe(8, 5e9)
    for cells in [1, 8, 32] * 10:
        costs.observe(cells, 1e5 + 1e3 * cells)
    assert costs.expected_ns(8) == pytest.approx(1.08e5, rel=0.15)


def test_an_execution_without_cells_and_one_without_time_are_survived() -> None:
    costs = Costs()
    for cells, ns in ((0, 5), (3, 0), (3, 0), (3, 0), (3, 0), (3, 0)):
        costs.observe(cells, ns)
    assert costs.expected_ns(3) == 0
    for _ in range(200):
        costs.observe(3, 900)
    assert costs.expected_ns(3) == pytest.approx(900, rel=0.05)
