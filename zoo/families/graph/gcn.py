"""Graph convolutional network: two layers that mix each node with its neighbours, for one class a node.

    H = σ(D̃^{−1/2} Ã D̃^{−1/2} H W),  Ã = A + I,  D̃_ii = Σ_j Ã_ij        S1 (16.6)
    logits = Â ReLU(Â X W₀) W₁,  Â = D̃^{−1/2} Ã D̃^{−1/2}

Paper: Kipf and Welling (2017), https://arxiv.org/abs/1609.02907, equations 2 and 9, whose softmax is left to the codec; no
biases, as there. Seed 001 gives (16.6) with σ in every layer; as in the paper, the last one has none.

The edges come as pairs of node numbers. A_ij counts the edges from j to i, so an undirected edge is listed in both
directions, and one that is listed twice counts twice. Â never exists as a matrix: with s_i = D̃_ii^{−1/2} and y = s ⊙ (H W),
row i of Â H W is s_i (y_i + Σ_{j→i} y_j), a sum scattered over the edges, where y_i is the self-loop. D̃_ii is the number of
edges that end in i, and one more, so no node divides by zero: one without edges keeps to itself.

The sum is `scatter_add`, which the exporter turns into ScatterElements: ONNX Runtime adds its entries one after the other.
`index_add` would become ScatterND, whose entries several threads add at once, so that sums are lost where thousands of edges
end in one node (https://github.com/microsoft/onnxruntime/issues/18048; met here with 1.31.1 and two threads).

All nodes meet, so there is no batch: one call is one graph. Several graphs side by side are a graph again.

Shape letters: N nodes, E edges, I input features, H hidden features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Axis, Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    in_features: int = 1433
    hidden: int = 16
    classes: int = 7
    dropout: float = 0.5  # probability of zeroing a feature before either layer; training only


class GCN(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.in_features, config.hidden, bias=False)
        self.head = nn.Linear(config.hidden, config.classes, bias=False)
        for layer in (self.hidden, self.head):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x_NI: Tensor, edges_2E: Tensor) -> Tensor:
        scale_N1 = _degrees(edges_2E, x_NI).rsqrt()[:, None]
        hidden_NH = functional.relu(_mix(self.hidden(self.dropout(x_NI)), edges_2E, scale_N1))
        return _mix(self.head(self.dropout(hidden_NH)), edges_2E, scale_N1)  # logits, (N, K)


def _degrees(edges_2E: Tensor, x_NI: Tensor) -> Tensor:
    """Edges that end in each node, its self-loop included: (N,)."""
    target_E = edges_2E[1]
    return torch.ones_like(x_NI[:, 0]).scatter_add(0, target_E, torch.ones_like(target_E, dtype=x_NI.dtype))


def _mix(h_NF: Tensor, edges_2E: Tensor, scale_N1: Tensor) -> Tensor:
    """Â h, by a sum over the edges."""
    source_E, target_E = edges_2E
    y_NF = scale_N1 * h_NF
    messages_EF = y_NF[source_E]
    return scale_N1 * y_NF.scatter_add(0, target_E[:, None].expand_as(messages_EF), messages_EF)


def graphs(config: Config) -> tuple[Graph, ...]:
    x = Port(
        name="x", dtype="float32", shape=("nodes", config.in_features), doc="features of each node, in parts of 1", low=0,
        high=1,
    )  # fmt: skip
    edges = Port(
        name="edges", dtype="int64", shape=(2, "edges"), doc="node that each edge comes from, node that it goes to", low=0,
        role="index", axis="nodes",
    )  # fmt: skip
    logits = Port(name="logits", dtype="float32", shape=("nodes", config.classes), doc="log-odds, unnormalised", unit="nats")
    axes = (Axis(name="nodes", unordered=True), Axis(name="edges", low=0, unordered=True))
    return (Graph(inputs=(x, edges), outputs=(logits,), axes=axes, batch=None),)


FAMILY = Family(
    task="node-classification",
    config=Config,
    build=GCN,
    graphs=graphs,
    tiny=Config(in_features=5, hidden=4, classes=3),
    paper="https://arxiv.org/abs/1609.02907",
)
