"""What a benchmark network is: a module with quickly drawn weights, its ports, and faults of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zoo.spec import Graph

Damage = Callable[[nn.Module], None]


@dataclass(frozen=True)
class Network:
    """`make` builds the module; `damages` are faults of the source code, by kind, each planted in a copy before export."""

    name: str
    make: Callable[[], nn.Module]
    graph: Graph
    damages: Mapping[str, Damage] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """The module, always with the same weights; statistics of batch norms and affine terms are drawn too."""
        with torch.random.fork_rng():
            torch.manual_seed(zlib.crc32(self.name.encode()))
            module = self.make()
            for child in module.modules():
                _settle(child)
        return module.eval()


def set_field(name: str, value: object) -> Damage:
    """A damage that sets an attribute of the module: a mask that is not used, a scale that is wrong."""

    def damage(module: nn.Module) -> None:
        setattr(module, name, value)

    return damage


def heads(x_BTD: Tensor, count: int) -> Tensor:
    """(B, T, D) to (B, heads, T, D / heads)."""
    batch, steps, width = x_BTD.shape
    return x_BTD.reshape(batch, steps, count, width // count).transpose(1, 2)


def _settle(module: nn.Module) -> None:
    """What training would have moved away from zero and one."""
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        module.running_mean.normal_(0, 0.5)
        module.running_var.uniform_(0.3, 2)
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm | nn.InstanceNorm2d):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, 0, 0.2)
