"""`python -m serving.load URL`: what `zoo bench serve` runs."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from serving.load.closed_loop import closed_loop
from serving.load.connection import Target
from serving.load.measurement import Measurement
from serving.load.open_loop import open_loop
from serving.load.request import Headers, models, prepare
from serving.load.search import largest_rate
from zoo.commands import run_command
from zoo.errors import UsageError

OPEN_CLIENTS, CLOSED_CLIENTS = 256, 32
KEY = "ZOO_API_KEY"
HEAD = f"{'':26}{'requests/s':>11}{'rows/s':>10}{'p50':>9}{'p90':>9}{'p99':>9}{'p99.9':>9}  ms"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; zoo bench serve --help lists the options.")


def main() -> None:
    options = _parser().parse_args()
    headers = {"Authorization": f"Bearer {os.environ[KEY]}"} if os.environ.get(KEY) else {}
    model = options.model or _only_model(options.url, headers)
    prepared = prepare(options.url, model, options.rows, headers)
    target = Target.post(prepared.url, prepared.body, prepared.headers, prepared.rows)
    form = "binary" if prepared.binary else "JSON"
    print(f"{prepared.url}: {prepared.rows} rows a request, {prepared.inputs}, {form}, {len(prepared.body):,} bytes")
    print(HEAD)
    try:
        _measure(target, options)
    except OSError as error:
        raise UsageError(f"{options.url} stopped answering ({error}); look at the service's log.") from error


def _measure(target: Target, options: argparse.Namespace) -> None:
    clients = options.clients or OPEN_CLIENTS
    if options.rate:
        _say(open_loop(target, rate=options.rate, seconds=options.seconds, clients=clients))
        return
    closed = closed_loop(target, clients=options.clients or CLOSED_CLIENTS, seconds=options.seconds)
    _say(closed)
    if not options.p99:
        return
    found = largest_rate(
        target,
        bound_ms=options.p99,
        capacity=closed.requests_per_s,
        seconds=options.seconds,
        clients=clients,
        say=_say,
    )
    if found is None or found.rate is None:
        print(f"No arrival rate keeps p99 under {options.p99:g} ms.")
        raise SystemExit(1)
    print(f"Largest arrival rate that keeps p99 under {options.p99:g} ms: {found.rate:,.0f} requests/s.")
    if found.driver_is_limit:
        print(f"It may be larger: {found.driver_is_limit}.")


def _parser() -> _Parser:
    parser = _Parser(prog="zoo bench serve", description="Throughput and latency of a model behind the v2 protocol.")
    parser.add_argument("url", help="address of the service, such as http://127.0.0.1:3000; its key is taken from " + KEY)
    parser.add_argument("--model", help="name of the model; may be left out where one is served")
    parser.add_argument(
        "--clients", type=_count, help=f"connections ({CLOSED_CLIENTS}, with random arrivals {OPEN_CLIENTS})"
    )
    parser.add_argument("--rate", type=_positive, help="requests a second, arriving at random whether answered or not")
    parser.add_argument("--p99", type=_positive, metavar="MS", help="find the largest rate that keeps p99 under this")
    parser.add_argument("--seconds", type=_positive, default=3.0, help="length of each run (default: %(default)g)")
    parser.add_argument("--rows", type=_count, default=1, help="rows a request (default: %(default)s)")
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 10000")
    return int(text)


def _only_model(url: str, headers: Headers) -> str:
    names = models(url, headers)
    if len(names) == 1:
        return names[0]
    raise UsageError(f"Name a model with --model; {url} serves {', '.join(names) or 'models that it does not list'}.")


def _say(found: Measurement) -> None:
    how = f"{found.rate:,.0f} random arrivals/s" if found.rate else f"{found.clients} clients, closed loop"
    figures = "".join(f"{found.percentile_ms(percent):9.2f}" for percent in (50, 90, 99, 99.9))
    end = "  ended early" if found.gave_up else ""
    print(f"{how:26}{found.requests_per_s:11,.0f}{found.rows_per_s:10,.0f}{figures}{end}", flush=True)
    for what, count in found.failures.most_common():
        print(f"  {count:,} of {found.requests:,} failed: {what}")
    if found.driver_is_limit and not found.gave_up:
        print(f"  the service may be better than this: {found.driver_is_limit}")


if __name__ == "__main__":
    run_command(main)
