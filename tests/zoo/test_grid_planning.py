"""Maps: what the codec makes of their text, and how an answer stands on them."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.calls import drive
from zoo.codecs import make_codec
from zoo.codecs.grid_planning import PIXELS, parse
from zoo.errors import CodecError, MediaTypeError

CODEC = make_codec("grid-planning", {"max_cells": 12})


def raw(text):
    return CODEC.read(text.encode(), "text/plain")[0]


def answer_of(text, value, action):
    outputs = {"value": np.float32([value]), "action": np.array([action])}
    return drive(CODEC.predict([raw(text)]), lambda graph, inputs: outputs)[0]


def test_what_a_map_leaves_out_is_as_it_is_written_down():
    world = parse(b"\n ..G \n\nslip 0.1\n.#P\n")
    assert (world.lines, world.slip) == (("..G", ".#P"), 0.1)
    assert (world.discount, world.step, world.goal, world.pit) == (0.95, -0.04, 1, -1)


def test_moves_slip_to_the_sides_and_stop_at_walls():
    """From the lower left cell, up: 0.8 to the cell above, 0.1 right into the wall, 0.1 left off the map."""
    world = parse(b"slip 0.2\nstep -0.04\n.G\n.#")
    p, r = world.dynamics()
    assert p[2, 0].tolist() == pytest.approx([0.8, 0, 0.2, 0])
    assert p[0, 1].tolist() == pytest.approx([0.1, 0.8, 0.1, 0])  # right: 0.1 up off the map, 0.1 down
    assert r[0, 1].tolist() == pytest.approx([-0.04, 0.96, -0.04, 0])
    assert not p[[1, 3]].any()  # at the goal all is over, and in a wall is nobody
    assert p[[0, 2]].sum(axis=2) == pytest.approx(np.ones((2, 4)))


def test_maps_of_several_sizes_go_together():
    encoded = CODEC.encode([raw("discount 0.5\n..G"), raw("...\n.#G")])
    assert {name: array.shape for name, array in encoded.items()} == {
        "transition": (2, 6, 4, 6), "reward": (2, 6, 4, 6), "discount": (2,),
    }  # fmt: skip
    assert all(array.dtype == np.float32 for array in encoded.values())
    assert encoded["discount"].tolist() == pytest.approx([0.5, 0.95])
    assert not encoded["transition"][0, 3:].any()


@pytest.mark.parametrize(
    "document",
    ["slip 0\n..G", ["slip 0", "..G"], {"instances": ["slip 0\n..G"]}, {"instances": [["slip 0", "..G"]]}],
)
def test_maps_in_json(document):
    [found] = CODEC.read(json.dumps(document).encode(), "application/json")
    assert CODEC.instance(found) == "slip 0\n..G"


def test_an_answer_stands_on_the_map():
    """In that corridor at a discount of a half, with a wall below: nothing would move any more."""
    answer = answer_of("discount 0.5\nslip 0\nstep 0\n..G\n#P.", [0.5, 1, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0])
    assert answer["arrows"] == ["→→G", "#P↑"]
    assert answer["values"] == [[0.5, 1, None], [None, None, 1]]
    assert answer["change_of_one_more_step"] == 0
    picture = Image.open(io.BytesIO(base64.b64decode(answer["picture"].removeprefix("data:image/png;base64,"))))
    assert picture.size == (3 * PIXELS, 2 * PIXELS)
    red, _, blue = picture.convert("RGB").getpixel((PIXELS + 3, 3))
    assert blue > red  # a cell that is worth something
    red, _, blue = picture.convert("RGB").getpixel((PIXELS + 3, PIXELS + 3))
    assert red > blue  # the pit


def test_an_answer_says_how_far_its_values_are_from_settled():
    """Bellman's equation makes 0.5 of 0.25: the reward of 1 is one more move away."""
    answer = answer_of("discount 0.5\nslip 0\nstep 0\n..G", [0.25, 1, 0], [1, 1, 0])
    assert answer["change_of_one_more_step"] == 0.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no row"),
        ("slip 0.2", "has no row"),
        ("..G\n.", "Row 2 of the map has 1 cells, row 1 has 3"),
        ("..X", "Row 1 of the map holds 'X' in '..X'"),
        ("slip 2\n..G", "says slip '2'; write a number from 0 to 1"),
        ("slip\n..G", "says slip ''"),
        ("discount nan\n..G", "says discount 'nan'"),
        ("....\n....\n....\n....", "has 16 cells; send at most 12"),
    ],
)
def test_a_wrong_map_is_refused(text, message):
    with pytest.raises(CodecError, match=message):
        CODEC.encode([raw(text)])


@pytest.mark.parametrize("body", [b"{", b"3", b'{"grid": "..G"}', b'{"instances": []}', b'{"instances": 3}', b"[[1]]"])
def test_json_without_a_map_is_refused(body):
    with pytest.raises(CodecError, match="JSON"):
        CODEC.read(body, "application/json")


def test_what_is_no_text_is_refused():
    with pytest.raises(CodecError, match="UTF-8"):
        CODEC.encode([np.array([255], dtype=np.uint8)])
    with pytest.raises(MediaTypeError, match="text/plain or application/json"):
        CODEC.read(b"", "image/png")
    with pytest.raises(CodecError, match="send at least one"):
        CODEC.encode([])
