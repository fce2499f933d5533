"""Mutated indexes and manifests: a clear refusal or a right artifact, never a traceback, never a file elsewhere."""

import copy
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.zoo.hubs.edits import entry_of
from zoo import hub_commands
from zoo.errors import ZooError
from zoo.hub import Hub
from zoo.hubs.choose import choose
from zoo.hubs.folder import FolderStore
from zoo.hubs.write import add
from zoo.manifest import CERTIFICATE, MANIFEST
from zoo.model import Model

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["../x", "/etc/x", "a\\b", "C:x", "NUL", "x.pkl", "\x00", "0" * 64, 2**70, 10**30, -1, "tiny", "1"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def places(node, path=()):
    """Every place of a document, as keys."""
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@st.composite
def mutations(draw, document):
    """The document's bytes after one to three changes of values, keys or bytes."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([path for path in places(changed) if path] or [("x",)]))
        node = changed
        for key in way:
            node = node[key]
        how = draw(st.sampled_from(["value", "drop", "rename", "copy"]))
        if how == "value" or not isinstance(node, dict):
            node[last] = draw(VALUES)
        elif how == "drop":
            del node[last]
        elif how == "rename":
            node[draw(st.one_of(st.text(max_size=10), st.sampled_from(["../x", "/x", "A", "x.zip"])))] = node.pop(last)
        else:
            node[f"{last}2"] = copy.deepcopy(node[last])
    content = bytearray(json.dumps(changed, separators=(",", ":")).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.sampled_from([None, None, None, len(content) // 2]))])


@pytest.fixture(scope="module")
def base(tmp_path_factory, make_artifact):
    """A hub with two models and no large file."""
    folder = tmp_path_factory.mktemp("base")
    for name in ("tiny", "other"):
        add(FolderStore(folder / "hub"), [make_artifact(folder / name, name)], None)
    return folder / "hub"


def survives(base, index, blobs=()):
    """Use a hub with this index and these blobs in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(base, root / "hub", copy_function=os.link)
        (root / "hub" / "index.json").unlink()
        (root / "hub" / "index.json").write_bytes(index)
        for content in blobs:
            (root / "hub" / hashlib.sha256(content).hexdigest()).write_bytes(content)
        before = sorted((root / "hub").rglob("*"))
        os.environ["ZOO_CACHE"] = str(root / "cache")
        said = refusal(root)
        assert said is None or said.strip()
        assert sorted((root / "hub").rglob("*")) == before
        assert {path.name for path in root.iterdir()} <= {"hub", "cache"}
        known = {"blobs", "models", "records", "hubs", "locks"}
        assert not (root / "cache").exists() or {path.name for path in (root / "cache").iterdir()} <= known


def refusal(root):
    """What the zoo says; None where all went well. Any other error is the test's failure."""
    try:
        use(Hub(f"file://{root}/hub", trust_unsigned=True))
    except ZooError as error:
        return str(error)
    return None


def use(hub):
    """List, pull, open."""
    index = hub.index
    choose(index, ["x"])
    choose(index, max_size="1MB")
    for name, entry in index.items():
        hub_commands.line(name, entry)
        artifact = hub.artifact(name)
        artifact.verify()
        Model(artifact)


QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))


def index_of(base):
    return json.loads((base / "index.json").read_bytes())


def check_indexes(base, budget):
    @budget
    @given(mutations(index_of(base)))
    def check(index):
        survives(base, index)

    check()


def check_manifests(base, budget):
    """The mutated manifest is bound again by certificate and index, as a publisher could."""
    document = index_of(base)
    files = entry_of(document)["files"]
    manifest, certificate = (json.loads((base / files[name]["sha256"]).read_bytes()) for name in (MANIFEST, CERTIFICATE))

    @budget
    @given(st.one_of(st.tuples(mutations(manifest), st.none()), st.tuples(st.none(), mutations(certificate))))
    def check(pair):
        new = dict(zip((MANIFEST, CERTIFICATE), pair, strict=True))
        if new[MANIFEST] is not None:
            bound = {**certificate["files"], MANIFEST: hashlib.sha256(new[MANIFEST]).hexdigest()}
            new[CERTIFICATE] = json.dumps({**certificate, "files": bound}).encode()
        index = copy.deepcopy(document)
        entry = entry_of(index)
        for name, content in new.items():
            if content is not None:
                entry["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        entry["certificate"] = entry["files"][CERTIFICATE]["sha256"]
        survives(base, json.dumps(index, separators=(",", ":")).encode(), [c for c in new.values() if c is not None])

    check()


@pytest.mark.parametrize("budget", [QUICK, pytest.param(LONG, marks=pytest.mark.long)], ids=["quick", "long"])
@pytest.mark.parametrize("check", [check_indexes, check_manifests])
def test_mutations_are_refused_or_harmless(base, check, budget):
    check(base, budget)
