"""Model cards: current, whole, with right intervals, and readable without a browser."""

import csv
import json
import math
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner

import zoo
from zoo.__main__ import app
from zoo.cards import render_card
from zoo.cards.diagrams import Box, Chart, boxes, flowchart, read_flowchart, read_xychart, xychart
from zoo.cards.evaluation import evaluate
from zoo.cards.family import family_text
from zoo.cards.intervals import bootstrap_interval, wilson_interval
from zoo.cards.markdown import table, with_links
from zoo.cards.measured import measured, record
from zoo.errors import IntegrityError
from zoo.hub import EMBEDDED, GOLDEN, Hub
from zoo.manifest import CARD
from zoo.registry import family_names
from zoo.run import load_arrays, raw_items, save_arrays
from zoo.spec import Graph, Port

HEADINGS = [
    "What it is", "Ports", "Intended use and limits", "How to run it", "Results", "Proof", "Size and speed", "Data",
    "Training",
]  # fmt: skip
every_model = pytest.mark.parametrize("model", zoo.names())


@pytest.fixture(scope="module")
def hub():
    return Hub(EMBEDDED)


def card_of(model):
    return (EMBEDDED / model / CARD).read_text(encoding="utf-8")


def section(card, title):
    return card.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


def external_files(path):
    """Names of the files in which the weights of an ONNX file lie that it does not hold itself."""
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    return {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}


def cells(text, first):
    """Cells of the table row that begins with this one."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


# What a card says


@every_model
def test_the_published_card_is_what_make_docs_writes(hub, model):
    assert card_of(model) == render_card(hub.artifact(model)), "run `make docs`"


@every_model
def test_a_card_has_every_part(hub, model):
    card, manifest = card_of(model), hub.artifact(model).manifest
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == HEADINGS
    assert f"<{manifest.paper}>" in section(card, "What it is")
    assert manifest.training["command"] in section(card, "Training")
    assert f"seed {manifest.training['seed']}" in section(card, "Training")
    assert manifest.training["hardware"] in section(card, "Training")
    curves = manifest.training["curves"]
    measured_epochs = sum(value is not None for value in curves.get("validation_metric", []))
    charts = bool(curves.get("epoch")) + (measured_epochs > 1)  # losses, and the metric where it makes a line
    assert len(blocks(section(card, "Training"), "mermaid")) == charts
    for split, rows in manifest.data["rows"].items():
        assert cells(section(card, "Data"), split) == [split, f"{rows:,}"]
    assert manifest.data["licence"] in section(card, "Data")


@every_model
def test_the_interval_holds_the_figure_and_comes_from_the_whole_test_split(hub, model):
    artifact = hub.artifact(model)
    metric = artifact.manifest.training["metric"]
    _, value, between, remark = cells(section(card_of(model), "Results"), "test split")
    low, high = map(float, between.split(" to "))
    assert low < float(value) <= high or low == float(value) == high  # a share of 1 ends its own; equal rows have no width
    rows = artifact.manifest.data["rows"]["test"]
    assert remark.startswith(f"{rows:,} rows, scored once")
    if metric == "accuracy":
        share = artifact.manifest.metrics["accuracy"]
        assert (low, high) == pytest.approx(wilson_interval(share, rows), abs=6e-5)
    else:
        evaluation = measured(artifact, "evaluation")
        scored = artifact.certificate.metric["rows"]  # statistics: of a free run one a step
        assert scored % rows == 0
        assert (evaluation["rows"], evaluation["value"]) == (scored, pytest.approx(artifact.certificate.metric["found"]))


def is_classifier(model):
    manifest = Hub(EMBEDDED).artifact(model).manifest
    return "labels" in manifest.codec and "accuracy" in manifest.metrics


@pytest.mark.parametrize("model", [name for name in zoo.names() if is_classifier(name)])
def test_the_confusion_matrix_adds_up(hub, model):
    manifest = hub.artifact(model).manifest
    labels, text = manifest.codec["labels"], section(card_of(model), "Results")
    matrix = np.array([[int(cell.replace("·", "0")) for cell in cells(text, f"**{label}**")[1:-1]] for label in labels])
    assert matrix.sum() == manifest.data["rows"]["test"]
    assert np.trace(matrix) == round(manifest.metrics["accuracy"] * matrix.sum())
    found = np.diag(matrix) / matrix.sum(axis=1)
    weakest = labels[int(found.argmin())]
    assert f"Weakest label: `{weakest}`, {found.min():.3f} of its" in card_of(model)


@every_model
def test_sizes_and_speeds_are_those_of_the_files_and_of_the_measurement(hub, model):
    artifact = hub.artifact(model)
    text = section(card_of(model), "Size and speed")
    for weights, variant in [("float32", ""), *((name, name) for name in artifact.certificate.variants)]:
        files = {EMBEDDED / model / graph.variant_file(variant) for graph in artifact.manifest.graphs}
        shared = {EMBEDDED / model / name for file in files for name in external_files(file)}
        size = sum(file.stat().st_size for file in files | shared)
        assert cells(text, weights)[1] == f"{size / 1e3:,.0f} kB"
    inference = measured(artifact, "inference")
    for graph in artifact.manifest.graphs:
        lines = [line for line in text.splitlines() if line.startswith(f"| {graph.name} |")]
        batches = sorted(inference["ms"][graph.name], key=int)
        assert [line.split("|")[2].strip() for line in lines] == batches
        assert batches == (["1"] if graph.batch is None else ["1", "8", "32"])
        for line, batch in zip(lines, batches, strict=True):
            found = inference["ms"][graph.name][batch]
            assert line.split("|")[3].strip() == f"{found['onnx']:.3g}"
            assert line.split("|")[-2].strip() == f"{found['original'] / found['onnx']:.1f}"
    assert inference["machine"] in text
    assert inference["command"] in text


def test_a_published_figure_stands_beside_the_own_one(hub):
    """The source documents' figures, and Kipf's and Welling's for the graph."""
    named = [name for name in zoo.names() if hub.artifact(name).manifest.reference]
    published = {"convnet-mnist": "0.9929", "gcn-cora": "0.8150", "vit-mnist": "0.9861"}
    for name, figure in published.items():
        assert cells(section(card_of(name), "Results"), "published figure")[1] == figure
    for model in set(zoo.names()) - set(named):
        assert cells(section(card_of(model), "Results"), "published figure")[1] == "none"


