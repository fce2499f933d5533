"""What every family promises by existing; a new family is tested here without a line of its own."""

import ast
import dataclasses
import json
import os
import shutil
import sys
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx.helper import tensor_dtype_to_np_dtype

from export.exporter import convert, export_graph
from export.inputs import draw, lattice
from export.reference import load_reference
from export.validate import prove
from zoo.codecs import task_names
from zoo.entries import entry_outputs, split_rows
from zoo.errors import CheckpointError
from zoo.manifest import read_json, write_json
from zoo.original import CONFIG, ESTIMATOR, WEIGHTS, Original, config_from_json
from zoo.registry import family_names, load_family
from zoo.session import Session
from zoo.spec import graph_from_json, graph_to_json

pytestmark = pytest.mark.parametrize("name", family_names())
LOCAL = [b"stack_trace", b"site-packages", b"/work", b"/root", b"/home", b"/tmp", b"/usr", b".py", os.fsencode(sys.prefix)]


def sizes_of(port, sizes):
    return tuple(sizes.get(size, size) if isinstance(size, str) else size for size in port.shape)


def outputs(original, seed=0):
    """Outputs of every graph on the same drawn inputs, two sizes each."""
    found = []
    for graph in original.graphs:
        for rows in (1, 5):
            sizes = {name: min(rows, graph.axis(name).high or rows) for name in graph.free_axes}
            found += original.call(graph, draw(graph, sizes, np.random.default_rng(seed))).values()
    return found


def test_the_declaration_is_complete(name):
    family = load_family(name)
    assert family.task in task_names()
    assert family.paper.startswith("https://")
    assert isinstance(family.tiny, family.config)
    assert family.config.__dataclass_params__.frozen
    assert family.build(family.config()) is not None


def test_the_configuration_survives_json(name):
    family = load_family(name)
    for config in (family.tiny, family.config()):
        assert config_from_json(family.config, json.loads(json.dumps(dataclasses.asdict(config)))) == config
        for graph in family.graphs(config):
            assert graph_from_json(json.loads(json.dumps(graph_to_json(graph)))) == graph


def test_ports_describe_the_original(name, tiny_original):
    original = tiny_original(name)
    for graph in original.graphs:
        for sizes in lattice(graph):
            inputs = draw(graph, sizes, np.random.default_rng(0))
            assert graph.check(inputs) == sizes
            found = original.call(graph, inputs)
            assert list(found) == [port.name for port in graph.outputs]
            depending = {port.shape[0]: len(found[port.name]) for port in graph.outputs if port.name in entry_outputs(graph)}
            for port in graph.outputs:
                assert found[port.name].shape == sizes_of(port, {**sizes, **depending}), (port.name, sizes)
                if not (port.is_float and original.family.kind == "estimator"):  # those compute in float64
                    assert found[port.name].dtype.name == port.dtype


def test_declared_ranges_of_outputs_hold(name, tiny_original):
    original = tiny_original(name)
    for graph in original.graphs:
        found = original.call(
            graph, draw(graph, max(lattice(graph), key=lambda sizes: sum(sizes.values())), np.random.default_rng(0))
        )
        for port in graph.outputs:
            values = found[port.name]
            assert port.low is None or values.min() >= port.low
            assert port.high is None or values.max() <= port.high
            if port.argmax_of:
                assert np.array_equal(values, found[port.argmax_of].argmax(axis=-1))


def test_rows_of_a_batch_do_not_meet(name, tiny_original):
    original = tiny_original(name).cast("float64")
    for graph in original.graphs:
        if graph.batch is None:
            continue  # there all that comes in belongs together
        sizes = list(lattice(graph))[-1]
        inputs = draw(graph, sizes, np.random.default_rng(0))
        together = original.call(graph, inputs, "float64")
        alone = original.call(graph, {name: array[2:3] for name, array in inputs.items()}, "float64")
        expected = split_rows(graph, together, [2, 1])[1]
        for port in graph.outputs:
            np.testing.assert_allclose(alone[port.name], expected[port.name], rtol=1e-12, atol=1e-12)


def test_a_checkpoint_gives_the_same_original(name, tiny_original, tmp_path):
    original = tiny_original(name, seed=3)
    original.save(tmp_path / "checkpoint")
    again = Original.load(tmp_path / "checkpoint")
    assert again.config == original.config
    assert again.num_parameters() == original.num_parameters()
    for first, second in zip(outputs(original), outputs(again), strict=True):
        assert first.tobytes() == second.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint"]


def test_two_seeds_are_two_originals(name, tiny_original):
    """Otherwise a round trip of the weights would prove nothing. Those without weights are one original."""
    one, other = tiny_original(name, 3), tiny_original(name, 4)
    differ = any(first.tobytes() != second.tobytes() for first, second in zip(outputs(one), outputs(other), strict=True))
    assert differ == (one.family.kind == "estimator" or one.num_parameters() > 0)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_truncated_weights_are_refused(name, tiny_export, tmp_path, share):
    checkpoint = shutil.copytree(tiny_export(name).checkpoint, tmp_path / "checkpoint")
    [weights] = [path for path in checkpoint.iterdir() if path.name in (WEIGHTS, ESTIMATOR)]
    weights.write_bytes(weights.read_bytes()[: int(share * weights.stat().st_size)])
    with pytest.raises(CheckpointError, match=weights.name):
        Original.load(checkpoint)


