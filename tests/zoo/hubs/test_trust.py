"""Who may say what a hub has: signatures, trusted keys, and no way back to an older index."""

import hashlib
import json
import os
import shutil

import pytest

from tests.zoo.hubs.edits import rewrite_index
from zoo.errors import IntegrityError, UsageError
from zoo.hub import EMBEDDED, Hub
from zoo.hubs import signing, write
from zoo.hubs.depot import Depot
from zoo.hubs.folder import FolderStore


def names(root):
    return Hub(str(root)).names()


def refusal(root, error=IntegrityError):
    with pytest.raises(error) as caught:
        names(root)
    return str(caught.value)


@pytest.mark.usefixtures("trust")
def test_a_hub_signed_by_a_trusted_key_is_read(hub_of, keys):
    assert names(hub_of(key=keys.private)) == ["tiny"]


def test_no_key_trusts_nothing(hub_of, keys):
    root = hub_of(key=keys.private)
    assert "is not signed by a key in " in refusal(root)
    assert Hub(str(root), trust_unsigned=True).names() == ["tiny"]
    assert "is not signed by a key in " in refusal(root)  # having looked once is no trust


@pytest.mark.usefixtures("trust")
def test_another_key_is_refused(hub_of, keys):
    assert "is not signed by a key in " in refusal(hub_of(key=keys.other_private))


@pytest.mark.usefixtures("trust")
def test_an_unsigned_hub_is_refused_unless_the_user_says_so(hub_of, monkeypatch):
    root = hub_of()
    assert "is not signed; ask its publisher to sign it, or choose --trust-unsigned" in refusal(root)
    monkeypatch.setenv("ZOO_TRUST_UNSIGNED", "1")
    assert names(root) == ["tiny"]


@pytest.mark.usefixtures("trust")
def test_one_byte_of_the_index_makes_it_unsigned(hub_of, keys):
    root = hub_of(key=keys.private)
    content = (root / "index.json").read_bytes()
    signature = root / f"{hashlib.sha256(content).hexdigest()}.sig"
    changed = content.replace(b"Model tiny", b"Model Tiny")
    (root / "index.json").write_bytes(changed)
    assert "is not signed;" in refusal(root)
    shutil.copy(signature, root / f"{hashlib.sha256(changed).hexdigest()}.sig")
    assert "is not signed by a key in " in refusal(root)


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("signature", [b"", b"{}", b"[]", b"\xff\x00", b'{"mediaType": "x"}', b"9" * 1000, b"[" * 5000])
def test_a_damaged_signature_is_refused(hub_of, keys, signature):
    root = hub_of(key=keys.private)
    next(root.glob("*.sig")).write_bytes(signature)
    assert "is not signed by a key in " in refusal(root)


@pytest.mark.usefixtures("trust")
def test_a_signature_of_something_else_is_refused(hub_of, keys):
    root = hub_of(key=keys.private)
    next(root.glob("*.sig")).write_bytes(signing.sign(b"another index", keys.private))
    assert "is not signed by a key in " in refusal(root)


def test_any_of_several_keys_will_do(hub_of, keys, tmp_path, monkeypatch):
    both = tmp_path / "both.pem"
    both.write_bytes(b"# the other one\n" + keys.other_public.read_bytes() + b"# ours\n" + keys.public.read_bytes())
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(both))
    assert names(hub_of(key=keys.private)) == ["tiny"]


def test_a_key_that_is_trusted_no_more_opens_nothing(hub_of, keys, serve, monkeypatch):
    server = serve(hub_of(key=keys.private))
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(keys.public))
    assert names(server.url) == ["tiny"]
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(keys.other_public))
    assert "is not signed by a key in " in refusal(server.url)
    server.close()
    refusal(server.url, Exception)


@pytest.mark.parametrize("content", [None, b"", b"no key"])
def test_a_file_without_keys_is_a_sentence(hub_of, keys, tmp_path, monkeypatch, content):
    path = tmp_path / "keys.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(path))
    words = refusal(hub_of(key=keys.private), UsageError)
    assert "cannot be read" in words if content is None else "holds no public key; put PEM blocks into it" in words


def test_a_key_is_trusted_by_a_command(hub_of, keys, zoo_cli):
    root = hub_of(key=keys.private)
    assert zoo_cli("list", "--hub", root).returncode == 1
    done = zoo_cli("hub", "trust", keys.public)
    assert done.stdout.startswith("1 public keys are trusted, in ")
    assert zoo_cli("hub", "trust", keys.public).stdout == done.stdout
    assert zoo_cli("list", "--hub", root).stdout.startswith("tiny ")
    done = zoo_cli("hub", "trust", keys.private)
    assert (done.returncode, "holds no public key" in done.stderr) == (2, True)


# ---------------------------------------------------------------------------------------------------- old indexes


