import gzip
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.data import download
from training.data.download import fetch
from zoo.errors import DataError

ROOT = Path(__file__).parents[3]
FETCH = """
import sys
from training.data.download import fetch
from training.data.raw import RawFile
url, path, sha256 = sys.argv[1:]
print(fetch(RawFile(url=url, path=path, sha256=sha256))[0])
"""


def start_fetch(file):
    command = [sys.executable, "-c", FETCH, file.url, file.path, file.sha256]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def message(file):
    with pytest.raises(DataError) as caught:
        fetch(file)
    return str(caught.value)


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(source, raw_file, cache, files_in, content_of):
    first, second = fetch(raw_file), fetch(raw_file)
    assert first == second == [cache / "box/file.bin"]
    assert content_of(first) == [source.files["/box/file.bin"]]
    assert source.paths == ["/box/file.bin"]
    assert files_in() == ["file.bin"]


def test_several_files_come_in_the_order_asked_for(source, raw_file, content_of):
    other = source.file("box/other.bin", b"other")
    assert content_of(fetch(other, raw_file))[0] == b"other"


def test_any_gzip_of_the_right_content_is_accepted(source, content_of):
    stored = gzip.compress(b"content", mtime=86400)
    file = source.file("box/file.gz", stored, content=b"content")
    [path] = fetch(file)
    assert path.read_bytes() == stored
    assert content_of([path]) == [b"content"]


def test_the_progress_bar_goes_to_standard_error(raw_file, capsys):
    fetch(raw_file)
    written = capsys.readouterr()
    assert "box/file.bin" in written.err
    assert written.out == ""


@pytest.mark.parametrize("plan", [[503, 503, "good"], ["cut", "good"], ["wrong", "cut", 429, "good"]], ids=str)
def test_passing_failures_are_retried(source, raw_file, files_in, content_of, plan):
    source.plan = plan
    assert content_of(fetch(raw_file)) == [source.files["/box/file.bin"]]
    assert len(source.paths) == len(plan)
    assert files_in() == ["file.bin"]


def test_a_stalled_download_times_out_and_is_retried(source, raw_file, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    source.plan = ["stall", "good"]
    fetch(raw_file)
    assert len(source.paths) == 2


@pytest.mark.parametrize("plan", [503, "cut", "wrong"])
def test_retries_are_bounded_and_leave_nothing_behind(source, raw_file, files_in, monkeypatch, plan):
    waits = []
    monkeypatch.setattr(download, "WAITS_S", (0.01, 0.02, 0.04))
    monkeypatch.setattr(download.time, "sleep", waits.append)
    source.plan = [plan]
    message(raw_file)
    assert len(source.paths) == 4
    assert waits == [0.01, 0.02, 0.04]
    assert files_in() == []


def test_a_missing_file_is_not_asked_for_again(source, raw_file):
    source.files.clear()
    assert "404" in message(raw_file)
    assert len(source.paths) == 1


def test_the_error_names_address_cache_and_variable(source, raw_file, cache):
    source.plan = [503]
    text = message(raw_file)
    assert raw_file.url in text
    assert str(cache) in text
    assert "ZOO_DATA is not set" in text
    assert "503" in text


def test_the_error_names_a_folder_that_lacks_the_file(source, raw_file, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    source.plan = [503]
    assert f"ZOO_DATA={tmp_path} does not have it" in message(raw_file)


def test_a_server_that_is_not_there_is_named(raw_file, source):
    gone = type(raw_file)(url="http://127.0.0.1:1/file.bin", path=raw_file.path, sha256=raw_file.sha256)
    assert "http://127.0.0.1:1/file.bin failed" in message(gone)


def test_wrong_bytes_are_named_by_checksum(source, raw_file):
    source.plan = ["wrong"]
    assert f"differs from sha256 {raw_file.sha256[:12]}" in message(raw_file)


def test_a_damaged_copy_in_the_cache_is_replaced(source, raw_file, cache, content_of):
    (cache / "box").mkdir(parents=True)
    (cache / "box/file.bin").write_bytes(b"half a")
    assert content_of(fetch(raw_file)) == [source.files["/box/file.bin"]]


@pytest.mark.parametrize("form", ["box/file.txt", "box/file.txt.gz"])
@pytest.mark.parametrize("asked", ["box/file.txt", "box/file.txt.gz"])
def test_the_folder_comes_first_and_holds_either_form(source, monkeypatch, tmp_path, content_of, form, asked):
    local = tmp_path / form
    local.parent.mkdir()
    local.write_bytes(gzip.compress(b"content") if form.endswith(".gz") else b"content")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    paths = fetch(source.file(asked, b"content"))
    assert paths == [local]
    assert content_of(paths) == [b"content"]
    assert source.paths == []


def test_a_folder_without_the_file_is_passed_over(raw_file, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "nowhere"))
    assert fetch(raw_file) == [cache / "box/file.bin"]


@pytest.mark.parametrize("stored", [b"other content", gzip.compress(b"content")[:-3]], ids=["other", "cut gzip"])
def test_a_damaged_file_of_the_folder_is_an_error_not_a_download(source, raw_file, monkeypatch, tmp_path, stored):
    local = tmp_path / raw_file.path
    local.parent.mkdir()
    local.write_bytes(stored)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    assert str(local) in message(raw_file)
    assert source.paths == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_and_not_retried(source, raw_file, cache, files_in, monkeypatch):
    monkeypatch.setattr(download.secrets, "token_hex", lambda _: "0")
    (cache / "box").mkdir(parents=True)
    (cache / "box/.file.bin.0.part").symlink_to("/dev/full")
    text = message(raw_file)
    assert re.search(r"full disk; .*ZOO_CACHE", text)
    assert str(cache) in text
    assert len(source.paths) == 1
    assert files_in() == []


def test_a_cache_that_is_no_folder_is_named(raw_file, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "taken"))
    assert re.search(r"taken/data cannot be written .*ZOO_CACHE", message(raw_file))


def test_a_killed_process_leaves_no_file_under_the_final_name(source, raw_file, cache):
    source.plan = ["stall", "good"]
    process = start_fetch(raw_file)
    assert source.asked.wait(20)
    process.kill()
    process.communicate()
    assert not (cache / "box/file.bin").exists()
    assert fetch(raw_file) == [cache / "box/file.bin"]


def test_processes_fetch_the_same_file_at_once(source, raw_file, cache, files_in):
    source.plan = ["slow"]
    processes = [start_fetch(raw_file) for _ in range(2)]
    deadline = time.monotonic() + 20
    while len(source.paths) < 2 and time.monotonic() < deadline:
        assert not (cache / "box/file.bin").exists()
        time.sleep(0.01)
    source.release.set()
    outputs = [process.communicate(timeout=20) for process in processes]
    assert [out.strip() for out, _ in outputs] == [str(cache / "box/file.bin")] * 2, outputs
    assert len(source.paths) == 2
    assert files_in() == ["file.bin"]
