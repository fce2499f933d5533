"""GPT: the seed document's table of GPT-2 small, attention by hand, and a cache that changes nothing."""

import dataclasses
import math

import pytest
import torch

from zoo.families.attention.gpt import FAMILY, GPT, POSITIONS, Config, attend
from zoo.layers.cache import causal, mask
from zoo.layers.positions import Rotation, turns, waves

SMALL = Config(vocabulary=11, context=6, layers=2, width=8, heads=4, kv_heads=2, mlp_width=16, longest_step=6, dropout=0.0)
GPT2_SMALL = Config(
    vocabulary=50_256, context=1024, layers=12, width=768, heads=12, kv_heads=12, mlp_width=3072, positions="learned"
)


def network(seed=0, **changes):
    """Weights ten times GPT-2's, so that attention is far from even."""
    torch.manual_seed(seed)
    model = GPT(dataclasses.replace(SMALL, **changes)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def empty(model, rows):
    """The state before the first call."""
    config = model.config
    slots = torch.zeros(rows, config.context, config.layers, config.kv_width, dtype=torch.float64)
    return slots, slots.clone(), torch.zeros(rows, dtype=torch.int64)


def in_steps(model, tokens, sizes):
    """Logits of the tokens, (rows, T, vocabulary), and the last state, by calls of these sizes."""
    state, parts = empty(model, len(tokens)), []
    for part in tokens.split(sizes, dim=1):
        length = torch.full((len(tokens),), part.shape[1])
        logits, *state = model.step(part, length, *state)
        parts.append(logits)
    return torch.cat(parts, dim=1), state


def close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------------------ the document


def test_gpt_2_small_has_the_weights_of_the_table():
    """Seed 003, lines 1155-1182: the products of the table exactly, and their sum; biases and norms are not in it."""
    with torch.device("meta"):
        model = GPT(GPT2_SMALL)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters() if parameter.ndim == 2}

    def total(end):
        return sum(size for name, size in sizes.items() if name.endswith(f"{end}.weight"))

    assert total("embedding") == 768 * 50_256 == 38_596_608
    assert total("position") == 1024 * 768 == 786_432
    assert total("attention.project") == 3 * 7_077_888  # W_Q, W_K and W_V
    assert total("attention.out") == 12 * 768 * 768 == 7_077_888
    assert total("mlp_in") == total("mlp_out") == 12 * 768 * 3072 == 28_311_552
    assert sum(sizes.values()) == 124_317_696
    assert sum(parameter.numel() for parameter in model.parameters()) == 124_317_696 + 82_944 + 38_400


def test_the_released_model_has_one_token_more_than_the_document_says():
    with torch.device("meta"):
        model = GPT(dataclasses.replace(GPT2_SMALL, vocabulary=50_257))
    assert sum(parameter.numel() for parameter in model.parameters()) == 124_439_808


def test_attention_by_hand():
    """softmax(Q Kᵀ / √d + M) V with d = 4: the second token's scores are 0 and 2 ln 3 / √4, so it weighs 1/4 and 3/4."""
    q, k = torch.zeros(1, 2, 1, 1, 4), torch.zeros(1, 2, 1, 4)
    q[:, 1, ..., 0], k[:, 1, ..., 0] = 2 * math.log(3), 1
    v = torch.tensor([[[[1.0, 0, 8, 4]], [[5, 4, 0, 4]]]])
    found = attend(q, [k], [v], mask(causal(torch.arange(2), 2)[None]))
    torch.testing.assert_close(found, torch.tensor([[[1.0, 0, 8, 4], [4, 3, 2, 4]]]))


def test_heads_that_share_keys_are_heads_with_equal_keys_side_by_side():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(3, 5, 2, 2, 4, generator=generator)  # 5 tokens, 2 groups of 2 heads of 4 numbers
    k, v = torch.randn(2, 3, 5, 2, 4, generator=generator)
    m = mask(causal(torch.arange(5), 5)[None])
    alone = [
        attend(q[:, :, [group]][:, :, :, [head]], [k[:, :, [group]]], [v[:, :, [group]]], m)
        for group in range(2)
        for head in range(2)
    ]
    torch.testing.assert_close(attend(q, [k], [v], m), torch.cat(alone, dim=-1))
    parts = [[x[:, :3], x[:, 3:]] for x in (k, v)]
    torch.testing.assert_close(attend(q, *parts, m), attend(q, [k], [v], m))


def test_sinusoids_by_hand():
    """Vaswani et al., section 3.5, with 4 numbers: wavelengths 2 π and 2 π · 100."""
    expected = torch.tensor([math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)])
    torch.testing.assert_close(waves(3, 4)[2], expected)


def test_a_turn_keeps_lengths_and_shows_distances_only():
    cos, sin = turns(30, 4)
    query, key = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))

    def score(at, other):
        return Rotation(cos[at], sin[at]).turn(query) @ Rotation(cos[other], sin[other]).turn(key)

    torch.testing.assert_close(score(9, 4), score(25, 20))
    torch.testing.assert_close(score(7, 7), query @ key)
    assert abs(score(9, 4) - score(9, 5)) > 1e-3
    turned = Rotation(cos[1], sin[1]).turn(torch.tensor([1.0, 0, 0, 2]))  # by 1 and by 0.01 radian
    torch.testing.assert_close(turned, torch.tensor([math.cos(1), -2 * math.sin(0.01), math.sin(1), 2 * math.cos(0.01)]))


