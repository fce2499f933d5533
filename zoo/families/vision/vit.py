"""Vision transformer: a picture cut into square patches, which are the words of a transformer encoder.

    z = [class; p₁E; …; p_N E] + positions    z ← z + attention(LN(z))    z ← z + MLP(LN(z))    logits = W LN(z)_class + b

Paper: Dosovitskiy et al. (2021), https://arxiv.org/abs/2010.11929, equations 1-4: learned positions, normalisation before
each part, GELU (with the error function) between the two layers of an MLP. Attention has a token a row, softmax(QKᵀ/√d)V
as in equation 1 of Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, d being the size of one head. The classes come
from the class token, which is row 0; the patches follow row by row. The paper's patches are 16x16 pixels.

Shape letters: B batch, C channels, H height, W width, P pixels of a patch, T tokens, D model dimension, N heads, S head
size, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Family, Graph, Port


@dataclass(frozen=True, kw_only=True)
class Config:
    colours: int = 1
    size: int = 28  # pixels, height and width
    patch: int = 7  # pixels, a divisor of `size`
    dim: int = 64
    layers: int = 6
    heads: int = 8  # a divisor of `dim`
    hidden: int = 128  # units of an MLP
    classes: int = 10
    dropout: float = 0.0  # probability of zeroing a unit after positions, attention and each MLP layer; training only


class Attention(nn.Module):
    """Multi-head self-attention of every token to every token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.project = nn.Linear(config.dim, 3 * config.dim)
        self.merge = nn.Linear(config.dim, config.dim)

    def forward(self, x_BTD: Tensor) -> Tensor:
        batch, tokens, dim = x_BTD.shape
        split = self.project(x_BTD).view(batch, tokens, 3, self.heads, dim // self.heads)
        q_BNTS, k_BNTS, v_BNTS = split.permute(2, 0, 3, 1, 4).unbind(0)
        mixed_BNTS = functional.scaled_dot_product_attention(q_BNTS, k_BNTS, v_BNTS)
        return self.merge(mixed_BNTS.transpose(1, 2).reshape(batch, tokens, dim))


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.attention = Attention(config)
        self.dropout = nn.Dropout(config.dropout)
        self.mlp = nn.Sequential(
            nn.Linear(config.dim, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.dim),
            nn.Dropout(config.dropout),
        )

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.dropout(self.attention(self.norm1(x_BTD)))
        return x_BTD + self.mlp(self.norm2(x_BTD))


class ViT(nn.Module):
    """Raises ValueError where patches do not fill the picture, or heads not the dimension."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.size % config.patch or config.dim % config.heads:
            raise ValueError(f"patch {config.patch} must divide size {config.size}, heads {config.heads} dim {config.dim}")
        self.patch = config.patch
        self.embed = nn.Linear(config.colours * config.patch**2, config.dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.positions = nn.Parameter(torch.zeros(1, 1 + (config.size // config.patch) ** 2, config.dim))
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.Sequential(*(Layer(config) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.classes)
        for parameter in (self.class_token, self.positions):
            nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        patches_BTD = self.embed(cut(x_BCHW, self.patch))
        first_B1D = self.class_token.expand(len(x_BCHW), -1, -1)
        tokens_BTD = self.dropout(torch.cat([first_B1D, patches_BTD], dim=1) + self.positions)
        return self.head(self.norm(self.layers(tokens_BTD))[:, 0])  # logits, (B, K)


def cut(x_BCHW: Tensor, patch: int) -> Tensor:
    """(B, T, P): patches from left to right and from top to bottom, each with its channels, rows and columns in order."""
    batch, channels, height, width = x_BCHW.shape
    x = x_BCHW.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, (height // patch) * (width // patch), channels * patch * patch)


def graphs(config: Config) -> tuple[Graph, ...]:
    shape = ("batch", config.colours, config.size, config.size)
    x = Port(name="x", dtype="float32", shape=shape, doc="pixel intensity", low=0, high=1)
    logits = Port(name="logits", dtype="float32", shape=("batch", config.classes), doc="log-odds, unnormalised", unit="nats")
    return (Graph(inputs=(x,), outputs=(logits,)),)


FAMILY = Family(
    task="image-classification",
    config=Config,
    build=ViT,
    graphs=graphs,
    tiny=Config(size=8, patch=4, dim=8, layers=2, heads=2, hidden=12, classes=3),
    paper="https://arxiv.org/abs/2010.11929",
)
