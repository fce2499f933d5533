"""The codec of pictures that are drawn by a seed."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError
from zoo.generation import run_generations
from zoo.spec import Graph, Port

SCHEDULE = [1.0, 0.9, 0.72, 0.4, 0.1]


def generator(**settings):
    return make_codec("image-generation", {"height": 2, "width": 3, "latent": 4, **settings})


def sampler(**settings):
    return make_codec("image-generation", {"height": 2, "width": 3, "alpha_bar": SCHEDULE, "steps": 3, **settings})


def body(**options):
    return json.dumps(options).encode()


def noise_of(x, t):
    """What a denoiser might find; the same row by row."""
    return np.tanh(x + 0.1 * t[:, None, None, None]).astype(np.float32)


def step(codec, x, t, s, z, eta):
    """Song's step of one row in float64, written out anew."""
    a, b = codec.alpha_bar[t], codec.alpha_bar[s]
    epsilon = noise_of(x[None].astype(np.float32), np.array([t]))[0]
    clean = np.clip((x - np.sqrt(1 - a) * epsilon) / np.sqrt(a), -1, 1)
    epsilon = (x - np.sqrt(a) * clean) / np.sqrt(1 - a)
    variance = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
    return np.sqrt(b) * clean + np.sqrt(1 - b - variance) * epsilon + np.sqrt(variance) * z


def run_of(codec, seen):
    def run(graph, inputs):
        seen.append((graph, inputs))
        if graph == "generate":
            return {"picture": np.broadcast_to(inputs["z"].mean(axis=1)[:, None, None, None], (len(inputs["z"]), 1, 2, 3))}
        if graph == "discriminate":
            return {"logit": np.full(len(inputs["x"]), np.log(3), np.float32)}
        if graph == "denoise":
            return {"epsilon": noise_of(inputs["x"], inputs["t"])}
        x = inputs["x"].astype(np.float64)
        for number in range(inputs["t"].shape[1]):
            rows = zip(
                x, inputs["t"][:, number], inputs["s"][:, number], inputs["noise"][:, number], inputs["eta"], strict=True
            )
            x = np.stack([step(codec, *row) for row in rows])
        return {"picture": x.astype(np.float32)}

    return run


def answers(codec, seen=None, **options):
    return drive(codec.predict(codec.read(body(**options), "application/json")), run_of(codec, [] if seen is None else seen))


def pixels(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))))


def test_a_seed_gives_pictures_that_do_not_depend_on_their_number():
    many, few = answers(generator(), seed=5, count=4), answers(generator(), seed=5, count=2)
    assert many[:2] == few
    assert len({answer["picture"] for answer in many}) > 1
    assert answers(generator(), seed=6, count=4) != many
    assert pixels(many[0]["picture"]).shape == (2, 3)


def test_a_critic_says_how_real_they_look():
    """Log-odds ln 3 are three to one."""
    assert [answer["realness"] for answer in answers(generator(critic="discriminate"), count=2)] == pytest.approx(
        [0.75, 0.75]
    )


def test_codes_are_normal_draws():
    z = generator(latent=1000).encode([np.array([seed, 0]) for seed in range(20)])["z"]
    assert z.shape == (20, 1000)
    assert z.dtype == np.float32
    assert z.mean() == pytest.approx(0, abs=0.03)
    assert z.std() == pytest.approx(1, abs=0.03)


def test_a_request_of_a_sampler_is_one_call():
    seen = []
    [answer] = answers(sampler(), seen, seed=1)
    [(graph, inputs)] = seen
    assert graph == "sample"
    assert inputs["t"].tolist() == [[4, 3, 1]]
    assert inputs["s"].tolist() == [[3, 1, 0]]
    assert inputs["noise"].shape == (1, 3, 1, 2, 3)
    assert not inputs["noise"].any()
    assert inputs["eta"].tolist() == [0]
    assert pixels(answer["picture"]).shape == (2, 3)


def test_more_steps_than_a_call_may_have_take_several_calls():
    seen = []
    whole = answers(sampler(), seed=3, count=2, steps=4, eta=1)
    parts = answers(sampler(call_steps=3), seen, seed=3, count=2, steps=4, eta=1)
    assert [inputs["t"].shape for _, inputs in seen] == [(2, 3), (2, 1)]
    for one, other in zip(whole, parts, strict=True):
        assert np.abs(pixels(one["picture"]).astype(int) - pixels(other["picture"])).max() <= 1


