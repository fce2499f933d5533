"""Tokens a second of generated texts at 1, 8 and 32 clients: `python -m benchmarks.generation`.

The service runs in a process of its own, clients ask it on loopback for streams one after the other, each with a prompt
and a seed of its own. Beside it the simplest loop that could serve them: the same graph and codec in one process, one answer
after the other without HTTP, with one thread and with one for each core. They take turns in rounds; the figure is the
median. Some of the streams are compared with what the loop says to the same prompt and seed: they must be equal. The table
goes to `docs/studies/generation.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from benchmarks.inference import circumstances
from benchmarks.serving.process import Server, free_ports
from serving.client import Client
from zoo.calls import drive
from zoo.cards.markdown import table
from zoo.commands import run_command
from zoo.generation import GeneratingCodec, run_generations
from zoo.hub import Hub
from zoo.model import Model

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "docs" / "studies" / "generation.md"
CLIENTS = (1, 8, 32)
MAX_TOKENS = 128
PROMPT = (1, 120)  # characters of a prompt, drawn
SAMPLES = 6  # streams that are compared with the loop


@dataclass
class Figures:
    """Of each round: tokens a second of all, and in ms the first token's delay and the largest gaps between two (99 %)."""

    rate: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    gap_ms: list[float] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        return tuple(
            f"{statistics.median(values):,.3g}" if values else "" for values in (self.rate, self.first_ms, self.gap_ms)
        )


def asked(number: int, alphabet: str) -> dict[str, Any]:
    """Request number `number`, the same in every run."""
    rng = random.Random(number)
    prompt = "".join(rng.choices(alphabet, k=rng.randint(*PROMPT)))
    return {"text_input": prompt, "parameters": {"max_tokens": MAX_TOKENS, "seed": number}}


class Loop:
    """One answer after the other, in this process."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def answer(self, request: dict[str, Any]) -> str:
        codec = self.model.codec
        assert isinstance(codec, GeneratingCodec)
        [raw] = codec.read(orjson.dumps({"instances": [request["text_input"]]}), "application/json")
        generation = drive(codec.generate(raw, request["parameters"]), self.model.run)
        graph = self.model.manifest.graph(generation.graph)
        session = self.model.session(generation.graph)
        [pieces] = drive(run_generations([generation], graph), lambda _, inputs: session.run(inputs))
        return "".join(piece["text"] for piece in pieces)

    def measure(self, seconds: float, alphabet: str, figures: Figures) -> None:
        start = time.perf_counter()
        for number in count():
            self.answer(asked(number, alphabet))
            passed = time.perf_counter() - start
            if passed > seconds:
                figures.rate.append((number + 1) * MAX_TOKENS / passed)
                return


async def stream(port: int, path: str, request: dict[str, Any], beat: Callable[[float], None]) -> str:
    """The text of one stream; `beat` is called with the time of each piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = orjson.dumps(request)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    text = ""
    async for line in reader:
        if line.startswith(b"data: "):
            beat(time.perf_counter())
            text += orjson.loads(line[6:])["text_output"]
        elif line.startswith(b"HTTP/1.1 ") and b" 200 " not in line:
            raise ValueError(f"A stream was answered with {line!r}.")
    writer.close()
    return text


async def load(port: int, path: str, clients: int, seconds: float, alphabet: str, figures: Figures) -> None:
    """Streams of so many clients, until the time is over. Its second half counts, when all are under way; of firsts, all."""
    begin = time.perf_counter()
    middle, end = begin + seconds / 2, begin + seconds
    tokens, firsts, gaps = 0, [], []
    numbers = count(clients * 1000)

    async def client() -> None:
        nonlocal tokens
        while time.perf_counter() < end:
            last, first = time.perf_counter(), True

            def beat(now: float) -> None:
                nonlocal last, first, tokens
                if first:
                    firsts.append(now - last)
                elif middle <= now < end:
                    gaps.append(now - last)
                tokens += middle <= now < end
                first, last = False, now

            await stream(port, path, asked(next(numbers), alphabet), beat)

    await asyncio.gather(*(client() for _ in range(clients)))
    figures.rate.append(tokens / (seconds / 2))
    figures.first_ms.append(statistics.median(firsts) * 1e3)
    figures.gap_ms.append(statistics.quantiles(gaps, n=100)[98] * 1e3)


