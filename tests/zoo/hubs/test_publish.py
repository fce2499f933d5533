"""Publishing into hubs of blobs, copying and checking them."""

import dataclasses
import json
import shutil

import pytest

from tests.zoo.hubs.edits import blob_of, rewrite_index
from zoo.artifact import Artifact
from zoo.errors import HubError, IntegrityError, UsageError
from zoo.hub import EMBEDDED, Hub
from zoo.hubs import mirror, write
from zoo.hubs.folder import FolderStore
from zoo.hubs.index import Index
from zoo.hubs.store import StoreError
from zoo.manifest import Certificate, Manifest, file_hashes
from zoo.publish import publish


@pytest.fixture
def place(tmp_path):
    return Hub(f"file://{tmp_path}/new hub")


def contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir() if path.name != ".lock"}


def test_a_candidate_is_published_signed_and_pulled(make_artifact, place, tmp_path, keys, trust):
    candidate = make_artifact(tmp_path / "candidate", files={"weights.bin": 100_000}).folder
    (candidate / "card.md").unlink()
    publish(candidate, place, keys.private)
    artifact = Hub(f"file://{tmp_path}/new hub").artifact("tiny", with_original=True)
    artifact.verify()
    assert file_hashes(artifact.folder) == file_hashes(candidate)
    assert (artifact.folder / "card.md").read_text().startswith("# tiny")


def test_equal_bytes_are_published_once(make_artifact, place, tmp_path):
    artifact = make_artifact(tmp_path / "candidate")
    publish(artifact.folder, place)
    before = contents(tmp_path / "new hub")
    publish(artifact.folder, place)
    renumbered(artifact, 2)  # exported again, with nothing new in it
    publish(artifact.folder, place)
    assert contents(tmp_path / "new hub") == before


def renumbered(artifact, version):
    dataclasses.replace(Manifest.read(artifact.folder), version=version).write(artifact.folder)
    certificate = Certificate.read(artifact.folder)
    dataclasses.replace(certificate, version=version, files=file_hashes(artifact.folder)).write(artifact.folder)


def test_a_version_never_changes(make_artifact, place, tmp_path):
    publish(make_artifact(tmp_path / "one", files={"weights.bin": 10}).folder, place)
    other = make_artifact(tmp_path / "other", files={"weights.bin": 11})
    with pytest.raises(
        UsageError, match=r"tiny@1 with other bytes, and what is published never changes; export .* version 2"
    ):
        publish(other.folder, place)
    renumbered(other, 2)
    publish(other.folder, place)
    assert Hub(f"file://{tmp_path}/new hub", trust_unsigned=True).artifact("tiny@1").manifest.version == 1
    with pytest.raises(UsageError, match="is at version 2 of tiny; export it again as version 3"):
        publish(make_artifact(tmp_path / "late", files={"weights.bin": 12}, version=0).folder, place)


def test_nothing_is_published_without_a_passing_certificate(make_artifact, place, tmp_path):
    artifact = make_artifact(tmp_path / "candidate")
    dataclasses.replace(artifact.certificate, passed=False).write(artifact.folder)
    with pytest.raises(IntegrityError, match="does not say that it passed"):
        publish(artifact.folder, place)
    assert not (tmp_path / "new hub").exists()


def test_equal_files_are_stored_once(make_artifact, hub_of, tmp_path):
    one = make_artifact(tmp_path / "one", "one", files={"weights.bin": 1000})
    two = make_artifact(tmp_path / "two", "two", files={"weights.bin": 1000})
    root = hub_of(one, two)
    assert blob_of(root, "one") == blob_of(root, "two")


class Watched(FolderStore):
    """What was written, in order; `fails` at a write."""

    def __init__(self, root, fails=None):
        super().__init__(root)
        self.written, self.fails = [], fails

    def write(self, name, source):
        self.note(name)
        super().write(name, source)

    def replace(self, name, content):
        self.note(name)
        super().replace(name, content)

    def note(self, name):
        if len(self.written) == self.fails:
            raise StoreError("the network is away")
        self.written.append(name)


def test_the_index_comes_last_and_its_signature_before(make_artifact, tmp_path, keys):
    store = Watched(tmp_path / "hub")
    write.add(store, [make_artifact(tmp_path / "one")], keys.private)
    assert store.written[-1] == "index.json"
    assert store.written[-2].endswith(".sig")
    assert all(len(name) == 64 for name in store.written[:-2])


@pytest.mark.usefixtures("trust")
def test_a_publication_that_fails_anywhere_shows_nothing(make_artifact, tmp_path, keys):
    first, second = make_artifact(tmp_path / "one"), make_artifact(tmp_path / "two", version=2, files={"weights.bin": 99})
    write.add(FolderStore(tmp_path / "hub"), [first], keys.private)
    whole = Watched(shutil.copytree(tmp_path / "hub", tmp_path / "whole"))
    write.add(whole, [second], keys.private)
    assert Hub(str(whole.root)).artifact("tiny").manifest.version == 2
    for fails in range(len(whole.written)):
        root = shutil.copytree(tmp_path / "hub", tmp_path / f"failed{fails}")
        with pytest.raises(StoreError):
            write.add(Watched(root, fails), [second], keys.private)
        assert Hub(str(root)).index["tiny"]["version"] == 1
        Hub(str(root)).artifact("tiny").verify()
        write.add(FolderStore(root), [second], keys.private)
        assert Hub(str(root)).index["tiny"]["version"] == 2


def test_http_cannot_be_published_to(make_artifact, tmp_path, hub_of, serve):
    server = serve(hub_of())
    hub = Hub(server.url, trust_unsigned=True)
    with pytest.raises(
        UsageError, match="is read only; publish to a folder, s3, gs or hf, or upload what `zoo hub export DIR`"
    ):
        publish(make_artifact(tmp_path / "two", version=2, files={"x": 3}).folder, hub)