def test_weights_that_write_into_the_residual_stream_begin_smaller():
    """GPT-2: N(0, 0.02²), divided by √(2 · 8 layers) where a block adds its result."""
    torch.manual_seed(0)
    model = GPT(Config(layers=8, width=256))
    for block in model.blocks:
        assert block.mlp_in.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert block.mlp_out.weight.std().item() == pytest.approx(0.005, rel=0.02)
        assert block.attention.out.weight.std().item() == pytest.approx(0.005, rel=0.02)


@pytest.mark.parametrize("changes", [{"positions": "none"}, {"heads": 3}, {"kv_heads": 3}, {"width": 12}])
def test_a_configuration_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=r"choose one of learned|do not divide evenly"):
        dataclasses.replace(SMALL, **changes)


# ------------------------------------------------------------------------------------------------ the cache


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_decoding_with_the_cache_is_decoding_without(positions, kv_heads):
    model = network(positions=positions, kv_heads=kv_heads)
    tokens = torch.randint(0, 11, (3, 6))
    whole = model(tokens)
    for sizes in ([6], [1] * 6, [2, 3, 1]):
        close(in_steps(model, tokens, sizes)[0], whole)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_text_longer_than_the_cache_does_not_depend_on_its_calls(positions):
    """Two turns show their distance only as far as sines are right, which are rounded to float32."""
    model, tolerance = network(positions=positions, longest_step=20), 1e-6 if positions == "rotary" else 1e-12
    tokens = torch.randint(0, 11, (3, 20))
    whole, state = in_steps(model, tokens, [20])
    for sizes in ([1] * 20, [7, 1, 12], [6, 6, 6, 2]):
        logits, after = in_steps(model, tokens, sizes)
        close(logits, whole, tolerance)
        for found, expected in zip(after, state, strict=True):
            close(found, expected, tolerance)


def test_a_token_sees_itself_and_the_five_before_it():
    model = network(layers=1)
    tokens = torch.randint(0, 11, (1, 12))
    other = tokens.clone()
    other[0, 3] = (tokens[0, 3] + 1) % 11
    changed = (in_steps(model, tokens, [1] * 12)[0] - in_steps(model, other, [1] * 12)[0]).abs().amax(dim=(0, 2))
    assert (changed > 1e-9).nonzero()[:, 0].tolist() == [3, 4, 5, 6, 7, 8]


def test_with_rotary_positions_a_text_that_has_slid_out_is_forgotten():
    """One layer: what follows the same six tokens is the same, whatever came before."""
    model = network(layers=1, longest_step=20)
    tokens = torch.randint(0, 11, (2, 20))
    tokens[1, 9:] = tokens[0, 9:]
    logits, state = in_steps(model, tokens, [20])
    close(logits[1, 14:], logits[0, 14:])
    for slots in state:
        close(slots[1], slots[0])


def test_padding_and_neighbours_leave_no_trace():
    model = network()
    tokens, length = torch.randint(0, 11, (4, 5)), torch.tensor([5, 2, 1, 3])
    past = in_steps(model, torch.randint(0, 11, (4, 4)), [4])[1]
    together = model.step(tokens, length, *past)
    for row, steps in enumerate(length.tolist()):
        alone = model.step(tokens[[row], :steps], length[[row]], *(slots[[row]] for slots in past))
        close(together[0][row, :steps], alone[0][0])
        for found, expected in zip(together[1:], alone[1:], strict=True):
            close(found[row], expected[0])


def test_free_slots_are_zero_and_what_lies_in_them_is_not_seen():
    model = network()
    tokens, length = torch.randint(0, 11, (2, 2)), torch.tensor([2, 1])
    keys, values, taken = empty(model, 2)
    expected = model.step(tokens, length, keys, values, taken)
    found = model.step(tokens, length, keys + 7, values - 7, taken)
    for each, other in zip(found, expected, strict=True):
        close(each, other)
    assert expected[3].tolist() == [2, 1]
    assert expected[1][0, 2:].abs().max() == expected[2][1, 1:].abs().max() == 0
    assert expected[1][0, :2].abs().min() > 0


def test_the_state_is_as_large_as_the_ports_say():
    """A token of the published model leaves the keys of one head of 32 numbers behind in each of 5 layers."""
    [graph] = FAMILY.graphs(Config())
    shapes = {port.name: port.shape for port in graph.inputs}
    assert shapes["past_keys"] == shapes["past_values"] == ("batch", 256, 5, 32)
    assert graph.successors == {
        "past_keys": "present_keys", "past_values": "present_values", "past_length": "present_length"
    }  # fmt: skip
    assert graph.axis("time").incremental
    assert graph.axis("time").padded
