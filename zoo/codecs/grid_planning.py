"""A map in; what each of its cells is worth and where to go from there out.

A map is text, a line a row, of at most `max_cells` cells: `.` is free, `#` a wall, `G` a goal and `P` a pit, where the world
ends. Lines of a word and a number, in any order, say how the world is; the rest is as here:

    discount 0.95    what a reward one move later is worth, 0 to 1
    slip 0.2         probability that a move goes to one side or the other of where it should, half each
    step -0.04       reward of every move
    goal 1           reward of coming to a goal
    pit -1           reward of coming to a pit
    ...G
    .#.P
    ....

Who moves into a wall or off the map stays. A raw map is that text as UTF-8 bytes, (bytes,) uint8. As JSON a map is a string,
or a list of its lines.

Shape letters: S cells, row by row, A moves: up, right, down and left.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from zoo.calls import Call, Plan
from zoo.codecs import Answer
from zoo.codecs.picture import png_data_url
from zoo.codecs.read import JSON_TYPE, unknown_type
from zoo.errors import CodecError
from zoo.spec import Arrays, Raws

TEXT_TYPE = "text/plain"
FREE, WALL, GOAL, PIT = ".", "#", "G", "P"
NUMBERS = {"discount": (0.95, 0, 1), "slip": (0.2, 0, 1), "step": (-0.04, -1, 1), "goal": (1, -1, 1), "pit": (-1, -1, 1)}
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
ARROWS = "↑→↓←"
PIXELS = 48  # of a drawn cell's side
_FORM = 'a line a row, of "." free, "#" wall, "G" goal and "P" pit'


@dataclass(frozen=True)
class World:
    """A map: its lines of equal length, and the numbers of `NUMBERS`."""

    lines: tuple[str, ...]
    discount: float
    slip: float
    step: float
    goal: float
    pit: float

    @property
    def cells(self) -> str:
        return "".join(self.lines)

    def dynamics(self) -> tuple[np.ndarray, np.ndarray]:
        """Probability of each next cell and the reward of going there, both (S, A, S); zeros where the world has ended."""
        count, earned = len(self.cells), {GOAL: self.goal, PIT: self.pit}
        p_SAS, r_SAS = np.zeros((2, count, len(MOVES), count))
        for cell, kind in enumerate(self.cells):
            for action in range(len(MOVES)) if kind == FREE else ():
                for turn, share in ((0, 1 - self.slip), (1, self.slip / 2), (-1, self.slip / 2)):
                    after = self._after(cell, MOVES[(action + turn) % len(MOVES)])
                    p_SAS[cell, action, after] += share
                    r_SAS[cell, action, after] = self.step + earned.get(self.cells[after], 0)
        return p_SAS, r_SAS

    def _after(self, cell: int, move: tuple[int, int]) -> int:
        width = len(self.lines[0])
        row, column = cell // width + move[0], cell % width + move[1]
        inside = 0 <= row < len(self.lines) and 0 <= column < width
        return row * width + column if inside and self.lines[row][column] != WALL else cell


@dataclass(frozen=True, kw_only=True)
class GridPlanning:
    """Port names of the graph, and the most cells that a map may have."""

    max_cells: int
    graph: str = "plan"
    transition: str = "transition"
    reward: str = "reward"
    discount: str = "discount"
    value: str = "value"
    action: str = "action"

    def read(self, data: bytes, media_type: str) -> list[np.ndarray]:
        """The map of a text, or those of JSON: one, or several as `{"instances": […]}`."""
        if media_type == TEXT_TYPE:
            return [np.frombuffer(data, dtype=np.uint8)]
        if media_type != JSON_TYPE:
            raise unknown_type(media_type, f"{TEXT_TYPE} or {JSON_TYPE}")
        return [np.frombuffer(text.encode(errors="replace"), dtype=np.uint8) for text in _texts(data)]

    def instance(self, raw: np.ndarray) -> str:
        """A raw map as it stands in a JSON body."""
        return np.asarray(raw, dtype=np.uint8).tobytes().decode()

    def encode(self, raws: Raws) -> Arrays:
        """transition and reward (batch, S, A, S), those of smaller maps filled up with zeros, and discount (batch,).

        Raises CodecError for a map that cannot be read.
        """
        worlds = self._worlds(raws)
        count = max(len(world.cells) for world in worlds)
        transition, reward = np.zeros((2, len(worlds), count, len(MOVES), count), np.float32)
        for row, world in enumerate(worlds):
            own = len(world.cells)
            transition[row, :own, :, :own], reward[row, :own, :, :own] = world.dynamics()
        discount = np.array([world.discount for world in worlds], np.float32)
        return {self.transition: transition, self.reward: reward, self.discount: discount}

    def predict(self, raws: Raws) -> Plan[list[Answer]]:
        outputs = yield Call(self.graph, self.encode(raws))
        rows = zip(self._worlds(raws), outputs[self.value], outputs[self.action], strict=True)
        return [_answer(world, value.astype(np.float64), action) for world, value, action in rows]

    def _worlds(self, raws: Raws) -> list[World]:
        if not len(raws):
            raise CodecError("There is no map; send at least one.")
        worlds = [parse(np.asarray(raw, dtype=np.uint8).tobytes()) for raw in raws]
        for world in worlds:
            if len(world.cells) > self.max_cells:
                raise CodecError(f"The map has {len(world.cells)} cells; send at most {self.max_cells}.")
        return worlds


def parse(data: bytes) -> World:
    """The world of a map's text. Raises CodecError for anything else."""
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise CodecError(f"The map is not UTF-8 ({error}); save it as UTF-8.") from error
    numbers = {name: default for name, (default, _, _) in NUMBERS.items()}
    rows = []
    for line in lines:
        name, *rest = line.split()
        if name not in NUMBERS:
            rows.append(line)
            continue
        numbers[name] = _number(name, " ".join(rest))
    _check_rows(rows)
    return World(tuple(rows), **numbers)


