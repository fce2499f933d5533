"""Downloads: from real servers on loopback that cut, lie, redirect and refuse."""

import base64
import contextlib
import errno
import json
import logging
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from tests.zoo.hubs.edits import blob_of, entry_of
from zoo.errors import HubError, IntegrityError, UnknownNameError, UsageError
from zoo.hub import Hub
from zoo.hubs.depot import Depot
from zoo.hubs.redact import redact
from zoo.manifest import Certificate, verify

pytestmark = pytest.mark.usefixtures("trusting")
MB = 1_000_000


def pulled(location, reference="tiny", **options):
    """The artifact, each of its bytes checked."""
    artifact = Hub(str(location)).artifact(reference, **options)
    artifact.verify()
    return artifact


def refused(location, error=HubError):
    with pytest.raises(error) as caught:
        pulled(location)
    assert not list((Depot().root / "models").glob("*"))
    return str(caught.value)


def test_a_model_comes_from_a_folder_and_from_nginx(hub_of, nginx, monkeypatch, tmp_path):
    root = hub_of()
    address = nginx(root)
    first = pulled(root)
    assert first.folder.is_relative_to(tmp_path / "cache")
    assert not (first.folder / "original").exists()
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "other"))
    second = pulled(f"{address}/hub/", with_original=True)
    verify(second.folder, second.certificate)  # every file, the original too
    assert (second.folder / "weights.bin").read_bytes() == (first.folder / "weights.bin").read_bytes()


def test_the_original_is_fetched_later_and_nothing_else_again(hub_of, serve):
    server = serve(hub_of())
    pulled(server.url)
    sent = server.sent
    artifact = pulled(server.url, with_original=True)
    assert Certificate.read(artifact.folder).files.keys() >= {"original/config.json", "original/weights.safetensors"}
    verify(artifact.folder, artifact.certificate)
    originals = sum(path.stat().st_size for path in (artifact.folder / "original").iterdir())
    index = (server.root / "index.json").stat().st_size
    assert server.sent - sent == originals + index
    blobs = len(server.requests)
    pulled(server.url)
    assert [request.name for request in server.requests[blobs:]] == ["index.json"]


def test_a_download_goes_on_where_it_was_cut(hub_of, serve):
    root = hub_of()
    server, weights = serve(root), blob_of(root)

    def trouble(handler, name, offset, count):
        if name == weights.name and count <= 3:
            handler.send_file(name, offset, cut=700_000)
            return True
        return False

    server.trouble = trouble
    pulled(server.url)
    offsets = [request.offset for request in server.asked(weights)]
    assert offsets == [0, 700_000, 1_400_000, 2_100_000]
    assert server.sent == sum(path.stat().st_size for path in root.iterdir() if path.name[0] != ".") - originals(root)


def originals(root):
    files = entry_of(json.loads((root / "index.json").read_bytes()))["files"]
    return sum(file["bytes"] for name, file in files.items() if name.startswith("original/"))


def test_a_killed_process_leaves_what_the_next_resumes(hub_of, serve, zoo_cli, tmp_path):
    root = hub_of()
    server, weights = serve(root), blob_of(root)
    process, part = [], Depot().part(weights.name)

    def trouble(handler, name, offset, count):
        if name == weights.name and count == 1:
            handler.send_file(name, offset, cut=2 * MB)
            until(lambda: part.stat().st_size > 1.5 * MB)
            process[0].kill()
            return True
        return False

    server.trouble = trouble
    process.append(subprocess.Popen([sys.executable, "-m", "zoo", "pull", "tiny", "--hub", server.url]))
    assert process[0].wait(60) == -9
    assert not Depot().blob(weights.name).exists()
    pulled(server.url)
    assert server.asked(weights)[1].offset >= MB  # at most 1 MB is sent again


def test_a_part_with_wrong_bytes_is_fetched_anew(hub_of, serve):
    root = hub_of()
    server, weights = serve(root), blob_of(root)
    Depot().make_folders()
    Depot().part(weights.name).write_bytes(bytes(MB))
    pulled(server.url)
    assert [request.offset for request in server.asked(weights)] == [MB, 0]


@pytest.mark.parametrize("size", [3 * MB, 3 * MB + 1])
def test_a_part_that_is_whole_or_too_long_needs_no_luck(hub_of, serve, size):
    root = hub_of()
    server, weights = serve(root), blob_of(root)
    Depot().make_folders()
    Depot().part(weights.name).write_bytes((weights.read_bytes() + b"x")[:size])
    pulled(server.url)
    assert len(server.asked(weights)) == (size > 3 * MB)