def test_missing_weights_are_refused(name, tiny_export, tmp_path):
    checkpoint = shutil.copytree(tiny_export(name).checkpoint, tmp_path / "checkpoint")
    for path in checkpoint.iterdir():
        if path.name != CONFIG:
            path.unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors|estimator\.skops"):
        Original.load(checkpoint)


@pytest.mark.parametrize("change", ["unknown field", "no configuration", "a list", "unknown family", "no JSON", "no file"])
def test_a_wrong_configuration_is_refused(name, tiny_export, tmp_path, change):
    checkpoint = shutil.copytree(tiny_export(name).checkpoint, tmp_path / "checkpoint")
    data = read_json(checkpoint / CONFIG)
    if change == "unknown field":
        data["config"]["hiden"] = 3
    elif change == "no configuration":
        del data["config"]
    elif change == "a list":
        data["config"] = [1, 2]
    elif change == "unknown family":
        data["family"] = "no-such-family"
    write_json(checkpoint / CONFIG, data)
    if change == "no JSON":
        (checkpoint / CONFIG).write_text("{")
    elif change == "no file":
        (checkpoint / CONFIG).unlink()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Original.load(checkpoint)


@pytest.mark.parametrize("seed", range(2))
def test_the_export_is_proven(name, tiny_export, tiny_original, tmp_path, seed):
    """Seed 0 proves the shared export, the others one of an original with other weights."""
    made = tiny_export(name)
    original, checkpoint = made.original, made.checkpoint
    if seed:
        original, checkpoint = tiny_original(name, seed), tmp_path / "checkpoint"
        original.save(checkpoint)
    reference = load_reference(checkpoint)
    for graph in original.graphs:
        path = made.files[graph.name]
        if seed:
            path = tmp_path / graph.file
            export_graph(original, graph, path)
        report = prove(graph, Session(path, graph), reference, {}, np.random.default_rng(seed))
        assert report.passed, (report.broken, [record.failures for record in report.records])
        assert {record.output for record in report.records} == {port.name for port in graph.outputs}
        assert all(record.rows >= 64 and record.cases >= 5 for record in report.records)
        assert all(record.bound > 0 for record in report.records if graph_port(graph, record.output).is_float)


def graph_port(graph, name):
    return next(port for port in graph.outputs if port.name == name)


@pytest.mark.long
def test_a_right_export_raises_no_alarm_with_other_inputs(name, tiny_export):
    made = tiny_export(name)
    reference = load_reference(made.checkpoint)
    for graph in made.original.graphs:
        session = Session(made.files[graph.name], graph)
        for seed in range(10, 20):
            report = prove(graph, session, reference, {}, np.random.default_rng(seed))
            assert report.passed, (seed, report.broken, [record.failures for record in report.records])


def test_the_file_has_exactly_the_ports(name, tiny_export):
    made = tiny_export(name)
    for graph in made.original.graphs:
        model = onnx.load(made.files[graph.name])
        for ports, values in ((graph.inputs, model.graph.input), (graph.outputs, model.graph.output)):
            assert [value.name for value in values] == [port.name for port in ports]
            for port, value in zip(ports, values, strict=True):
                tensor = value.type.tensor_type
                assert tensor_dtype_to_np_dtype(tensor.elem_type).name == port.dtype
                assert tuple(size.dim_param or size.dim_value for size in tensor.shape.dim) == port.shape


def test_the_file_names_nothing_of_this_machine(name, tiny_export):
    for path in tiny_export(name).files.values():
        content = path.read_bytes()
        assert [word for word in LOCAL if word in content] == []


def test_nodes_are_mapped_to_modules(name, tiny_export):
    """Every module with weights of its own is named by a node, and every name is that of a module."""
    original = tiny_export(name).original
    if original.family.kind == "estimator":
        assert all(not node.metadata_props for node in convert(original, original.graphs[0]).graph.node)
        return
    modules, named = dict(original.model.named_modules()), set()
    for path in tiny_export(name).files.values():
        for node in onnx.load(path).graph.node:
            assert not node.doc_string
            for entry in node.metadata_props:
                assert entry.key in ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")
                if entry.key == "pkg.torch.onnx.name_scopes":
                    *scopes, _ = ast.literal_eval(entry.value)
                    named.update(scope for scope in scopes if not scope.startswith("_"))
    assert named <= set(modules)
    weighted = [path for path, module in modules.items() if list(module.parameters(recurse=False))]
    normalised = {path for path, after in pairwise(weighted) if type(modules[after]).__name__.startswith("BatchNorm")}
    assert {*weighted} - normalised <= named  # a convolution and its normalisation become one node with the latter's name
