"""Text out of text: sampling by hand, the codec, and nats a token."""

import json
import math

import numpy as np
import pytest

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError
from zoo.generation import run_generations
from zoo.metrics import load_metric
from zoo.sampling import draw, probabilities

LETTERS = "abcdefghijk"
LOGITS = np.log(np.array([0.15, 0.5, 0.1, 0.25]))


def raw(text):
    return np.frombuffer(text.encode(), dtype=np.uint8)


# ------------------------------------------------------------------------------------------------ sampling


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.15, 0.5, 0.1, 0.25]),
        ({"temperature": 0.5}, [0.0225 / 0.345, 0.25 / 0.345, 0.01 / 0.345, 0.0625 / 0.345]),  # squares
        ({"temperature": 0}, [0, 1, 0, 0]),
        ({"top_k": 1}, [0, 1, 0, 0]),
        ({"top_k": 2}, [0, 2 / 3, 0, 1 / 3]),
        ({"top_k": 9}, [0.15, 0.5, 0.1, 0.25]),
        ({"top_p": 0.4}, [0, 1, 0, 0]),  # at least one
        ({"top_p": 0.7}, [0, 2 / 3, 0, 1 / 3]),  # the one that reaches 0.7 stays
        ({"top_p": 0.8}, [1 / 6, 5 / 9, 0, 5 / 18]),
        ({"top_p": 0}, [0, 1, 0, 0]),
        ({"top_k": 3, "top_p": 0.8}, [0, 2 / 3, 0, 1 / 3]),  # of 5/9, 5/18 and 1/6 the first two are 5/6
        ({"temperature": 0.5, "top_p": 0.7}, [0, 1, 0, 0]),  # the temperature comes first: 0.25 / 0.345 = 0.72
    ],
)
def test_distributions_by_hand(options, expected):
    np.testing.assert_allclose(probabilities(LOGITS.astype(np.float32), **options), expected, rtol=1e-6, atol=1e-12)


def test_of_equally_likely_tokens_the_first_ones_stay():
    assert probabilities(np.zeros(4), temperature=0).tolist() == [1, 0, 0, 0]
    assert probabilities(np.zeros(4), top_k=2).tolist() == [0.5, 0.5, 0, 0]


def test_large_logits_are_no_overflow():
    assert probabilities(np.array([1e4, 0.0]), temperature=0.01).tolist() == [1, 0]


class Uniform:
    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 0), (0.24, 0), (0.25, 2), (0.99, 2)])
def test_a_draw_is_one_uniform_number(uniform, token):
    assert draw(np.array([0.25, 0, 0.75, 0]), Uniform(uniform)) == token


def test_draws_come_as_often_as_they_are_likely():
    distribution, rng = np.array([0.15, 0.5, 0.1, 0.25]), np.random.default_rng(0)
    counts = np.bincount([draw(distribution, rng) for _ in range(20_000)], minlength=4)
    assert np.abs(counts / 20_000 - distribution).max() < 0.012  # more than three standard deviations


# ------------------------------------------------------------------------------------------------ the codec

CODEC = make_codec(
    "text-generation", {"vocabulary": list(LETTERS), "context": 9, "longest_step": 7, "start": "a", "max_tokens": 30}
)


@pytest.fixture(scope="module")
def model(tiny_original):
    return tiny_original("gpt", seed=1)


@pytest.fixture(scope="module")
def run(model):
    """Calls answered by a tiny GPT."""

    def answer(name, inputs):
        graph = model.graph(name)
        whole = graph.complete(inputs)
        graph.check(whole)
        return model.call(graph, whole)

    return answer


def continued(run, model, prompt, **options):
    """The pieces of one answer alone."""
    [pieces] = drive(run_generations([drive(CODEC.generate(raw(prompt), options), run)], model.graphs[0]), run)
    return pieces


def test_the_likeliest_text_is_that_of_decoding_without_a_cache(run, model):
    """Every next token by the whole network over all that is there so far."""
    import torch

    text = [3, 0, 7]
    for _ in range(6):
        with torch.no_grad():
            text.append(int(model.model(torch.tensor([text]))[0, -1].argmax()))
    pieces = continued(run, model, "dah", max_tokens=6, temperature=0)
    assert [piece["token"] for piece in pieces] == text[3:]
    assert "".join(piece["text"] for piece in pieces) == "".join(LETTERS[token] for token in text[3:])
    assert [piece.get("finish_reason") for piece in pieces] == [None] * 5 + ["length"]


