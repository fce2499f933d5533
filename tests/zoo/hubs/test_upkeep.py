"""The cache: what is in it, whether it is right, what can go; and the commands about hubs as processes."""

import json
import os
import shutil

import numpy as np
import pytest

import zoo
from tests.zoo.hubs.edits import blob_of
from zoo.errors import HubError, IntegrityError
from zoo.hub import EMBEDDED, GOLDEN, Hub
from zoo.hubs import mirror, upkeep
from zoo.hubs import pull as pulling
from zoo.hubs.depot import Depot
from zoo.hubs.folder import FolderStore
from zoo.run import load_arrays


@pytest.fixture
def versions(hub_of, make_artifact, tmp_path, trusting):
    """A hub with `tiny` at 1 and 2 and `other`, all of them in the cache."""
    artifacts = [make_artifact(tmp_path / f"v{number}", version=number, seed=number, files={"w": 1000}) for number in (1, 2)]
    hub = Hub(str(hub_of(*artifacts, make_artifact(tmp_path / "o", "other"))))
    for reference in ("tiny@1", "tiny@2", "other"):
        hub.artifact(reference)
    return hub


def cached():
    return [f"{one.record.model}@{one.record.version}" for one in upkeep.cached(Depot())]


@pytest.mark.parametrize("how", ["blob", "missing", "extra", "cut"])
def test_damage_is_found_and_repaired(versions, how):
    artifact = versions.artifact("tiny")
    path = artifact.folder / "w"
    if how == "blob":
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        with path.open("r+b") as file:
            file.write(content)
    elif how == "missing":
        path.unlink()
    elif how == "cut":
        os.truncate(path, 10)
    else:
        (artifact.folder / "more").write_text("")
    wrong = upkeep.verify(Depot())
    assert any(sentence.startswith("tiny@2: ") for sentence in wrong)
    assert upkeep.repair(Depot(), versions.stores()) == []
    assert upkeep.verify(Depot()) == []
    versions.artifact("tiny").verify()


def test_what_cannot_be_had_is_said(versions):
    (versions.artifact("tiny").folder / "w").unlink()
    for path in Depot().blobs():
        path.unlink()
    failures = upkeep.repair(Depot(), [])
    assert len(failures) == 1
    assert failures[0].startswith("tiny@2: w is missing, and is not repaired. No hub that may be asked has ")


def test_a_damaged_model_is_not_served_and_a_pull_repairs_what_it_sees(versions):
    artifact = versions.artifact("tiny")
    (artifact.folder / "predict.onnx").unlink()
    versions.artifact("tiny").verify()


def test_old_versions_go_first(versions):
    assert cached() == ["other@1", "tiny@1", "tiny@2"]
    assert upkeep.prune(Depot()) > 0
    assert cached() == ["other@1", "tiny@2"]
    assert upkeep.verify(Depot()) == []
    versions.artifact("tiny").verify()


def test_a_named_model_goes_and_shared_files_stay(versions):
    upkeep.prune(Depot(), ["tiny"])
    assert cached() == ["other@1"]
    assert upkeep.verify(Depot()) == []
    versions.artifact("other").verify()
    upkeep.prune(Depot(), every=True)
    assert (cached(), Depot().blobs()) == ([], [])


def test_leftovers_of_killed_pulls_go(versions):
    depot = Depot()
    depot.part("0" * 64).write_bytes(b"x" * 100)
    (depot.root / "models" / ".new-gone").mkdir()
    assert upkeep.prune(depot) >= 100
    assert not depot.part("0" * 64).exists()
    assert not (depot.root / "models" / ".new-gone").exists()


def test_a_pull_that_was_killed_does_not_make_the_version_before_it_old(versions):
    shutil.rmtree(versions.artifact("tiny@2").folder)
    upkeep.prune(Depot())
    assert cached() == ["other@1", "tiny@1"]


def test_a_cached_certificate_that_is_not_the_one_of_the_index_is_refused(versions):
    folder = versions.artifact("tiny").folder
    edit(folder / "certificate.json")
    with pytest.raises(IntegrityError, match=r"in the cache is not the one that the index names; run `zoo cache verify"):
        versions.artifact("tiny")
    assert upkeep.repair(Depot(), versions.stores()) == []
    versions.artifact("tiny").verify()


def test_a_damaged_blob_is_not_used_again(versions):
    edit(versions.artifact("tiny").folder / "w")
    shutil.rmtree(versions.artifact("tiny").folder)
    versions.artifact("tiny").verify()
    assert upkeep.verify(Depot()) == []


