"""The worked examples of the seed documents, through exported graphs where a family can hold them.

Cited as seed and line of the source documents. Numbers are printed there with three decimals.
"""

import dataclasses
import importlib

import numpy as np
import pytest
import torch
from torch import nn

from export.exporter import export_graph
from zoo.codecs.classes import softmax
from zoo.original import Original
from zoo.registry import load_family
from zoo.session import Session


@pytest.fixture
def run_exported(tmp_path):
    """`run_exported(original, graph, **inputs)`: outputs of the exported graph."""

    def run(original, name, **inputs):
        graph = original.graph(name)
        export_graph(original, graph, tmp_path / graph.file)
        graph.check(inputs)
        return Session(tmp_path / graph.file, graph).run(inputs)

    return run


def build(name, **changes):
    family = load_family(name)
    return Original.build(name, dataclasses.replace(family.tiny, **changes))


def put(parameter, values):
    parameter.data = torch.tensor(values, dtype=torch.float32).reshape(parameter.shape)


# -------------------------------------------------------------------------------------------- softmax


def test_softmax_of_three_logits():
    """Seed 004, lines 1940-1956."""
    assert softmax(np.array([[2.0, 1.0, 0.1]]))[0] == pytest.approx([0.659, 0.242, 0.099], abs=5e-4)


def test_softmax_does_not_overflow():
    """Seed 001, lines 2913-2937, example 4.1; adding a constant changes nothing (line 3500)."""
    expected = [0.090, 0.245, 0.665]
    assert softmax(np.array([[1000.0, 1001.0, 1002.0]], np.float32))[0] == pytest.approx(expected, abs=5e-4)
    assert softmax(np.array([[-1002.0, -1001.0, -1000.0]], np.float32))[0] == pytest.approx(expected, abs=5e-4)
    assert softmax(np.array([[0.0, 1.0, 2.0]], np.float32))[0] == pytest.approx(expected, abs=5e-4)


def test_softmax_regression_gives_the_logits_of_the_example(run_exported):
    """Seed 001, equation 5.13 (line 3487): the scores are W x + b; here x = (1, 2), and they are seed 004's (2, 1, 0.1)."""
    original = build("softmax-regression", in_features=2, classes=3)
    put(original.model.affine.weight, [[1.0, 0.5], [0.0, 0.25], [-1.0, 0.5]])
    put(original.model.affine.bias, [0.0, 0.5, 0.1])
    logits = run_exported(original, "predict", x=np.array([[1, 2]], np.float32))["logits"]
    assert logits[0] == pytest.approx([2.0, 1.0, 0.1], abs=1e-6)
    assert softmax(logits)[0] == pytest.approx([0.659, 0.242, 0.099], abs=5e-4)


# -------------------------------------------------------------------------------------------- multi-layer perceptron


def test_the_forward_pass_of_two_hidden_units(run_exported):
    """Seed 001, lines 4148-4166, example 6.1: h = (0.45, 0.7). The output weights are ours, so that each is read out."""
    original = build("mlp", in_features=2, hidden=(2,), classes=3)
    put(original.model.trunk[0].weight, [[0.5, -0.3], [0.8, 0.2]])
    put(original.model.trunk[0].bias, [0.1, -0.2])
    put(original.model.head.weight, [[1, 0], [0, 1], [1, -1]])
    put(original.model.head.bias, [0, 0, 0])
    logits = run_exported(original, "predict", x=np.array([[1, 0.5], [0, 1]], np.float32))["logits"]
    assert logits[0] == pytest.approx([0.45, 0.7, -0.25], abs=1e-6)
    # x = (0, 1): pre-activations −0.2 and 0, which the rectifier (equation 6.10, line 4208) both makes 0
    assert logits[1] == pytest.approx([0, 0, 0], abs=1e-6)


