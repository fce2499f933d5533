"""Byte-pair encoding learned from text: the pair of neighbours that occurs most often becomes one token, again and again.

Sennrich, Haddow, Birch (2016), https://arxiv.org/abs/1508.07909, by the `tokenizers` library. The alphabet is the 256 bytes
of UTF-8, so there is no text without tokens; pairs do not reach over the border of a word, and a word holds the space
before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

MARKS = ("<pad>", "<s>", "</s>")  # tokens 0, 1 and 2: filling, start and end


def write_tokenizer(path: Path, texts: Iterable[str], vocabulary: int) -> None:
    """Write a tokenizer of `vocabulary` tokens, the marks among them, that was learned from `texts`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(MARKS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(path), pretty=False)