def test_a_blob_that_is_pruned_during_a_pull_is_fetched_again(versions, monkeypatch):
    folder, install, lost = versions.artifact("tiny").folder, pulling._install, []

    def install_after_prune(*arguments, **options):
        if not lost:
            lost.append(Depot().blob(versions.index["tiny"]["files"]["w"]["sha256"]))
            lost[0].unlink()
        install(*arguments, **options)

    shutil.rmtree(folder)
    monkeypatch.setattr(pulling, "_install", install_after_prune)
    versions.artifact("tiny").verify()
    assert lost[0].exists()


def test_a_damaged_original_is_installed_again(versions):
    folder = versions.artifact("tiny", with_original=True).folder / "original"
    path = next(path for path in folder.rglob("*") if path.is_file())
    os.truncate(path, 1)
    versions.artifact("tiny", with_original=True).verify()
    assert upkeep.verify(Depot()) == []


def edit(path):
    """Change a byte of a cached file, its size kept; its blob is the same file."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    with path.open("r+b") as file:
        file.write(content)


def test_what_was_pulled_once_completes_a_package_offline(tmp_path, make_artifact, monkeypatch, trusting):
    """As an installed wheel: an index that lists more than its folder has."""
    tree, package = tmp_path / "tree", tmp_path / "package"
    for name in ("whole", "absent"):
        make_artifact(tree / name, name)
    Hub(tree).write_index()
    store = tmp_path / "release"
    mirror.export(Hub(tree).tree, FolderStore(store), None)
    shutil.copytree(tree, package, ignore=shutil.ignore_patterns("absent", "original"))
    monkeypatch.setenv("ZOO_HUB", f"{package} file://{store}")
    folder = Hub().artifact("absent").folder
    assert Hub(package, offline=True).artifact("absent").folder == folder
    assert Hub(package, offline=True).artifact("whole").folder == package / "whole"
    with pytest.raises(HubError, match="No hub that may be asked has"):
        Hub(package, offline=True).artifact("whole", with_original=True)


def test_the_cache_is_repaired_from_the_release_too(monkeypatch):
    monkeypatch.setattr("zoo.hubs.release.release_url", lambda: "https://example.invalid/release")
    assert [store.label for store in Hub().stores()] == ["https://example.invalid/release"]
    assert Hub(offline=True).stores() == []


def test_what_is_being_pulled_stays(versions):
    depot = Depot()
    depot.part("0" * 64).write_bytes(b"x")
    with depot.lock("0" * 64):
        upkeep.prune(depot)
        assert depot.part("0" * 64).exists()


def test_disks_without_links_get_copies(hub_of, monkeypatch, trusting):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    artifact = Hub(str(hub_of())).artifact("tiny")
    artifact.verify()
    assert (artifact.folder / "weights.bin").stat().st_nlink == 1


def test_a_damaged_record_is_no_record(versions):
    for path in (Depot().root / "records").iterdir():
        path.write_text('{"files": {"../x": 3}}')
    assert cached() == []
    versions.artifact("tiny").verify()


# ---------------------------------------------------------------------------------------------------- commands


def test_the_whole_way_by_commands(zoo_cli, keys, tmp_path, serve, monkeypatch):
    """Export, list, pull, predict, check, mirror, verify, prune: as a user does."""
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(keys.public))
    made = zoo_cli("hub", "export", tmp_path / "hub", "--sign", keys.private)
    assert made.stdout.startswith(f"{tmp_path / 'hub'} has {len(Hub(EMBEDDED).names())} models, serial ")
    server = serve(tmp_path / "hub")
    pulled = zoo_cli("pull", "softmax-digits", "mlp-mnist@1", "--hub", server.url)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.startswith("softmax-digits v1 is in ")
    raws = load_arrays(EMBEDDED / "softmax-digits" / GOLDEN)["raw"]
    np.savetxt(tmp_path / "digit.csv", raws[0].reshape(1, -1), delimiter=",", fmt="%g")
    ours = zoo_cli("predict", "softmax-digits", tmp_path / "digit.csv", "--json", "--hub", server.url)
    assert ours.returncode == 0, ours.stderr
    assert json.loads(ours.stdout)["label"] == zoo.load("softmax-digits").predict(tmp_path / "digit.csv")["label"]
    rows = json.loads(zoo_cli("cache", "list", "--json").stdout)
    assert [row["model"] for row in rows] == ["mlp-mnist@1", "softmax-digits@1"]
    assert zoo_cli("hub", "check", server.url).stdout.endswith("files, all right\n")
    assert "files sent" in zoo_cli("hub", "mirror", server.url, tmp_path / "copy").stdout
    damaged = next(tmp_path.glob("cache/models/mlp-mnist*/predict.onnx"))
    damaged.unlink()
    broken = zoo_cli("cache", "verify")
    assert (broken.returncode, "mlp-mnist@1: predict.onnx is missing." in broken.stdout) == (1, True)
    repaired = zoo_cli("cache", "verify", "--repair", "--hub", server.url)
    assert (repaired.returncode, repaired.stdout.splitlines()[-1][-9:]) == (0, "all right")
    assert "1 models left" in zoo_cli("cache", "prune", "mlp-mnist").stdout


def test_publishing_by_command_makes_a_hub_or_adds_to_one(zoo_cli, keys, tmp_path, monkeypatch, make_artifact):
    monkeypatch.setenv("ZOO_SIGNING_KEY", str(keys.private))
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", str(keys.public))
    for name in ("one", "two"):
        done = zoo_cli("publish", make_artifact(tmp_path / name, name).folder, "--to", tmp_path / "hub")
        assert (done.returncode, done.stdout) == (0, f"{name} v1 is published in {tmp_path / 'hub'}\n"), done.stderr
    assert Hub(str(tmp_path / "hub")).names() == ["one", "two"]


def test_a_check_that_fails_ends_with_1(zoo_cli, hub_of, trusting):
    root = hub_of()
    blob_of(root).unlink()
    done = zoo_cli("hub", "check", root)
    assert done.returncode == 1
    assert "1 failures" in done.stdout


def test_serving_takes_a_model_from_a_hub(embedded_hub, serve, keys, trust, monkeypatch):
    """What the service opens is the cache's folder, checked again."""
    from serving.processes.state import find_artifacts
    from serving.settings import Settings

    server = serve(embedded_hub)
    monkeypatch.setenv("ZOO_HUB", server.url)
    monkeypatch.setenv("ZOO_MODELS", "softmax-digits")
    (artifact,) = find_artifacts(Settings.from_environment())
    artifact.verify()
    assert artifact.folder.parent == Depot().root / "models"