# ---------------------------------------------------------------------------------------------------- whole hubs


def test_the_embedded_models_become_a_hub_that_is_checked(embedded_hub, trust):
    hub = Hub(str(embedded_hub))
    assert hub.names() == Hub(EMBEDDED).names()
    checked = mirror.check(hub.sources[0])
    assert (checked.models, checked.failures) == (len(hub.names()), [])
    assert checked.files == sum(len(file_hashes(EMBEDDED / name)) + 2 for name in hub.names())


def test_exporting_again_changes_nothing(embedded_hub, keys, tmp_path):
    copy = shutil.copytree(embedded_hub, tmp_path / "copy")
    mirror.export(Hub(EMBEDDED).tree, FolderStore(copy), keys.private)
    assert contents(copy) == contents(embedded_hub)


def test_a_mirror_is_equal_byte_for_byte(embedded_hub, trust, tmp_path, serve):
    server, sent = serve(embedded_hub), []
    mirror.mirror(Hub(server.url).sources[0], FolderStore(tmp_path / "copy"), sent.append)
    assert contents(tmp_path / "copy") == contents(embedded_hub)
    assert len(sent) == len(contents(embedded_hub)) - 2
    sent.clear()
    mirror.mirror(Hub(server.url).sources[0], FolderStore(tmp_path / "copy"), sent.append)
    assert sent == []


@pytest.mark.usefixtures("trusting")
def test_a_mirror_loses_nothing(hub_of, make_artifact, tmp_path):
    source, target = hub_of(), hub_of(make_artifact(tmp_path / "other", "other"))
    with pytest.raises(UsageError, match="has other@1, which the source has not; mirror into an empty place"):
        mirror.mirror(Hub(str(source)).sources[0], FolderStore(target))
    grown = shutil.copytree(source, tmp_path / "grown")
    rewrite_index(grown, lambda document: None)
    with pytest.raises(IntegrityError, match="has a newer index than the source; mirror the other way"):
        mirror.mirror(Hub(str(source)).sources[0], FolderStore(grown))


@pytest.mark.usefixtures("trusting")
def test_a_check_names_everything_that_is_wrong(hub_of, make_artifact, tmp_path):
    root = hub_of(make_artifact(tmp_path / "a", "one"), make_artifact(tmp_path / "b", "two", files={"w": 1000}))
    blob_of(root, "two", "w").write_bytes(bytes(1000))
    checked = mirror.check(Hub(str(root)).sources[0])
    assert (checked.models, len(checked.failures)) == (1, 1)
    assert checked.failures[0].startswith("two@1: ")
    assert "has other bytes than the index says" in checked.failures[0]


def test_a_tree_is_checked_too(tmp_path):
    root = shutil.copytree(EMBEDDED, tmp_path / "tree")
    assert mirror.check(Hub(root).tree).failures == []
    (root / "vae-mnist" / "encode.onnx").write_bytes(b"x")
    assert "encode.onnx differs from its certificate" in mirror.check(Hub(root).tree).failures[0]


def test_an_export_needs_the_originals(tmp_path):
    root = shutil.copytree(EMBEDDED, tmp_path / "tree", ignore=shutil.ignore_patterns("original"))
    with pytest.raises(UsageError, match="lacks its original/; export from a checkout"):
        mirror.export(Hub(root).tree, FolderStore(tmp_path / "hub"), None)


# ---------------------------------------------------------------------------------------------------- an installed package


def test_what_a_package_was_shipped_without_comes_from_its_release(embedded_hub, serve, tmp_path, monkeypatch):
    """Bound by the package's own index: no signature is asked for."""
    root = shutil.copytree(EMBEDDED, tmp_path / "package", ignore=shutil.ignore_patterns("original"))
    shutil.rmtree(root / "vae-mnist")
    server = serve(embedded_hub)
    monkeypatch.setattr("zoo.hub.EMBEDDED", root)
    monkeypatch.setattr("zoo.hubs.release.release_url", lambda: server.url)
    Hub().artifact("vae-mnist").verify()
    assert Hub().artifact("mlp-mnist").folder == root / "mlp-mnist"
    whole = Hub().artifact("mlp-mnist", with_original=True)
    assert (whole.folder / "original" / "weights.safetensors").is_file()
    assert all(len(request.name) == 64 for request in server.requests)
    shutil.rmtree(root / "random-forest-digits")
    with pytest.raises(HubError, match=r"No hub that may be asked has .* pull without --offline"):
        Hub(offline=True).artifact("random-forest-digits")


def test_the_release_is_derived_from_the_package(monkeypatch):
    from importlib import metadata

    import zoo
    from zoo.hubs.release import release_url

    found = metadata.metadata("pytest")
    monkeypatch.setattr(metadata, "metadata", lambda _: found)
    del found["Project-URL"]
    with pytest.raises(UsageError, match="names no repository"):
        release_url()
    found["Project-URL"] = "Repository, https://forge.invalid/somebody/zoo.git"
    assert release_url() == f"https://forge.invalid/somebody/zoo/releases/download/v{zoo.__version__}"


def test_indexes_survive_writing(embedded_hub):
    content = (embedded_hub / "index.json").read_bytes()
    assert Index.parse(content, "here").encode() == content
    assert json.loads(content)["format"] == 2


def test_only_a_folder_of_artifacts_is_built_into(embedded_hub):
    with pytest.raises(UsageError, match="is no folder of artifacts; name one, or publish with --to"):
        Hub(str(embedded_hub)).write_index()
    assert isinstance(Hub(EMBEDDED).artifact("mlp-mnist"), Artifact)
