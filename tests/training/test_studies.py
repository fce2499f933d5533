"""What the studies measure and derive themselves, on figures that can be had by hand."""

import pytest
import torch

from training.recipes import load_recipe
from training.studies import autoencoder_mnist, optimizers, santa_fe_laser
from training.studies.optimizers import METHODS, Curve, Method, fit, points


def test_shares_of_a_published_table_are_its_quotients():
    found = autoencoder_mnist.STUDY.derive({row.name: row.published for row in autoencoder_mnist.STUDY.rows})
    after_20 = [found[autoencoder_mnist.name(width, 20)]["of 16 features"] for width in (32, 64, 128)]
    assert after_20 == pytest.approx([0.43 / 0.88, 0.20 / 0.88, 0.09 / 0.88])
    assert found[autoencoder_mnist.name(16, 1)]["of 20 epochs"] == pytest.approx(1.93 / 0.88)
    assert autoencoder_mnist.ratios({autoencoder_mnist.name(32, 1): {"test loss": 3.0}}) == {}


def test_a_shorter_history_is_that_of_the_codec_too():
    recipe = santa_fe_laser.with_history(load_recipe("lstm-laser"), steps=10)
    assert recipe.codec(None) == {"history": 10, "horizon": 100}
    assert recipe.load.keywords == {"history": 10}


def test_noise_is_a_share_of_the_targets():
    clean, noisy, pure = (points(noise)["train"] for noise in (0, 25, 100))
    assert torch.equal(clean[0], pure[0])
    assert torch.allclose(noisy[1], 0.75 * clean[1] + 0.25 * pure[1])
    x = (clean[0] + 1) * torch.pi / 2
    assert torch.allclose(clean[1], torch.sin(x * x) / optimizers.SPREAD)
    assert abs(torch.corrcoef(torch.cat([clean[1], pure[1]], dim=1).T)[0, 1]) < 0.2


def test_full_batches_take_a_step_an_epoch_and_small_ones_one_each(monkeypatch):
    monkeypatch.setattr(optimizers, "EPOCHS", 3)
    calls = []

    class Counting(torch.optim.SGD):
        def step(self, closure):
            calls.append(super().step(closure))

    for batch, steps in ((200, 3), (20, 30)):
        calls.clear()
        curve = fit(Method(Counting, (0.1,), batch), 0.1, 4, points(0), 0)
        assert len(calls) == steps
        assert len(curve.validation) == 3


def test_gradient_descent_lowers_the_loss_on_every_step(monkeypatch):
    monkeypatch.setattr(optimizers, "EPOCHS", 5)
    losses = fit(METHODS["gradient-descent"], 0.01, 10, points(0), 0).train
    assert losses == sorted(losses, reverse=True)


def test_a_curve_has_converged_near_the_variance_of_the_noise():
    curve = Curve(train=[], validation=[float("nan"), 2.0, 0.17, 0.16, 0.09, 3.0], test=[], seconds=0)
    assert curve.best == 4
    assert (curve.converged(0), curve.converged(25), curve.converged(100)) == (5, 4, 3)
    assert Curve(train=[], validation=[1.2], test=[], seconds=0).converged(100) is None