def test_a_card_without_measurements_claims_less(hub, tmp_path):
    artifact = hub.artifact("vae-mnist")
    card = render_card(artifact, tmp_path)
    assert "95 % interval" not in card.split("## What it is")[0]
    assert "Speed was not measured yet" in card
    assert "Confusion matrix" not in render_card(hub.artifact("mlp-mnist"), tmp_path)
    assert "0.9792 to 0.9844" in render_card(hub.artifact("mlp-mnist"), tmp_path)  # Wilson, 9,820 of 10,000


@pytest.mark.parametrize("family", family_names())
def test_families_are_described_from_their_source(family):
    text = family_text(family)
    assert len(text) > 100
    assert "Shape letters" not in text
    assert not re.search(r"(?<!<)https://", text)


def test_equations_are_fenced_and_unknown_families_are_silent():
    assert "c_t = f ⊙ c_{t−1} + i ⊙ c̃" in blocks(family_text("lstm"), "text")[0]
    assert family_text("from-a-newer-version") == ""
    assert family_text("*") == ""


# How it is run, three ways


@every_model
def test_the_python_and_the_command_of_a_card_run(hub, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    artifact = hub.artifact(model)
    file = write_sample(artifact, tmp_path)
    text = section(card_of(model), "How to run it")
    exec(compile(blocks(text, "python")[0], "card.md", "exec"), {})
    printed = capsys.readouterr().out
    expected = zoo.load(model).predict(tmp_path / file)
    assert printed.strip() == str(expected)
    assert blocks(text, "sh")[0] == f"zoo predict {model} {file}"
    shown = CliRunner().invoke(app, ["predict", model, file])
    assert shown.exit_code == 0, shown.exception
    first, *others = shown.output.splitlines()
    assert first.startswith(f"{file}: ")
    assert not others or "text" in expected  # which may have lines of its own
    assert all(len(line) < 1500 for line in (first, *others))


def test_the_commands_of_a_card_run_against_a_service(tmp_path):
    assert shutil.which("curl"), "This test runs curl; run `apt-get install -y curl`."
    text = section(card_of("softmax-digits"), "How to run it")
    file = write_sample(Hub(EMBEDDED).artifact("softmax-digits"), tmp_path)
    predict, curl = blocks(text, "sh")
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([sys.executable, "-m", *shlex.split(predict)], **options)
    assert done.returncode == 0, done.stderr
    serve = re.search(r"`zoo (serve [^`]*) --port 3000`", text)[1]
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        line = [sys.executable, "-m", "zoo", *serve.split(), "--port", str(port)]
        service = subprocess.Popen(line, cwd=tmp_path, stdout=log, stderr=log)
    try:
        command = [*shlex.split(curl.replace("3000", str(port))), "--silent", "--retry", "60", "--retry-connrefused"]
        answer = subprocess.run([*command, "--retry-delay", "1"], **options)
        [prediction] = json.loads(answer.stdout)["predictions"]
    finally:
        service.terminate()
        service.wait(30)
    assert prediction["label"] == zoo.load("softmax-digits").predict(tmp_path / file)["label"]


def write_sample(artifact, folder):
    """The file that the card names, with a golden sample in it."""
    raw = raw_items(load_arrays(artifact.folder / GOLDEN))[0]
    codec = zoo.load(artifact.manifest.model).codec
    name = re.search(r'model.predict\("(.*)"\)', card_of(artifact.manifest.model))[1]
    if name == "picture.png" and raw.ndim > 1:  # pixels, not the document itself
        Image.fromarray(np.uint8(raw / codec.white * 255)).save(folder / name)
    elif name == "input.csv" and hasattr(codec, "instance"):  # values by name
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows(zip(*codec.instance(raw).items(), strict=True))
    elif name == "input.csv":
        np.savetxt(folder / name, raw, delimiter=",")
    elif name == "input.json":
        instance = codec.instance(raw) if hasattr(codec, "instance") else raw.tolist()
        (folder / name).write_text(json.dumps({"instances": [instance]}))
    else:  # the document itself
        (folder / name).write_bytes(raw.tobytes())
    return name


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# Intervals and evaluation


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_the_published_ones(right, rows, low, high):
    """Newcombe (1998), table I, method 3, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E."""
    assert wilson_interval(right / rows, rows) == pytest.approx((low, high), abs=5e-5)


def test_bootstrap_intervals_of_normal_rows_are_those_of_the_normal_distribution():
    scores = np.random.default_rng(1).normal(3, 2, 4000)
    low, high = bootstrap_interval(scores, np.mean)
    half = 1.96 * scores.std() / math.sqrt(len(scores))
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=half / 8)
    assert bootstrap_interval(np.full(50, 4.0), np.mean) == (4.0, 4.0)