def test_a_server_without_ranges_starts_again(hub_of, serve):
    root = hub_of()
    server, weights = serve(root), blob_of(root)

    def trouble(handler, name, offset, count):
        if name == weights.name:
            handler.send_file(name, offset, cut=MB if count == 1 else None, ranges=False)
        return name == weights.name

    server.trouble = trouble
    pulled(server.url)
    assert [request.offset for request in server.asked(weights)] == [0, MB]


def test_a_busy_server_is_asked_again(hub_of, serve):
    server = serve(hub_of())

    def trouble(handler, name, offset, count):
        if count <= 2 and name != "index.json":
            handler.answer((503, 429)[count - 1], Retry_After="0")
        return count <= 2 and name != "index.json"

    server.trouble = trouble
    pulled(server.url)


def test_patience_ends_and_the_sentence_names_the_status(hub_of, serve):
    root = hub_of()
    server = serve(root)

    def trouble(handler, name, offset, count):
        if name == blob_of(root).name:
            handler.answer(503)
        return name == blob_of(root).name

    server.trouble = trouble
    assert re.search(r"http://127.0.0.1:\d+/hub answers 503 for [0-9a-f]{64}; try again later", refused(server.url))
    assert len(server.asked(blob_of(root))) == 5


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("busy", "answers 503 for index.json; try again later"),
        ("forbidden", "answers 403 for index.json; check the hub's address and your rights"),
        ("nothing", "has no index.json; check the hub's address"),
        ("loop", "leads index.json nowhere"),
    ],
)
def test_nginx_refuses_with_a_sentence(hub_of, nginx, path, words):
    assert words in refused(f"{nginx(hub_of())}/{path}")


def test_redirects_are_followed(hub_of, nginx):
    pulled(f"{nginx(hub_of())}/moved")


def test_a_slow_server_is_waited_for(hub_of, nginx):
    pulled(f"{nginx(hub_of())}/slow")


def test_no_server_is_a_sentence(serve, hub_of):
    server = serve(hub_of())
    server.close()
    assert "cannot be read" in refused(server.url)
    assert "check the network, or use --offline" in refused(server.url)


def until(true):
    for _ in range(1000):
        with contextlib.suppress(FileNotFoundError):
            if true():
                return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def lie(root, **options):
    """The first server's answer for the weights is another one."""

    def trouble(handler, name, offset, count):
        if name == blob_of(root).name:
            handler.send_file(name, offset, **options)
        return name == blob_of(root).name

    return trouble


def test_wrong_bytes_are_not_taken(hub_of, serve):
    root = hub_of()
    server, weights = serve(root), blob_of(root)
    content = bytearray(weights.read_bytes())
    content[5] ^= 1
    weights.write_bytes(content)
    assert "has other bytes than the index says; it is not taken" in refused(server.url, IntegrityError)
    assert not Depot().part(weights.name).exists()
    assert not Depot().blob(weights.name).exists()


@pytest.mark.parametrize("total", [3 * MB + 1, 3 * MB - 1, 10**15])
def test_another_length_is_not_taken(hub_of, serve, total):
    root = hub_of()
    server = serve(root)
    server.trouble = lie(root, total=total)
    assert f"has {total:,} bytes where the index declares 3,000,000" in refused(server.url, IntegrityError)


def test_an_endless_file_is_stopped_where_the_declared_size_ends(hub_of, serve):
    root = hub_of()
    server = serve(root)

    def trouble(handler, name, offset, count):
        if name != blob_of(root).name:
            return False
        handler.close_connection = True
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(100_000))
                with server.lock:
                    server.sent += 100_000
        except ConnectionError:
            return True

    server.trouble = trouble
    assert "is larger than the 3,000,000 bytes declared; it is not taken" in refused(server.url, IntegrityError)
    assert server.sent < 30 * MB


def test_compression_that_nobody_asked_for_is_refused(hub_of, serve):
    root = hub_of()
    server = serve(root)

    def trouble(handler, name, offset, count):
        if name == blob_of(root).name:
            handler.answer(200, b"x", Content_Encoding="gzip")
        return name == blob_of(root).name

    server.trouble = trouble
    assert "compressed, unasked" in refused(server.url)


def test_an_endless_index_is_stopped(hub_of, serve, monkeypatch):
    root = hub_of()
    monkeypatch.setattr("zoo.hubs.remote.MOST_BYTES", 100)
    assert "index.json is larger than 100 bytes; it is not read" in refused(serve(root).url)


# ---------------------------------------------------------------------------------------------------- several hubs