def test_dropout_is_inverted_and_gone_when_it_predicts():
    """Seed 001, lines 4773-4775: scaled by 1/keep in training, nothing at inference."""
    original = build("mlp", in_features=2, hidden=(1000,), classes=1, dropout=0.5)
    put(original.model.trunk[0].weight, [[0.0, 0.0]] * 1000)
    put(original.model.trunk[0].bias, [1.0] * 1000)
    put(original.model.head.weight, [[1.0] * 1000])
    put(original.model.head.bias, [0.0])
    x = np.zeros((4, 2), np.float32)
    assert original.call(original.graphs[0], {"x": x})["logits"].ravel().tolist() == [1000] * 4
    torch.manual_seed(0)
    trained = original.model.train()(torch.from_numpy(x)).detach().numpy().ravel()
    assert len(set(trained.tolist())) > 1
    assert not np.any(trained % 2)  # every unit that is left counts twice
    assert trained == pytest.approx([1000] * 4, abs=5 * 2 * np.sqrt(250))  # twice a binomial of 1000 halves


def test_gradients_agree_with_central_differences():
    """Seed 001, lines 3146-3152: (f(θ + ε) − f(θ − ε)) / 2ε."""
    original = build("mlp", in_features=2, hidden=(3,), classes=2, dropout=0.0)
    network, x, target = original.cast("float64").model, torch.tensor([[1.0, 0.5]], dtype=torch.float64), torch.tensor([1])

    def loss():
        return nn.functional.cross_entropy(network(x), target)

    loss().backward()
    for parameter in network.parameters():
        for place in range(parameter.numel()):
            values = []
            for step in (1e-6, -1e-6):
                parameter.data.view(-1)[place] += step
                values.append(loss().item())
                parameter.data.view(-1)[place] -= step
            assert (values[0] - values[1]) / 2e-6 == pytest.approx(parameter.grad.view(-1)[place].item(), abs=1e-6)


# -------------------------------------------------------------------------------------------- convolutions


def test_the_convolutional_network_has_34826_parameters():
    """Seed 002, lines 112-114: 320 + 18,496 + 16,010, the second convolution on 13x13x32, 1,600 flat features."""
    original = Original.build("convnet", load_family("convnet").config())
    network = original.model
    assert original.num_parameters() == 34_826
    assert [sum(p.numel() for p in part.parameters()) for part in (network.block1, network.block2, network.head)] == [
        320, 18_496, 16_010,
    ]  # fmt: skip
    x = torch.zeros(1, 1, 28, 28)
    assert network.block1(x).shape == (1, 32, 13, 13)
    assert network.block2(network.block1(x)).flatten(1).shape == (1, 1600)


def test_lenet_has_the_layers_of_its_paper():
    """LeCun et al. 1998: 28x28 padded, 6@5x5, 16@5x5, 120, 84. With full connections and plain pooling 61,706 parameters."""
    original = Original.build("lenet5", load_family("lenet5").config())
    assert original.num_parameters() == 156 + 2_416 + 48_120 + 10_164 + 850
    x, shapes = torch.zeros(1, 1, 28, 28), []
    for layer in original.model.features:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert (shapes[0], shapes[2], shapes[3], shapes[5]) == ((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5))


SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SOBEL_INPUT = [[2, 4, 9, 1, 4], [2, 1, 4, 4, 6], [1, 1, 2, 9, 2], [7, 3, 5, 1, 3], [2, 3, 4, 8, 5]]
SOBEL_MAP = [[12, 11, -1], [2, 17, 0], [-1, 9, -3]]


