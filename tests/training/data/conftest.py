"""A public source on 127.0.0.1 that behaves as it is told, and an environment without the machine's own data."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training.data import download
from training.data.raw import RawFile, read

CONTENT = b"the content of a raw file " * 4000  # 104,000 bytes, several chunks


class Source:
    """Answers request k as `plan[k]` says, and each later one as the last of the plan does.

    "good" sends the stored file, "wrong" another one, "cut" the first half of it; "stall" and "slow" send half and wait
    to be released, after which only "slow" sends the rest. A number is an HTTP status.
    """

    def __init__(self):
        self.plan, self.files, self.paths = ["good"], {}, []
        self.asked, self.release = threading.Event(), threading.Event()

    def file(self, path, stored, content=None):
        """A RawFile that this source has as `stored`; its checksum is that of `content`."""
        self.files[f"/{path}"] = stored
        digest = hashlib.sha256(stored if content is None else content).hexdigest()
        return RawFile(url=f"{self.address}/{path}", path=path, sha256=digest)

    def answer(self, handler):
        plan = self.plan[min(len(self.paths), len(self.plan) - 1)]
        self.paths.append(handler.path)
        stored = self.files.get(handler.path)
        status = plan if isinstance(plan, int) else 200 if stored is not None else 404
        body = b"<html>sign in</html>" if plan == "wrong" else stored if status == 200 else b""
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        self.send(handler, plan, body)

    def send(self, handler, plan, body):
        half = len(body) // 2
        handler.wfile.write(body[:half])
        handler.wfile.flush()
        self.asked.set()
        if plan in ("stall", "slow"):
            self.release.wait(20)
        if plan in ("good", "wrong", "slow"):
            handler.wfile.write(body[half:])


@pytest.fixture
def source():
    source = Source()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            source.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    source.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield source
    source.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def raw_file(source):
    return source.file("box/file.bin", CONTENT)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The empty cache of this test; no ZOO_DATA, no proxy, no waiting between attempts."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "ZOO_DATA"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "WAITS_S", (0.0, 0.0, 0.0))
    return tmp_path / "cache" / "data"


@pytest.fixture
def files_in(cache):
    """The names of every file in the cache, half-written ones included."""
    return lambda: sorted(path.name for path in cache.rglob("*") if path.is_file())


@pytest.fixture
def content_of():
    return lambda paths: [read(path) for path in paths]