@pytest.mark.parametrize("how", ["wrong", "missing", "503", "cut"])
def test_a_second_hub_is_tried_when_one_fails(hub_of, serve, how, tmp_path, monkeypatch):
    root = hub_of()
    copy = shutil.copytree(root, tmp_path / "copy")
    server, other, weights = serve(root), serve(copy), blob_of(root)

    def trouble(handler, name, offset, count):
        if name == weights.name and how == "503":
            handler.answer(503)
        elif name == weights.name:
            handler.send_file(name, offset, cut=0 if offset else 1000)
        return name == weights.name

    if how == "wrong":
        weights.write_bytes(bytes(3 * MB))
    elif how == "missing":
        weights.unlink()
    else:
        server.trouble = trouble
    monkeypatch.setenv("ZOO_HUB", f"{server.url}, {other.url}")
    Hub().artifact("tiny").verify()
    assert [request.offset for request in other.asked(weights)] == [1000 if how == "cut" else 0]


def test_hubs_are_used_in_their_order(hub_of, make_artifact, tmp_path, monkeypatch):
    first = hub_of(make_artifact(tmp_path / "a", "one"), make_artifact(tmp_path / "b", "both", 2))
    second = hub_of(make_artifact(tmp_path / "c", "two"), make_artifact(tmp_path / "d", "both", 1))
    monkeypatch.setenv("ZOO_HUB", f"{first} {second} embedded")
    hub = Hub()
    assert {"one", "two", "both", "convnet-mnist"} < set(hub.names())
    assert hub.index["both"]["version"] == 2
    assert hub.artifact("both").manifest.version == 2
    assert hub.artifact("both@1").manifest.version == 1
    with pytest.raises(UnknownNameError, match=r"No version of both is named '3'; known: 1, 2"):
        hub.artifact("both@3")
    with pytest.raises(UnknownNameError, match="No model is named 'twoo'; did you mean two"):
        hub.artifact("twoo")


def test_a_hub_that_is_away_is_left_out(hub_of, serve, monkeypatch, caplog):
    away = serve(hub_of())
    away.close()
    monkeypatch.setenv("ZOO_HUB", f"{away.url} {hub_of()}")
    assert Hub().names() == ["tiny"]
    assert "The other hubs are used" in caplog.text


def test_the_index_last_seen_is_used_while_the_hub_is_away(hub_of, serve, caplog):
    server = serve(hub_of())
    pulled(server.url)
    server.close()
    pulled(server.url)
    assert "Its index as it was last seen is used" in caplog.text


def test_offline_asks_nobody(hub_of, serve, zoo_cli):
    server = serve(hub_of())
    done = zoo_cli("pull", "tiny", "--hub", server.url, "--offline")
    assert (done.returncode, done.stderr) == (2, f"error: {server.url} was never read; pull once without --offline.\n")
    pulled(server.url)
    asked = len(server.requests)
    assert zoo_cli("pull", "tiny", ZOO_HUB=server.url, ZOO_OFFLINE="1").returncode == 0
    done = zoo_cli("--offline", "pull", "tiny", "--with-original", "--hub", server.url)
    assert done.returncode == 2
    assert "No hub that may be asked has" in done.stderr
    assert len(server.requests) == asked


# ---------------------------------------------------------------------------------------------------- processes


def test_eight_processes_fetch_once(hub_of, serve, tmp_path):
    root = hub_of()
    server = serve(root)
    line = [sys.executable, "-m", "zoo", "pull", "tiny", "--hub", server.url]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert len(said) == 1
    asked = [request.name for request in server.requests if request.name != "index.json"]
    assert len(asked) == len(set(asked)) > 5


def test_threads_may_pull_at_once(hub_of, serve):
    server = serve(hub_of())
    failures = []

    def pull():
        try:
            pulled(server.url)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=pull) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    asked = [request.name for request in server.requests if request.name != "index.json"]
    assert len(asked) == len(set(asked))


def test_a_progress_bar_is_for_terminals(hub_of, nginx, zoo_cli, tmp_path):
    address = f"{nginx(hub_of())}/slow"
    assert zoo_cli("pull", "tiny", "--hub", address).stderr == ""
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "zoo", "pull", "tiny", "--hub", address]
    process = subprocess.Popen(line, stderr=theirs, env={**os.environ, "ZOO_CACHE": str(tmp_path / "new"), "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while found := os.read(ours, 4096):
            shown += found
    assert process.wait(60) == 0
    assert b"tiny@1" in shown
    assert b"MB/s" in shown


# ---------------------------------------------------------------------------------------------------- disk


def test_too_little_space_is_said_first(hub_of, serve, monkeypatch):
    root = hub_of()
    server = serve(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * MB))
    words = refused(server.url)
    assert re.search(r"tiny@1 needs 4,0\d\d,\d{3} bytes more and .*cache has 2,000,000 free; run zoo cache prune", words)
    assert server.asked(blob_of(root)) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False)
    yield folder if done.returncode == 0 else None
    if done.returncode == 0:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_is_a_sentence_and_the_next_pull_goes_on(hub_of, serve, small_disk, monkeypatch):
    root = hub_of()
    server, weights = serve(root), blob_of(root)

    if small_disk is None:  # no right to mount: the disk is said to be full where the part is written

        def write(_, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("zoo.hubs.fetch._write", write)
            assert "is full; run zoo cache prune" in refused(server.url)
    else:
        monkeypatch.setenv("ZOO_CACHE", str(small_disk / "cache"))

        def trouble(handler, name, offset, count):
            if name == weights.name and count == 1:
                (small_disk / "other").write_bytes(bytes(6 * MB))
            return False

        server.trouble = trouble
        assert f"The disk of {small_disk / 'cache'} is full; run zoo cache prune, or set ZOO_CACHE" in refused(server.url)
        (small_disk / "other").unlink()
    pulled(server.url)
    assert (server.asked(weights)[-1].offset > 0) == (small_disk is not None)


def test_a_cache_that_cannot_be_written_is_a_sentence(hub_of, monkeypatch, tmp_path):
    root = hub_of()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"The cache .*file cannot be made .*set ZOO_CACHE"):
        Hub(str(root)).artifact("tiny")
    with pytest.raises(UsageError, match=r"The cache .*file cannot be made .*set ZOO_CACHE"):
        hub_of()


