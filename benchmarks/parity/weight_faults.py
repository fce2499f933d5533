"""Faults of the numbers that a file stores: each changes the model in place and says where, or finds no place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto

from benchmarks.parity.surgery import attribute, floats, nodes, set_attribute, store, vectors, weights
from zoo.spec import Graph

Rng = np.random.Generator
Change = Callable[[np.ndarray, Rng], np.ndarray]
Plant = Callable[[ModelProto, Graph, Rng], str | None]


def change_one(names: Callable[[ModelProto], list[str]], change: Change) -> Plant:
    """A plant that changes one stored tensor."""

    def plant(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
        candidates = names(model)
        if not candidates:
            return None
        name = str(rng.choice(candidates))
        store(model, name, change(floats(model)[name].copy(), rng).astype(np.float32))
        return name

    return plant


def change_all(change: Change) -> Plant:
    """A plant that changes every stored tensor with two axes or more."""

    def plant(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
        for name in weights(model):
            store(model, name, change(floats(model)[name].copy(), rng).astype(np.float32))
        return "all weights" if weights(model) else None

    return plant


def nudge(share: float) -> Change:
    """Every number moved by up to this share of itself."""
    return lambda array, rng: array * (1 + share * rng.uniform(-1, 1, array.shape))


def scale(factor: float) -> Change:
    return lambda array, rng: array * factor


def one_number(change: Callable[[float], float]) -> Change:
    """One number of the tensor changed."""

    def apply(array: np.ndarray, rng: Rng) -> np.ndarray:
        place = tuple(int(rng.integers(size)) for size in array.shape)
        array[place] = change(float(array[place]))
        return array

    return apply


def one_unit(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """One slice of the first axis that is longer than one."""

    def apply(array: np.ndarray, rng: Rng) -> np.ndarray:
        along = next(axis for axis, size in enumerate(array.shape) if size > 1)
        unit = np.moveaxis(array, along, 0)
        number = int(rng.integers(len(unit)))
        unit[number] = change(unit[number])
        return array

    return apply


def swap_units(array: np.ndarray, rng: Rng) -> np.ndarray:
    along = next((axis for axis, size in enumerate(array.shape) if size > 1), 0)
    unit = np.moveaxis(array, along, 0)
    if len(unit) > 1:
        first, second = rng.choice(len(unit), 2, replace=False)
        unit[[first, second]] = unit[[second, first]]
    return array


def swap_numbers(array: np.ndarray, rng: Rng) -> np.ndarray:
    flat = array.reshape(-1)
    first, second = rng.choice(flat.size, 2, replace=False)
    flat[[first, second]] = flat[[second, first]]
    return flat.reshape(array.shape)


def half(array: np.ndarray, rng: Rng) -> np.ndarray:
    return array.astype(np.float16)


def brain(array: np.ndarray, rng: Rng) -> np.ndarray:
    """bfloat16: the upper 16 bits, rounded."""
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + 0x8000) & np.uint32(0xFFFF0000)).view(np.float32)


def eight_bits(array: np.ndarray, rng: Rng) -> np.ndarray:
    step = np.abs(array).max() / 127 or 1
    return np.round(array / step) * step


def square(model: ModelProto) -> list[str]:
    return [name for name, array in floats(model).items() if array.ndim == 2 and array.shape[0] == array.shape[1] > 1]


def scalars(model: ModelProto) -> list[str]:
    """Constants of the formula, small and large ones (1e-9, -1e9) left out."""
    return [name for name, array in floats(model).items() if array.size == 1 and 1e-3 < abs(float(array.flat[0])) < 1e3]


def embeddings(model: ModelProto) -> list[str]:
    stored = floats(model)
    return [node.input[0] for node in nodes(model, "Gather") if node.input[0] in stored and stored[node.input[0]].ndim == 2]


def swap_tensors(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Two stored tensors of one shape in one another's place."""
    stored = floats(model)
    pairs = [
        (first, second)
        for first in stored
        for second in stored
        if first < second and stored[first].size > 1 and stored[first].shape == stored[second].shape
    ]
    if not pairs:
        return None
    first, second = pairs[int(rng.integers(len(pairs)))]
    store(model, first, stored[second])
    store(model, second, stored[first])
    return f"{first} and {second}"