def test_requests_of_other_steps_are_called_apart_and_answered_in_order():
    codec, seen = sampler(), []
    rows = [[1, 0, 2, 0], [2, 0, 4, 0.5], [3, 0, 2, 1]]
    found = drive(codec.predict([np.array(row) for row in rows]), run_of(codec, seen))
    assert [inputs["t"].shape for _, inputs in seen] == [(2, 2), (1, 4)]
    alone = [drive(codec.predict([np.array(row)]), run_of(codec, []))[0] for row in rows]
    assert found == alone


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_the_stream_ends_with_the_picture_of_the_request(eta):
    """Step by step through `denoise`, or at once through `sample`: one seed, one picture."""
    codec = sampler()
    [answer] = answers(codec, seed=7, steps=4, eta=eta)
    options = {"seed": 7, "steps": 4, "eta": eta}
    plans = [drive(codec.generate(np.zeros(0), options), None), drive(codec.generate(np.array([8, 0, 4, eta]), {}), None)]
    x = Port(name="x", dtype="float32", shape=("batch", 1, 2, 3))
    t = Port(name="t", dtype="int64", shape=("batch",))
    epsilon = Port(name="epsilon", dtype="float32", shape=("batch", 1, 2, 3))
    graph, seen = Graph(name="denoise", inputs=(x, t), outputs=(epsilon,)), []
    pieces, others = drive(run_generations(plans, graph), run_of(codec, seen))
    assert [len(inputs["x"]) for _, inputs in seen] == [2, 2, 2, 2]  # both rows in each call
    assert [piece["step"] for piece in pieces] == [1, 2, 3, 4]
    assert [piece.get("finish_reason") for piece in pieces] == [None, None, None, "stop"]
    assert np.abs(pixels(pieces[-1]["image"]).astype(int) - pixels(answer["picture"])).max() <= 1
    assert others[-1]["image"] != pieces[-1]["image"]


def test_the_stream_of_a_generator_is_its_picture():
    codec = generator()
    z = Port(name="z", dtype="float32", shape=("batch", 4))
    picture = Port(name="picture", dtype="float32", shape=("batch", 1, 2, 3))
    graph = Graph(name="generate", inputs=(z,), outputs=(picture,))
    made = drive(codec.generate(np.zeros(0), {"seed": 9}), None)
    [[piece]] = drive(run_generations([made], graph), run_of(codec, []))
    assert piece == {"step": 1, "steps": 1, "image": answers(codec, seed=9)[0]["picture"], "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "'count' is 0; send a whole number from 1 to 64"),
        ({"count": 65}, "'count' is 65"),
        ({"seed": -1}, "'seed' is -1"),
        ({"seed": 1.5}, "'seed' is 1.5; send a whole number"),
        ({"seed": "one"}, "'seed' is 'one'"),
        ({"seed": True}, "'seed' is True"),
        ({"steps": 5}, "'steps' is 5; send a whole number from 1 to 4"),
        ({"eta": 1.1}, "'eta' is 1.1; send a number from 0 to 1"),
        ({"size": 3}, "no option 'size'; choose from seed, count, steps, eta"),
        ({"instances": [[1, 0]]}, r"shape \[2\]; send \[seed, number, steps, eta\]"),
        ({"instances": [[1, 0, 9, 0]]}, "'steps' is 9"),
        ({"instances": "x"}, "neither a list"),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong(options, message):
    codec = sampler()
    with pytest.raises(CodecError, match=message):
        codec.read(body(**options), "application/json")


def test_what_is_no_json_is_refused():
    with pytest.raises(CodecError, match="not JSON"):
        sampler().read(b"{", "application/json")
    with pytest.raises(MediaTypeError):
        sampler().read(b"", "image/png")


def test_a_generator_has_no_steps():
    with pytest.raises(CodecError, match="no option 'steps'"):
        generator().read(body(steps=3), "application/json")
    with pytest.raises(CodecError, match="no option 'steps'"):
        drive(generator().generate(np.zeros(0), {"steps": 3}), None)


def test_rows_of_one_encoding_have_equally_many_steps():
    with pytest.raises(CodecError, match="equally many steps"):
        sampler().encode([np.array([1, 0, 2, 0]), np.array([1, 0, 3, 0])])
    with pytest.raises(CodecError, match="at least one"):
        sampler().encode([])
