"""Nats a token: how surprised a language model is by a text, −log p of each token given those before it.

A row of `targets` is a stretch of text, (rows, tokens). The tokens of its second half are scored; its first half is their
context, so that each has at least as many tokens before it as are scored. They go through the `step` graph in calls of
as many tokens as `step/tokens` has, the state handed on from call to call.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan
from zoo.spec import Arrays

DIRECTION = -1
ROWS = 32  # of one call: every row has a state


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """The mean over the scored tokens of each row."""
    texts, steps = arrays["targets"], arrays["step/tokens"].shape[1]
    found = []
    for start in range(0, len(texts), ROWS):
        nats = yield from _nats(texts[start : start + ROWS], steps)
        found.append(nats[:, texts.shape[1] // 2 - 1 :].mean(axis=1))
    return np.concatenate(found)


def _nats(texts: np.ndarray, steps: int) -> Plan[np.ndarray]:
    """−log p of every token but the first, (rows, tokens − 1)."""
    parts, state = [], Arrays()
    for start in range(0, texts.shape[1] - 1, steps):
        tokens, following = texts[:, start:-1][:, :steps], texts[:, start + 1 :][:, :steps]
        length = np.full(len(texts), tokens.shape[1], dtype=np.int64)
        outputs = yield Call("step", {"tokens": tokens, "length": length, **state})
        state = {name.replace("present_", "past_"): array for name, array in outputs.items() if name.startswith("present_")}
        parts.append(_surprise(outputs["logits"].astype(np.float64), following))
    return np.concatenate(parts, axis=1)


def _surprise(logits: np.ndarray, following: np.ndarray) -> np.ndarray:
    """log Σ exp(logits) − the following token's logit, of logits (rows, tokens, vocabulary)."""
    largest = logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]
    return log_sum - np.take_along_axis(logits, following[..., None], axis=-1)[..., 0]
