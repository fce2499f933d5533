"""The README: its table is current, its Python runs, its commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import zoo
from zoo.demo import serving
from zoo.docs import README, with_table
from zoo.hub import GOLDEN, Hub
from zoo.run import load_arrays, raw_items

TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("zoo ")
]
RUNNABLE = ("zoo list", "zoo info", "zoo card", "zoo predict")
GROUPS = ("bench", "cache", "hub")  # their commands have options of their own


def test_the_table_is_what_make_docs_writes() -> None:
    assert with_table(TEXT) == TEXT


def test_every_published_model_is_in_the_table() -> None:
    for name in zoo.names():
        assert f"[{name}](zoo/artifacts/{name}/card.md)" in TEXT


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("https://") or (README.parent / target).exists(), target


PYTHON = [block for language, block in BLOCKS if language == "python"]


@pytest.mark.parametrize("block", [block for block in PYTHON if "serving.client" not in block])
def test_python_blocks_run(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == str(zoo.names())
    assert printed[-1] == "1"  # the stroke that the block draws


def test_the_client_gets_its_answers(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = [block for block in PYTHON if "serving.client" in block]
    with serving(("convnet-mnist",)) as url:
        exec(compile(block.replace("http://127.0.0.1:3000", url), "README.md", "exec"), {})
    answers = [line for line in capsys.readouterr().out.splitlines() if line.isdigit()]
    assert answers == ["1", "1"]  # the stroke that the block draws


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith(RUNNABLE)])
def test_commands_run(command: str, tmp_path: Path) -> None:
    golden = load_arrays(Hub().artifact("convnet-mnist").folder / GOLDEN)
    Image.fromarray(raw_items(golden)[0]).save(tmp_path / "digit.png")
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_and_options_exist(command: str) -> None:
    name, *rest = shlex.split(command)[1:]
    path = [name, rest[0]] if name in GROUPS else [name]
    shown = subprocess.run([sys.executable, "-m", "zoo", *path, "--help"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    known = (
        shown.stdout
        + subprocess.run(
            [sys.executable, "-m", "training", "train", "--help"], capture_output=True, text=True, check=False
        ).stdout
    )  # `zoo build` hands what it does not know to training
    for option in (word for word in rest if word.startswith("--")):
        assert option in known, option


def test_make_targets_exist() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make (\w+)", TEXT, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