def draw(world: World, value_S: np.ndarray, action_S: np.ndarray) -> Image.Image:
    """The map in colours: blue where a cell is worth something, red where less than nothing, with an arrow of each move."""
    height, width = len(world.lines), len(world.lines[0])
    image = Image.new("RGB", (width * PIXELS, height * PIXELS), "white")
    pen = ImageDraw.Draw(image)
    ends = {GOAL: world.goal, PIT: world.pit}
    worth = [ends.get(kind, value) for kind, value in zip(world.cells, value_S, strict=False)]
    largest = max(map(abs, worth)) or 1.0
    for cell, kind in enumerate(world.cells):
        left, top = cell % width * PIXELS, cell // width * PIXELS
        fill = (60, 60, 60) if kind == WALL else _shade(worth[cell] / largest)
        pen.rectangle((left, top, left + PIXELS - 2, top + PIXELS - 2), fill)
        middle = (left + PIXELS / 2 - 1, top + PIXELS / 2 - 1)
        if kind == FREE:
            pen.polygon(_arrow(middle, MOVES[int(action_S[cell])]), "black")
        elif kind != WALL:
            pen.ellipse((middle[0] - 9, middle[1] - 9, middle[0] + 9, middle[1] + 9), "white", "black", 2)
    return image


def _answer(world: World, value_S: np.ndarray, action_S: np.ndarray) -> Answer:
    width, cells = len(world.lines[0]), world.cells
    arrows = "".join(ARROWS[int(action_S[cell])] if kind == FREE else kind for cell, kind in enumerate(cells))
    values = [float(value_S[cell]) if kind == FREE else None for cell, kind in enumerate(cells)]
    starts = range(0, len(cells), width)
    return {
        "arrows": [arrows[start : start + width] for start in starts],
        "values": [values[start : start + width] for start in starts],
        "change_of_one_more_step": _change(world, value_S[: len(cells)]),
        "picture": png_data_url(np.asarray(draw(world, value_S, action_S)) / 255),
    }


def _change(world: World, value_S: np.ndarray) -> float:
    """By how much Bellman's equation is missed at most: large where the values had not settled."""
    p_SAS, r_SAS = world.dynamics()
    again_S = (p_SAS * (r_SAS + world.discount * value_S)).sum(axis=2).max(axis=1)
    return float(np.abs(again_S - value_S).max())


def _shade(share: float) -> tuple[int, int, int]:
    """From red at −1 through white to blue at 1."""
    faded = round(255 - 155 * abs(share))
    return (faded, faded, 255) if share > 0 else (255, faded, faded)


def _arrow(middle: tuple[float, float], move: tuple[int, int]) -> list[tuple[float, float]]:
    """The corners of an arrow that points along a move."""
    (x, y), (down, right) = middle, move
    shape = ((14, 0), (2, -9), (2, -3), (-14, -3), (-14, 3), (2, 3), (2, 9))  # ahead, aside
    return [(x + right * ahead - down * aside, y + down * ahead + right * aside) for ahead, aside in shape]


def _number(name: str, text: str) -> float:
    _, low, high = NUMBERS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise CodecError(f"The map says {name} {text[:40]!r}; write a number from {low} to {high}.")
    return value


def _check_rows(rows: list[str]) -> None:
    if not rows:
        raise CodecError(f"The map has no row; send {_FORM}.")
    for number, row in enumerate(rows, start=1):
        unknown = next((character for character in row if character not in FREE + WALL + GOAL + PIT), None)
        if unknown:
            raise CodecError(f"Row {number} of the map holds {unknown!r} in {row[:40]!r}; send {_FORM}.")
        if len(row) != len(rows[0]):
            raise CodecError(f"Row {number} of the map has {len(row)} cells, row 1 has {len(rows[0])}; send equal rows.")


def _texts(data: bytes) -> list[str]:
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"The body is not JSON ({error}); send a map as a string.") from error
    found = value["instances"] if isinstance(value, dict) and list(value) == ["instances"] else [value]
    texts = [_joined(one) for one in found] if isinstance(found, list) else []
    if not texts or not all(isinstance(text, str) for text in texts):
        raise CodecError('The JSON holds no map; send {"instances": ["...G\\n.#.P\\n...."]}, or lists of lines.')
    return texts


def _joined(value: Any) -> Any:
    """The text of lines; anything else as it is."""
    lines = isinstance(value, list) and bool(value) and all(isinstance(line, str) for line in value)
    return "\n".join(value) if lines else value


CODEC = GridPlanning