# ---------------------------------------------------------------------------------------------------- lists


LISTED = (
    "convnet-mnist", "gcn-cora", "kernel-svm-digits", "lstm-japanese-vowels", "mcculloch-pitts-gates", "mlp-mnist",
    "random-forest-digits", "softmax-digits", "vae-mnist",
)  # fmt: skip


@pytest.fixture(scope="module")
def listing():
    index = Hub(EMBEDDED).index
    return {name: index[name] for name in LISTED}


def chosen(index, *words, **options):
    from zoo.hubs.choose import choose

    return sorted(choose(index, words, **options))


def test_models_are_chosen_by_everything_listed(listing):
    assert chosen(listing, task="series-classification") == ["lstm-japanese-vowels"]
    assert chosen(listing, family="vae") == ["vae-mnist"]
    assert chosen(listing, metric="elbo") == ["vae-mnist"]
    assert chosen(listing, metric="accuracy>=0.995") == ["convnet-mnist"]
    assert chosen(listing, metric="accuracy < 0.97") == ["gcn-cora", "lstm-japanese-vowels", "softmax-digits"]
    assert chosen(listing, max_size="20kB") == ["mcculloch-pitts-gates", "softmax-digits"]
    assert chosen(listing, "MNIST", "network") == ["convnet-mnist"]
    assert "softmax-digits" not in chosen(listing, licence="CC BY-SA 3.0")
    assert chosen(listing, "digits", max_size="1 MiB") == ["kernel-svm-digits", "softmax-digits"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "image-clasification"}, "No task is named 'image-clasification'; did you mean image-classification"),
        ({"family": "va"}, "did you mean vae"),
        ({"metric": "acuracy"}, "did you mean accuracy"),
        ({"metric": "accuracy>=high"}, "is not read; write a name"),
        ({"metric": "accuracy>=1.2.3"}, "compares with no number"),
        ({"max_size": "big"}, "is not read; write for example 500kB or 2MB"),
        ({"licence": "ISC"}, "No licence is named 'ISC'"),
    ],
)
def test_a_choice_that_nothing_has_is_a_sentence(listing, options, words):
    with pytest.raises(Exception, match=words):
        chosen(listing, **options)


def test_what_a_hub_says_cannot_steer_a_terminal(zoo_cli, hub_of, trusting, tmp_path):
    from tests.zoo.hubs.edits import entry_of, rewrite_index

    root = hub_of()
    rewrite_index(root, lambda document: entry_of(document).update(summary="\x1b[2Jgone"))
    assert "\x1b" not in zoo_cli("list", "--hub", root).stdout
    shutil.rmtree(tmp_path / "cache")
