"""attention-seq2seq-multi30k: German captions of photographs in English, by a recurrent network with additive attention.

German to English, so that every reader of these pages can judge the answers. Data: Multi30k, 29,000 pairs to fit on, the
official 1,014 to validate on, the 1,000 of the test split of 2016 scored once. One vocabulary of 2,500 byte pairs for both
languages, learned from the training text.

Reached: BLEU 38.70 with a beam of 5 and seed 0, the only one tried; 54 minutes on one thread of a busy CPU. Other widths of
the search: `python -m benchmarks.beams`, docs/studies/beams.md.

    python -m training.recipes.sequence.attention_seq2seq_multi30k --seed 0
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.bpe import MARKS, write_tokenizer
from training.command import recipe_main
from training.data import Split, multi30k
from training.objectives import teacher_forcing
from training.recipe import Recipe, Settings
from zoo.codecs.translation import START, TOKENIZER, Translation
from zoo.families.sequence.attention_seq2seq import Config
from zoo.original import Original
from zoo.spec import Arrays

CONFIG = Config()


def codec(train: Split) -> dict[str, Any]:
    return {"source": "German", "target": "English", "max_source": CONFIG.max_source}


def files(train: Split, folder: Path) -> None:
    sentences = [bytes(raw).decode("utf-8") for raw in train.raws]
    write_tokenizer(folder / TOKENIZER, [*sentences, *_references(train)], CONFIG.vocabulary)


def learn(split: Split, settings: Mapping[str, Any]) -> Arrays:
    """The source's tokens and length, and as targets the translation's tokens between its marks, filled up with 0."""
    codec = Translation(**settings)
    rows = [[codec.start, *codec.ids(text), codec.end] for text in _references(split)]
    targets = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for line, row in zip(targets, rows, strict=True):
        line[: len(row)] = row
    return {**codec.encode(split.raws), "targets": targets}


def extend(original: Original, samples: Arrays) -> Arrays:
    """Inputs of `step`: row k is k mod 8 words into its greedy translation."""
    step = original.graph("step")
    encoded = original.call(original.graph("encode"), {name: samples[f"encode/{name}"] for name in ("tokens", "length")})
    inputs = {
        "tokens": np.full((len(samples["targets"]), 1), MARKS.index(START), dtype=np.int64),
        "past_state": encoded["state"],
        "memory": encoded["memory"],
        "keys": encoded["keys"],
        "length": samples["encode/length"],
    }
    found = {name: array.copy() for name, array in inputs.items()}
    for words in range(1, 8):
        outputs = original.call(step, inputs)
        inputs.update({"tokens": outputs["logits"].argmax(axis=-1), "past_state": outputs["present_state"]})
        for name in ("tokens", "past_state"):
            found[name][words::8] = inputs[name][words::8]
    return {f"step/{name}": array for name, array in found.items()}


def _references(split: Split) -> list[str]:
    return [row[row >= 0].astype(np.uint8).tobytes().decode("utf-8") for row in split.targets]


RECIPE = Recipe(
    family="attention-seq2seq",
    config=CONFIG,
    summary="German to English captions, recurrent network with additive attention",
    load=multi30k.load,
    files=files,
    codec=codec,
    learn=learn,
    extend=extend,
    metric="bleu",
    objective=teacher_forcing(label_smoothing=0.1),
    settings=Settings(
        epochs=30, batch_size=64, lr=2e-3, optimizer="adamw", weight_decay=1e-4, warmup_epochs=1, gradient_clip=1.0,
        average=0.999, keep="last", patience=30, metric_every=5, evaluation_rows=256, threads=1,
    ),
)  # fmt: skip

if __name__ == "__main__":
    recipe_main(__file__)
