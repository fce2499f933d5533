"""Whether a fault counts: in float64, on thousands of inputs with a seed of their own that no judge sees.

A faulty file counts when it moves an output of the original by more than 16 floors on any input of the pool, or fails on a
legal one. The floor is the largest |ref32 − ref64| of the output over the whole pool, the reference's moved runs included,
and at least one float32 ulp of the largest |ref64|; where an output mixes scales, every channel has a floor of its own.

The file runs in float32 on all of the pool; up to three calls that differ most are then run in float64, and those decide. (A
row that moves by 16 floors in float64 differs by about 14 or more in float32: the largest differences are where to look.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch import nn
from torch.nn import functional as F

from benchmarks.parity.subject import Subject
from export.compare import distance, margins, ulp32
from export.inputs import draw
from export.lift import lift
from zoo.spec import Arrays, Graph, Port

FACTOR = 16
CALL_ROWS = 250
SMALL_CALLS = (1, 1, 2, 3, 5)
DECIDING_CALLS = 3
MIXED = 100  # an output mixes scales where the largest values of two of its channels differ by more than this factor


@dataclass(frozen=True)
class Effect:
    """How far a fault moves the output that it moves most, in floors (infinite where a legal input fails).

    `by_channel` is the same with a floor for each channel of every output, mixed scales or not: each place along the first
    fixed axis after the batch. `how` says what decided.
    """

    floors: float
    by_channel: float
    how: str

    @property
    def counts(self) -> bool:
        return not self.floors <= FACTOR


class Pool:
    """Inputs with the original's answers in float64, and the floor of every output over all of them."""

    def __init__(self, subject: Subject, rows: int, seed: int) -> None:
        self.graph = subject.graph
        rng = np.random.default_rng([seed, 2**31])
        reference = subject.reference()
        self.calls = [draw(self.graph, sizes, rng) for sizes in _sizes(self.graph, rows, rng)]
        self.answers = [reference.ref64(self.graph, call) for call in self.calls]
        self.steady = [~reference.unsteady_rows(self.graph, call) for call in self.calls]
        self.rows = sum(len(next(iter(call.values()))) for call in self.calls)
        self.estimator = subject.build is None
        self.floors = {port.name: np.float64(0) for port in self.graph.outputs if port.is_float}
        self.channels, self.largest = dict(self.floors), dict(self.floors)
        self._axes = {port.name: _channel_axis(port) for port in self.graph.outputs if port.is_float}
        paired = self.calls[:2] if self.estimator else self.calls  # a converted estimator's evaluator is slow
        for call in paired:
            for ref32, ref64 in reference.pairs(self.graph, call):
                self._widen(ref32, ref64)

    def _widen(self, ref32: Arrays, ref64: Arrays) -> None:
        for name in self.floors:
            finite = np.isfinite(ref64[name])
            moved = np.where(finite, np.abs(ref32[name].astype(np.float64) - ref64[name]), 0)
            largest = np.where(finite, np.abs(ref64[name]), 0)
            axis = self._axes[name]
            self.largest[name] = np.maximum(self.largest[name], _channels(largest, axis))
            self.channels[name] = np.maximum(self.channels[name], _channels(moved, axis))
            self.channels[name] = np.maximum(self.channels[name], np.spacing(self.largest[name].astype(np.float32)))
            self.floors[name] = max(self.floors[name], moved.max(initial=0), ulp32(largest.max(initial=0)))

    def effect(self, model: ModelProto) -> Effect:
        """What the file does to the answers."""
        try:
            session = _session(model)
        except Exception:  # the runtime raises a dozen unrelated types
            return Effect(np.inf, np.inf, "cannot be opened")
        names = [port.name for port in self.graph.outputs]
        sizes = []
        for number, call in enumerate(self.calls):
            try:
                found = dict(zip(names, session.run(names, call), strict=True))
            except Exception:
                return Effect(np.inf, np.inf, "a legal size fails")
            sizes.append(self._size(found, number))
        order = np.argsort([-size for size, _ in sizes])[:DECIDING_CALLS]
        if self.estimator or not np.isfinite(sizes[order[0]][0]):
            return Effect(max(size for size, _ in sizes), max(channel for _, channel in sizes), "float32")
        try:
            return self._in_float64(Float64(model), order)
        except Exception as error:
            how = f"float32, as float64 fails: {type(error).__name__}"
            return Effect(max(size for size, _ in sizes), max(channel for _, channel in sizes), how)

    def _in_float64(self, run: Float64, order: np.ndarray) -> Effect:
        """Call after call until one decides that the file counts."""
        floors = by_channel = 0.0
        for number in order:
            size, channel = self._size(run(self.graph, self.calls[number]), number)
            floors, by_channel = max(floors, size), max(by_channel, channel)
            if floors > FACTOR:
                break
        return Effect(floors, by_channel, "float64")

    def _size(self, found: Arrays, number: int) -> tuple[float, float]:
        worst = by_channel = 0.0
        for port in self.graph.outputs:
            value, expected, steady = found[port.name], self.answers[number][port.name], self.steady[number]
            if value.shape != expected.shape:
                return np.inf, np.inf
            if port.is_float:
                value, expected = value[steady], expected[steady]
                pooled, channels = self._in_floors(port.name, value, expected)
                worst = max(worst, channels if self._mixed(port.name) else pooled)
                by_channel = max(by_channel, pooled, channels)
            elif self._labels_differ(port, value, number):
                return np.inf, np.inf
        return worst, by_channel

    def _in_floors(self, name: str, value: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
        """The largest difference in floors of the output, and of its channels; those that are always zero are left out."""
        pooled = distance(value, expected) / self.floors[name]
        finite = np.isfinite(value) & np.isfinite(expected)
        moved = np.where(finite, np.abs(value.astype(np.float64) - expected), 0)
        by_channel = np.where(self.largest[name] > 0, _channels(moved, self._axes[name]) / self.channels[name], 0)
        return pooled, float("inf") if np.isinf(pooled) else float(np.max(by_channel))

    def _mixed(self, name: str) -> bool:
        used = self.largest[name][self.largest[name] > 0]
        return used.size > 1 and float(used.max() / used.min()) > MIXED

    def _labels_differ(self, port: Port, value: np.ndarray, number: int) -> bool:
        different = (value != self.answers[number][port.name]) & self.steady[number]
        if port.argmax_of is not None:
            different &= margins(self.answers[number][port.argmax_of]) > FACTOR * self.floors[port.argmax_of]
        return bool(different.any())


class Float64:
    """A file lifted to float64, run by onnx's evaluator; what is slow in it or missing by torch, in float64 too."""

    def __init__(self, model: ModelProto) -> None:
        self._evaluator = ReferenceEvaluator(lift(model), new_ops=OPERATORS)

    def __call__(self, graph: Graph, inputs: Arrays) -> Arrays:
        names = [port.name for port in graph.outputs]
        wide = {p.name: inputs[p.name].astype(np.float64) if p.is_float else inputs[p.name] for p in graph.inputs}
        return dict(zip(names, map(np.asarray, self._evaluator.run(names, wide)), strict=True))


def _around(x: torch.Tensor, pads: list[int] | None) -> list[int]:
    """ONNX's pads in the order of torch's: from the last axis to the first."""
    axes = x.dim() - 2
    given = pads or [0] * (2 * axes)
    return [size for axis in reversed(range(axes)) for size in (given[axis], given[axes + axis])]


def _tensors(*arrays: np.ndarray | None) -> list[torch.Tensor | None]:
    return [None if array is None else torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]


class Conv(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x, w, b=None, dilations=None, group=None, pads=None, strides=None, **others):  # type: ignore[no-untyped-def]
        x, w, b = _tensors(x, w, b)
        run = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 3]
        return (run(F.pad(x, _around(x, pads)), w, b, strides or 1, 0, dilations or 1, group or 1).numpy(),)


