"""What an operator sets, and what is refused with a sentence that names the variable and the value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import serving.settings
from serving.settings import Settings
from zoo.errors import UsageError


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_nothing_set_is_the_default_and_loopback_trusts_nobody() -> None:
    assert read() == Settings()
    assert (read().workers, read().timeout_ms, read().access_log, read().otel) == (1, 60_000, 0, 0)
    assert read(ZOO_MAX_ROWS="", ZOO_OTEL=" ", ZOO_API_KEYS="", ZOO_THREADS=" ") == Settings()


def test_limits_of_all_models_and_of_single_ones() -> None:
    settings = read(
        ZOO_MAX_ROWS="16, big=64 ,small=1", ZOO_MAX_DELAY_MS="big=2.5", ZOO_MAX_QUEUE_ROWS="100", ZOO_MAX_IN_FLIGHT="small=3"
    )
    assert (settings.limits.max_rows, settings.limits.max_delay_ms, settings.limits.max_queue_rows) == (16, 1, 100)
    big, small, other = (settings.limits_of(name) for name in ("big", "small", "other"))
    assert (big.max_rows, big.max_delay_ms, big.max_queue_rows) == (64, 2.5, 100)
    assert (small.max_rows, small.max_delay_ms, small.max_queue_rows) == (1, 1, 100)
    assert other == settings.limits
    assert (small.max_in_flight, big.max_in_flight) == (3, settings.limits.max_in_flight)
    settings.require_known(["small", "big", "more"])
    with pytest.raises(UsageError, match="set for 'small', which is no model here; did you mean smalls"):
        settings.require_known(["big", "smalls"])


def test_every_number() -> None:
    settings = read(
        ZOO_WORKERS="2",
        ZOO_ALLOW_CPU="1",
        ZOO_MAX_JSON_DEPTH="5",
        ZOO_MAX_PIXELS="100",
        ZOO_TIMEOUT_MS="250",
        ZOO_ACCESS_LOG="0.25",
        ZOO_OTEL="1",
        ZOO_STATE="/somewhere",
    )
    assert (settings.workers, settings.allow_cpu, settings.max_json_depth, settings.max_pixels) == (2, 1, 5, 100)
    assert (settings.timeout_ms, settings.access_log, settings.otel, settings.state) == (250, 0.25, 1, Path("/somewhere"))


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("ZOO_MAX_ROWS", "many", "'many'; set it to a whole number, or unset it for 32"),
        ("ZOO_MAX_ROWS", "1.5", "'1.5'; set it to a whole number"),
        ("ZOO_MAX_ROWS", "0", "is 0; set it to 1 or more"),
        ("ZOO_MAX_ROWS", "32,a=0", "is 0; set it to 1 or more"),
        ("ZOO_MAX_ROWS", "a=", "is ''; set it to a whole number"),
        ("ZOO_MAX_ROWS", "=4", "holds '=4'; write model=4, or 4 for all"),
        ("ZOO_MAX_ROWS", "1,2", "sets all models twice"),
        ("ZOO_MAX_ROWS", "a=1,a=2", "sets a twice"),
        ("ZOO_MAX_DELAY_MS", "nan", "is nan; set it to 0 or more"),
        ("ZOO_MAX_DELAY_MS", "inf", "is inf"),
        ("ZOO_MAX_DELAY_MS", "-1", "is -1"),
        ("ZOO_THREADS", "-1", "is -1; set it to 0 to 1024"),
        ("ZOO_WORKERS", "0", "is 0; set it to 1 to 1024"),
        ("ZOO_ALLOW_CPU", "yes", "is 'yes'; set it to a whole number"),
        ("ZOO_ALLOW_CPU", "2", "is 2; set it to 0 to 1"),
        ("ZOO_OTEL", "-1", "is -1; set it to 0 to 1"),
        ("ZOO_ACCESS_LOG", "1.01", "is 1.01; set it to 0 to 1"),
        ("ZOO_ACCESS_LOG", "nan", "is nan"),
        ("ZOO_TIMEOUT_MS", "0", "is 0; set it to 1 to 86400000"),
        ("ZOO_MAX_PIXELS", "64000001", "set it to 1 to 64000000, or unset it for 16000000"),
        ("ZOO_MAX_JSON_DEPTH", "3", "is 3; set it to 4 to 1000"),
        ("ZOO_MAX_BODY_BYTES", "1" * 400, "set it to 1 or more"),
    ],
)
def test_bad_values(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as error:
        read(**{variable: value})
    assert str(error.value).startswith(variable)


def test_the_table_lists_every_variable_that_is_read() -> None:
    table = serving.settings.__doc__ or ""
    source = Path(serving.settings.__file__).read_text().replace(table, "")
    assert set(re.findall(r"ZOO_[A-Z_]+[A-Z]", source)) - {"ZOO_MAX"} <= set(re.findall(r"ZOO_[A-Z_]+[A-Z]", table))
