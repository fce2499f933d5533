"""Networks on pictures. Shape letters: B batch, C channels, H height, W width, Z noise, T patches, D features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.parity.network import Network, heads
from zoo.spec import Graph, Port


class Residual(nn.Module):
    """Two residual blocks with batch norm; He et al. (2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.ModuleList(self._block() for _ in range(2))
        self.head = nn.Linear(8, 5)

    @staticmethod
    def _block() -> nn.Sequential:
        first = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        return nn.Sequential(first, nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.stem(x_BCHW)
        for block in self.blocks:
            x_BCHW = F.relu(x_BCHW + block(x_BCHW))
        return self.head(x_BCHW.mean(dim=(2, 3)))


class Depthwise(nn.Module):
    """Depthwise separable convolutions; Howard et al. (2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.point = nn.Conv2d(8, 12, 1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(12 * 9, 4)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = F.relu6(self.norm(self.depth(F.hardswish(self.stem(x_BCHW)))))
        return self.head(F.max_pool2d(F.relu6(self.point(x_BCHW)), 2).flatten(1))


class UNet(nn.Module):
    """One level down and up with a skip; Ronneberger et al. (2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 6, 3, padding=1)
        self.middle = nn.Conv2d(6, 6, 3, padding=1)
        self.up = nn.Conv2d(12, 4, 3, padding=1)
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        skip_BCHW = F.relu(self.down(x_BCHW))
        deep_BCHW = F.relu(self.middle(F.max_pool2d(skip_BCHW, 2)))
        wide_BCHW = F.interpolate(deep_BCHW, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.out(F.relu(self.up(torch.cat([skip_BCHW, wide_BCHW], dim=1))))


class GroupNormNet(nn.Module):
    """Group norm and SiLU; Wu and He (2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(4, 8)
        self.second, self.last = nn.Conv2d(8, 8, 3, stride=2), nn.GroupNorm(2, 8)
        self.head = nn.Linear(8, 6)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = F.silu(self.norm(self.first(x_BCHW)))
        return self.head(F.silu(self.last(self.second(x_BCHW))).amax(dim=(2, 3)))


class Generator(nn.Module):
    """Noise to a picture by transposed convolutions; Radford et al. (2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(8, 12 * 9)
        self.layers = nn.Sequential(
            nn.BatchNorm2d(12), nn.ReLU(), nn.ConvTranspose2d(12, 6, 4, stride=2, padding=1),
            nn.BatchNorm2d(6), nn.LeakyReLU(0.2), nn.ConvTranspose2d(6, 1, 3, stride=2, padding=1, output_padding=1),
        )  # fmt: skip

    def forward(self, z_BZ: Tensor) -> Tensor:
        return torch.tanh(self.layers(self.project(z_BZ).reshape(-1, 12, 3, 3)))


class ViT(nn.Module):
    """Patches, a class token, one block with exact GELU; Dosovitskiy et al. (2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.place = nn.Parameter(0.3 * torch.randn(1, 10, 16))
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(16), nn.LayerNorm(16), nn.LayerNorm(16)
        self.qkv, self.mix = nn.Linear(16, 48), nn.Linear(16, 16)
        self.wide, self.narrow = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BTD = self.patch(x_BCHW).flatten(2).transpose(1, 2)
        x_BTD = torch.cat([self.token.expand(len(x_BTD), -1, -1), x_BTD], dim=1) + self.place
        query, key, value = (heads(part, 2) for part in self.qkv(self.norm1(x_BTD)).chunk(3, dim=-1))
        x_BTD = x_BTD + self.mix(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        x_BTD = x_BTD + self.narrow(F.gelu(self.wide(self.norm2(x_BTD))))
        return self.head(self.norm3(x_BTD[:, 0]))


class SqueezeExcite(nn.Module):
    """Channels weighed by a gate; Hu et al. (2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.squeeze, self.excite = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), nn.Linear(4, 8)
        self.second, self.head = nn.Conv2d(8, 6, 3), nn.Linear(6 * 16, 4)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = F.elu(self.first(x_BCHW))
        gate_BC = torch.sigmoid(self.excite(F.relu(self.squeeze(x_BCHW.mean(dim=(2, 3))))))
        x_BCHW = F.relu(self.second(x_BCHW * gate_BC[:, :, None, None]))
        return F.log_softmax(self.head(F.avg_pool2d(x_BCHW, 2).flatten(1)), dim=-1)


class Stylizer(nn.Module):
    """Reflected borders and instance norm; Ulyanov et al. (2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True)
        self.second = nn.Conv2d(6, 3, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = F.relu(self.norm(self.first(F.pad(x_BCHW, (1, 1, 1, 1), mode="reflect"))))
        return torch.sigmoid(self.second(F.pad(x_BCHW, (1, 1, 1, 1), mode="reflect")))


def _shift_places(module: nn.Module) -> None:
    module.place = nn.Parameter(module.place.roll(1, 1))


def _picture(channels: int, size: int, low: float, high: float, output: tuple[int, ...]) -> Graph:
    x = Port(name="x", dtype="float32", shape=("batch", channels, size, size), low=low, high=high)
    return Graph(inputs=(x,), outputs=(Port(name="y", dtype="float32", shape=("batch", *output)),))


_NOISE = Graph(
    inputs=(Port(name="z", dtype="float32", shape=("batch", 8), role="noise"),),
    outputs=(Port(name="image", dtype="float32", shape=("batch", 1, 12, 12)),),
)

IMAGES = (
    Network("residual-bn", Residual, _picture(3, 10, -2, 2, (5,))),
    Network("depthwise", Depthwise, _picture(3, 12, 0, 1, (4,))),
    Network("unet", UNet, _picture(1, 12, 0, 1, (1, 12, 12))),
    Network("groupnorm-conv", GroupNormNet, _picture(3, 9, -1, 1, (6,))),
    Network("generator", Generator, _NOISE),
    Network("vit", ViT, _picture(3, 12, -1, 1, (5,)), {"wrong position": _shift_places}),
    Network("squeeze-excite", SqueezeExcite, _picture(3, 12, 0, 1, (4,))),
    Network("stylizer", Stylizer, _picture(3, 10, 0, 1, (3, 10, 10))),
)
