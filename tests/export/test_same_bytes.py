"""Equal checkpoints are exported to equal bytes, whatever else a process has done and wherever it writes."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import skl2onnx

from export import estimator_exporter
from export.exporter import convert
from zoo.registry import family_names

OFTEN = ["convnet", "gpt", "lstm", "random-forest", "vae", "value-iteration"]
EXPORT = """
import hashlib, json, sys
from pathlib import Path
from export.exporter import export_graph
from zoo.original import Original
digests = {}
for checkpoint in sys.argv[2:]:
    original = Original.load(Path(checkpoint))
    for graph in reversed(original.graphs):
        path = Path(sys.argv[1], graph.file)
        export_graph(original, graph, path)
        digests[original.family_name + "/" + graph.name] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(digests))
"""


@pytest.mark.parametrize("names", [OFTEN, pytest.param(family_names(), marks=pytest.mark.long)], ids=["often", "all"])
def test_another_process_exports_the_same_bytes(names, tiny_export, tmp_path, root):
    """From the checkpoints of the tiny graphs, in another order and folder."""
    checkpoints = [str(tiny_export(name).checkpoint) for name in reversed(names)]
    line = [sys.executable, "-c", EXPORT, str(tmp_path), *checkpoints]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=True)
    expected = {
        f"{name}/{graph}": hashlib.sha256(path.read_bytes()).hexdigest()
        for name in names
        for graph, path in tiny_export(name).files.items()
    }
    assert json.loads(done.stdout) == expected


def test_the_order_of_a_converters_operator_sets_does_not_count(tiny_export, monkeypatch):
    """skl2onnx has them in the order of a Python set, which another process may have otherwise."""

    def convert_reversed(*arguments, **options):
        model = skl2onnx.convert_sklearn(*arguments, **options)
        operator_sets = list(model.opset_import)[::-1]
        assert len(operator_sets) == 2
        del model.opset_import[:]
        model.opset_import.extend(operator_sets)
        return model

    original = tiny_export("kernel-svm").original
    [graph] = original.graphs
    expected = convert(original, graph)
    monkeypatch.setattr(estimator_exporter, "convert_sklearn", convert_reversed)
    assert convert(original, graph) == expected
