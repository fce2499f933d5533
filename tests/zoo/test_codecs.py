"""Codecs: what a person sends, good and bad, and what a graph gets of it."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.calls import drive
from zoo.codecs import make_codec, task_names
from zoo.codecs.read import MAX_PIXELS
from zoo.errors import CodecError, UnknownNameError, UsageError

LABELS = ["no", "yes"]
FLAT = make_codec("image-classification", {"height": 4, "width": 6, "labels": LABELS})
CHANNELS = make_codec("image-classification", {"height": 4, "width": 6, "labels": LABELS, "layout": "channels-first"})
COLOUR = make_codec(
    "image-classification", {"height": 4, "width": 6, "channels": 3, "labels": LABELS, "layout": "channels-first"}
)
SIXTEEN = make_codec("image-classification", {"height": 4, "width": 6, "white": 16.0, "labels": LABELS})
SERIES = make_codec(
    "series-classification",
    {"labels": LABELS, "channels": 2, "max_steps": 3, "mean": [1.0, 10.0], "std": [2.0, 5.0]},
)
PICTURE = np.arange(24, dtype=np.uint8).reshape(4, 6) * 5


def image_bytes(image, form="PNG", **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format=form, **options)
    return buffer.getvalue()


def logits(*rows):
    """A graph that answers these logits whatever it is asked."""
    return lambda graph, inputs: {"logits": np.array(rows, np.float32)}


# ------------------------------------------------------------------------------------------------ pictures


def test_tasks_are_the_files():
    assert {"image-classification", "image-reconstruction", "series-classification"} <= set(task_names())


def test_a_png_is_read_pixel_by_pixel():
    [raw] = FLAT.read(image_bytes(PICTURE), "image/png")
    assert np.array_equal(raw, PICTURE)
    encoded = FLAT.encode([raw])["x"]
    assert (encoded.shape, encoded.dtype) == ((1, 24), np.float32)
    np.testing.assert_allclose(encoded[0], np.arange(24) * 5 / 255, rtol=1e-6)


def test_the_layout_puts_channels_in_front():
    assert np.array_equal(CHANNELS.encode([PICTURE])["x"], FLAT.encode([PICTURE])["x"].reshape(1, 1, 4, 6))
    colour = np.stack([PICTURE, PICTURE + 1, PICTURE + 2], axis=-1)
    x = COLOUR.encode([colour])["x"]
    assert x.shape == (1, 3, 4, 6)
    np.testing.assert_allclose(x[0, 2] * 255, PICTURE + 2, rtol=1e-5)


def test_mean_and_deviation_are_taken_off():
    codec = make_codec("image-classification", {"height": 1, "width": 2, "mean": 0.5, "std": 0.25, "labels": LABELS})
    np.testing.assert_allclose(codec.encode([np.array([[0, 255]])])["x"], [[-2.0, 2.0]])


def test_each_colour_has_its_own_mean_and_deviation():
    settings = {"height": 1, "width": 1, "channels": 3, "labels": LABELS, "layout": "channels-first"}
    codec = make_codec("image-classification", {**settings, "mean": [0.5, 0.25, 0.0], "std": [0.25, 0.5, 1.0]})
    x = codec.encode([np.array([[[255, 0, 51]]])])["x"]
    assert (x.shape, x.dtype) == ((1, 3, 1, 1), np.float32)
    np.testing.assert_allclose(x.ravel(), [2.0, -0.5, 0.2], rtol=1e-6)


@pytest.mark.parametrize("name", ["mean", "std"])
def test_a_number_too_few_for_the_colours_is_refused(name):
    with pytest.raises(UsageError, match=f"{name} has 2 numbers for 3 channels"):
        make_codec("image-classification", {"height": 4, "width": 6, "channels": 3, "labels": LABELS, name: [0.5, 0.5]})


def test_a_jpeg_is_read_nearly():
    smooth = np.tile(np.linspace(0, 60, 6).astype(np.uint8), (4, 1))
    [raw] = FLAT.read(image_bytes(smooth, "JPEG", quality=100), "image/jpeg")
    assert np.abs(raw.astype(int) - smooth).max() <= 3


def test_dark_on_light_is_inverted():
    """People draw with a dark pen on white: the border tells."""
    drawing = np.full((4, 6), 255, np.uint8)
    drawing[1:3, 2:4] = 10
    [raw] = FLAT.read(image_bytes(drawing), "image/png")
    assert np.array_equal(raw, 255 - drawing)
    [kept] = FLAT.read(image_bytes(255 - drawing), "image/png")
    assert np.array_equal(kept, 255 - drawing)


def test_pictures_that_may_be_light_are_not_inverted():
    codec = make_codec("image-classification", {"height": 4, "width": 6, "labels": LABELS, "light_on_dark": False})
    [raw] = codec.read(image_bytes(np.full((4, 6), 255, np.uint8)), "image/png")
    assert raw.min() == 255


def test_transparency_is_white_paper():
    drawing = np.zeros((4, 6, 4), np.uint8)  # transparent everywhere but for a black spot
    drawing[1, 2] = (0, 0, 0, 255)
    [raw] = FLAT.read(image_bytes(drawing), "image/png")
    expected = np.zeros((4, 6), np.uint8)
    expected[1, 2] = 255
    assert np.array_equal(raw, expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(mode):
    image = Image.fromarray(np.zeros((4, 6), np.uint8)).convert(mode) if mode != "I;16" else Image.new(mode, (6, 4))
    [raw] = FLAT.read(image_bytes(image), "image/png")
    assert raw.shape == (4, 6)
    assert raw.max() == 0


def test_another_size_is_resized():
    big = np.zeros((40, 60), np.uint8)
    big[:, 30:] = 100
    [raw] = FLAT.read(image_bytes(big), "image/png")
    assert raw.shape == (4, 6)
    assert raw[:, 0].max() == 0
    assert raw[:, 5].min() == 100


def test_intensities_are_scaled_to_white():
    [raw] = SIXTEEN.read(image_bytes(np.full((4, 6), 51, np.uint8)), "image/png")
    assert raw.max() == pytest.approx(3.2)  # 51 / 255 of 16
    assert SIXTEEN.encode([raw])["x"].max() == pytest.approx(0.2)


@pytest.mark.parametrize(
    "body", [[PICTURE.tolist()], [PICTURE.ravel().tolist()], PICTURE.tolist(), PICTURE.ravel().tolist()]
)
@pytest.mark.parametrize("wrap", ["plain", "instances", "data"])
def test_json_pictures_may_be_flat_or_not_one_or_many(body, wrap):
    text = json.dumps(body if wrap == "plain" else {wrap: body}).encode()
    [raw] = FLAT.read(text, "application/json")
    assert np.array_equal(raw.reshape(4, 6), PICTURE)


def test_csv_rows_are_pictures():
    row = ",".join(map(str, PICTURE.ravel()))
    names = ",".join(f"pixel{k}" for k in range(24))
    raws = FLAT.read(f"\ufeff{names}\n{row}\n\n{row}\n".encode(), "text/csv")
    assert len(raws) == 2
    assert np.array_equal(raws[1].reshape(4, 6), PICTURE)


BAD_PICTURES = [
    (b"", "image/png", "The image cannot be read"),
    (b"GIF89a", "image/png", "The image cannot be read .*; send a PNG or a JPEG"),
    (image_bytes(PICTURE)[:40], "image/png", "The image cannot be read"),
    (image_bytes(PICTURE, "BMP"), "image/png", "The image cannot be read"),
    (b"1,2", "application/pdf", "The content type 'application/pdf' is not read here; send image/png"),
    (b"", "text/csv", "The CSV holds no row of numbers"),
    (b"a,b\n", "text/csv", "The CSV holds no row of numbers"),
    (b"1,2\n3\n", "text/csv", "Row 2 of the CSV has 1 cells, row 1 has 2; send equal rows"),
    (b"1,2\n3,x\n", "text/csv", "Row 2 of the CSV holds 'x'; send numbers"),
    (b"\xff\xfe1", "text/csv", "The CSV is not UTF-8"),
    (b"1,2\n", "text/csv", r"The picture has shape \[1, 2\]; send \[4, 6\] or 24 numbers a picture"),
    (b"{", "application/json", "The body is not JSON"),
    (b"[" * 100_000, "application/json", "The body is not JSON"),
    (b"3", "application/json", "The JSON is neither a list nor an object"),
    (b'{"rows": [1]}', "application/json", 'neither a list nor an object with "instances"'),
    (b"[[1, 2], [3]]", "application/json", "The JSON is not a regular array of numbers"),
    (b'[["a"]]', "application/json", "send numbers|not a regular array of numbers"),
    (b"[]", "application/json", "The JSON holds no numbers"),
    (b"[[1, 2, 3]]", "application/json", r"The picture has shape \[1, 3\]"),
]


@pytest.mark.parametrize(("data", "media_type", "message"), BAD_PICTURES)
def test_bad_pictures_are_refused(data, media_type, message):
    with pytest.raises(CodecError, match=message):
        FLAT.read(data, media_type)


def test_a_picture_of_too_many_pixels_is_refused_unread():
    with pytest.raises(CodecError, match=f"send at most {MAX_PIXELS:,} pixels"):
        FLAT.read(image_bytes(Image.new("1", (8001, 8000))), "image/png")


@pytest.mark.parametrize(
    ("raws", "message"),
    [
        ([], "There is no picture; send at least one"),
        ([np.full((4, 6), np.nan)], "The picture holds NaN or infinity"),
        ([np.full((4, 6), np.inf)], "The picture holds NaN or infinity"),
        ([np.full((4, 6), -1.0)], "intensities from -1 to -1; send 0 to 255"),
        ([np.full((4, 6), 256.0)], "intensities from 256 to 256; send 0 to 255"),
        ([PICTURE, np.zeros((4, 5))], r"The picture has shape \[4, 5\]"),
        ([np.zeros((6, 4))], r"The picture has shape \[6, 4\]; send \[4, 6\]"),
    ],
)
def test_raws_out_of_range_are_refused(raws, message):
    with pytest.raises(CodecError, match=message):
        FLAT.encode(raws)


def test_a_label_is_the_likeliest_class():
    """Softmax of (0, ln 3): one and three quarters."""
    [answer] = drive(FLAT.predict([PICTURE]), logits([0.0, np.log(3)]))
    assert answer["label"] == "yes"
    assert answer["probabilities"] == pytest.approx({"no": 0.25, "yes": 0.75})


def test_scores_may_be_probabilities_already():
    codec = make_codec(
        "image-classification",
        {"height": 4, "width": 6, "labels": LABELS, "output": "probabilities", "scores": "probabilities"},
    )
    [answer] = drive(codec.predict([PICTURE]), lambda graph, inputs: {"probabilities": np.array([[0.5, 0.5]]), "label": [0]})
    assert answer == {"label": "no", "probabilities": {"no": 0.5, "yes": 0.5}}


def test_a_reconstruction_is_a_picture():
    """The decoder says log-odds 0, so 128 of 255 everywhere; the squared error is that of 0.5 from black."""
    codec = make_codec("image-reconstruction", {"height": 4, "width": 6})
    calls = []

    def run(graph, inputs):
        calls.append((graph, inputs))
        if graph == "encode":
            return {"mean": np.array([[1.0, 2.0]], np.float32), "log_variance": np.zeros((1, 2), np.float32)}
        return {"logits": np.zeros((1, 24), np.float32)}

    [answer] = drive(codec.predict([np.zeros((4, 6))]), run)
    assert [graph for graph, _ in calls] == ["encode", "decode"]
    assert calls[1][1]["z"].tolist() == [[1.0, 2.0]]
    assert answer["mean"] == [1.0, 2.0]
    assert answer["squared_error"] == pytest.approx(0.25)
    import base64

    picture = Image.open(io.BytesIO(base64.b64decode(answer["reconstruction"].removeprefix("data:image/png;base64,"))))
    assert (picture.size, picture.getextrema()) == ((6, 4), (128, 128))


# ------------------------------------------------------------------------------------------------ series


def test_series_are_standardised_and_padded():
    encoded = SERIES.encode([np.array([[1.0, 10.0], [3.0, 15.0]]), np.array([[5.0, 0.0]])])
    assert encoded["length"].tolist() == [2, 1]
    assert encoded["length"].dtype == np.int64
    assert encoded["x"].tolist() == [[[0, 0], [1, 1]], [[2, -2], [0, 0]]]
    assert encoded["x"].dtype == np.float32


def test_series_are_read_from_csv_and_json():
    [series] = SERIES.read(b"a,b\n1,10\n3,15\n", "text/csv")
    assert series.tolist() == [[1, 10], [3, 15]]
    [series] = SERIES.read(b"[[1, 10], [3, 15]]", "application/json")
    assert series.tolist() == [[1, 10], [3, 15]]
    many = SERIES.read(b'{"instances": [[[1, 10]], [[3, 15]]]}', "application/json")
    assert [one.tolist() for one in many] == [[[1, 10]], [[3, 15]]]


@pytest.mark.parametrize(
    ("data", "media_type", "message"),
    [
        (b"1,2,3\n", "text/csv", r"The series has shape \[1, 3\]; send \[steps, 2\]"),
        (b"1,2\n1,2\n1,2\n1,2\n", "text/csv", "The series has 4 steps; send 1 to 3"),
        (b"1,nan\n", "text/csv", "The series holds NaN or infinity"),
        (b"1,inf\n", "text/csv", "The series holds NaN or infinity"),
        (b"[1, 2]", "application/json", r"The series has shape \[2\]; send \[steps, 2\]"),
        (b"[[[[1, 2]]]]", "application/json", r"The series has shape \[1, 1, 1, 2\]"),
        (b"", "image/png", "The content type 'image/png' is not read here; send text/csv or application/json"),
    ],
)
def test_bad_series_are_refused(data, media_type, message):
    with pytest.raises(CodecError, match=message):
        SERIES.read(data, media_type)


def test_no_series_is_refused():
    with pytest.raises(CodecError, match="There is no series; send at least one"):
        SERIES.encode([])


def test_a_series_is_answered_with_a_label():
    [answer] = drive(SERIES.predict([np.array([[1.0, 10.0]])]), logits([2.0, 0.0]))
    assert answer["label"] == "no"


# ------------------------------------------------------------------------------------------------ settings


def test_an_unknown_task_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="No task is named 'image-clasification'; did you mean image-classification"):
        make_codec("image-clasification", {})


@pytest.mark.parametrize("settings", [{"height": 4}, {"height": 4, "width": 6, "labels": LABELS, "depth": 3}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(UsageError, match=r"The codec of image-classification does not take these settings .*; export"):
        make_codec("image-classification", settings)