@pytest.mark.usefixtures("trust")
def test_an_older_index_is_refused_though_it_is_signed(hub_of, keys, make_artifact, tmp_path):
    root = hub_of(key=keys.private)
    old = shutil.copytree(root, tmp_path / "old")
    write.add(FolderStore(root), [make_artifact(tmp_path / "two", version=2)], keys.private)
    assert Hub(str(root)).index["tiny"]["version"] == 2
    shutil.copytree(old, root, dirs_exist_ok=True)
    assert "is older, or the hub was replaced" in refusal(root)
    assert names(old) == ["tiny"]  # another place with its own memory


@pytest.mark.usefixtures("trusting")
def test_two_indexes_of_one_serial_are_refused(hub_of):
    root = hub_of()
    names(root)
    rewrite_index(root, lambda document: document["models"]["tiny"]["versions"]["1"].update(summary="other"), serial=0)
    assert "is older, or the hub was replaced" in refusal(root)


@pytest.mark.usefixtures("trusting")
def test_a_hub_made_anew_has_a_newer_index(hub_of, tmp_path):
    root = hub_of()
    names(root)
    shutil.rmtree(root)
    seen = json.loads(next((Depot().root / "hubs").glob("*/seen.json")).read_text())
    again = hub_of()
    assert json.loads((again / "index.json").read_bytes())["serial"] >= seen["serial"]


@pytest.mark.usefixtures("trust")
@pytest.mark.parametrize("leave_signatures", [True, False])
def test_a_signed_folder_does_not_become_an_unsigned_one(
    hub_of, keys, make_artifact, tmp_path, monkeypatch, leave_signatures
):
    root = hub_of(key=keys.private)
    assert names(root) == ["tiny"]
    make_artifact(root / "tiny")
    (root / "index.json").unlink()
    if not leave_signatures:
        next(root.glob("*.sig")).unlink()
    monkeypatch.chdir(tmp_path)
    assert "was signed, and its index is another kind now" in refusal(root.name)
    assert Hub(root, trust_unsigned=True).names() == []


def test_a_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    root = shutil.copytree(EMBEDDED, tmp_path / "tree")
    if os.geteuid() == 0:
        os.chown(root, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to another user and is not signed; copy it" in refusal(root)
    assert "convnet-mnist" in Hub(root, trust_unsigned=True).names()


@pytest.mark.parametrize("how", ["older", "missing"])
def test_a_publisher_does_not_build_on_an_older_index(hub_of, keys, make_artifact, tmp_path, how):
    root = hub_of(key=keys.private)
    old = (root / "index.json").read_bytes()
    write.add(FolderStore(root), [make_artifact(tmp_path / "two", version=2)], keys.private)
    (root / "index.json").unlink()
    if how == "older":
        (root / "index.json").write_bytes(old)
    with pytest.raises(IntegrityError, match="it is older, or the hub was" if how == "older" else "has no index, and one"):
        write.add(FolderStore(root), [make_artifact(tmp_path / "three", version=3)], keys.private)


@pytest.mark.usefixtures("trusting")
def test_what_was_seen_goes_by_the_absolute_place(hub_of, monkeypatch, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shutil.copytree(hub_of(), tmp_path / "a" / "hub")
    shutil.copytree(hub_of(), tmp_path / "b" / "hub")
    rewrite_index(tmp_path / "a" / "hub", lambda document: None, serial=9)
    for folder in ("a", "b"):
        monkeypatch.chdir(tmp_path / folder)
        assert Hub("file://hub").names() == ["tiny"]


# ---------------------------------------------------------------------------------------------------- signing


@pytest.mark.parametrize("what", ["missing", "text", "public", "rsa"])
def test_a_key_that_cannot_sign_is_a_sentence(hub_of, keys, tmp_path, what):
    path = tmp_path / "key.pem"
    if what == "text":
        path.write_text("hello")
    elif what == "public":
        path = keys.public
    elif what == "rsa":
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(65537, 2048)
        path.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    with pytest.raises(UsageError, match=r"There is no key|cannot sign \(|holds no private key"):
        hub_of(key=path)


def test_signing_makes_no_foreign_entry_good(hub_of, keys, make_artifact, tmp_path):
    """Whoever can write to the hub must not get his entries signed by the publisher's next one."""
    root = hub_of(key=keys.private)
    rewrite_index(root, lambda document: document["models"]["tiny"]["versions"]["1"].update(summary="foreign"))
    with pytest.raises(IntegrityError, match="is not signed by a key in"):
        write.add(FolderStore(root), [make_artifact(tmp_path / "two", version=2)], keys.private)


def test_a_signed_hub_stays_signed(hub_of, keys, make_artifact, tmp_path):
    root = hub_of(key=keys.private)
    with pytest.raises(UsageError, match="is signed; name the key with --sign or ZOO_SIGNING_KEY"):
        write.add(FolderStore(root), [make_artifact(tmp_path / "two", version=2)], None)


def test_what_everybody_may_write_is_not_trusted(tmp_path, monkeypatch):
    root = shutil.copytree(EMBEDDED, tmp_path / "tree")
    assert "convnet-mnist" in names(root)
    root.chmod(0o777)
    assert "may be written by everybody on this machine and is not signed; chmod o-w it" in refusal(root)
    monkeypatch.setenv("ZOO_TRUST_UNSIGNED", "yes")
    assert "convnet-mnist" in names(root)
