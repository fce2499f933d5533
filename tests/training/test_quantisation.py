"""What cards show of a quantiser, and what its second graph is asked for."""

import numpy as np
import torch

from training.quantisation import SCALE, prototype_inputs, prototypes
from zoo.families.classical.vector_quantiser import Config
from zoo.original import Original


def original():
    found = Original.build("vector-quantiser", Config(in_features=4, rows=2, columns=2))
    found.model.load_state_dict({"prototypes_UI": torch.tensor([[0.0] * 4, [1, 0, 0, 0], [1, 1, 0, 0], [2, 2, 2, -1]])})
    return found


def test_prototypes_stand_in_their_rows_with_lines_between_them():
    picture = np.asarray(prototypes(original(), 2))[::SCALE, ::SCALE]
    grey = 64
    assert picture.tolist() == [
        [0, 0, grey, 255, 0, grey],
        [0, 0, grey, 0, 0, grey],
        [grey] * 6,
        [255, 255, grey, 255, 255, grey],
        [0, 0, grey, 255, 0, grey],
        [grey] * 6,
    ]


def test_the_second_graph_is_asked_for_the_labels_of_the_samples():
    x = np.float32([[0.9, 0.1, 0, 0], [0.1, 0, 0, 0.2]])
    assert prototype_inputs(original(), {"predict/x": x})["prototype/label"].tolist() == [1, 0]
