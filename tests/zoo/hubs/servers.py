"""Servers on loopback: one that misbehaves on request, and nginx."""

import contextlib
import http.server
import socket
import ssl
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace


class Troublesome(http.server.BaseHTTPRequestHandler):
    """Serves a folder with ranges, unless the server's `trouble` answers a request itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server.owner
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        wanted = self.headers.get("Range", "")
        offset = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        with server.lock:
            server.requests.append(SimpleNamespace(name=name, path=self.path, offset=offset, headers=dict(self.headers)))
            count = sum(request.name == name for request in server.requests)
        if server.trouble is not None and server.trouble(self, name, offset, count):
            return
        self.send_file(name, offset)

    def send_file(self, name, offset=0, cut=None, total=None, ranges=True):
        """`cut`: bytes after which the connection ends; `total`: a length to lie about."""
        path = self.server.owner.root / name
        if not path.is_file():
            self.answer(404)
            return
        content = path.read_bytes()
        start = offset if ranges else 0
        size = len(content) if total is None else total
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        body = content[start:] if cut is None else content[start : start + cut]
        with self.server.owner.lock:
            self.server.owner.sent += len(body)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)
        if cut is not None or total is not None:
            self.close_connection = True

    def answer(self, status, content=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class TroublesomeServer:
    handler = Troublesome

    def __init__(self, root, certificate=None):
        self.root, self.trouble = Path(root), None
        self.requests, self.sent, self.lock = [], 0, threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self._server.daemon_threads = True
        self._server.owner = self
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}/hub"
        threading.Thread(target=partial(self._server.serve_forever, 0.01), daemon=True).start()

    def asked(self, path):
        return [request for request in self.requests if request.name == path.name]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port};
    location /hub/ {{ alias {root}/; }}
    location /slow/ {{ alias {root}/; limit_rate 2m; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /hub/$1 redirect; }}
    location /loop/ {{ rewrite ^/loop/(.*)$ /loop/$1 redirect; }}
    location /busy/ {{ return 503; }}
    location /forbidden/ {{ return 403; }}
  }}
}}
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port, process):
    for _ in range(500):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server does not listen")
