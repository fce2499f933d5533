"""`python make.py OUT [--fault]`: write weights.safetensors, model.onnx, ports.json and samples.npz to the folder OUT.

With `--fault` one stored number of the ONNX file is nudged by a thousandth, as a careless converter would.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from model import rings
from onnx import numpy_helper
from safetensors.torch import save_file

PORTS = {
    "inputs": [{"name": "points", "dtype": "float32", "shape": ["batch", 2], "doc": "a point", "low": -2, "high": 2}],
    "outputs": [{"name": "scores", "dtype": "float32", "shape": ["batch", 2], "doc": "log-odds, unnormalised"}],
}


def make(out: Path, *, fault: bool) -> None:
    torch.manual_seed(0)
    module = rings().eval()
    out.mkdir(parents=True, exist_ok=True)
    save_file(module.state_dict(), out / "weights.safetensors")
    (out / "ports.json").write_text(json.dumps(PORTS, indent=1) + "\n", encoding="utf-8")
    np.savez(out / "samples.npz", points=np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32))
    program = torch.onnx.export(
        module,
        (torch.zeros(3, 2),),
        dynamo=True,
        dynamic_shapes=({0: "batch"},),
        input_names=["points"],
        output_names=["scores"],
        verbose=False,
    )
    onnx.save(nudged(program.model_proto) if fault else program.model_proto, out / "model.onnx")


def nudged(model: onnx.ModelProto) -> onnx.ModelProto:
    """The first number of the largest initializer, a thousandth larger."""
    tensor = max(model.graph.initializer, key=lambda each: np.prod(each.dims))
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] += 1e-3
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fault", action="store_true")
    arguments = parser.parse_args()
    make(arguments.out, fault=arguments.fault)
