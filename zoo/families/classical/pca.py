"""Principal component analysis: the flat that lies closest to the data, and places on it as codes.

    z = C (x − μ)    x̂ = Cᵀ z + μ

The rows of C are orthonormal, eigenvectors of the covariance with the largest eigenvalues first. Papers: Pearson (1901),
https://doi.org/10.1080/14786440109462720; Hotelling (1933), https://doi.org/10.1037/h0071325.

Shape letters: B batch, I features, K components.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 64
    components: int = 10


class PCA(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(config.in_features))
        self.components_KI = nn.Parameter(nn.init.orthogonal_(torch.empty(config.components, config.in_features)))

    def encode(self, x_BI: Tensor) -> Tensor:
        return (x_BI - self.mean) @ self.components_KI.T  # (B, K)

    def decode(self, code_BK: Tensor) -> Tensor:
        return code_BK @ self.components_KI + self.mean  # (B, I)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.in_features)
    x = Port(name="x", dtype="float32", shape=shape, doc="pixel intensity", low=0, high=1)
    doc = "place along each component, from the mean"
    encoded = Port(name="code", dtype="float32", shape=("batch", config.components), doc=doc)
    code = Port(name="code", dtype="float32", shape=("batch", config.components), doc=doc, low=-4, high=4)
    pixels = Port(name="pixels", dtype="float32", shape=shape, doc="pixel intensity, not cut to 0 … 1")
    return (
        Graph(name="encode", methods=("encode",), inputs=(x,), outputs=(encoded,)),
        Graph(name="decode", methods=("decode",), inputs=(code,), outputs=(pixels,)),
    )


FAMILY = Family(
    task="image-reconstruction",
    config=Config,
    build=PCA,
    graphs=graphs,
    tiny=Config(in_features=9, components=3),
    paper="https://doi.org/10.1080/14786440109462720",
)
