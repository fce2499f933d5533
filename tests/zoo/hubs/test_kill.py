"""SIGKILL at any moment of a pull or a publication: what is left is right, and the next one succeeds."""

import multiprocessing
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from zoo.hub import Hub
from zoo.hubs import mirror, upkeep, write
from zoo.hubs.depot import Depot
from zoo.hubs.folder import FolderStore
from zoo.publish import publish

ROUNDS = [10, pytest.param(100, marks=pytest.mark.long)]


def run_and_kill(work, arguments, after_s):
    """Whether the process was killed before it ended."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join(after_s)
    process.kill()
    process.join()
    return process.exitcode == -9


class RandomKills:
    """Kills at random moments of a work, whose span is learned on the way: the machine may be faster than measured."""

    def __init__(self, span_s, seed):
        self.span_s, self.rng, self.count = span_s, random.Random(seed), 0

    def __call__(self, work, arguments):
        killed = run_and_kill(work, arguments, self.span_s * self.rng.random())
        self.count += killed
        self.span_s *= 1.1 if killed else 0.5


def pull(location):
    Hub(location).artifact("tiny")


def add(root, artifact, key):
    write.add(FolderStore(root), [artifact], key)


def seconds(work, *arguments):
    started = time.perf_counter()
    run_and_kill(work, arguments, 60)
    return time.perf_counter() - started


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.usefixtures("trust")
def test_a_killed_pull_leaves_a_cache_that_is_right(hub_of, make_artifact, keys, nginx, tmp_path, monkeypatch, rounds):
    files = {"weights.bin": 3_000_000, **{f"part{number}.bin": 50_000 + number for number in range(20)}}
    address = f"{nginx(hub_of(make_artifact(tmp_path / 'tiny', files=files), key=keys.private))}/hub"
    Hub(address).names()  # the libraries are loaded once, here
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "measured"))
    kill = RandomKills(seconds(pull, address), seed=0)
    for number in range(rounds):
        monkeypatch.setenv("ZOO_CACHE", str(tmp_path / f"cache{number}"))
        kill(pull, (address,))
        assert upkeep.verify(Depot()) == []
        artifact = Hub(address).artifact("tiny")
        artifact.verify()
        assert upkeep.verify(Depot()) == []
        upkeep.prune(Depot())
        left = [path.name for path in [*Depot().blobs(), *(Depot().root / "models").iterdir()]]
        assert not [name for name in left if name.endswith(".part") or name.startswith(".")]
        shutil.rmtree(tmp_path / f"cache{number}")
    assert kill.count > rounds // 3


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.usefixtures("trust")
def test_a_killed_publication_leaves_a_hub_that_is_right(hub_of, make_artifact, keys, tmp_path, rounds):
    first = hub_of(make_artifact(tmp_path / "one"), key=keys.private)
    files = {f"part{number}.bin": 200_000 + number for number in range(20)}
    second = make_artifact(tmp_path / "two", version=2, files=files)
    kill = RandomKills(seconds(add, shutil.copytree(first, tmp_path / "measured"), second, keys.private), seed=1)
    for number in range(rounds):
        root = shutil.copytree(first, tmp_path / f"root{number}")
        kill(add, (root, second, keys.private))
        hub = Hub(str(root))
        assert hub.index["tiny"]["version"] in (1, 2)
        assert mirror.check(hub.sources[0]).failures == []
        add(root, second, keys.private)
        Hub(str(root)).artifact("tiny@2").verify()
        shutil.rmtree(root)
    assert kill.count > rounds // 3


def publish_in_tree(root, folder):
    publish(folder, Hub(root))


def kill_at(work, arguments, call):
    """Kill the process at its `call`-th renaming or removal, the steps of an installation."""

    def run():
        left = [call]

        def counted(original):
            def step(*given, **options):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), 9)
                return original(*given, **options)

            return step

        Path.replace, shutil.rmtree = counted(Path.replace), counted(shutil.rmtree)
        work(*arguments)

    return run_and_kill(run, (), 60)


@pytest.mark.parametrize("by", ["step", *ROUNDS])
def test_a_killed_publication_into_a_tree_is_mended_by_the_next(make_artifact, tmp_path, by):
    first, second = (
        make_artifact(tmp_path / f"v{number}", version=number, seed=number, files={"w": 1_000_000}) for number in (1, 2)
    )
    base = tmp_path / "base"
    base.mkdir()
    publish_in_tree(base, first.folder)
    kill = RandomKills(seconds(publish_in_tree, shutil.copytree(base, tmp_path / "measured"), second.folder), seed=2)
    rounds = 12 if by == "step" else by
    for number in range(rounds):
        root = shutil.copytree(base, tmp_path / f"root{number}")
        if by == "step":
            kill.count += kill_at(publish_in_tree, (root, second.folder), number + 1)
        else:
            kill(publish_in_tree, (root, second.folder))
        assert list(root.glob("*tiny*/w"))  # never without a copy
        publish_in_tree(root, second.folder)
        artifact = Hub(root).artifact("tiny@2")
        artifact.verify()
        assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["tiny"]
        shutil.rmtree(root)
    assert kill.count > rounds // 3
