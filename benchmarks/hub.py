"""What pulling costs: `python -m benchmarks.hub` prints a table; needs nginx, curl and sha256sum.

A 500 MB artifact comes from nginx on loopback, turn by turn with `curl | sha256sum` of the same file; times are those of
whole processes, medians of `ROUNDS`. The index of 10,000 models is signed.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.artifact import Artifact
from zoo.errors import RuntimeUnavailableError
from zoo.hub import EMBEDDED
from zoo.hubs import write
from zoo.hubs.folder import FolderStore
from zoo.hubs.index import Index
from zoo.manifest import Certificate, Manifest, file_hashes

ROUNDS = 5
MB = 1_000_000
SIZE = 500 * MB
MODELS = 10_000
NGINX = """daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off; sendfile on; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def main() -> None:
    for program in ("nginx", "curl", "sha256sum", "openssl"):
        if shutil.which(program) is None:
            raise RuntimeUnavailableError(f"There is no {program}; apt-get install -y nginx-light curl coreutils openssl.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"ZOO_CACHE": str(folder / "cache"), "ZOO_TRUSTED_KEYS": str(folder / "public.pem")}
        key = make_keys(folder)
        digest = make_hub(folder, key)
        make_large_index(folder / "many", key)
        with nginx(folder) as address:
            os.environ["ZOO_HUB"] = f"{address}/hub"
            rows = [*download(folder, f"{address}/hub/{digest}"), *cached(folder), *listing(f"{address}/many")]
    print("| | target | measured |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def download(folder: Path, url: str) -> Iterator[tuple[str, str, str]]:
    """Throughput beside curl's, and the largest memory of a pull."""
    theirs, ours, memory = [], [], []
    for _ in range(ROUNDS):
        theirs.append(seconds(lambda: subprocess.run(f"curl -s {url} | sha256sum", shell=True, check=True, stdout=-3)))
        shutil.rmtree(folder / "cache", ignore_errors=True)
        started = time.perf_counter()
        memory.append(peak_memory("pull", "large"))
        ours.append(time.perf_counter() - started)
    fast, slow = statistics.median(ours), statistics.median(theirs)
    yield f"`curl \\| sha256sum` of {SIZE // MB} MB", "", f"{SIZE / slow / MB:.0f} MB/s"
    yield "`zoo pull`, start included", "0.7 of it", f"{SIZE / fast / MB:.0f} MB/s, {slow / fast:.2f} of it"
    yield "its largest memory", "100 MB", f"{max(memory) / MB:.0f} MB"


def cached(folder: Path) -> Iterator[tuple[str, str, str]]:
    start = median(lambda: zoo("--version"))
    pull = median(lambda: zoo("pull", "large"))
    yield "`zoo pull` of a cached model, after start-up", "0.3 s", f"{pull - start:.2f} s ({pull:.2f} s with start-up)"


def listing(address: str) -> Iterator[tuple[str, str, str]]:
    def fresh() -> None:
        shutil.rmtree(Path(os.environ["ZOO_CACHE"]) / "hubs", ignore_errors=True)
        zoo("list", "number", "777", "--hub", address)

    yield f"`zoo list number 777`, {MODELS:,} models, index new and its signature checked", "1 s", f"{median(fresh):.2f} s"
    again = median(lambda: zoo("list", "number", "777", "--hub", address))
    yield "the same again", "1 s", f"{again:.2f} s"


def zoo(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "zoo", *arguments], check=True, stdout=subprocess.DEVNULL)


def peak_memory(*arguments: str) -> int:
    """Bytes that `zoo …` had resident at most, as Linux counts them for the process alone."""
    code = (
        "import sys; from zoo.__main__ import app; app(sys.argv[1:], standalone_mode=False); "
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1]) * 1024


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(work: Callable[[], object]) -> float:
    return statistics.median(seconds(work) for _ in range(ROUNDS))


def make_keys(folder: Path) -> Path:
    private, public = folder / "private.pem", folder / "public.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private], check=True)
    subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private


def make_hub(folder: Path, key: Path) -> str:
    """A hub with one model, `large`, whose weights take 500 MB; their hash."""
    source = folder / "large"
    shutil.copytree(EMBEDDED / "softmax-digits", source)
    dataclasses.replace(Manifest.read(source), model="large").write(source)
    with (source / "weights.bin").open("wb") as file:
        for _ in range(SIZE // MB):
            file.write(os.urandom(MB))
    files = file_hashes(source)
    dataclasses.replace(Certificate.read(source), model="large", files=files).write(source)
    write.add(FolderStore(folder / "hub"), [Artifact(source)], key)
    return files["weights.bin"]


def make_large_index(root: Path, key: Path) -> None:
    """An index of many models like those that came with the code."""
    entries = [write.describe(Artifact(path.parent)) for path in sorted(EMBEDDED.glob("*/certificate.json"))]
    index = Index()
    for number in range(MODELS):
        entry = entries[number % len(entries)]
        index.add(f"model-{number}", {**entry, "summary": f"{entry['summary']}, number {number}"})
    index.advance()
    write.write_index(FolderStore(root), index.encode(), key)


@contextmanager
def nginx(root: Path) -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = root / "nginx"
    folder.mkdir()
    root.chmod(0o755)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, root=root))
    command = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    from zoo.commands import run_command

    run_command(main)
