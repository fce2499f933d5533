"""Faults that were planted on purpose, and the sentences with which they must be refused."""

import dataclasses
import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import zoo
from export.certify import certify
from export.exporter import convert
from export.inputs import make_cases
from export.prove import GraphReport, prove
from export.reference import load_reference
from export.report import failures
from export.validate import Report, validate
from training.recipes import load_recipe, recipe_modules
from zoo.entries import entry_outputs
from zoo.errors import ArtifactError, CheckpointError, ExportError, ParityError, SpecError, UsageError
from zoo.hub import GOLDEN, INDEX, ORIGINAL, Hub
from zoo.manifest import CARD, CERTIFICATE, MANIFEST, Certificate, Manifest, read_json, sha256, verify, write_json
from zoo.original import WEIGHTS, Original
from zoo.publish import publish
from zoo.registry import family_names, load_family
from zoo.run import EVALUATION, graph_inputs, load_arrays, save_arrays
from zoo.session import Session
from zoo.spec import Graph, Port


def has_rows(model):
    recipe = load_recipe(model)
    return load_family(recipe.family).graphs(recipe.config)[0].batch is not None


OFTEN = ("convnet-mnist", "lenet5-mnist", "lstm-japanese-vowels", "mlp-mnist", "softmax-digits", "vae-mnist")


def often_or_long(models):
    """Every family's tiny network is damaged below; of whole models, all but a few by `pytest -m long`."""
    return [model if model in OFTEN else pytest.param(model, marks=pytest.mark.long) for model in models]


NETWORKS = [model for model in recipe_modules() if load_recipe(model).objective]


def edit(path, change):
    """Change the ONNX model in `path` by `change(model.graph)`."""
    model = onnx.load(path)
    change(model.graph)
    path.write_bytes(model.SerializeToString())


def scale_one_weight(initializer, factor, place=-1):
    """Scale the most positive weight (of place -2: the second): behind a rectifier a negative one may never count.

    Of a kernel, one in its middle: on a map of one pixel the others meet padding only.
    """
    array = numpy_helper.to_array(initializer).copy()
    middle = array[..., array.shape[-2] // 2, array.shape[-1] // 2] if array.ndim == 4 else array
    value = np.sort(middle, axis=None)[max(place, -middle.size)]
    array[array == value] *= factor
    initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))


def float_weights(graph):
    """Weights of which one at least is positive, the bodies of loops included: a percent of zero is zero."""
    return [
        tensor
        for part in all_graphs(graph)
        for tensor in part.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and np.prod(tensor.dims) > 1
        and numpy_helper.to_array(tensor).max() > 0
    ]


def all_graphs(graph):
    """The graph and the bodies of its loops, and theirs."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from all_graphs(attribute.g)


def last_weights(graph):
    """The matrix or kernel of the last layer, wherever it is stored; that of a loop's last layer where none is outside."""
    kernels = {tensor.name: tensor for tensor in float_weights(graph) if len(tensor.dims) > 1}
    return next(kernels[name] for name in names_backwards(graph) if name in kernels)


