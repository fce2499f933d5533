"""The command line, as processes: what is printed, and how a command ends."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.hub import GOLDEN, INDEX
from zoo.run import load_arrays, raw_items


@pytest.fixture
def cli(command, hub_folder):
    return lambda *arguments, **options: command("zoo", *arguments, **{"ZOO_HUB": hub_folder, **options})


def is_one_sentence(done, status=2):
    """A user's error is a sentence on stderr, and nothing else."""
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def golden(hub_folder, model):
    return load_arrays(hub_folder / model / GOLDEN)


def test_list_names_every_model_with_its_figure(cli, hub_folder):
    done = cli("list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "convnet-mnist", "lstm-japanese-vowels", "random-forest-digits", "softmax-digits", "vae-mnist",
    ]  # fmt: skip
    assert all("v1" in line for line in lines)
    assert "accuracy 0." in lines[0]
    assert "elbo -" in lines[4]


def test_list_as_json_may_be_of_one_task(cli, hub_folder):
    done = cli("list", "--json", "--task", "series-classification")
    found = json.loads(done.stdout)
    assert found == {"lstm-japanese-vowels": json.loads((hub_folder / INDEX).read_text())["models"]["lstm-japanese-vowels"]}


def test_an_unknown_task_offers_the_nearest(cli):
    assert "did you mean image-classification" in is_one_sentence(cli("list", "--task", "image-clasification"))


def test_info_shows_ports_and_card_the_card(cli, hub_folder):
    assert "code; N(0, I) under the prior" in cli("info", "vae-mnist").stdout
    assert "## Intended use and limits\n" in cli("card", "vae-mnist").stdout
    manifest = json.loads(cli("info", "vae-mnist@1", "--json").stdout)
    assert [graph["name"] for graph in manifest["graphs"]] == ["encode", "decode"]


def test_a_png_is_predicted(cli, hub_folder, tmp_path):
    picture = tmp_path / "digit.png"
    raw = golden(hub_folder, "convnet-mnist")["raw"][0]
    Image.fromarray(raw).save(picture)
    done = cli("predict", "convnet-mnist", picture, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("file") == str(picture)
    logits = golden(hub_folder, "convnet-mnist")["predict/logits"][0]
    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert answer["label"] == str(logits.argmax())
    assert list(answer["probabilities"].values()) == pytest.approx(probabilities, abs=1e-5)
    readable = cli("predict", "convnet-mnist", picture).stdout
    assert readable.startswith(f"{picture}: {answer['label']}  ({answer['label']} 0.")


def test_a_csv_series_is_predicted(cli, hub_folder, tmp_path):
    series = raw_items(golden(hub_folder, "lstm-japanese-vowels"))[3]
    with (tmp_path / "series.csv").open("w", newline="") as file:
        csv.writer(file).writerows(series.tolist())
    answer = json.loads(cli("predict", "lstm-japanese-vowels", tmp_path / "series.csv", "--json").stdout)
    logits = golden(hub_folder, "lstm-japanese-vowels")["predict/logits"][3]
    assert answer["label"] == f"speaker {logits.argmax() + 1}"


def test_several_files_are_answered_in_their_order(cli, hub_folder, tmp_path):
    raws = golden(hub_folder, "softmax-digits")["raw"][:3]
    (tmp_path / "two.json").write_text(json.dumps({"instances": raws[:2].tolist()}))
    (tmp_path / "one.csv").write_text(",".join(map(str, raws[2].ravel())))
    lines = cli("predict", "softmax-digits", tmp_path / "two.json", tmp_path / "one.csv", "--json").stdout.splitlines()
    expected = golden(hub_folder, "softmax-digits")["predict/logits"][:3].argmax(axis=1)
    assert [json.loads(line)["label"] for line in lines] == [str(label) for label in expected]


def test_a_reconstruction_is_printed_short(cli, hub_folder, tmp_path):
    Image.new("L", (28, 28)).save(tmp_path / "black.png")
    done = cli("predict", "vae-mnist", tmp_path / "black.png")
    assert done.returncode == 0, done.stderr
    assert "--json prints all" in done.stdout
    assert len(done.stdout) < 1000


def test_the_version_is_printed(cli):
    assert cli("--version").stdout == f"{zoo.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("info", "convnet-mnits"), "No model is named 'convnet-mnits'; did you mean convnet-mnist"),
        (("predict", "nothing", "file.png"), "No model is named 'nothing'; known: convnet-mnist"),
        (("predict", "convnet-mnist@7", "file.png"), "No version of convnet-mnist is named '7'"),
        (("predict", "convnet-mnist", "no-such-file.png"), "no-such-file.png cannot be read (No such file or directory)"),
        (("predict", "convnet-mnist", "."), ". cannot be read (Is a directory)"),
        (("predict", "convnet-mnist", "pyproject.toml"), "is not read here; send image/png"),
        (("serve", "nothing"), "No model is named 'nothing'"),
        (("validate", "nothing"), "No model is named 'nothing'"),
        (("publish", "tests"), "There is no file tests/certificate.json"),
        (("build", "mlp-mnist", "--from-run", "tests", "--seed", "3"), "--from-run goes with one model and without options"),
    ],
)
def test_a_wrong_call_ends_with_a_sentence(cli, arguments, words):
    done = cli(*arguments)
    assert words in is_one_sentence(done)


