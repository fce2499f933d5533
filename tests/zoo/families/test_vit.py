"""The vision transformer beside its papers and seed 002: parameters, patches, attention, positions."""

import numpy as np
import pytest
import torch
from scipy.special import erf

from zoo.families.vision.vit import Config, ViT, cut
from zoo.original import Original

BASELINE = Config()
TINY = Config(size=8, patch=4, dim=8, layers=2, heads=2, hidden=12, classes=3)


def count(config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in ViT(config).parameters())


def make(config=TINY, seed=0):
    torch.manual_seed(seed)
    original = Original.build("vit", config)
    for name, parameter in original.model.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.data.add_(torch.randn(parameter.shape) / 5)  # as after training
    original.model.positions.data.normal_()
    return original.cast("float64")


def logits_of(original, x):
    return original.call(original.graphs[0], {"x": x}, "float64")["logits"]


@pytest.mark.parametrize(
    ("dim", "layers", "heads", "hidden", "parameters"),
    [(768, 12, 12, 3072, 86_567_656), (1024, 24, 16, 4096, 304_326_632)],
    ids=["B/16", "L/16"],
)
def test_parameters_of_the_published_networks(dim, layers, heads, hidden, parameters):
    """As printed at https://docs.pytorch.org/vision/stable/models.html for ViT-B/16 and ViT-L/16 ("num_params")."""
    config = Config(colours=3, size=224, patch=16, dim=dim, layers=layers, heads=heads, hidden=hidden, classes=1000)
    assert count(config) == parameters


def test_parameters_of_the_baseline_by_hand():
    """Seed 002, line 365: 64 dimensions, 6 layers, 8 heads, 128 hidden units; the patches are this project's choice."""
    embedding = 49 * 64 + 64 + 64 + 17 * 64  # weights, bias, class token, positions
    attention = 64 * 3 * 64 + 3 * 64 + 64 * 64 + 64
    mlp = 64 * 128 + 128 + 128 * 64 + 64
    layer = attention + mlp + 2 * 2 * 64
    assert (BASELINE.dim, BASELINE.layers, BASELINE.heads, BASELINE.hidden) == (64, 6, 8, 128)
    assert count(BASELINE) == embedding + 6 * layer + 2 * 64 + 64 * 10 + 10 == 205_962
    assert count(Config(layers=8)) == 205_962 + 2 * layer == 272_906


def test_patches_are_cut_row_by_row_with_channels_first():
    x = torch.arange(32.0).view(1, 2, 4, 4)
    assert cut(x, 2)[0].tolist() == [
        [0, 1, 4, 5, 16, 17, 20, 21],
        [2, 3, 6, 7, 18, 19, 22, 23],
        [8, 9, 12, 13, 24, 25, 28, 29],
        [10, 11, 14, 15, 26, 27, 30, 31],
    ]


def layer_norm(x, norm):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * value(norm.weight) + value(norm.bias)


def value(parameter):
    return parameter.detach().double().numpy()


def dense(x, linear):
    return x @ value(linear.weight).T + value(linear.bias)


def weights(q, k):
    """softmax(QKᵀ/√d) with a token a row (seed 002, lines 337-349; lines 1601-1603 have tokens as columns, unscaled)."""
    scores = q @ k.T / np.sqrt(q.shape[1])
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def attend(x, attention, heads):
    """One head after the other; the columns of a head lie together, queries before keys before values."""
    q, k, v = np.split(dense(x, attention.project), 3, axis=1)
    parts = []
    for q_h, k_h, v_h in zip(*(np.split(array, heads, axis=1) for array in (q, k, v)), strict=True):
        mixed = weights(q_h, k_h)
        assert mixed.shape == (len(x), len(x))
        assert mixed.min() >= 0
        assert mixed.sum(axis=1) == pytest.approx(np.ones(len(x)))
        parts.append(mixed @ v_h)
    return dense(np.concatenate(parts, axis=1), attention.merge)


def by_hand(network, picture, config):
    """The equations of the paper, one picture, NumPy and float64."""
    side = config.patch
    patches = [
        picture[:, top : top + side, left : left + side].ravel()
        for top in range(0, config.size, side)
        for left in range(0, config.size, side)
    ]
    z = np.vstack([value(network.class_token)[0], dense(np.array(patches), network.embed)]) + value(network.positions)[0]
    for layer in network.layers:
        z = z + attend(layer_norm(z, layer.norm1), layer.attention, config.heads)
        hidden = dense(layer_norm(z, layer.norm2), layer.mlp[0])
        z = z + dense(0.5 * hidden * (1 + erf(hidden / np.sqrt(2))), layer.mlp[3])
    return dense(layer_norm(z[:1], network.norm), network.head)[0]


def test_the_network_is_that_of_the_paper():
    original = make()
    x = np.random.default_rng(0).uniform(size=(3, 1, 8, 8))
    expected = [by_hand(original.model, picture, TINY) for picture in x]
    np.testing.assert_allclose(logits_of(original, x), expected, rtol=1e-10, atol=1e-12)


def swapped(x):
    """The first patch of four in the place of the last, and the other way round."""
    found = x.copy()
    found[:, :, :4, :4], found[:, :, 4:, 4:] = x[:, :, 4:, 4:], x[:, :, :4, :4]
    return found


def test_only_positions_tell_where_a_patch_is():
    """Seed 002, footnote 12, line 355: attention is permutation-equivariant, positional encodings break the symmetry."""
    x = np.random.default_rng(0).uniform(size=(4, 1, 8, 8))
    original = make()
    assert np.abs(logits_of(original, x) - logits_of(original, swapped(x))).max() > 1e-2
    original.model.positions.data[:, 1:] = 0.5
    np.testing.assert_allclose(logits_of(original, x), logits_of(original, swapped(x)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("change", [{"patch": 5}, {"heads": 3}])
def test_what_does_not_divide_is_refused(change):
    with pytest.raises(ValueError, match="must divide"):
        ViT(Config(**{"size": 8, "patch": 4, "dim": 8, "heads": 2, **change}))


def test_dropout_is_for_training_only():
    torch.manual_seed(0)
    network = ViT(Config(size=8, patch=4, dim=8, layers=1, heads=2, hidden=12, dropout=0.5))
    x = torch.rand(2, 1, 8, 8)
    assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))
