"""What the study of restricted Boltzmann machines measures itself."""

import torch

from training.studies import rbm_mnist
from training.study import Trained
from zoo.run import Run


def test_steps_are_timed_on_a_copy_and_counted_up_to_an_iteration(run_of, tiny_recipe, monkeypatch):
    """110 rows in batches of 25 are 4 steps; the clock says 1 s for the 2 that are timed."""
    trained = Trained(folder=run_of("rbm-mnist"), run=Run.read(run_of("rbm-mnist")), recipe=tiny_recipe("rbm-mnist"))
    before = {name: tensor.clone() for name, tensor in trained.original.model.state_dict().items()}
    clock = iter([5.0, 6.0])
    monkeypatch.setattr(rbm_mnist, "STEPS", 2)
    monkeypatch.setattr(rbm_mnist.time, "process_time", lambda: next(clock))
    assert trained.run.data["rows"]["train"] == 110
    assert rbm_mnist.seconds(trained) == 2.0
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.original.model.state_dict().items())