def test_a_seed_makes_an_answer_repeatable(run, model):
    texts = [json.dumps(continued(run, model, "dah", max_tokens=30, seed=seed)) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_a_prompt_may_be_longer_than_a_call_and_than_the_context(run, model):
    """Of fourteen characters the last nine are read: as seven and two."""
    pieces = continued(run, model, "abcdefghijkabc", max_tokens=12, temperature=0)
    assert pieces == continued(run, model, "fghijkabc", max_tokens=12, temperature=0)
    assert len(pieces) == 12


def test_predictions_are_the_answers_with_the_usual_options(run, model):
    prompts = ["dah", "", "abcdefghijkabc", "b"]
    answers = drive(CODEC.predict([raw(prompt) for prompt in prompts]), run)
    for prompt, answer in zip(prompts, answers, strict=True):
        pieces = continued(run, model, prompt)
        assert answer == {
            "text": "".join(piece["text"] for piece in pieces), "tokens": 30, "finish_reason": "length"
        }  # fmt: skip
    assert answers[1] == drive(CODEC.predict([raw("a")]), run)[0]  # an empty prompt is its `start`


def test_the_first_call_takes_the_beginning_of_each_prompt():
    encoded = CODEC.encode([raw("dah"), raw("abcdefghijk")])
    assert encoded["tokens"].tolist() == [[3, 0, 7, 0, 0, 0, 0], [2, 3, 4, 5, 6, 7, 8]]  # of the last nine
    assert encoded["length"].tolist() == [3, 7]
    with pytest.raises(CodecError, match="no prompt"):
        CODEC.encode([])


@pytest.mark.parametrize(
    ("data", "media_type", "prompts"),
    [
        ("Where?\n", "text/plain", ["Where?\n"]),
        ("", "text/plain", [""]),
        ('{"prompt": "ab"}', "application/json", ["ab"]),
        ('{"prompt": ["ab", "é"]}', "application/json", ["ab", "é"]),
        ('{"instances": ["ab"]}', "application/json", ["ab"]),
        ('"ab"', "application/json", ["ab"]),
    ],
)
def test_prompts_are_read(data, media_type, prompts):
    assert [bytes(each).decode() for each in CODEC.read(data.encode(), media_type)] == prompts


@pytest.mark.parametrize("data", ["{", "[]", "3", '{"prompt": 3}', '{"text": "ab"}', '{"prompt": ["ab", 1]}'])
def test_json_without_a_prompt_is_refused(data):
    with pytest.raises(CodecError, match="prompt"):
        CODEC.read(data.encode(), "application/json")


def test_other_media_are_refused():
    with pytest.raises(MediaTypeError, match="text/plain or application/json"):
        CODEC.read(b"", "image/png")


def test_what_the_model_cannot_read_is_named():
    with pytest.raises(CodecError, match=r"holds 'é'; the model's characters are 'abcdefghijk'"):
        CODEC.encode([raw("abé")])
    with pytest.raises(CodecError, match="is not UTF-8"):
        CODEC.encode([np.array([200, 97], dtype=np.uint8)])
    with pytest.raises(CodecError, match="is not UTF-8"):
        CODEC.encode(CODEC.read(b'"\\ud800"', "application/json"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0; send 1 to 4096"),
        ({"max_tokens": 1.5}, "max_tokens is 1.5; send a whole number"),
        ({"temperature": -0.1}, "temperature is -0.1; send 0 to 100"),
        ({"temperature": "hot"}, "temperature is 'hot'; send a number"),
        ({"temperature": math.nan}, "temperature is nan; send 0 to 100"),
        ({"top_k": True}, "top_k is True; send a whole number"),
        ({"top_p": 1.01}, "top_p is 1.01; send 0 to 1"),
        ({"seed": -1}, "seed is -1"),
        ({"seeds": 1}, "no option 'seeds'; the options are max_tokens, temperature, top_k, top_p, seed"),
    ],
)
def test_wrong_options_are_sentences(options, message):
    with pytest.raises(CodecError, match=message):
        drive(CODEC.generate(raw("a"), options), None)


# ------------------------------------------------------------------------------------------------ nats a token


def test_nats_a_token_by_hand():
    """A graph that gives token 1 the odds of 1 + the number of tokens before it, so that it must remember them.

    Of a row of six tokens the last three are scored, after 3, 4 and 5 tokens: 1 has the probability 3/4, 4/5 and 5/6.
    """
    calls = []

    def step(name, inputs):
        calls.append((name, inputs["tokens"].shape))
        before = inputs.get("past_count", np.zeros(len(inputs["tokens"]), np.int64))
        odds = before[:, None] + 1 + np.arange(inputs["tokens"].shape[1])
        logits = np.stack([np.zeros(odds.shape), np.log(odds), np.full(odds.shape, -np.inf)], axis=-1)
        return {"logits": logits.astype(np.float32), "present_count": before + inputs["length"]}

    targets = np.array([[0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 0]])
    samples = {"step/tokens": np.zeros((2, 2), np.int64), "targets": targets}
    metric = load_metric("nats_per_token")
    rows = drive(metric.score(samples), step)
    expected = [-math.log(3 / 4 * 4 / 5 * 5 / 6) / 3, -math.log(1 / 4 * 4 / 5 * 1 / 6) / 3]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    assert calls == [("step", (2, 2)), ("step", (2, 2)), ("step", (2, 1))]
    assert metric.direction == -1
    assert metric.figure(samples, step) == pytest.approx(np.mean(expected))


def test_an_even_guess_costs_the_logarithm_of_the_vocabulary(run, model):
    rows = np.random.default_rng(0).integers(0, 11, size=(40, 18))
    samples = {"step/tokens": rows[:, :7], "targets": rows}
    found = drive(load_metric("nats_per_token").score(samples), run)
    assert found.shape == (40,)
    assert found.mean() == pytest.approx(math.log(11), abs=0.05)  # untrained: nearly even