# ---------------------------------------------------------------------------------------------------- the way there


def test_secrets_are_sent_and_never_shown(hub_of, serve, caplog, zoo_cli):
    server = serve(hub_of())
    caplog.set_level(logging.DEBUG)
    secret = server.url.replace("http://", "http://someone:swordfish%40x@") + "?sig=hidden"
    pulled(secret)
    request = server.requests[0]
    assert request.path == "/hub/index.json?sig=hidden"
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"someone:swordfish@x").decode()
    server.trouble = lambda handler, *_: handler.answer(302, Location=secret) or True
    with pytest.raises(HubError) as caught:
        Hub(secret.replace("/hub?", "/other?")).artifact("tiny")
    server.trouble = lambda handler, *_: handler.answer(500) or True
    done = zoo_cli("pull", "tiny", "--hub", secret, ZOO_CACHE=Depot().root / "new")
    assert done.returncode == 2
    everything = caplog.text + str(caught.value) + done.stdout + done.stderr
    for path in Depot().root.rglob("*.json"):
        everything += path.read_text()
    assert server.url in everything
    for word in ("someone", "swordfish", "hidden", "sig="):
        assert word not in everything


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host?token=abc/secret", "https://host"),
        ("https://host?token=abc@secret/x", "https://host"),
        ("https://user:pa/ss@host:80/x", "https://host:80/x"),
        ("https://user:pa?ss@host/x", "https://…"),
        ("https://user:pa@ss@[::1]:80/x#y", "https://[::1]:80/x"),
        ("s3://key:se/cret@bucket/x", "s3://…"),
        ("hf://owner/name@main/x", "hf://owner/name@main/x"),
        ("GET https://host:80: failed", "GET https://host:80: failed"),
    ],
)
def test_a_url_is_shown_as_host_port_and_path(url, shown):
    assert redact(url) == shown


def test_a_proxy_is_used(hub_of, serve, monkeypatch):
    proxy = serve(hub_of())
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY")
    pulled("http://hub.invalid/models")
    assert all(request.path.startswith("http://hub.invalid/models/") for request in proxy.requests)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody knows, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    assert shutil.which("openssl"), "openssl is missing: apt-get install -y openssl"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    line += ["-keyout", folder / "key.pem", "-out", folder / "authority.pem", "-subj", "/CN=test"]
    subprocess.run([*line, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    (folder / "both.pem").write_bytes((folder / "authority.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return folder


def test_certificates_come_from_the_environment(hub_of, serve, certificate, monkeypatch):
    server = serve(hub_of(), certificate / "both.pem")
    assert "CERTIFICATE_VERIFY_FAILED" in refused(server.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "authority.pem"))
    pulled(server.url)


def test_https_does_not_lead_to_http(hub_of, serve, certificate, monkeypatch):
    root = hub_of()
    plain, secure = serve(root), serve(root, certificate / "both.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "authority.pem"))
    secure.trouble = lambda handler, name, *_: handler.answer(302, Location=f"{plain.url}/{name}") or True
    assert "leads index.json away from https to 127.0.0.1; it is refused" in refused(secure.url)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (
            "ftp://somewhere/hub",
            "The hub ftp://somewhere/hub is of a kind not known here; use a folder, https, s3, gs or hf",
        ),
        ("http://", "names no host"),
        ("http://host:port/", "has no valid port"),
        ("file:///nowhere/at/all", "/nowhere/at/all has no index.json"),
    ],
)
def test_an_unusable_address_is_a_sentence(location, words):
    with pytest.raises((UsageError, HubError), match=words):
        Hub(location).names()
