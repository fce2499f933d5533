"""A decoder small enough to follow by hand, as an ONNX graph, as a NumPy function, and as the text that it writes.

Every number in it is a small whole one, so that its arithmetic is exact: an answer is the same to the last bit however it is
batched, or it is wrong. It remembers the sum of its tokens' vectors, each weighted by the token's position, modulo 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.helper as oh

from zoo.generation import Piece
from zoo.spec import Arrays, Axis, Graph, Port

VOCABULARY = "\n abcdefghijklmno"
TOKENS, WIDTH, LONGEST = len(VOCABULARY), 4, 512
POISON = "o"  # a token that `Speaker` never says, for tests to fail on
_rng = np.random.default_rng(7)
EMBEDDING = _rng.integers(0, 4, size=(TOKENS, WIDTH)).astype(np.float32)
OUT = _rng.integers(0, 4, size=(WIDTH, TOKENS)).astype(np.float32)
MODULUS = 11
CODEC = {"vocabulary": list(VOCABULARY), "context": LONGEST, "longest_step": LONGEST}


def port(name: str, *shape: int | str, dtype: str = "float32", **more: Any) -> Port:
    return Port(name=name, dtype=dtype, shape=shape, **more)


GRAPH = Graph(
    name="step",
    inputs=(
        port("tokens", "batch", "time", dtype="int64", low=0, high=TOKENS - 1),
        port("length", "batch", dtype="int64", low=1, high=LONGEST, role="length", axis="time"),
        port("past_sum", "batch", WIDTH, role="state"),
        port("past_length", "batch", dtype="int64", role="state"),
    ),
    outputs=(
        port("logits", "batch", "time", TOKENS),
        port("present_sum", "batch", WIDTH, feeds="past_sum"),
        port("present_length", "batch", dtype="int64", feeds="past_length"),
    ),
    axes=(Axis(name="time", high=LONGEST, padded=True, incremental=True),),
)


def run(inputs: Arrays) -> Arrays:
    """The graph in NumPy."""
    tokens, length = inputs["tokens"], inputs["length"]
    time = np.arange(tokens.shape[1])
    position = inputs["past_length"][:, None] + time + 1
    vectors = EMBEDDING[tokens] * (position % MODULUS * (time < length[:, None]))[..., None]
    sums = inputs["past_sum"][:, None] + np.cumsum(vectors, axis=1)
    return {
        "logits": np.mod(sums @ OUT, MODULUS).astype(np.float32),
        "present_sum": np.mod(sums[:, -1], MODULUS).astype(np.float32),
        "present_length": inputs["past_length"] + length,
    }


def decoder() -> list[Any]:
    """The same as ONNX nodes and constants, in the form of `conftest.MODELS`."""
    node, constants = oh.make_node, {
        "embedding": EMBEDDING,
        "out": OUT,
        "modulus": np.array(MODULUS, np.float32),
        "modulus_int": np.array(MODULUS, np.int64),
        "zero": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "axis0": np.array([0], np.int64),
        "axis1": np.array([1], np.int64),
        "axis2": np.array([2], np.int64),
        "last": np.array([-1], np.int64),
        "end": np.array([2**31], np.int64),
    }  # fmt: skip
    nodes = [
        node("Shape", ["tokens"], ["steps_1"], start=1, end=2),
        node("Squeeze", ["steps_1"], ["steps"]),
        node("Range", ["zero", "steps", "one"], ["time"]),
        node("Unsqueeze", ["length", "axis1"], ["length_B1"]),
        node("Less", ["time", "length_B1"], ["valid"]),
        node("Unsqueeze", ["past_length", "axis1"], ["past_B1"]),
        node("Add", ["time", "one"], ["time_from_1"]),
        node("Add", ["past_B1", "time_from_1"], ["position"]),
        node("Cast", ["valid"], ["valid_int"], to=onnx.TensorProto.INT64),
        node("Mod", ["position", "modulus_int"], ["weight_of_all"]),
        node("Mul", ["weight_of_all", "valid_int"], ["weight_int"]),
        node("Cast", ["weight_int"], ["weight_BT"], to=onnx.TensorProto.FLOAT),
        node("Unsqueeze", ["weight_BT", "axis2"], ["weight"]),
        node("Gather", ["embedding", "tokens"], ["embedded"]),
        node("Mul", ["embedded", "weight"], ["vectors"]),
        node("CumSum", ["vectors", "one"], ["new_sums"]),
        node("Unsqueeze", ["past_sum", "axis1"], ["past_sum_B1"]),
        node("Add", ["new_sums", "past_sum_B1"], ["sums"]),
        node("MatMul", ["sums", "out"], ["product"]),
        node("Mod", ["product", "modulus"], ["logits"], fmod=1),
        node("Slice", ["sums", "last", "end", "axis1"], ["last_sum"]),
        node("Squeeze", ["last_sum", "axis1"], ["whole_sum"]),
        node("Mod", ["whole_sum", "modulus"], ["present_sum"], fmod=1),
        node("Add", ["past_length", "length"], ["present_length"]),
    ]
    return [(GRAPH, nodes, constants)]


PICTURES = {"height": 2, "width": 2, "alpha_bar": [1.0, 0.75, 0.5, 0.25, 0.01], "steps": 4}
DENOISER = Graph(
    name="denoise",
    inputs=(port("x", "batch", 1, 2, 2), port("t", "batch", dtype="int64", low=1, high=4)),
    outputs=(port("epsilon", "batch", 1, 2, 2),),
)


def denoise(inputs: Arrays) -> Arrays:
    """Finds x / t of noise: the graph below in NumPy."""
    return {"epsilon": inputs["x"] / inputs["t"].astype(np.float32)[:, None, None, None]}


def denoiser() -> list[Any]:
    nodes = [
        oh.make_node("Cast", ["t"], ["t_float"], to=onnx.TensorProto.FLOAT),
        oh.make_node("Unsqueeze", ["t_float", "axes"], ["t_B111"]),
        oh.make_node("Div", ["x", "t_B111"], ["epsilon"]),
    ]
    return [(DENOISER, nodes, {"axes": np.array([1, 2, 3], np.int64)})]


def text_of(prompt: str, seed: int, count: int) -> str:
    """What `Speaker` says alone, computed the other way round: all tokens so far at once, nothing remembered."""
    rng, text = np.random.default_rng(seed), prompt
    for _ in range(count):
        tokens = np.array([VOCABULARY.index(character) for character in text])
        sums = (EMBEDDING[tokens] * np.arange(1, len(tokens) + 1)[:, None]).sum(axis=0)
        text += VOCABULARY[_draw(np.mod(sums @ OUT, MODULUS), rng)]
    return text[len(prompt) :]


def _draw(logits: np.ndarray, rng: np.random.Generator) -> int:
    weights = np.exp(np.asarray(logits, np.float64) / 2)
    weights[VOCABULARY.index(POISON)] = 0
    return int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum()))


class Speaker:
    """A generation of text by the decoder. `fails_at` is the token at which its own code makes a mistake."""

    graph = "step"

    def __init__(self, prompt: str, seed: int, count: int, fails_at: int = -1) -> None:
        self.tokens = [VOCABULARY.index(character) for character in prompt]
        self.rng = np.random.default_rng(seed)
        self.count, self.said, self.fails_at = count, 0, fails_at

    def inputs(self) -> Arrays | None:
        if self.said == self.count:
            return None
        return {"tokens": np.array([self.tokens]), "length": np.array([len(self.tokens)])}

    def take(self, outputs: Arrays) -> list[Piece]:
        assert outputs["logits"].shape == (1, len(self.tokens), TOKENS)
        if self.said == self.fails_at:
            raise ValueError("a mistake")
        self.tokens = [_draw(outputs["logits"][0, -1], self.rng)]
        self.said += 1
        end = {"finish_reason": "length"} if self.said == self.count else {}
        return [{"text": VOCABULARY[self.tokens[0]], "token": self.tokens[0], **end}]
