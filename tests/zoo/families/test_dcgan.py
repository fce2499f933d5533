"""The adversarial family: sizes, ranges and what the paper says of its layers."""

import torch
from torch import nn

from zoo.families.generative.dcgan import DCGAN, Config


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_sizes_by_hand():
    """Kernels 7, 4, 4 from 64 through 96 and 48 to 1, and back without a bias before a normalisation."""
    model = DCGAN(Config())
    assert count(model.generator) == 64 * 96 * 49 + 2 * 96 + 96 * 48 * 16 + 2 * 48 + 48 * 16 + 1
    assert count(model.discriminator) == 48 * 16 + 48 + 48 * 96 * 16 + 2 * 96 + 96 * 49 + 1


def test_the_paper_leaves_two_layers_without_normalisation():
    """Radford et al., section 3: not in the last layer of G, nor in the first of D."""
    model = DCGAN(Config())
    assert [type(layer) for layer in model.generator.layers][-2:] == [nn.ConvTranspose2d, nn.Tanh]
    assert isinstance(model.discriminator.layers[1], nn.LeakyReLU)
    assert model.discriminator.layers[1].negative_slope == 0.2


def test_pictures_are_between_black_and_white_and_verdicts_log_odds():
    model = DCGAN(Config()).eval()
    with torch.no_grad():
        pictures = model.generate(5 * torch.randn(6, 64))
        assert pictures.shape == (6, 1, 28, 28)
        assert pictures.min() >= -1
        assert pictures.max() <= 1
        assert model.discriminate(pictures).shape == (6,)