@pytest.mark.parametrize(
    "arguments", [("predict",), ("predict", "convnet-mnist"), ("no-such-command",), ("list", "--no-such-option")]
)
def test_a_wrong_command_line_ends_with_2(cli, arguments):
    done = cli(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_damaged_input_is_a_sentence(cli, tmp_path):
    (tmp_path / "digit.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "The image cannot be read" in is_one_sentence(cli("predict", "convnet-mnist", tmp_path / "digit.png"))


def test_a_missing_hub_is_a_sentence(cli, tmp_path):
    assert "is not a folder; set ZOO_HUB to one" in is_one_sentence(cli("list", ZOO_HUB=tmp_path / "gone"))


def test_a_changed_model_ends_with_1(cli, candidate, tmp_path):
    from zoo.hub import Hub
    from zoo.publish import publish

    (tmp_path / "hub").mkdir()
    artifact = publish(candidate("softmax-digits"), Hub(tmp_path / "hub"))
    path = artifact.folder / "predict.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    (tmp_path / "digit.csv").write_text(",".join(["0"] * 64))
    done = cli("predict", "softmax-digits", tmp_path / "digit.csv", ZOO_HUB=tmp_path / "hub")
    assert "softmax-digits: predict.onnx differs from its certificate" in is_one_sentence(done, 1)
    done = cli("validate", artifact.folder)
    assert done.returncode == 1
    assert "predict.onnx differs from its certificate" in done.stdout
    assert "FAILED" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_chain_from_a_finished_run(cli, run_of, tmp_path):
    """Export, validate, certify and publish, each stage a process."""
    (tmp_path / "hub").mkdir()
    done = cli("build", "softmax-digits", "--from-run", run_of("softmax-digits"), ZOO_HUB=tmp_path / "hub", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"softmax-digits v1 is published in {tmp_path / 'hub' / 'softmax-digits'}" in done.stdout
    assert "PASSED" in done.stdout
    wrong = cli("build", "mlp-mnist", "--from-run", run_of("softmax-digits"), ZOO_HUB=tmp_path / "hub", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "is a run of softmax-digits, not of mlp-mnist; name that model" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "mlp-mnits"), "No recipe is named 'mlp-mnits'; did you mean mlp-mnist"),
        (("train", "softmax-digits", "--set", "lrr=1"), "There is no setting 'lrr'; did you mean lr?"),
        (
            ("train", "softmax-digits", "--set", "lr=1e38", "--set", "optimizer=sgd", "--out", "{tmp}"),
            "lower lr or set gradient_clip",
        ),
    ],
)
def test_training_ends_with_a_sentence(command, tmp_path, arguments, words):
    done = command("training", *(argument.format(tmp=tmp_path / "run") for argument in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_recipes_are_listed_and_have_commands_of_their_own(command):
    lines = command("training", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    module = next(line.split()[-1] for line in lines if line.startswith("softmax-digits"))
    done = command(module, "--set", "lrr=1")
    assert done.returncode == 2
    assert "did you mean lr?" in done.stderr


def test_an_unfinished_run_cannot_be_exported(command, tmp_path):
    done = command("export", "build", tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: There is no file {tmp_path / 'run.json'}")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_candidate_is_not_replaced(command, run_of, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = command("export", "build", run_of("softmax-digits"), tmp_path / "mine")
    assert done.returncode == 2
    assert "exists and is no artifact; name another folder" in done.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
