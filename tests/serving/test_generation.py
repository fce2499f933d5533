"""The engine: many generations at once, each as if it were alone."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching.limits import Limits
from serving.errors import ExecutionError, NotReadyError, QueueFullError
from serving.generation.engine import Engine
from serving.generation.parts import PART_STEPS
from serving.generation.stopping import Stopping
from serving.generation.stream import Stream
from tests.serving import decoder
from tests.serving.decoder import GRAPH, VOCABULARY, Speaker, text_of
from zoo.errors import PortError
from zoo.generation import Piece
from zoo.session import Session
from zoo.spec import Arrays, Axis, Graph


class Recorder:
    """The decoder, which notes the sizes of its calls; `gate` holds every call up until it is set."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, inputs: Arrays) -> Arrays:
        assert self.gate.wait(10)
        GRAPH.check(inputs)
        self.calls.append(inputs["tokens"].shape)
        if (inputs["tokens"] == VOCABULARY.index(decoder.POISON)).any():
            raise RuntimeError("poisoned")
        return decoder.run(inputs)


def play(scenario: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(scenario, 20)

    return asyncio.run(bounded())


async def listen(engine: Engine, speaker: Any) -> list[Piece]:
    """All pieces of one generation."""
    stream, found = Stream(), []
    stream.add(engine, speaker)
    while pieces := await stream.next():
        found += [piece for _, piece in pieces]
    return found


def said(pieces: Sequence[Piece]) -> str:
    return "".join(piece["text"] for piece in pieces)


prompts = st.text(alphabet=VOCABULARY[:-1], min_size=1, max_size=150)
clients = st.lists(
    st.tuples(prompts, st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 12), st.sampled_from([0, 0, 1, 3])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(clients, st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**32))
def test_nobody_hears_a_token_of_another(clients: list[Any], slots: int, lanes: int, order: int) -> None:
    """Clients come and leave at any time: each hears what it would alone, or the beginning of it when it left."""
    shuffle = random.Random(order)

    async def client(engine: Engine, prompt: str, seed: int, count: int, late: int, leaves: int) -> None:
        for _ in range(late * shuffle.randrange(1, 4)):
            await asyncio.sleep(0)
        stream, heard = Stream(), ""
        stream.add(engine, Speaker(prompt, seed, count))
        while pieces := await stream.next():
            heard += said([piece for _, piece in pieces])
            if leaves and len(heard) >= leaves:
                stream.close()
                assert text_of(prompt, seed, count).startswith(heard)
                return
        assert heard == text_of(prompt, seed, count)

    async def scenario() -> None:
        engine = Engine(GRAPH, Recorder(), Limits(max_slots=slots, max_in_flight=lanes))
        await asyncio.gather(*(client(engine, *one) for one in clients))
        await engine.close()
        assert (engine.counts.slots, engine.counts.waiting) == (0, 0)
        assert engine.counts.outcomes["success"] + engine.counts.outcomes["cancelled"] == len(clients)

    play(scenario())


def test_steps_of_all_are_one_call() -> None:
    run = Recorder()
    run.gate.clear()

    async def scenario() -> list[list[Piece]]:
        engine = Engine(GRAPH, run, Limits(max_slots=8, max_in_flight=1))
        listeners = [asyncio.ensure_future(listen(engine, Speaker("ab", seed, 20))) for seed in range(8)]
        await asyncio.sleep(0.05)
        run.gate.set()
        return await asyncio.gather(*listeners)

    found = play(scenario())
    assert [said(pieces) for pieces in found] == [text_of("ab", seed, 20) for seed in range(8)]
    assert run.calls == [(8, 2)] + [(8, 1)] * 19
    assert [piece["finish_reason"] for piece in found[0][-1:]] == ["length"]


def test_lanes_share_the_generations() -> None:
    """Each computes while another one does."""
    run, meeting = Recorder(), threading.Barrier(2, timeout=10)

    def met(inputs: Arrays) -> Arrays:
        meeting.wait()
        return run(inputs)

    async def scenario() -> None:
        engine = Engine(GRAPH, met, Limits(max_in_flight=2))
        found = await asyncio.gather(*(listen(engine, Speaker("ab", seed, 9)) for seed in range(6)))
        assert [said(pieces) for pieces in found] == [text_of("ab", seed, 9) for seed in range(6)]
        assert max(call[0] for call in run.calls) == 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.generation.lane.INLINE_MS", 0)
        play(scenario())


def test_a_long_prompt_holds_nobody_up() -> None:
    """It is read in parts, between which those that speak go on."""
    run = Recorder()

    async def scenario() -> None:
        engine = Engine(GRAPH, run, Limits(max_in_flight=1))
        first = asyncio.ensure_future(listen(engine, Speaker("a", 1, 200)))
        while len(run.calls) < 5:
            await asyncio.sleep(0)
        prompt = "abc" * 100
        second = asyncio.ensure_future(listen(engine, Speaker(prompt, 2, 5)))
        assert said(await second) == text_of(prompt, 2, 5)
        assert said(await first) == text_of("a", 1, 200)

    play(scenario())
    long = [number for number, call in enumerate(run.calls) if call[1] > 1]
    assert [run.calls[number] for number in long] == [(1, PART_STEPS)] * 4 + [(1, 300 - 4 * PART_STEPS)]
    assert all(run.calls[number + 1] == (1, 1) for number in long[:-1])


def test_more_than_there_are_slots_wait_and_more_than_may_wait_are_refused() -> None:
    run = Recorder()
    run.gate.clear()

    async def scenario() -> None:
        engine = Engine(GRAPH, run, Limits(max_slots=2, max_waiting=3))
        listeners = [asyncio.ensure_future(listen(engine, Speaker("a", seed, 4))) for seed in range(5)]
        await asyncio.sleep(0.05)
        assert (engine.counts.slots, engine.counts.waiting) == (2, 3)
        with pytest.raises(QueueFullError, match="2 generations of graph 'step' are under way, of 2, and 3 wait, of 3"):
            await listen(engine, Speaker("a", 9, 4))
        run.gate.set()
        assert [said(one) for one in await asyncio.gather(*listeners)] == [text_of("a", seed, 4) for seed in range(5)]
        assert max(call[0] for call in run.calls) == 1  # each lane has one
        assert engine.counts.outcomes == {"success": 5, "failed": 0, "cancelled": 0, "rejected": 1}

    play(scenario())


def test_who_leaves_frees_the_slot_at_once() -> None:
    run = Recorder()

    async def scenario() -> None:
        engine = Engine(GRAPH, run, Limits(max_slots=1))
        stream = Stream()
        stream.add(engine, Speaker("a", 1, 10**6))
        await stream.next()
        waiting = asyncio.ensure_future(listen(engine, Speaker("b", 2, 3)))
        await asyncio.sleep(0.01)
        assert (engine.counts.slots, engine.counts.waiting) == (1, 1)
        stream.close()
        assert (engine.counts.slots, engine.counts.waiting) == (1, 0)
        calls = len(run.calls)
        assert said(await waiting) == text_of("b", 2, 3)
        assert len(run.calls) - calls <= 4  # the one that ran, and those of the three tokens
        stream.close()
        assert engine.counts.outcomes["cancelled"] == 1

    play(scenario())


def test_the_guilty_one_fails_alone() -> None:
    async def scenario() -> list[Any]:
        engine = Engine(GRAPH, Recorder(), Limits())
        speakers = [Speaker("ab", 0, 5), Speaker("ao", 1, 5), Speaker("ac", 2, 5), Speaker("ad", 3, 5, fails_at=2)]
        return await asyncio.gather(*(listen(engine, one) for one in speakers), return_exceptions=True)

    first, poisoned, third, mistaken = play(scenario())
    assert (said(first), said(third)) == (text_of("ab", 0, 5), text_of("ac", 2, 5))
    assert isinstance(poisoned, ExecutionError)
    assert "Graph 'step' failed on this input" in str(poisoned)
    assert isinstance(mistaken, ValueError)


def test_what_runs_is_finished_before_the_engine_closes() -> None:
    async def scenario() -> None:
        engine = Engine(GRAPH, Recorder(), Limits(max_slots=1))
        listeners = [asyncio.ensure_future(listen(engine, Speaker("a", seed, 30))) for seed in range(3)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(engine.close())
        await asyncio.sleep(0)
        with pytest.raises(NotReadyError):
            await listen(engine, Speaker("a", 9, 1))
        await closing
        assert [said(await one) for one in listeners] == [text_of("a", seed, 30) for seed in range(3)]

    play(scenario())


def test_a_first_call_that_does_not_fit_is_refused() -> None:
    class Wrong(Speaker):
        def inputs(self) -> Arrays | None:
            return {"tokens": np.array([[99]]), "length": np.array([1])}

    async def scenario() -> None:
        engine = Engine(GRAPH, Recorder(), Limits())
        with pytest.raises(PortError, match="'tokens' holds values from 99 to 99"):
            await listen(engine, Wrong("a", 0, 1))
        assert await listen(engine, Speaker("a", 0, 0)) == []
        assert engine.counts.waiting == 0

    play(scenario())


class Reciter:
    """Tokens drawn from a graph's logits, whose bits are in the pieces."""

    graph = "step"

    def __init__(self, prompt: Sequence[int], seed: int, count: int) -> None:
        self.tokens, self.left, self.rng = list(prompt), count, np.random.default_rng(seed)

    def inputs(self) -> Arrays | None:
        return {"tokens": np.array([self.tokens]), "length": np.array([len(self.tokens)])} if self.left else None

    def take(self, outputs: Arrays) -> list[Piece]:
        logits = outputs["logits"][0, -1].astype(np.float64)
        self.tokens = [int(np.argmax(logits + self.rng.gumbel(size=logits.size)))]
        self.left -= 1
        return [{"token": self.tokens[0], "logits": logits.tolist()}]


def test_a_transformer_says_the_same_in_any_company(tiny_export: Any) -> None:
    """To the last bit, prompts read in parts and more text than its cache holds included."""
    made = tiny_export("gpt")
    [graph] = made.original.graphs
    session, rng = Session(made.files[graph.name], graph, threads=1), np.random.default_rng(0)
    asked = [(rng.integers(0, 11, size=rng.integers(1, 30)).tolist(), seed, 10 + seed) for seed in range(9)]

    async def scenario(*requests: Any) -> list[list[Piece]]:
        engine = Engine(graph, session.run, Limits(max_slots=5))
        return await asyncio.gather(*(listen(engine, Reciter(*one)) for one in requests))

    alone = [play(scenario(one))[0] for one in asked]
    assert play(scenario(*asked)) == alone
    assert play(scenario(*reversed(asked))) == alone[::-1]


DENOISER = Graph(
    name="denoise",
    inputs=(decoder.port("x", "batch", 2), decoder.port("t", "batch", dtype="int64")),
    outputs=(decoder.port("noise", "batch", 2),),
)


class Sampler:
    """x − t / 10 · noise for t = n … 1, which remembers x itself: the graph has no states."""

    graph = "denoise"

    def __init__(self, steps: int, start: float) -> None:
        self.t, self.x = steps, np.full((1, 2), start, np.float32)

    def inputs(self) -> Arrays | None:
        return {"x": self.x, "t": np.array([self.t])} if self.t else None

    def take(self, outputs: Arrays) -> list[Piece]:
        self.x = self.x - outputs["noise"] * np.float32(self.t / 10)
        self.t -= 1
        return [{"step": self.t, "image": self.x.tolist()} | ({} if self.t else {"finish_reason": "stop"})]


def test_the_steps_of_samplers_are_batched_too() -> None:
    sizes = []

    def run(inputs: Arrays) -> Arrays:
        sizes.append(len(inputs["x"]))
        return {"noise": inputs["x"] * inputs["t"][:, None].astype(np.float32)}

    def alone(steps: int, start: float) -> float:
        x = np.float32(start)
        for t in range(steps, 0, -1):
            x = x - x * np.float32(t) * np.float32(t / 10)
        return float(x)

    async def scenario() -> None:
        engine = Engine(DENOISER, run, Limits(max_in_flight=1))
        found = await asyncio.gather(*(listen(engine, Sampler(steps, steps + 0.5)) for steps in (3, 5, 8)))
        for steps, pieces in zip((3, 5, 8), found, strict=True):
            assert [piece["step"] for piece in pieces] == list(range(steps - 1, -1, -1))
            assert pieces[-1]["image"] == [[pytest.approx(alone(steps, steps + 0.5))] * 2]

    play(scenario())
    assert (max(sizes), sum(sizes)) == (3, 16)


MEMORY = replace(
    GRAPH,
    inputs=(
        *GRAPH.inputs,
        decoder.port("memory", "batch", "source", 1),
        decoder.port("source_length", "batch", dtype="int64", role="length", axis="source"),
    ),
    axes=(*GRAPH.axes, Axis(name="source", high=40, padded=True)),
)


class Reader(Speaker):
    """Every call has what an encoder made of a source; the first brings the state that the encoder ended with."""

    def __init__(self, source: int, **more: Any) -> None:
        super().__init__("a", **more)
        self.source, self.first = source, True

    def inputs(self) -> Arrays | None:
        call = super().inputs()
        if call is None:
            return None
        memory = {"memory": np.ones((1, self.source, 1), np.float32), "source_length": np.array([self.source])}
        state = {"past_sum": np.full((1, decoder.WIDTH), self.source, np.float32)} if self.first else {}
        self.first = False
        return {**call, **memory, **state}


def test_sources_of_several_lengths_share_calls_and_states_are_brought() -> None:
    calls = []

    def run(inputs: Arrays) -> Arrays:
        MEMORY.check(inputs)
        calls.append(inputs["memory"].shape)
        valid = np.arange(inputs["memory"].shape[1]) < inputs["source_length"][:, None]
        assert (inputs["memory"].sum(axis=(1, 2)) == inputs["source_length"]).all()
        outputs = decoder.run(inputs)
        read = (inputs["memory"][..., 0] * valid).sum(axis=1)
        return {**outputs, "logits": np.mod(outputs["logits"] + read[:, None, None], 11).astype(np.float32)}

    async def scenario(*sources: int) -> list[str]:
        calls.clear()
        engine = Engine(MEMORY, run, Limits(max_in_flight=1))
        return [said(one) for one in await asyncio.gather(*(listen(engine, Reader(n, seed=n, count=6)) for n in sources))]

    alone = [play(scenario(source))[0] for source in (3, 14, 16, 17, 39)]
    assert play(scenario(3, 14, 16, 17, 39)) == alone
    assert {call for call in calls if call[0] > 1} <= {(2, 16, 1), (3, 16, 1)}
    assert max(call[1] for call in calls) == 40
    assert len(set(alone)) == 5


@pytest.mark.parametrize(
    ("tokens", "words", "shown", "reason"),
    [
        (["ab", "c", "d"], ["x"], ["ab", "c", "d"], "length"),
        (["ab", "c", "d"], ["bc"], ["a", ""], "stop"),
        (["ab", "b", "d"], ["bc"], ["a", "b", "bd"], "length"),
        (["ab", "ab", "ac"], ["abac"], ["", "ab", ""], "stop"),
        (["ab", "ab", "a"], ["abac"], ["", "ab", "aba"], "length"),
        (["hello"], ["ll", "e"], ["h"], "stop"),
        (["a", "b"], ["a"], [""], "stop"),
    ],
)
def test_a_text_ends_before_the_words_that_stop_it(tokens: Any, words: Any, shown: Any, reason: str) -> None:
    class Tokens:
        graph = "step"

        def __init__(self) -> None:
            self.left = list(tokens)

        def inputs(self) -> Arrays | None:
            return {} if self.left else None

        def take(self, outputs: Arrays) -> list[Piece]:
            text = self.left.pop(0)
            return [{"text": text, **({} if self.left else {"finish_reason": "length"})}]

    stopping, pieces = Stopping(Tokens(), words), []
    while stopping.inputs() is not None:
        pieces += stopping.take({})
    assert [piece["text"] for piece in pieces] == shown
    assert pieces[-1]["finish_reason"] == reason
