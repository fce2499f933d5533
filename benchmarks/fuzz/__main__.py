"""Fuzz the service: `python -m benchmarks.fuzz [--requests N] [--seed S] [MODEL…]`, with the extra [bench] installed.

Starts `python -m serving`, sends it requests that schemathesis makes of its OpenAPI document and good requests mutated byte
by byte, and between them good ones, whose answers must stay right. Ends with 1 when there was a 5xx other than 503 and 504
with a reason, an answer in another form than `{"error": …}`, none at all, a wrong answer to a good request, a process of the
service that died, or a traceback in its log. Prints a table; problems go to a file with the bytes that led to them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from benchmarks.fuzz.corpus import Seed, read_corpus
from benchmarks.fuzz.mutate import mutated
from benchmarks.fuzz.service import Service, serving
from benchmarks.fuzz.verdict import Tally, same
from benchmarks.fuzz.wire import Answer, Line, Request

MODELS = ("convnet-mnist", "lstm-japanese-vowels", "random-forest-digits", "vae-mnist")
LINES = 16
PROBE_EVERY = 50  # requests of one line


class Fuzz:
    """One run. `probes` are good requests with the answers that they had before anything bad was sent."""

    def __init__(self, service: Service, end: float) -> None:
        self.service = service
        self.end = end
        self.tally = Tally()
        self.lines = [Line(service.port) for _ in range(LINES)]
        self.probes: list[tuple[Request, Answer]] = []

    async def learn(self, seeds: list[Seed]) -> None:
        """Take the good requests with JSON answers as probes; every good request must be answered at all."""
        for seed in seeds:
            request = seed.request("good")
            answer = await self.lines[0].ask(request)
            if answer.status != 200:
                self.tally.report("a good request was refused", request, answer)
            elif seed.method == "POST" and _document(answer) is not None:
                self.probes.append((request, answer))

    async def send(self, requests: Iterable[Request]) -> None:
        queue = iter(requests)
        await asyncio.gather(*(self._work(line, queue, number) for number, line in enumerate(self.lines)))

    async def _work(self, line: Line, queue: Iterator[Request], number: int) -> None:
        for turn, request in enumerate(queue, start=number):
            if time.monotonic() > self.end:
                return
            self.tally.add(request, await line.ask(request))
            if turn % PROBE_EVERY == 0:
                await self._probe(line, turn // PROBE_EVERY)

    async def _probe(self, line: Line, turn: int) -> None:
        request, expected = self.probes[turn % len(self.probes)]
        answer = await line.ask(request)
        self.tally.probes += 1
        if answer.status != 200 or not same(_document(answer), _document(expected)):
            self.tally.report("a good request was answered wrongly", request, answer)
        if dead := self.service.dead():
            self.tally.report(f"processes of the service died: {sorted(dead)}")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, serving(options.models or list(MODELS), Path(folder)) as service:
        fuzz = Fuzz(service, time.monotonic() + options.minutes * 60)
        seeds = read_corpus(service.url)
        document = httpx.get(f"{service.url}/openapi.json").raise_for_status().json()
        before, started = service.memory_mb(), time.monotonic()
        asyncio.run(_run(fuzz, seeds, document, options))
        seconds, after = time.monotonic() - started, service.memory_mb()
        if service.tracebacks():
            fuzz.tally.report(f"{service.tracebacks()} tracebacks in the log")
            options.problems.with_suffix(".log").write_bytes(service.log.read_bytes())
    tally = fuzz.tally
    if tally.total < options.requests:
        tally.report(f"the time was over after {tally.total:,} requests")
    text = (
        f"{tally.total:,} requests and {tally.probes:,} good ones between them, seed {options.seed}, {seconds:.0f} s on "
        f"{platform.machine()}; resident memory {before:.0f} MB before, {after:.0f} MB after; "
        f"{tally.num_problems.total()} problems.\n\n{tally.table()}"
    )
    print(text)
    if options.out:
        options.out.write_text(
            f"<!-- python -m benchmarks.fuzz --requests {options.requests} --seed {options.seed} -->\n{text}"
        )
    if tally.problems:
        options.problems.write_text("".join(f"{json.dumps(one)}\n" for one in tally.problems))
        print(f"The first problems, with the bytes of their requests, are in {options.problems}.")
        raise SystemExit(1)


async def _run(fuzz: Fuzz, seeds: list[Seed], document: dict[str, object], options: argparse.Namespace) -> None:
    await fuzz.learn(seeds)
    if options.schemathesis:
        await _send_schema_requests(fuzz, document, options)
    left = options.requests - fuzz.tally.total
    await fuzz.send(mutated(seeds, number, options.seed) for number in range(left))
    for line in fuzz.lines:
        line.close()


async def _send_schema_requests(fuzz: Fuzz, document: dict[str, object], options: argparse.Namespace) -> None:
    from benchmarks.fuzz.schema import schema_requests  # the one part that needs the extra [bench]

    for portion in schema_requests(document, round(options.requests * options.schemathesis), options.seed):
        await fuzz.send(portion)


def _document(answer: Answer) -> object | None:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Fuzz the service.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"served under fire (default: {' '.join(MODELS)})")
    parser.add_argument("--requests", type=int, default=200_000, help="how many (default: %(default)s)")
    parser.add_argument(
        "--schemathesis", type=float, default=0.1, help="share of them by schemathesis (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another one gives other requests (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long, and fail (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write the table there too")
    parser.add_argument("--problems", type=Path, default=Path("fuzz-problems.jsonl"), help="(default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
