"""Hubs in object stores, as a user reaches them: the official back ends against servers on loopback."""

import logging
import urllib.request

import pytest

from tests.zoo.hubs.hf_server import REPOSITORY, HuggingFaceServer
from tests.zoo.hubs.servers import free_port


@pytest.fixture
def s3(monkeypatch):
    """A bucket in moto's server."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "swordfish",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{address}/zoo-bucket", method="PUT")).close()
    S3FileSystem.clear_instance_cache()  # connected to another test's server
    yield "s3://zoo-bucket/models"
    server.stop()


@pytest.fixture
def gs(monkeypatch):
    """A bucket in a Google Cloud Storage emulator."""
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="zoo-bucket")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks by gRPC, which the emulator has not
    yield "gs://zoo-bucket/models"
    server.stop()


@pytest.fixture
def hf(monkeypatch, tmp_path):
    (tmp_path / "repository").mkdir()
    server = HuggingFaceServer(tmp_path / "repository")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN", "swordfish")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    yield f"hf://{REPOSITORY}/models"
    server.close()


@pytest.mark.parametrize("kind", ["s3", "gs", "hf"])
def test_a_model_goes_into_an_object_store_and_comes_back(kind, request, make_artifact, keys, trust, zoo_cli, tmp_path):
    place = request.getfixturevalue(kind)
    one = make_artifact(tmp_path / "one", files={"weights.bin": 100_000, "empty.txt": b""}, original=False)
    done = zoo_cli("publish", one.folder, "--to", place, "--sign", keys.private)
    assert (done.returncode, done.stdout) == (0, f"tiny v1 is published in {place}\n"), done.stderr
    pulled = zoo_cli("pull", "tiny", "--hub", place)
    assert pulled.returncode == 0, pulled.stderr
    folder = next((tmp_path / "cache" / "models").iterdir())
    for path in one.folder.rglob("*"):
        assert path.is_dir() or (folder / path.relative_to(one.folder)).read_bytes() == path.read_bytes()
    checked = zoo_cli("hub", "check", place)
    assert checked.stdout.endswith("1 versions, 9 files, all right\n"), checked.stderr
    missing = zoo_cli("pull", "tiny", "--hub", f"{place}/nowhere")
    assert (missing.returncode, missing.stderr) == (
        2, f"error: {place}/nowhere has no index.json; check the hub's address, or publish again.\n",
    )  # fmt: skip
    assert "swordfish" not in done.stderr + pulled.stderr + checked.stderr


def test_a_resumed_object_starts_in_the_middle(s3, make_artifact, tmp_path, trusting, monkeypatch):
    from zoo.hubs.objects import ObjectStore
    from zoo.hubs.write import add

    store = ObjectStore(f"{s3}/resumed", "s3")
    artifact = make_artifact(tmp_path / "one", files={"weights.bin": 5000})
    add(store, [artifact], None)
    digest = artifact.certificate.files["weights.bin"]
    monkeypatch.setattr("zoo.hubs.objects.WINDOW", 1000)
    with store.open(digest, 3500) as stream:
        assert (stream.start, stream.total) == (3500, 5000)
        chunks = list(stream.chunks)
    assert [len(chunk) for chunk in chunks] == [1000, 500]
    assert b"".join(chunks) == (artifact.folder / "weights.bin").read_bytes()[3500:]


@pytest.mark.parametrize(
    ("scheme", "package", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gs"), ("hf", "huggingface_hub", "hf")]
)
def test_a_missing_back_end_is_a_sentence(zoo_cli, tmp_path, scheme, package, extra):
    """A package of that name that cannot be imported stands before the installed one."""
    (tmp_path / f"{package}.py").write_text(f"raise ImportError('no {package}')")
    from tests.zoo.hubs.conftest import ROOT

    done = zoo_cli("pull", "tiny", "--hub", f"{scheme}://bucket/models", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: A hub at {scheme}:// needs the extra [{extra}] (")
    assert done.stderr.count("\n") == 1


def test_a_back_end_that_is_missing_does_not_stop_the_other_hubs(zoo_cli, tmp_path, hub_of, trusting):
    from tests.zoo.hubs.conftest import ROOT

    (tmp_path / "s3fs.py").write_text("raise ImportError('no s3fs')")
    hubs = f"s3://bucket/models {hub_of()}"
    done = zoo_cli("pull", "tiny", "--hub", hubs, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stdout[:15]) == (0, "tiny v1 is in /"), done.stderr


@pytest.mark.parametrize("command", ["check", "mirror", "publish", "export"])
def test_offline_opens_no_object_store(zoo_cli, tmp_path, make_artifact, command):
    from tests.zoo.hubs.conftest import ROOT

    (tmp_path / "s3fs.py").write_text("raise ImportError('opened')")
    place = "s3://bucket/models"
    line = {
        "check": ("hub", "check", place), "mirror": ("hub", "mirror", place, tmp_path / "copy"),
        "publish": ("publish", make_artifact(tmp_path / "one").folder, "--to", place), "export": ("hub", "export", place),
    }[command]  # fmt: skip
    done = zoo_cli(*line, PYTHONPATH=f"{tmp_path}:{ROOT}", ZOO_OFFLINE=1)
    assert (done.returncode, done.stderr) == (
        2, f"error: {place} is not on this machine; do this without --offline and ZOO_OFFLINE.\n",
    )  # fmt: skip


def test_the_back_ends_log_no_secret_of_a_url(s3, caplog):
    from zoo.hubs.objects import ObjectStore

    assert ObjectStore(s3, "s3").size("0" * 64) is None
    for name in ("s3fs", "botocore.endpoint", "fsspec"):
        logging.getLogger(name).error("GET %s", "https://host/x?X-Amz-Signature=swordfish")
    assert "https://host/x" in caplog.text
    assert "swordfish" not in caplog.text