async def check(port: int, path: str, loop: Loop, alphabet: str) -> None:
    """Raises ValueError unless streams that run at the same time are what the loop says, one after the other."""
    requests = [asked(number, alphabet) for number in range(SAMPLES)]
    texts = await asyncio.gather(*(stream(port, path, request, lambda _: None) for request in requests))
    for request, text in zip(requests, texts, strict=True):
        if text != loop.answer(request):
            raise ValueError(f"The stream for {request} is not what the loop says.")


def measure(model: str, rounds: int, seconds: float) -> dict[str, Figures]:
    artifact = Hub().artifact(model)
    loops = {
        f"loop, {threads} threads" if threads > 1 else "loop, 1 thread": threads for threads in (1, os.cpu_count() or 1)
    }
    models = {name: Loop(Model(artifact, threads=threads)) for name, threads in loops.items()}
    alphabet = "".join(artifact.manifest.codec["vocabulary"])
    figures = {name: Figures() for name in (*models, *(f"service, {clients} clients" for clients in CLIENTS))}
    [port], path = free_ports(1), f"/v2/models/{model}/generate_stream"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "serving", "--host", "127.0.0.1", "--port", str(port), model]
        server = Server(command, {}, ROOT, Path(folder) / "log")
        try:
            with Client(f"http://127.0.0.1:{port}") as client:
                server.wait(client.ready)
            asyncio.run(check(port, path, models["loop, 1 thread"], alphabet))
            for number in range(rounds):
                for name, loop in models.items():
                    loop.measure(seconds / 2, alphabet, figures[name])
                for clients in CLIENTS:
                    asyncio.run(load(port, path, clients, seconds, alphabet, figures[f"service, {clients} clients"]))
                print(f"round {number + 1} of {rounds}", {name: one.row() for name, one in figures.items()}, flush=True)
        finally:
            server.stop()
    return figures


def study(model: str, figures: dict[str, Figures], about: dict[str, Any], seconds: float) -> str:
    base = statistics.median(figures["loop, 1 thread"].rate)
    head = ("", "tokens/s", "times the loop", "first token, ms (median)", "between tokens, ms (p99)")
    rows: list[Sequence[str]] = []
    for name, one in figures.items():
        rate, first, gap = one.row()
        rows.append((name, rate, f"{statistics.median(one.rate) / base:.2f}", first, gap))
    return (
        f"# Tokens a second\n\n{table(head, rows)}\n\n{model}: streams of {MAX_TOKENS} tokens after prompts of {PROMPT[0]} "
        f"to {PROMPT[1]} characters, each client asking again as soon as it is answered; slots and threads as they are by "
        f"default. The loop makes one answer after the other in its own process, without HTTP: whoever is eighth in its "
        f"line waits for seven answers. {SAMPLES} concurrent streams were compared with it, character by character, and "
        f"equal. Medians of {about['rounds']} interleaved rounds of {seconds:g} s, whose second half counts, on "
        f"{about['machine']}, load {about['load']:.1f} before, {about['date']}. Measured by `{about['command']}`.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?", default="gpt-shakespeare", help="a model that continues texts (of ZOO_HUB)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=STUDY, help="where the table goes")
    given = parser.parse_args()
    about = circumstances(given.rounds)
    figures = measure(given.model, given.rounds, given.seconds)
    given.out.write_text(study(given.model, figures, about, given.seconds), encoding="utf-8")
    print(given.out)


if __name__ == "__main__":
    run_command(main)