def names_backwards(graph):
    """What nodes read, the last node first; the bodies of loops after everything outside."""
    bodies = []
    for node in reversed(graph.node):
        yield from node.input
        bodies += [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
    for body in bodies:
        yield from names_backwards(body)


@pytest.fixture
def uncertified(candidate):
    """A copy of a candidate without its certificate: what is found in it is found by comparing."""

    def make(model):
        folder = candidate(model)
        (folder / CERTIFICATE).unlink()
        return folder

    return make


def report_of(folder, graph_name):
    """The proof of one graph on the golden samples, as `validate` makes it."""
    graph = Manifest.read(folder).graph(graph_name)
    samples = graph_inputs(load_arrays(folder / GOLDEN), graph)
    session = Session(folder / graph.file, graph)
    return prove(graph, session, load_reference(folder / ORIGINAL), samples, np.random.default_rng(0))


def sentences(report):
    records = (*report.records, *report.loops)
    return [*report.broken, *(sentence for record in records for sentence in record.failures)]


def is_difference(sentence):
    """Whether it is about other numbers, or about other entries where their number depends on the data."""
    return ("off by" in sentence and "bound" in sentence) or ("differs in" in sentence and "entries" in sentence)


# ---------------------------------------------------------------------------------------------------- wrong numbers


@pytest.mark.parametrize("model", often_or_long(NETWORKS))
def test_one_weight_one_percent_off_is_caught(model, uncertified):
    """The largest of the last layer: of a network with 200,000 weights, one of the first may drown in the float32 floor."""
    folder = uncertified(model)
    for graph in Manifest.read(folder).graphs:
        edit(folder / graph.file, lambda found: scale_one_weight(last_weights(found), 1.01))
        report = report_of(folder, graph.name)
        assert not report.passed
        assert any(is_difference(sentence) for sentence in sentences(report)), sentences(report)


def shows_every_layer(name):
    """Not of a detector: a layer may count for boxes only that others suppress; nor where all outputs are labels."""
    family = load_family(name)
    graphs = family.graphs(family.tiny)
    floats = any(port.is_float for graph in graphs for port in graph.outputs)
    return family.kind == "torch" and floats and not any(map(entry_outputs, graphs))


@pytest.mark.parametrize("name", [name for name in family_names() if shows_every_layer(name)])
def test_one_weight_of_any_layer_one_percent_off_is_caught(name, tiny_export, tmp_path):
    """Some of the largest of a layer are tried: one may belong to a unit that is never active."""
    made = tiny_export(name)
    reference = load_reference(made.checkpoint)
    for graph in made.original.graphs:
        for number in range(len(float_weights(onnx.load(made.files[graph.name]).graph))):
            found = []
            for place in (-1, -2, -4, -8):
                path = shutil.copy(made.files[graph.name], tmp_path / f"{number}{place}-{graph.file}")
                edit(path, lambda onnx_graph, n=number, p=place: scale_one_weight(float_weights(onnx_graph)[n], 1.01, p))
                report = prove(graph, Session(path, graph), reference, {}, np.random.default_rng(0))
                found += [sentence for sentence in sentences(report) if is_difference(sentence)]
                if found:
                    break
            assert found, (graph.name, number)


def test_the_report_of_a_wrong_weight_names_graph_output_and_case(uncertified):
    folder = uncertified("softmax-digits")
    edit(folder / "predict.onnx", lambda graph: scale_one_weight(float_weights(graph)[0], 1.01))
    report = validate(folder)
    assert not report.passed
    assert any(text.startswith("graph predict, output logits: drawn, batch 16: off by ") for text in failures(report))
    with pytest.raises(ParityError, match="softmax-digits did not pass; no certificate was written"):
        certify(report, folder)
    assert not (folder / CERTIFICATE).exists()


def test_one_leaf_one_percent_off_is_caught(uncertified):
    """The leaf of the first tree that most golden rows reach."""
    folder = uncertified("random-forest-digits")
    x = load_arrays(folder / GOLDEN)["predict/x"]
    leaves = Original.load(folder / ORIGINAL).model.estimators_[0].apply(x)
    leaf = int(np.bincount(leaves).argmax())

    def change(graph):
        [node] = [node for node in graph.node if node.op_type == "TreeEnsembleClassifier"]
        attributes = {attribute.name: attribute for attribute in node.attribute}
        places = zip(attributes["class_treeids"].ints, attributes["class_nodeids"].ints, strict=True)
        rows = [row for row, place in enumerate(places) if place == (0, leaf)]
        row = max(rows, key=lambda row: attributes["class_weights"].floats[row])
        attributes["class_weights"].floats[row] *= 1.01

    edit(folder / "predict.onnx", change)
    report = report_of(folder, "predict")
    assert any("off by 0.0014" in sentence for sentence in sentences(report)), sentences(report)  # 1 % of a seventh


@pytest.mark.parametrize("model", ["softmax-digits", "vae-mnist"])
def test_a_nan_weight_is_caught(model, uncertified):
    folder = uncertified(model)
    for graph in Manifest.read(folder).graphs:
        edit(folder / graph.file, lambda found: scale_one_weight(float_weights(found)[0], np.nan))
        report = report_of(folder, graph.name)
        assert any("off by inf" in sentence for sentence in sentences(report))


def test_swapped_outputs_are_caught(uncertified):
    """By name the ports are right: what comes out of them is not."""
    folder = uncertified("vae-mnist")

    def change(graph):
        names = {"mean": "log_variance", "log_variance": "mean"}
        for node in graph.node:
            for number, name in enumerate(node.output):
                node.output[number] = names.get(name, name)

    edit(folder / "encode.onnx", change)
    report = validate(folder)
    for output in ("mean", "log_variance"):
        assert any(text.startswith(f"graph encode, output {output}: ") and "off by" in text for text in failures(report))


def test_outputs_in_another_order_are_refused(uncertified):
    folder = uncertified("vae-mnist")

    def change(graph):
        first, second = graph.output
        del graph.output[:]
        graph.output.extend([second, first])

    edit(folder / "encode.onnx", change)
    with pytest.raises(SpecError, match=r"The outputs of encode.onnx are \[\('log_variance'"):
        validate(folder)


def test_a_broken_label_is_caught(uncertified):
    """Every label one too high, the probabilities right."""
    folder = uncertified("random-forest-digits")

    def change(graph):
        for node in graph.node:
            node.output[:] = ["plain" if name == "label" else name for name in node.output]
        graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
        graph.node.append(helper.make_node("Add", ["plain", "one"], ["label"]))

    edit(folder / "predict.onnx", change)
    texts = failures(validate(folder))
    assert any("output label: real, " in text and " instead of " in text and "margin" in text for text in texts)
    assert not any("output probabilities" in text for text in texts)


@pytest.mark.parametrize("label", [-1, 3, 99])
def test_a_label_of_no_class_is_caught(label, tiny_export, tmp_path):
    """-1 would be the last class where arrays are read from the end."""
    made = tiny_export("random-forest")
    path = tmp_path / "predict.onnx"
    shutil.copy(made.files["predict"], path)

    def change(graph):
        for node in graph.node:
            node.output[:] = ["plain" if name == "label" else name for name in node.output]
        for name, value in (("none", 0), ("wrong", label)):
            graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
        graph.node.append(helper.make_node("Mul", ["plain", "none"], ["nothing"]))
        graph.node.append(helper.make_node("Add", ["nothing", "wrong"], ["label"]))

    edit(path, change)
    graph = made.original.graphs[0]
    report = prove(graph, Session(path, graph), load_reference(made.checkpoint), {}, np.random.default_rng(0))
    assert any(f"is {label} instead of" in sentence for sentence in sentences(report))
    assert any("output 'label' is not the largest of 'probabilities'" in sentence for sentence in report.broken)


def test_an_answer_that_depends_on_padding_is_caught(uncertified):
    """The last step of the batch's longest series is taken for every row."""
    folder = uncertified("lstm-japanese-vowels")

    def change(graph):
        constants = {"minus": np.int64(0), "axis": np.array([1], np.int64)}
        for name, value in constants.items():
            graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        graph.node.insert(0, helper.make_node("Shape", ["x"], ["steps"], start=1, end=2))
        graph.node.insert(1, helper.make_node("Mul", ["length", "minus"], ["nothing"]))
        graph.node.insert(2, helper.make_node("Add", ["nothing", "steps"], ["longest"]))
        for node in graph.node[3:]:
            node.input[:] = ["longest" if name == "length" else name for name in node.input]

    edit(folder / "predict.onnx", change)
    texts = sentences(report_of(folder, "predict"))
    assert any("off by" in text for text in texts)


# ---------------------------------------------------------------------------------------------------- frozen sizes


@pytest.mark.parametrize("model", often_or_long(recipe_modules()))
def test_a_batch_axis_frozen_at_1_is_refused(model, uncertified):
    folder = uncertified(model)

    def change(graph):
        for value in graph.input:
            first = value.type.tensor_type.shape.dim[0]
            if first.dim_param:
                first.dim_value = 1

    for graph in Manifest.read(folder).graphs:
        edit(folder / graph.file, change)
        axis = graph.inputs[0].shape[0]
        with pytest.raises(SpecError, match=rf"of {graph.file} has shape \[1.* in the file and \['{axis}'.*export it again"):
            Session(folder / graph.file, graph)
    with pytest.raises(SpecError, match=r"has shape \[1"):
        validate(folder)


@pytest.mark.parametrize("model", often_or_long(model for model in NETWORKS if has_rows(model)))
def test_an_inner_reshape_frozen_at_1_is_caught(model, uncertified):
    """The ports promise any batch; inside, every size is written down for a batch of one."""
    folder = uncertified(model)

    def change(graph):
        sizes = [1, *(size.dim_value for size in graph.input[0].type.tensor_type.shape.dim[1:])]
        graph.initializer.append(numpy_helper.from_array(np.array(sizes, np.int64), "frozen_shape"))
        name = graph.input[0].name
        for node in graph.node:
            node.input[:] = ["frozen" if value == name else value for value in node.input]
        graph.node.insert(0, helper.make_node("Reshape", [name, "frozen_shape"], ["frozen"]))

    for graph in Manifest.read(folder).graphs:
        edit(folder / graph.file, change)
        report = report_of(folder, graph.name)
        assert not report.passed
        assert any("batch 16" in sentence and "the graph does not run" in sentence for sentence in report.broken)


class Frozen(nn.Module):
    """Written for three rows, the exporter's example; for any number of rows only if it is not."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.affine = kind, nn.Linear(5, 3)

    def forward(self, x):
        if self.kind == "rows":
            return self.affine(x.reshape(3, 5))
        if self.kind == "dtype":
            return self.affine(x).double()
        if self.kind == "outputs":
            return self.affine(x), x
        if self.kind == "rank":
            return self.affine(x)[:, None]
        if self.kind == "width":
            return self.affine(x)[:, :2]
        return self.affine(x) if x.sum() > 0 else x  # "branch"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("rows", "fixed at 3|torch.export cannot trace"),
        ("dtype", "Port 'logits' of graph 'predict' came out as float64; it is declared float32"),
        ("outputs", "its ports are|torch.export cannot trace"),
        ("rank", "came out with 3 axes, not 2"),
        ("width", "Axis 3 of port 'logits' in graph 'predict' came out fixed at 2"),
        ("branch", "torch.export cannot trace graph 'predict'"),
    ],
)
def test_the_exporter_refuses_what_is_not_the_ports(tiny_original, kind, message):
    original = tiny_original("softmax-regression")
    original.model = Frozen(kind)
    with pytest.raises(ExportError, match=message):
        convert(original, original.graphs[0])


# ---------------------------------------------------------------------------------------------------- other originals


def test_an_original_with_another_weight_is_caught(uncertified):
    """The graph and the golden samples agree with one another, and not with the original that is shipped."""
    from safetensors.torch import load_file, save_file

    folder = uncertified("mlp-mnist")
    weights = load_file(folder / ORIGINAL / WEIGHTS)
    weights["head.weight"][0, 0] *= 1.01
    save_file(weights, folder / ORIGINAL / WEIGHTS)
    report = validate(folder)
    assert not report.passed
    assert any("graph predict, output logits: drawn" in text and "off by" in text for text in failures(report))


def test_a_damaged_original_is_named(uncertified):
    folder = uncertified("mlp-mnist")
    weights = folder / ORIGINAL / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors does not fit its configuration or is damaged"):
        validate(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda golden: golden["predict/logits"].__iadd__(1e-3), "holds other values of 'logits' than the original gives"),
        (lambda golden: golden.pop("predict/logits"), "has no output 'logits' of the right shape"),
        (
            lambda golden: golden.update({"predict/logits": golden["predict/logits"][:5]}),
            "has no output 'logits' of the right",
        ),
        (lambda golden: golden["predict/logits"].fill(np.nan), "holds other values of 'logits'"),
    ],
)
def test_other_golden_outputs_are_caught(uncertified, change, message):
    folder = uncertified("softmax-digits")
    golden = load_arrays(folder / GOLDEN)
    change(golden)
    save_arrays(folder / GOLDEN, golden)
    report = validate(folder)
    assert not report.passed
    assert any(message in text for text in failures(report))


def test_other_ports_than_the_familys_are_refused(uncertified):
    folder = uncertified("softmax-digits")
    data = read_json(folder / MANIFEST)
    data["graphs"][0]["inputs"][0]["high"] = 0.001
    write_json(folder / MANIFEST, data)
    with pytest.raises(ArtifactError, match="The graphs in the manifest of softmax-digits are not those of its family"):
        validate(folder)


# ---------------------------------------------------------------------------------------------------- nothing compared


def test_no_inputs_to_compare_on_is_an_error(tiny_export, monkeypatch):
    made = tiny_export("softmax-regression")
    graph = made.original.graphs[0]
    session = Session(made.files["predict"], graph)
    monkeypatch.setattr("export.prove.make_cases", lambda *_: [])
    with pytest.raises(ParityError, match="Graph 'predict': no inputs could be made"):
        prove(graph, session, load_reference(made.checkpoint), {}, np.random.default_rng(0))


def test_a_report_without_graphs_has_not_passed(uncertified):
    report, folder = Report("softmax-digits v1", "none", 0, "cpu"), uncertified("softmax-digits")
    assert not report.passed
    with pytest.raises(ParityError, match="softmax-digits did not pass; no certificate was written"):
        certify(report, folder)
    assert not (folder / CERTIFICATE).exists()
    assert not GraphReport("predict", [], [], 0).passed


def test_a_graph_that_never_runs_has_not_passed(tiny_export, tmp_path):
    made = tiny_export("softmax-regression")
    path = shutil.copy(made.files["predict"], tmp_path)
    graph = made.original.graphs[0]
    edit(tmp_path / "predict.onnx", lambda found: found.node[0].input.__setitem__(0, "x") or freeze(found))
    report = prove(
        graph, Session(tmp_path / "predict.onnx", graph), load_reference(made.checkpoint), {}, np.random.default_rng(0)
    )
    assert path
    assert not report.passed
    assert all("the graph does not run" in sentence for sentence in report.broken)


def freeze(graph):
    graph.initializer.append(numpy_helper.from_array(np.array([1000, 5], np.int64), "shape"))
    graph.node[0].input[0] = "frozen"
    graph.node.insert(0, helper.make_node("Reshape", ["x", "shape"], ["frozen"]))


def test_a_run_without_real_rows_is_an_error(run_of, candidate_of, tmp_path):
    run = shutil.copytree(run_of("softmax-digits"), tmp_path / "run")
    empty = {name: array[:0] for name, array in load_arrays(run / EVALUATION).items()}
    save_arrays(run / EVALUATION, empty)
    with pytest.raises(ParityError, match="Graph 'predict': the samples hold no row"):
        validate(candidate_of("softmax-digits"), run=run)


def test_drawn_and_real_cases_are_made():
    x = Port(name="x", dtype="float32", shape=("batch", 2), low=0, high=1)
    graph = Graph(inputs=(x,), outputs=(Port(name="y", dtype="float32", shape=("batch", 2)),))
    samples = {"x": np.random.default_rng(1).random((10, 2), np.float32)}
    cases = make_cases(graph, samples, np.random.default_rng(0))
    for kind in ("drawn", "real"):
        sizes = [case.rows for case in cases if case.kind == kind]
        assert {1, 2, 3, 7, 16} <= set(sizes)
        assert sum(sizes) >= 64


# ---------------------------------------------------------------------------------------------------- changed files


FILES = ["predict.onnx", MANIFEST, GOLDEN, f"{ORIGINAL}/{WEIGHTS}", f"{ORIGINAL}/config.json"]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture
def published(candidate_of, tmp_path):
    """A hub of its own with softmax-digits."""
    (tmp_path / "hub").mkdir()
    hub = Hub(tmp_path / "hub")
    publish(candidate_of("softmax-digits"), hub)
    return hub


@pytest.fixture
def load(published, monkeypatch):
    monkeypatch.setenv("ZOO_HUB", str(published.root))
    return lambda: zoo.load("softmax-digits")


def test_an_untouched_model_is_loaded(load):
    assert load().manifest.model == "softmax-digits"


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_by_name(published, load, name):
    folder = published.root / "softmax-digits"
    flip(folder / name)
    with pytest.raises(ArtifactError, match=rf"softmax-digits: {name} differs from its certificate \(SHA-256"):
        verify(folder, Certificate.read(folder))
    with pytest.raises(ArtifactError, match=r"differs from its certificate|is malformed|cannot be read"):
        load()
    if name != MANIFEST:
        report = validate(folder)
        assert not report.passed
        assert any("differs from its certificate" in text for text in failures(report))


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(published, load, name):
    folder = published.root / "softmax-digits"
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"softmax-digits: {name} is missing"):
        verify(folder, Certificate.read(folder))
    if not name.startswith(ORIGINAL):  # which is fetched on request only
        with pytest.raises(ArtifactError, match=r"is missing|There is no file"):
            load()


@pytest.mark.parametrize("name", ["extra.onnx", "original/extra.bin", "deep/er/file", ".hidden"])
def test_a_file_too_many_is_refused_by_name(published, load, name):
    path = published.root / "softmax-digits" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(ArtifactError, match=f"softmax-digits: {name} is not in the certificate; remove it"):
        load()


@pytest.mark.parametrize("target", ["file", "folder"])
def test_a_link_is_refused_even_to_the_same_bytes(published, load, tmp_path, target):
    folder = published.root / "softmax-digits"
    moved = folder / ("predict.onnx" if target == "file" else ORIGINAL)
    shutil.move(moved, tmp_path / "elsewhere")
    moved.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=f"{moved.name} is a symbolic link; put the file itself into the artifact"):
        load()


@pytest.mark.parametrize("name", [CERTIFICATE, CARD])
def test_what_the_index_binds_cannot_be_changed(published, load, name):
    path = published.root / "softmax-digits" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ArtifactError, match=f"softmax-digits: {name} is not the one that the hub's index names"):
        load()


def test_a_new_certificate_for_changed_bytes_is_refused_by_the_index(published, load):
    """Whoever changes a file and its certificate must change the index too."""
    folder = published.root / "softmax-digits"
    edit(folder / "predict.onnx", lambda graph: scale_one_weight(float_weights(graph)[0], 1.01))
    data = read_json(folder / CERTIFICATE)
    data["files"]["predict.onnx"] = sha256(folder / "predict.onnx")
    write_json(folder / CERTIFICATE, data)
    with pytest.raises(ArtifactError, match=r"certificate\.json is not the one that the hub's index names"):
        load()


def test_a_changed_index_is_refused(published, load):
    data = json.loads((published.root / INDEX).read_text())
    data["models"]["softmax-digits"]["certificate"] = "0" * 64
    write_json(published.root / INDEX, data)
    with pytest.raises(ArtifactError, match=r"certificate\.json is not the one that the hub's index names"):
        load()


# ---------------------------------------------------------------------------------------------------- publishing


@pytest.fixture
def empty_hub(tmp_path):
    (tmp_path / "hub").mkdir()
    return Hub(tmp_path / "hub")


def untouched(hub):
    return hub.names() == [] and [path.name for path in hub.root.iterdir() if path.name != INDEX] == []


def rewrite(folder, **changes):
    dataclasses.replace(Certificate.read(folder), **changes).write(folder)


def test_publishing_needs_a_certificate(uncertified, empty_hub):
    with pytest.raises(
        ArtifactError, match=r"There is no file .*certificate\.json; export, validate or fetch the model first"
    ):
        publish(uncertified("softmax-digits"), empty_hub)
    assert untouched(empty_hub)


def test_publishing_needs_a_passing_certificate(candidate, empty_hub):
    folder = candidate("softmax-digits")
    rewrite(folder, passed=False)
    with pytest.raises(ArtifactError, match="does not say that it passed; validate it again"):
        publish(folder, empty_hub)
    assert untouched(empty_hub)


@pytest.mark.parametrize("name", FILES)
def test_publishing_refuses_what_changed_after_the_proof(candidate, empty_hub, name):
    folder = candidate("softmax-digits")
    flip(folder / name)
    with pytest.raises(ArtifactError, match=f"softmax-digits: {name} differs from its certificate"):
        publish(folder, empty_hub)
    assert untouched(empty_hub)


@pytest.mark.parametrize("changes", [{"model": "another-model"}, {"version": 2}])
def test_publishing_refuses_the_certificate_of_another_model(candidate, empty_hub, changes):
    folder = candidate("softmax-digits")
    rewrite(folder, **changes)
    with pytest.raises(ArtifactError, match="is about another model or version; validate again"):
        publish(folder, empty_hub)
    assert untouched(empty_hub)


def certified_at(folder, version):
    """The candidate as if it had been exported and certified at another version."""
    dataclasses.replace(Manifest.read(folder), version=version).write(folder)
    files = {**Certificate.read(folder).files, MANIFEST: sha256(folder / MANIFEST)}
    rewrite(folder, version=version, files=files)
    return folder


def test_publishing_refuses_a_version_out_of_turn(candidate, empty_hub):
    with pytest.raises(UsageError, match="softmax-digits is at version 3; the next one is 1: export it again"):
        publish(certified_at(candidate("softmax-digits"), 3), empty_hub)
    assert untouched(empty_hub)


def test_publishing_refuses_more_than_10_mb(candidate, empty_hub):
    folder = candidate("softmax-digits")
    (folder / "labels.bin").write_bytes(bytes(10_000_001))
    rewrite(folder, files={**Certificate.read(folder).files, "labels.bin": sha256(folder / "labels.bin")})
    with pytest.raises(UsageError, match="10,000,000 is the most a model may take here"):
        publish(folder, empty_hub)
    assert untouched(empty_hub)


def test_equal_files_are_not_published_again(candidate, empty_hub):
    folder = candidate("softmax-digits")
    publish(folder, empty_hub)
    publish(certified_at(folder, 2), empty_hub)
    assert empty_hub.index["softmax-digits"]["version"] == 1


def test_a_changed_model_becomes_the_next_version(candidate, empty_hub):
    folder = candidate("softmax-digits")
    publish(folder, empty_hub)
    (folder / "labels.txt").write_text("zero\n")
    rewrite(folder, files={**Certificate.read(folder).files, "labels.txt": sha256(folder / "labels.txt")})
    with pytest.raises(UsageError, match="softmax-digits is at version 1; the next one is 2: export it again"):
        publish(folder, empty_hub)
    artifact = publish(certified_at(folder, 2), empty_hub)
    assert (artifact.manifest.version, empty_hub.index["softmax-digits"]["version"]) == (2, 2)
    artifact.verify()
    assert sorted(path.name for path in empty_hub.root.iterdir()) == [INDEX, "softmax-digits"]


def test_a_failed_installation_leaves_the_published_version(candidate, empty_hub, monkeypatch):
    folder = candidate("softmax-digits")
    publish(folder, empty_hub)
    (folder / "labels.txt").write_text("zero\n")
    rewrite(folder, files={**Certificate.read(folder).files, "labels.txt": sha256(folder / "labels.txt")})
    certified_at(folder, 2)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.publish.write_card", fail)
    with pytest.raises(OSError, match="No space left"):
        publish(folder, empty_hub)
    assert Hub(empty_hub.root).artifact("softmax-digits").manifest.version == 1
    assert sorted(path.name for path in empty_hub.root.iterdir()) == [INDEX, "softmax-digits"]


def test_weights_are_those_of_the_run(candidate_of, run_of):
    """Checked = shipped: the original in the candidate is the run's checkpoint, byte for byte."""
    for path in (run_of("softmax-digits") / "checkpoint").iterdir():
        assert (candidate_of("softmax-digits") / ORIGINAL / path.name).read_bytes() == path.read_bytes()
    model = Original.load(candidate_of("softmax-digits") / ORIGINAL).model
    graph = onnx.load(candidate_of("softmax-digits") / "predict.onnx").graph
    stored = {tuple(tensor.dims): numpy_helper.to_array(tensor) for tensor in graph.initializer}
    assert torch.equal(torch.from_numpy(stored[(10, 64)].copy()), model.affine.weight)