def gates(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Two gates of a recurrent layer in one another's place, as frameworks order them differently."""
    stored = floats(model)
    found = [node for node in nodes(model, "LSTM", "GRU") if node.input[1] in stored and node.input[2] in stored]
    if not found:
        return None
    node = found[int(rng.integers(len(found)))]
    order = (0, 2, 1, 3) if node.op_type == "LSTM" else (1, 0, 2)
    for name in (name for name in node.input[1:4] if name in stored):
        blocks = stored[name].shape[1] // (len(order) * int(attribute(node, "hidden_size")))
        parts = np.split(stored[name], len(order) * blocks, axis=1)
        moved = [parts[block * len(order) + gate] for block in range(blocks) for gate in order]
        store(model, name, np.concatenate(moved, axis=1))
    return f"{node.op_type} {node.name}"


def tree_numbers(field: str, change: Change) -> Plant:
    """Numbers of a tree ensemble: thresholds, leaves."""

    def plant(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
        for node in nodes(model, "TreeEnsembleClassifier", "TreeEnsembleRegressor"):
            values = attribute(node, field)
            if values:
                array = np.array(values, dtype=np.float64)
                changed = change(array, rng).astype(np.float32)
                set_attribute(node, field, changed.astype(float).tolist())
                return f"{node.op_type} {field}"
        return None

    return plant


def tree_rule(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """x < t where the tree says x <= t."""
    for node in nodes(model, "TreeEnsembleClassifier", "TreeEnsembleRegressor"):
        modes = attribute(node, "nodes_modes")
        set_attribute(node, "nodes_modes", [b"BRANCH_LT" if mode == b"BRANCH_LEQ" else mode for mode in modes])
        return node.op_type
    return None


def tree_features(model: ModelProto, graph: Graph, rng: Rng) -> str | None:
    """Two features in one another's place."""
    for node in nodes(model, "TreeEnsembleClassifier", "TreeEnsembleRegressor"):
        numbers = np.array(attribute(node, "nodes_featureids"))
        first, second = rng.choice(np.unique(numbers), 2, replace=False)
        swapped = np.where(numbers == first, second, np.where(numbers == second, first, numbers))
        set_attribute(node, "nodes_featureids", swapped.tolist())
        return f"features {first} and {second}"
    return None


WEIGHT_FAULTS: dict[str, Plant] = {
    "weights nudged by 1 %": change_one(weights, nudge(0.01)),
    "weights nudged by 0.1 %": change_one(weights, nudge(0.001)),
    "weights nudged by 0.001 %": change_one(weights, nudge(0.00001)),
    "one weight nudged by 1 %": change_one(weights, one_number(lambda value: value * 1.01)),
    "weights scaled by 1.05": change_one(weights, scale(1.05)),
    "one unit scaled by 1.01": change_one(weights, one_unit(lambda unit: unit * 1.01)),
    "weights rounded to half precision": change_one(weights, half),
    "all weights rounded to half precision": change_all(half),
    "all weights rounded to bfloat16": change_all(brain),
    "weights rounded to 8 bits": change_one(weights, eight_bits),
    "one weight zeroed": change_one(weights, one_number(lambda value: 0.0)),
    "one unit zeroed": change_one(weights, one_unit(np.zeros_like)),
    "sign of one weight flipped": change_one(weights, one_number(lambda value: -value)),
    "two weights swapped": change_one(weights, swap_numbers),
    "two units swapped": change_one(weights, swap_units),
    "two tensors swapped": swap_tensors,
    "weights transposed": change_one(square, lambda array, rng: array.T),
    "bias shifted by 0.01": change_one(vectors, lambda array, rng: array + 0.01),
    "one bias shifted by 0.0001": change_one(vectors, one_number(lambda value: value + 0.0001)),
    "bias zeroed": change_one(vectors, lambda array, rng: np.zeros_like(array)),
    "two biases swapped": change_one(lambda model: [n for n in vectors(model) if floats(model)[n].size > 1], swap_units),
    "constant off by 1 %": change_one(scalars, scale(1.01)),
    "tokens shifted by one": change_one(embeddings, lambda array, rng: np.roll(array, 1, axis=0)),
    "one token's vector nudged by 1 %": change_one(embeddings, one_unit(lambda unit: unit * 1.01)),
    "gates in the wrong order": gates,
    "one threshold moved by 1 %": tree_numbers("nodes_values", one_number(lambda value: value * 1.01)),
    "thresholds rounded to half precision": tree_numbers("nodes_values", half),
    "thresholds nudged by 1 %": tree_numbers("nodes_values", nudge(0.01)),
    "one leaf nudged by 1 %": tree_numbers("class_weights", one_number(lambda value: value * 1.01)),
    "leaves rounded to half precision": tree_numbers("class_weights", half),
    "less in place of less or equal": tree_rule,
    "two features swapped": tree_features,
}
