"""The promises under fire: how a slope is found, and a short try of all of them on a real service."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest


def test_the_slope_is_that_of_settled_memory():
    """2 MB for each 100,000 requests after a first quarter in which memory grows much faster."""
    slope = import_module("benchmarks.robustness.long_promises").memory_slope
    settling = [(requests, 40 * requests) for requests in (100_000, 200_000)]
    settled = [(requests, 10_000_000 + 20 * requests) for requests in range(300_000, 900_000, 100_000)]
    assert slope(settling + settled) == pytest.approx(2.0)
    assert slope([(1, 1)]) == float("inf")


def test_entries_tell_whose_they_are():
    entries = import_module("benchmarks.robustness.subject").entries
    assert entries(np.array([0, 7])).tolist() == [[0, 0], [7, -14]]


@pytest.mark.long
def test_the_promises_are_kept():
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.robustness", "--minutes", "0", "--reloads", "7", "--workers", "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("| yes |") == 7
