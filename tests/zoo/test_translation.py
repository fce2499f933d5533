"""The translation codec with a tiny network and a tokenizer learned from a few lines."""

import dataclasses
import json
import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.bpe import MARKS, write_tokenizer
from zoo.calls import drive
from zoo.codecs.translation import TOKENIZER, Translation
from zoo.errors import CodecError, UsageError
from zoo.families.sequence.attention_seq2seq import Config
from zoo.generation import run_generations
from zoo.original import Original

LINES = ["Ein Hund läuft hier.", "Ein Mann schläft.", "A dog runs here.", "A man sleeps.", "Zwei Hunde und ein Mann."]
SENTENCES = ["Ein Hund läuft hier.", "Ein Mann", "Zwei Hunde und ein Mann schläft heute im Park."]


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_tokenizer(folder / TOKENIZER, LINES * 3, 320)
    return Translation(source="German", target="English", max_source=60, max_tokens=12, files=folder)


@pytest.fixture(scope="module")
def original(codec):
    torch.manual_seed(3)
    size = codec.tokenizer.get_vocab_size()
    return Original.build("attention-seq2seq", Config(vocabulary=size, embedding=8, encoder=6, decoder=9, alignment=5))


@pytest.fixture(scope="module")
def run(original):
    return lambda graph, inputs: original.call(original.graph(graph), inputs)


def raw(text):
    return np.frombuffer((text if isinstance(text, str) else json.dumps(text)).encode(), dtype=np.uint8)


def test_marks_are_the_first_tokens_and_a_typed_mark_is_text(codec):
    assert [codec.tokenizer.token_to_id(mark) for mark in MARKS] == [0, 1, 2]
    assert (codec.start, codec.end) == (1, 2)
    assert not {0, 1, 2} & set(codec.ids("a <s> b </s> <pad>"))
    assert codec.text(codec.ids("a <s> b </s>")) == "a <s> b </s>"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30))
def test_every_text_has_tokens_that_read_as_it(codec, text):
    expected = unicodedata.normalize("NFC", " ".join(text.split()))
    assert codec.text(codec.ids(text)) == expected.strip()


def test_sentences_are_filled_up_behind_their_end(codec):
    arrays = codec.encode([raw(text) for text in SENTENCES])
    for text, row, length in zip(SENTENCES, arrays["tokens"], arrays["length"], strict=True):
        assert row[:length].tolist() == [*codec.ids(text), codec.end]
        assert not row[length:].any()
    assert arrays["tokens"].shape == (3, arrays["length"].max())


def test_a_sentence_is_translated_alike_alone_and_beside_longer_ones(codec, run):
    together = drive(codec.predict([raw(text) for text in SENTENCES]), run)
    for text, answer in zip(SENTENCES, together, strict=True):
        [alone] = drive(codec.predict([raw(text)]), run)
        assert alone["translation"] == answer["translation"]
        assert alone["log_probability"] == pytest.approx(answer["log_probability"], abs=1e-4)
        weights = np.array(answer["attention"])
        assert weights.shape == (len(answer["tokens"]), len(answer["source_tokens"]))
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=5e-3)  # rounded to four digits
        assert "".join(answer["source_tokens"][:-1]).strip() == text


def test_the_usual_search_translates_what_is_encoded(codec, run):
    raws = [raw(text) for text in SENTENCES]
    assert drive(codec.translate(codec.encode(raws)), run) == [one["translation"] for one in drive(codec.predict(raws), run)]


def test_a_stream_without_temperature_is_the_greedy_search(codec, original, run):
    requests = [raw({"text": text, "beam": 1}) for text in SENTENCES]
    answers = drive(codec.predict(requests), run)
    generations = [drive(codec.generate(raw(text), {}), run) for text in SENTENCES]
    pieces = drive(run_generations(generations, original.graph("step")), run)
    for found, answer in zip(pieces, answers, strict=True):
        assert "".join(piece["text"] for piece in found) == answer["translation"]
        assert [piece.get("finish_reason") for piece in found] == [None] * (len(found) - 1) + [answer["finish_reason"]]


def test_a_seed_repeats_what_is_drawn(codec, original, run):
    def drawn(seed):
        generation = drive(codec.generate(raw(SENTENCES[0]), {"temperature": 5.0, "seed": seed, "max_tokens": 10}), run)
        return [piece["token"] for piece in drive(run_generations([generation], original.graph("step")), run)[0]]

    assert drawn(1) == drawn(1) != drawn(2)


def test_what_a_person_sends(codec):
    lines = codec.read("Ein Hund\r\n\nEin Mann\n".encode("utf-8-sig"), "text/plain")
    assert [codec.instance(one) for one in lines] == ["Ein Hund", "Ein Mann"]
    wish = {"text": "Ein Hund", "beam": 3, "max_tokens": 4}
    for body in ("Ein Hund", wish, ["Ein Hund", wish], {"instances": ["Ein Hund", wish]}):
        raws = codec.read(json.dumps(body).encode(), "application/json")
        assert all(codec.request(one).text == "Ein Hund" for one in raws)
    assert codec.instance(raws[1]) == wish
    assert (codec.request(raws[1]).beam, codec.request(raws[1]).max_tokens) == (3, 4)
    assert codec.request(raw("{no json}")).text == "{no json}"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"instances": []}', "There is no sentence"),
        (b'{"instances": [3]}', "no sentences"),
        (b'["  "]', "There is no text"),
        (b'[{"text": "a", "beam": 0}]', "beam is 0; send a whole number from 1 to 16"),
        (b'[{"text": "a", "beam": true}]', "beam is True"),
        (b'[{"text": "a", "width": 2}]', "unknown field 'width'"),
        (b'[{"text": "a", "max_tokens": 99}]', "max_tokens is 99"),
        (b'["\\ud800"]', "not UTF-8"),
        (b"[", "not JSON"),
        (b'["' + b"a" * 10_001 + b'"]', "10,001 bytes"),
    ],
)
def test_what_cannot_be_translated_is_said(codec, body, sentence):
    with pytest.raises(CodecError, match=sentence):
        codec.read(body, "application/json")


def test_too_many_tokens_and_unknown_options_are_refused(codec, run):
    with pytest.raises(CodecError, match="tokens, its end among them; send at most 60"):
        codec.encode([raw("Hund " * 61)])
    with pytest.raises(CodecError, match="There is no option 'beams'"):
        drive(codec.generate(raw("Hund"), {"beams": 2}), run)


def test_a_missing_tokenizer_is_said(codec, tmp_path):
    with pytest.raises(UsageError, match=TOKENIZER):
        dataclasses.replace(codec, files=tmp_path).ids("Hund")