class MaxPool(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x, ceil_mode=0, dilations=None, kernel_shape=None, pads=None, strides=None, **others):  # type: ignore[no-untyped-def]
        (x,) = _tensors(x)
        run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.dim() - 3]
        wide = F.pad(x, _around(x, pads), value=-np.inf)
        return (run(wide, kernel_shape, strides or 1, 0, dilations or 1, bool(ceil_mode)).numpy(),)


class AveragePool(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x, ceil_mode=0, count_include_pad=0, kernel_shape=None, pads=None, strides=None, **others):  # type: ignore[no-untyped-def]
        (x,) = _tensors(x)
        if ceil_mode:
            raise NotImplementedError("AveragePool with ceil_mode")
        run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.dim() - 3]
        counted = torch.ones_like(x[:1, :1])
        wide, share = (run(F.pad(each, _around(x, pads)), kernel_shape, strides or 1) for each in (x, counted))
        return ((wide if count_include_pad else wide / share).numpy(),)


class ConvTranspose(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x, w, b=None, dilations=None, group=None, output_padding=None, pads=None, strides=None, **others):  # type: ignore[no-untyped-def]
        axes = x.ndim - 2
        pads, extra = pads or [0] * (2 * axes), output_padding or [0] * axes
        x, w, b = _tensors(x, w, b)
        run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[axes - 1]
        full = run(x, w, b, strides or 1, 0, 0, group or 1, dilations or 1)
        full = F.pad(full, [size for axis in reversed(range(axes)) for size in (0, extra[axis])])
        for axis in range(axes):
            full = full.narrow(2 + axis, pads[axis], full.shape[2 + axis] - pads[axis] - pads[axes + axis])
        return (full.numpy(),)


