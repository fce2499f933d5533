import sys
from pathlib import Path

import pytest

from training.data import cache as cache_module


@pytest.fixture
def home(monkeypatch):
    for variable in ("ZOO_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/someone"))
    return Path("/home/someone")


@pytest.mark.parametrize(
    ("platform", "folder"),
    [("linux", ".cache/zoo/data"), ("darwin", "Library/Caches/zoo/data"), ("win32", "AppData/Local/zoo/data")],
)
def test_each_platform_has_its_own_folder(monkeypatch, home, platform, folder):
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_module.folder() == home / folder


def test_the_desktop_standard_is_followed(monkeypatch, home):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert cache_module.folder() == Path("/var/caches/zoo/data")


def test_the_variable_wins(monkeypatch, home):
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    monkeypatch.setenv("ZOO_CACHE", "/mine")
    assert cache_module.folder() == Path("/mine/data")
