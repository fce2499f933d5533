"""Hubs to pull from: artifacts of a chosen size, keys, and real servers on loopback, one of which misbehaves on request."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.zoo.hubs.servers import NGINX, TroublesomeServer, free_port, wait_for
from zoo.artifact import Artifact
from zoo.hub import EMBEDDED, Hub
from zoo.hubs import fetch, mirror, write
from zoo.hubs.folder import FolderStore
from zoo.manifest import CARD, Certificate, Manifest, file_hashes

ROOT = Path(__file__).parents[3]
BASE = EMBEDDED / "softmax-digits"


@pytest.fixture(scope="session", autouse=True)
def alone_from_the_beginning(tmp_path_factory):
    """A cache for what is made once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A cache, keys and settings of the test's own, and little patience."""
    for name in ("ZOO_HUB", "ZOO_OFFLINE", "ZOO_TRUST_UNSIGNED", "ZOO_SIGNING_KEY", "ZOO_TRUSTED_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(fetch, "FIRST_S", 0.01)


@pytest.fixture(scope="session")
def make_artifact():
    """`make_artifact(folder, name, version, files)`: a certified artifact with these files besides the usual ones."""

    def make(folder, name="tiny", version=1, files=None, original=True, seed=0):
        folder = Path(folder)
        shutil.copytree(BASE, folder, ignore=None if original else shutil.ignore_patterns("original"))
        manifest = dataclasses.replace(
            Manifest.read(folder), model=name, version=version, summary=f"Model {name} v{version}"
        )
        manifest.write(folder)
        for path, content in (files or {}).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            data = np.random.default_rng(seed).bytes(content) if isinstance(content, int) else content
            target.write_bytes(data)
        certificate = dataclasses.replace(Certificate.read(folder), model=name, version=version, files=file_hashes(folder))
        certificate.write(folder)
        (folder / CARD).write_text(f"# {name} v{version}\n")
        return Artifact(folder)

    return make


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Two pairs of keys: `private`, `public` and `other_private`, `other_public`."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, found = tmp_path_factory.mktemp("keys"), {}
    for prefix in ("", "other_"):
        key = ec.generate_private_key(ec.SECP256R1())
        found[f"{prefix}private"] = folder / f"{prefix}private.pem"
        found[f"{prefix}public"] = folder / f"{prefix}public.pem"
        found[f"{prefix}private"].write_bytes(
            key.private_bytes(form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption())
        )
        found[f"{prefix}public"].write_bytes(
            key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
        )
    return SimpleNamespace(**found)


@pytest.fixture
def trust(keys, monkeypatch):
    """Trust the first key."""
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(keys.public))


@pytest.fixture
def trusting(monkeypatch):
    """Use unsigned hubs."""
    monkeypatch.setenv("ZOO_TRUST_UNSIGNED", "1")


@pytest.fixture
def hub_of(tmp_path, make_artifact):
    """`hub_of(artifact, …, key=None)`: a folder of blobs with these artifacts; by default `tiny` with 3 MB of weights."""
    made = iter(range(100))

    def make(*artifacts, key=None):
        number = next(made)
        root = tmp_path / f"hub{number}"
        found = artifacts or (make_artifact(tmp_path / f"tiny{number}", files={"weights.bin": 3_000_000}),)
        write.add(FolderStore(root), list(found), key)
        return root

    return make


@pytest.fixture(scope="session")
def embedded_hub(tmp_path_factory, keys):
    """The embedded models as a signed hub. Shared: read only."""
    root = tmp_path_factory.mktemp("embedded")
    mirror.export(Hub(EMBEDDED).tree, FolderStore(root), keys.private)
    return root


@pytest.fixture
def serve():
    """`serve(folder)`: a server with `url`, `requests`, `sent` (bytes of bodies) and `trouble`."""
    servers = []

    def start(root, certificate=None):
        servers.append(TroublesomeServer(root, certificate))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def nginx(tmp_path):
    """`nginx(folder)`: base address of nginx with that folder below hub/, slow/, moved/, loop/, busy/ and forbidden/."""
    running = []

    def start(root):
        program = shutil.which("nginx")
        assert program, "nginx is missing: apt-get install -y nginx-light"
        folder, port = tmp_path / f"nginx{len(running)}", free_port()
        folder.mkdir()
        Path(root).chmod(0o755)
        (folder / "nginx.conf").write_text(
            "user root;\n" * (os.geteuid() == 0) + NGINX.format(folder=folder, port=port, root=root)
        )
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        wait_for(port, running[-1])
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.fixture
def zoo_cli():
    """`zoo_cli("pull", …, ZOO_HUB=…)`: the command line as a process, with this test's environment."""

    def run(*arguments, timeout=60, **environment):
        env = {**os.environ, "PYTHONPATH": str(ROOT), **{name: str(value) for name, value in environment.items()}}
        line = [sys.executable, "-m", "zoo", *map(str, arguments)]
        return subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False)

    return run