class LSTM(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x, w, r, b=None, lengths=None, h=None, c=None, p=None, **options):  # type: ignore[no-untyped-def]
        return _recurrent(nn.LSTM, (0, 2, 3, 1), x, w, r, b, (h, c))


class GRU(OpRun):  # type: ignore[misc]
    op_domain = ""

    def _run(self, x, w, r, b=None, lengths=None, h=None, linear_before_reset=0, **options):  # type: ignore[no-untyped-def]
        if not linear_before_reset:
            return _early_reset(x, w, r, b, h)
        return _recurrent(nn.GRU, (1, 0, 2), x, w, r, b, (h,))


def _recurrent(layer, order, x, w, r, b, states):  # type: ignore[no-untyped-def]
    """ONNX orders the gates iofc and zrh, torch ifgo and rzn; x is (T, B, I), w (directions, gates · H, I)."""
    directions, hidden = w.shape[0], r.shape[2]
    made = layer(x.shape[2], hidden, bidirectional=directions == 2).to(torch.float64)
    for number, suffix in enumerate(("", "_reverse")[:directions]):
        blocks = [np.split(each[number], len(order)) for each in (w, r)]
        halves = np.split(b[number], 2)
        blocks += [np.split(each, len(order)) for each in halves]
        for name, parts in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), blocks, strict=True):
            getattr(made, f"{name}_l0{suffix}").data = torch.from_numpy(np.concatenate([parts[gate] for gate in order]))
    zeros = np.zeros((directions, x.shape[1], hidden))
    start = _tensors(*(zeros if state is None else state for state in states))
    with torch.no_grad():
        y, last = made(torch.from_numpy(np.ascontiguousarray(x)), tuple(start) if len(start) == 2 else start[0])
    steps, batch = x.shape[:2]
    y = y.numpy().reshape(steps, batch, directions, hidden).transpose(0, 2, 1, 3)
    return (y, *(each.numpy() for each in (last if isinstance(last, tuple) else (last,))))


def _early_reset(x, w, r, b, h):  # type: ignore[no-untyped-def]
    """GRU with the reset gate before the product, forwards only (onnx's operator page, linear_before_reset = 0)."""
    wz, wr, wh = np.split(w[0], 3)
    rz, rr, rh = np.split(r[0], 3)
    bz, br, bh, cz, cr, ch = np.split(b[0], 6)
    state = np.zeros((x.shape[1], rz.shape[0])) if h is None else h[0]
    states = []
    for step in x:
        update = 1 / (1 + np.exp(-(step @ wz.T + state @ rz.T + bz + cz)))
        reset = 1 / (1 + np.exp(-(step @ wr.T + state @ rr.T + br + cr)))
        fresh = np.tanh(step @ wh.T + (reset * state) @ rh.T + bh + ch)
        state = (1 - update) * fresh + update * state
        states.append(state)
    return np.stack(states)[:, None], state[None]


def _channel_axis(port: Port) -> int | None:
    """The first fixed axis after the first, longer than one."""
    return next((axis for axis, size in enumerate(port.shape) if axis and isinstance(size, int) and size > 1), None)


OPERATORS = [AveragePool, Conv, ConvTranspose, GRU, LSTM, MaxPool]


def _channels(values: np.ndarray, axis: int | None) -> np.ndarray:
    """Largest of each place along `axis`, or of all."""
    others = tuple(number for number in range(values.ndim) if number != axis)
    return np.asarray(values.max(axis=others, initial=0) if axis is not None else values.max(initial=0))


def _sizes(graph: Graph, rows: int, rng: np.random.Generator) -> list[dict[str, int]]:
    """Sizes of every call: small batches first, the other free axes anywhere within their bounds."""
    batches = [*SMALL_CALLS, *[CALL_ROWS] * (rows // CALL_ROWS)] if graph.batch else [1] * (rows // 20)
    calls = []
    for batch in batches:
        sizes = {}
        for name in graph.free_axes:
            axis = graph.axis(name)
            high = axis.high if axis.high is not None else axis.low + 20
            sizes[name] = batch if name == graph.batch else int(rng.integers(axis.low, high, endpoint=True))
        calls.append(sizes)
    return calls


def _session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
