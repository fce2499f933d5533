"""The codec of object detection: pictures of any size in, boxes in their own pixels out."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.boxes import COLOURS, LONGEST, Box, draw_boxes
from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.errors import CodecError, MediaTypeError

CODEC = make_codec("object-detection", {"height": 6, "width": 8, "labels": ["cat", "dog"], "threshold": 0.5})
PIXELS = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)


def packed(form="PNG", pixels=PIXELS):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form)
    return buffer.getvalue()


def url(data, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def found(*entries):
    """A graph that answers (picture, label, score, box) whatever it is asked."""
    pictures, labels, scores, boxes = zip(*entries, strict=True) if entries else ((), (), (), ())
    return lambda graph, inputs: {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.array(scores, np.float32),
        "labels": np.array(labels, np.int64),
        "image": np.array(pictures, np.int64),
    }


def decoded(data_url):
    return Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2])))


def test_a_file_keeps_its_size_until_it_is_encoded():
    [raw] = CODEC.read(packed(), "image/png")
    assert np.array_equal(raw, PIXELS)
    x = CODEC.encode([raw])["x"]
    assert (x.shape, x.dtype) == ((1, 3, 6, 8), np.float32)


def test_the_bytes_of_a_file_are_a_raw_picture_too():
    stored = np.frombuffer(packed(), np.uint8)
    assert np.array_equal(CODEC.encode([stored])["x"], CODEC.encode([PIXELS])["x"])


def test_a_picture_of_the_right_size_is_not_touched():
    pixels = PIXELS[:6, :8]
    np.testing.assert_allclose(CODEC.encode([pixels])["x"][0] * 255, np.moveaxis(pixels, -1, 0), rtol=1e-5)


def test_json_has_data_urls():
    raws = CODEC.read(json.dumps({"instances": [url(packed()), url(packed("JPEG"), "jpeg")]}).encode(), "application/json")
    assert [raw.shape for raw in raws] == [(12, 16, 3)] * 2
    assert np.array_equal(raws[0], PIXELS)


def test_an_instance_is_what_json_takes():
    for stored in (np.frombuffer(packed("JPEG"), np.uint8), np.frombuffer(packed(), np.uint8)):
        [raw] = CODEC.read(json.dumps([CODEC.instance(stored)]).encode(), "application/json")
        assert np.array_equal(CODEC.encode([raw])["x"], CODEC.encode([stored])["x"])
    assert CODEC.instance(np.frombuffer(packed("JPEG"), np.uint8)).startswith("data:image/jpeg;base64,")


def test_boxes_are_in_the_pixels_of_each_picture_and_sorted():
    small = PIXELS[:6, :4]
    graph = found(
        (0, 0, 0.6, [0.25, 0.5, 0.5, 1]), (0, 1, 0.9, [0, 0, 1, 1]), (0, 1, 0.4, [0, 0, 1, 1]), (1, 0, 0.7, [0.5, 0, 1, 0.5])
    )
    first, second = drive(CODEC.predict([PIXELS, small]), graph)
    assert [one["label"] for one in first["detections"]] == ["dog", "cat"]
    assert [one["box"] for one in first["detections"]] == [[0, 0, 16, 12], [4, 6, 8, 12]]
    assert first["detections"][0]["score"] == pytest.approx(0.9)
    assert (first["width"], first["height"]) == (16, 12)
    assert [one["box"] for one in second["detections"]] == [[2, 0, 4, 3]]
    assert decoded(first["picture"]).size == (16, 12)
    json.dumps([first, second])


def test_a_picture_without_anything_on_it_has_an_answer():
    [answer] = drive(CODEC.predict([PIXELS]), found())
    assert answer["detections"] == []


@pytest.mark.parametrize(
    ("body", "media_type", "sentence"),
    [
        (b"no picture", "image/png", "cannot be read"),
        (b"{", "application/json", "not JSON"),
        (b"[]", "application/json", "has no pictures"),
        (b'{"data": ["x"]}', "application/json", "has no pictures"),
        (b'["https://example.org/cat.png"]', "application/json", "begins with 'https://example.org/cat.png'"),
        (b'["data:image/png;base64,!!"]', "application/json", "no base64"),
        (b"[[1, 2]]", "application/json", r"begins with '\[1, 2\]'"),
    ],
)
def test_what_is_no_picture_is_refused(body, media_type, sentence):
    with pytest.raises(CodecError, match=sentence):
        CODEC.read(body, media_type)


def test_another_type_is_refused():
    with pytest.raises(MediaTypeError, match="image/png, image/jpeg or application/json"):
        CODEC.read(b"1,2", "text/csv")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (np.zeros((4, 4, 2)), r"shape \[4, 4, 2\]"),
        (np.zeros((0, 4, 3)), r"shape \[0, 4, 3\]"),
        (np.full((4, 4, 3), 256.0), "intensities from 256 to 256"),
        (np.full((4, 4, 3), np.nan), "NaN"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(raw, sentence):
    with pytest.raises(CodecError, match=sentence):
        CODEC.encode([raw])


def test_boxes_are_drawn_in_the_colour_of_their_kind():
    drawn = np.asarray(draw_boxes(Image.new("RGB", (40, 30)), [Box((5, 6, 25, 20), 1)]))
    colour = tuple(int(COLOURS[1][place : place + 2], 16) for place in (1, 3, 5))
    assert tuple(drawn[6, 15]) == tuple(drawn[12, 5]) == tuple(drawn[20, 15]) == tuple(drawn[12, 25]) == colour
    assert not drawn[12, 15].any()
    assert not drawn[:5].any()


def test_a_large_picture_is_drawn_smaller():
    drawn = draw_boxes(Image.new("RGB", (2 * LONGEST, LONGEST)), [Box((0, 0, 2 * LONGEST, LONGEST), 0, "all")])
    assert drawn.size == (LONGEST, LONGEST // 2)