def test_vertical_edges_are_found(run_exported):
    """Seed 003, lines 973-996, figure 20, through both blocks of an exported network.

    The first block passes the filter's map and its negative on, each pixel doubled in size so that pooling keeps it; the
    second adds the two again. The figure's 5x5 picture, padded by zeros to 14x14, is the input.
    """
    original = build("convnet", size=14, filters=(2, 1), classes=4, dropout=0.0)
    block1, block2, head = original.model.block1, original.model.block2, original.model.head
    put(block1[0].weight, [SOBEL, np.negative(SOBEL).tolist()])
    put(block1[0].bias, [0, 0])
    identity = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    put(block2[0].weight, [[identity, identity]])
    put(block2[0].bias, [0])
    assert head.in_features == 4
    put(head.weight, np.eye(4).tolist())
    put(head.bias, [0] * 4)
    picture = np.zeros((14, 14), np.float32)
    picture[:5, :5] = SOBEL_INPUT
    logits = run_exported(original, "predict", x=picture[None, None])["logits"]
    plain = np.array([[np.sum(picture[i : i + 3, j : j + 3] * SOBEL) for j in range(12)] for i in range(12)])
    assert plain[:3, :3].tolist() == SOBEL_MAP
    positive, negative = (np.maximum(sign * plain, 0).reshape(6, 2, 6, 2).max(axis=(1, 3)) for sign in (1, -1))
    expected = (positive + negative)[1:5, 1:5].reshape(2, 2, 2, 2).max(axis=(1, 3))
    assert logits.reshape(2, 2) == pytest.approx(expected)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_feature_map_of_the_figure(rows):
    """Seed 003, figure 20, by the convolution that the families use: cross-correlation, no padding, stride 1, no bias."""
    layer = load_family("convnet").build(dataclasses.replace(load_family("convnet").tiny, filters=(1, 1))).block1[0]
    put(layer.weight, SOBEL)
    put(layer.bias, [0])
    picture = torch.tensor([[SOBEL_INPUT]] * rows, dtype=torch.float32)
    assert layer(picture)[:, 0].tolist() == [SOBEL_MAP] * rows


# -------------------------------------------------------------------------------------------- recurrence


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def document_lstm(x_TD, gates):
    """Seed 004, equations 108-113 (lines 6403-6474): one matrix on [h, x] and one bias a gate."""
    size = gates["f"][1].shape[0]
    h, c = np.zeros(size), np.zeros(size)
    for x in x_TD:
        joined = np.concatenate([h, x])
        f, i, o = (sigmoid(gates[gate][0] @ joined + gates[gate][1]) for gate in "fio")
        candidate = np.tanh(gates["c"][0] @ joined + gates["c"][1])
        c = f * c + i * candidate
        h = o * np.tanh(c)
    return h


def gates_of(lstm):
    """PyTorch's stacked matrices, in its order i, f, g, o, as one matrix and one bias a gate: its two biases only add up."""
    inputs, states = lstm.weight_ih_l0.double().detach().numpy(), lstm.weight_hh_l0.double().detach().numpy()
    biases = (lstm.bias_ih_l0.double() + lstm.bias_hh_l0.double()).detach().numpy()
    size = lstm.hidden_size
    rows = {gate: slice(k * size, (k + 1) * size) for k, gate in enumerate("ifco")}
    return {gate: (np.hstack([states[part], inputs[part]]), biases[part]) for gate, part in rows.items()}


def test_the_recurrence_is_that_of_the_document(run_exported):
    torch.manual_seed(0)
    original = build("lstm")
    config, network = original.config, original.model
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 7, config.in_features)).astype(np.float32)
    length = np.array([1, 2, 5, 7, 3])
    logits = run_exported(original, "predict", x=x, length=length)["logits"]
    gates, head = gates_of(network.lstm), network.head
    last = np.stack([document_lstm(row[:steps].astype(np.float64), gates) for row, steps in zip(x, length, strict=True)])
    expected = last @ head.weight.double().detach().numpy().T + head.bias.double().detach().numpy()
    assert np.abs(logits - expected).max() < 1e-6


def test_an_open_forget_gate_keeps_the_cell(run_exported):
    """Seed 004, line 6422: dc_t/dc_{t-1} = f. Gates wide open or shut: the first step's candidate is added at every step."""
    original = build("lstm", in_features=1, hidden=1, classes=1)
    lstm = original.model.lstm
    put(lstm.weight_ih_l0, [0, 0, 1.0, 0])  # i, f, candidate, o
    put(lstm.weight_hh_l0, [0, 0, 0, 0])
    put(lstm.bias_ih_l0, [40.0, 40.0, 0, 40.0])
    put(lstm.bias_hh_l0, [0, 0, 0, 0])
    put(original.model.head.weight, [[1.0]])
    put(original.model.head.bias, [0.0])
    x = np.array([0.5, 0, 0, -0.25], np.float32).reshape(1, 4, 1)
    logits = run_exported(original, "predict", x=np.repeat(x, 3, axis=0), length=np.array([1, 3, 4]))["logits"]
    cells = np.tanh([0.5, 0.5, 0.5]) - [0, 0, np.tanh(0.25)]
    assert logits[:, 0] == pytest.approx(np.tanh(cells), abs=1e-6)


