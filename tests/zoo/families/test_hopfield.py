"""The Hopfield family: the equilibria of seed report 002, lines 150 to 205, and what one row has to do with another."""

import numpy as np
import pytest
import torch

from zoo.families.energy.hopfield import Config, Hopfield

SQUARE = [[1, 1], [-1, -1], [1, -1]]
CUBE = [[-1, -1, 1], [1, -1, -1], [1, 1, 1]]
BETWEEN = [[-0.0605, -1, -0.0605], [-0.0605, 0.0605, 1], [1, 0.0605, -0.0605], [0.3667, -0.3667, 0.3667]]


def storing(patterns, dtype=torch.float64):
    model = Hopfield(Config(units=len(patterns[0]), patterns=len(patterns)))
    model.store(torch.tensor(patterns))
    return model.to(dtype)


def recall(model, points, limit=100):
    x = torch.as_tensor(points, dtype=model.bias.dtype)
    with torch.no_grad():
        return model.recall(x, torch.full((len(x),), limit))


def steps_to_settle(model, points):
    """How many steps move a unit by more than 1e-6."""
    moved = torch.zeros(len(points))
    with torch.no_grad():
        for _ in range(100):
            after = model.step(points)
            moved += (after - points).abs().amax(dim=1) > 1e-6
            points = after
    return moved.numpy()


def test_the_weights_of_the_cube_are_those_that_were_worked_out():
    """Seed report 002: w = [[.8489, .3129, −.3129], …], b = (.2849, −.2849, .2849)."""
    model = storing(CUBE)
    expected = [[0.8489, 0.3129, -0.3129], [0.3129, 0.8489, 0.3129], [-0.3129, 0.3129, 0.8489]]
    assert model.weight().detach().numpy() == pytest.approx(np.array(expected), abs=5e-5)
    assert model.bias.tolist() == pytest.approx([0.2849, -0.2849, 0.2849], abs=1e-4)


def test_the_units_of_the_square_do_not_touch_one_another():
    """Three corners of a square span the plane: each unit grows by e^0.15 on its own."""
    model = storing(SQUARE, torch.float32)
    grown = np.exp(np.float32(0.15))
    assert model.weight().detach().numpy() == pytest.approx(np.diag([grown, grown]), abs=1e-6)
    assert model.bias.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("patterns", [SQUARE, CUBE])
def test_patterns_are_attractors(patterns, dtype):
    """They stay, and what has their signs, and is 0.4 or more in every unit, comes back to them."""
    model = storing(patterns, dtype)
    assert recall(model, patterns).tolist() == patterns
    shrunk = 1 - 0.6 * torch.rand(50, len(patterns), len(patterns[0]), generator=torch.Generator().manual_seed(0))
    state = recall(model, (torch.tensor(patterns) * shrunk).flatten(0, 1))
    assert torch.equal(state, torch.tensor(patterns, dtype=dtype).repeat(50, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fourth_corner_of_the_square_is_a_spurious_attractor(dtype):
    """Equation 5 of the report: (−.5, .75) leads to (−1, 1), which was not stored, as (.5, −.75) leads to (1, −1)."""
    state = recall(storing(SQUARE, dtype), [[0.5, -0.75], [-0.5, 0.75], [-1, 1]])
    assert state.tolist() == [[1, -1], [-1, 1], [-1, 1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_square_stays_at_its_middle_and_those_of_its_sides_and_leaves_what_is_beside_them(dtype):
    model = storing(SQUARE, dtype)
    middles = [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]
    assert recall(model, middles).tolist() == middles
    beside = torch.tensor(middles, dtype=dtype) + 1e-3
    assert recall(model, beside).tolist() == [[1, 1], [1, 1], [-1, 1], [1, 1], [1, -1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_states_between_the_patterns_of_the_cube(dtype):
    """From the middles of the triangle's edges and of the cube, and from themselves."""
    model = storing(CUBE, dtype)
    middles = [[0, -1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]
    state = recall(model, middles)
    assert state.numpy() == pytest.approx(np.array(BETWEEN), abs=1e-4)
    assert torch.equal(recall(model, state), model.step(state).detach())


@pytest.mark.parametrize("state", BETWEEN)
def test_the_states_between_the_patterns_are_unstable(state):
    """Growth of a small difference in one step: 1.162, in the direction along which nothing is clipped."""
    model = storing(CUBE)
    free = [unit for unit in range(3) if abs(state[unit]) < 1]
    growth = np.linalg.eigvals(model.weight().detach().numpy()[np.ix_(free, free)])
    assert np.abs(growth).max() == pytest.approx(1.162, abs=5e-4)
    moved = recall(model, np.array([state]) + 0.01 * np.array([[0.3, -0.2, 0.5]]))
    assert moved.abs().tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(("patterns", "median", "late"), [(SQUARE, 8.5, 24), (CUBE, 12, 29)])
def test_random_starts_settle_as_fast_as_was_measured(patterns, median, late):
    """Seed report 002: of 1,000 random starts half settle in so many steps, 95 % in so many (2-D, 3-D)."""
    points = torch.rand(4000, len(patterns[0]), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    steps = steps_to_settle(storing(patterns), points)
    assert np.median(steps) == pytest.approx(median, abs=1)
    assert np.percentile(steps, 95) == pytest.approx(late, abs=1.5)


def test_a_row_stops_after_its_own_limit():
    """x grows by e^0.15 a step, so that 0.1 is 0.1 · e^0.45 after three; the others of the batch go on."""
    model = storing(SQUARE)
    x = torch.full((3, 2), 0.1, dtype=torch.float64)
    state = model.recall(x, torch.tensor([1, 3, 100])).detach()
    assert state[:, 0].tolist() == pytest.approx([0.1 * np.exp(0.15), 0.1 * np.exp(0.45), 1])


def test_company_does_not_matter():
    model = storing(CUBE, torch.float32)
    points = torch.rand(20, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    together = recall(model, points)
    for row in range(20):
        assert torch.equal(recall(model, points[row : row + 1])[0], together[row])


def test_patterns_that_depend_on_one_another_are_stored_too():
    """The fourth corner adds no new difference to three; one pattern has none at all."""
    model = storing([*SQUARE, [-1, 1]])
    assert recall(model, [[0.2, 0.3], [-0.2, 0.3]]).tolist() == [[1, 1], [-1, 1]]
    assert recall(storing([[1, -1, 1]]), [[-0.9, 0.8, -1]]).tolist() == [[1, -1, 1]]