def test_an_evaluation_is_of_the_run_that_was_published(candidate_of, run_of, tmp_path):
    from zoo.hub import Artifact

    artifact, run = Artifact(candidate_of("softmax-digits")), run_of("softmax-digits")
    found = evaluate(artifact, run)
    arrays = load_arrays(run / "evaluation.npz")
    answers = zoo.model.Model(artifact).predict(list(arrays["raw"]))
    expected = np.zeros((10, 10), int)
    for target, answer in zip(arrays["targets"], answers, strict=True):
        expected[target, int(answer["label"])] += 1
    assert found["confusion"] == expected.tolist()
    assert found["confidence"] == pytest.approx(np.mean([max(a["probabilities"].values()) for a in answers]))
    assert found["value"] == pytest.approx(np.trace(expected) / expected.sum())
    assert (found["low"], found["high"]) == wilson_interval(found["value"], found["rows"])


def test_an_evaluation_of_another_run_is_refused(hub, tmp_path):
    artifact = hub.artifact("softmax-digits")
    golden = load_arrays(artifact.folder / GOLDEN)
    save_arrays(tmp_path / "evaluation.npz", {name: golden[name] for name in ("predict/x", "targets")})
    with pytest.raises(IntegrityError, match=r"on 32 rows, its certificate says 0.966574 on 359: the run folder is not"):
        evaluate(artifact, tmp_path)


def test_measurements_of_other_bytes_are_never_shown(hub, tmp_path):
    artifact = hub.artifact("softmax-digits")
    path = record(artifact, "inference", {"a": 1}, tmp_path)
    record(artifact, "evaluation", {"b": 2}, tmp_path)
    assert (measured(artifact, "inference", tmp_path), measured(artifact, "evaluation", tmp_path)) == ({"a": 1}, {"b": 2})
    path.write_text(path.read_text().replace(json.loads(path.read_text())["certificate"], "0" * 64))
    assert measured(artifact, "inference", tmp_path) is None
    record(artifact, "evaluation", {"b": 3}, tmp_path)
    assert measured(artifact, "inference", tmp_path) is None
    path.write_text("{")
    assert measured(artifact, "evaluation", tmp_path) is None


# Markdown and Mermaid


def test_bars_and_breaks_stay_inside_a_cell():
    assert table(("a", "b"), [("q(z|x)", "one\ntwo")]).splitlines()[2] == "| q(z\\|x) | one two |"