def test_the_cell_has_42240_parameters_with_one_bias_a_gate():
    """Seed 004, lines 5622-5627, D = 100 and H = 64: four gates of 64 · (100 + 64) + 64. PyTorch keeps a second bias."""
    lstm = build("lstm", in_features=100, hidden=64).model.lstm
    count = sum(parameter.numel() for parameter in lstm.parameters())
    assert 4 * (64 * 100 + 64 * 64 + 64) == 42_240
    assert count - 4 * 64 == 42_240
    assert tuple(lstm.weight_ih_l0.shape) == (4 * 64, 100)


# -------------------------------------------------------------------------------------------- autoencoder


def test_a_code_is_decoded_to_log_odds(run_exported):
    original = build("vae", pixels=2, hidden=1, latent=1)
    put(original.model.decoder[0].weight, [[2.0]])
    put(original.model.decoder[0].bias, [1.0])
    put(original.model.decoder[2].weight, [[1.0], [-1.0]])
    put(original.model.decoder[2].bias, [0.5, 0.0])
    z = np.array([[1.0], [-2.0]], np.float32)
    # h = relu(2z + 1): 3 and 0
    assert run_exported(original, "decode", z=z)["logits"] == pytest.approx(np.array([[3.5, -3.0], [0.5, 0.0]]))


def test_the_encoder_gives_mean_and_log_variance_apart(run_exported):
    original = build("vae", pixels=2, hidden=1, latent=1)
    put(original.model.encoder[0].weight, [[1.0, 1.0]])
    put(original.model.encoder[0].bias, [0.0])
    for head, weight, bias in ((original.model.mean, 2.0, 1.0), (original.model.log_variance, -1.0, 0.25)):
        put(head.weight, [[weight]])
        put(head.bias, [bias])
    outputs = run_exported(original, "encode", x=np.array([[0.25, 0.5]], np.float32))
    assert list(outputs) == ["mean", "log_variance"]
    assert (outputs["mean"].item(), outputs["log_variance"].item()) == (2.5, -0.5)


# -------------------------------------------------------------------------------------------- forest


def test_a_forest_averages_probabilities(run_exported):
    """Seed 001, lines 3729-3731, say "majority voting" and print the average, equation 5.36. The two disagree here.

    Three trees with one leaf each, of training rows with classes in the proportions below: two of three trees vote for
    class 0, while the average of class 1 is larger. The family averages, as its library does.
    """
    trees = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]])
    assert np.bincount(trees.argmax(axis=1)).argmax() == 0  # the vote
    average = trees.mean(axis=0)  # 13/30 and 17/30
    original = build("random-forest", in_features=1, classes=2, num_trees=3)
    forest = original.model.set_params(bootstrap=False, max_depth=1, random_state=0)
    x, y = np.array([[0.0]] * 10, np.float32), np.array([0] * 6 + [1] * 4)
    forest.fit(x, y)
    third = importlib.import_module("sklearn.tree").DecisionTreeClassifier(max_depth=1)
    forest.estimators_[2] = third.fit(x, np.array([0] + [1] * 9))
    outputs = run_exported(original, "predict", x=np.array([[0.0], [5.0]], np.float32))
    assert outputs["probabilities"] == pytest.approx(np.array([average, average]))
    assert average == pytest.approx([13 / 30, 17 / 30])
    assert outputs["label"].tolist() == [1, 1]
    computed = original.call(original.graphs[0], {"x": np.array([[0.0]], np.float32)})
    assert computed["probabilities"] == pytest.approx(average[None])
    assert computed["label"].tolist() == [1]
