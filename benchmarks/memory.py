"""Memory that validation takes above its bare imports, for a model of more than 200 MB: `python benchmarks/memory.py`.

Makes a perceptron of 205 MB, exports it, proves the file as `zoo validate --original` does, and prints the peak resident
size of that process less that of one that only imports the same modules, as a multiple of the weights.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from export.torch_exporter import export_module
from zoo.spec import Graph, Port

WIDTH = 4096
LAYERS = 3
PEAK = """
lines = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
"""
IMPORTS = "import export.__main__, export.foreign, export.deliver, torch, onnx, onnxruntime\n"
PROVE = """
from pathlib import Path
from export.foreign import module_reference, validate_file
reference = module_reference("memory:perceptron", Path("weights.safetensors"))
assert validate_file(Path("model.onnx"), reference, ports=Path("ports.json")).passed
"""


def perceptron() -> nn.Module:
    layers = [layer for _ in range(LAYERS) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    return nn.Sequential(*layers)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        module = perceptron()
        save_file(module.state_dict(), folder / "weights.safetensors")
        x = Port(name="x", dtype="float32", shape=("batch", WIDTH), low=-1, high=1)
        graph = Graph(inputs=(x,), outputs=(Port(name="y", dtype="float32", shape=("batch", WIDTH)),))
        (folder / "model.onnx").write_bytes(export_module(module, graph, 20).SerializeToString())
        (folder / "ports.json").write_text(PORTS)
        weights = (folder / "weights.safetensors").stat().st_size
        bare, peak = measure(IMPORTS, folder), measure(IMPORTS + PROVE, folder)
        print(f"weights {weights / 1e6:.0f} MB, imports {bare / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB")
        print(f"above the imports: {(peak - bare) / weights:.1f} times the weights")


def measure(code: str, folder: Path) -> int:
    """Peak resident bytes of a Python process that runs `code` in `folder`."""
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code + PEAK]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


PORTS = f"""{{
 "inputs": [{{"name": "x", "dtype": "float32", "shape": ["batch", {WIDTH}], "low": -1, "high": 1}}],
 "outputs": [{{"name": "y", "dtype": "float32", "shape": ["batch", {WIDTH}]}}]
}}"""

if __name__ == "__main__":
    main()