def test_addresses_become_links_without_the_sentence_around_them():
    assert with_links("See https://a.example/b_c, or (https://d.example/e).") == (
        "See <https://a.example/b_c>, or (<https://d.example/e>)."
    )
    assert with_links("<https://a.example>") == "<https://a.example>"


def test_a_flowchart_is_read_back():
    token = Port(name="token", dtype="int64", shape=("batch", 1))
    state = Port(name="state", dtype="float32", shape=("batch", 4), role="state")
    following = Port(name="next_state", dtype="float32", shape=("batch", 4), feeds="state")
    logits = Port(name="logits", dtype="float32", shape=("batch", 9))
    step = Graph(name="step", inputs=(token, state), outputs=(logits, following))
    head = Graph(name="head", inputs=(logits,), outputs=(token,))
    expected = [
        Box(
            "step",
            [("token", "int64 [batch, 1]"), ("state", "float32 [batch, 4]")],
            [("logits", "float32 [batch, 9]"), ("next_state", "float32 [batch, 4]")],
            [(1, 1)],
        ),
        Box("head", [("logits", "float32 [batch, 9]")], [("token", "int64 [batch, 1]")]),
    ]
    assert boxes([step, head]) == expected
    assert read_flowchart(flowchart(expected)) == expected


def test_an_xychart_is_read_back():
    chart = Chart("Loss by epoch", "epoch", "loss", 1, 3, {"train": [2.0, 0.5, 0.25], "validation": [2.5, 1.0, 0.75]})
    assert read_xychart(xychart(chart)) == chart
    assert chart.range == (0, 2.5)
    assert Chart("", "", "", 0, 1, {"a": [90.0, 100.0]}).range == (89.5, 100.5)


@pytest.mark.parametrize(
    "text", ["", "pie\n a: 3", "flowchart LR", "xychart-beta", 'xychart-beta\n title "a"\n line "b" [1]']
)
def test_other_diagrams_are_nobody_s(text):
    assert read_flowchart(text) is None
    assert read_xychart(text) is None


# On the terminal


def test_card_is_markdown_in_a_pipe_with_drawings_as_text(command):
    done = command("zoo", "card", "lstm-japanese-vowels")
    assert done.returncode == 0, done.stderr
    card = card_of("lstm-japanese-vowels")
    assert "mermaid" not in done.stdout
    plain = re.sub(r"```text\n.*?\n```", "", done.stdout, flags=re.DOTALL)
    assert plain == re.sub(r"```(text|mermaid)\n.*?\n```", "", card, flags=re.DOTALL)
    ports, losses, scores = [block for block in blocks(done.stdout, "text") if "⊙" not in block]
    assert ports.splitlines() == [
        "x float32 [batch, time, 12] ─► predict ─► logits float32 [batch, 9]",
        "length int64 [batch]        ─►",
    ]
    assert losses.splitlines()[0] == "Loss by epoch   ● train   ○ validation"
    assert re.match(r" *2\.\d+ ┤.*[●○]", losses.splitlines()[1]), "the loss begins at the top"
    assert re.match(r" *0 ┤.*○$", losses.splitlines()[9]), "and ends at the bottom"
    assert re.search(r"1 +epoch +86$", scores)


def test_card_is_formatted_on_a_terminal():
    shown = bytearray()

    def read(descriptor):
        data = os.read(descriptor, 65536)
        shown.extend(data)
        return data

    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm-256color"}
    line = [sys.executable, "-m", "zoo", "card", "vae-mnist"]
    assert pty.spawn(["/usr/bin/env", *(f"{k}={environment[k]}" for k in ("COLUMNS", "TERM")), *line], read) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert "\x1b[" in shown.decode()
    assert "x float32 [batch, 784] ─► encode ─► mean float32 [batch, 16]" in text
    assert "picture pictures/reconstructions.png" in text
    assert "```" not in text
    assert "| --- |" not in text


def test_info_is_a_table_of_ports(command):
    done = command("zoo", "info", "lstm-japanese-vowels")
    assert done.returncode == 0, done.stderr
    lines = [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()]
    assert ["port", "type", "meaning", "unit", "range"] in lines
    assert ["x", "in", "float32 [batch, time, 12]", "standardised channels", "-3 to 3"] in lines
    assert ["length", "in", "int64 [batch]", "valid steps", "steps", "1 to 29"] in lines
    assert ["logits", "out", "float32 [batch, 9]", "log-odds, unnormalised", "nats"] in lines


def test_wrong_names_are_sentences(command):
    done = command("zoo", "card", "lstm-japanese-vowel")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean lstm-japanese-vowels" in done.stderr
