"""A key-value cache of fixed size as arrays: which tokens are seen, and what is kept of them.

A row has C slots, of which the first `past_length` are taken, oldest first. A token sees itself and the C − 1 before it.

Shape letters: B batch, T new tokens, C slots; what a slot holds may have any shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def causal(time_T: Tensor, context: int) -> Tensor:
    """Whether the new token t sees the new token s, (T, T)."""
    distance_TT = time_T[:, None] - time_T
    return (distance_TT >= 0) & (distance_TT < context)


def visible(past_length_B: Tensor, time_T: Tensor, context: int) -> Tensor:
    """Whether the new token t sees slot s, and the new token s − C, (B, T, C + T)."""
    slot_C = torch.arange(context, device=time_T.device)
    past_B11 = past_length_B[:, None, None]
    old_BTC = (slot_C < past_B11) & (past_B11 + time_T[:, None] - slot_C < context)
    return torch.cat([old_BTC, causal(time_T, context).expand(len(past_length_B), -1, -1)], dim=-1)


def mask(visible: Tensor) -> Tensor:
    """M: what is added to the scores."""
    return torch.zeros(visible.shape, device=visible.device).masked_fill(~visible, -math.inf)


def survivors(past_length_B: Tensor, length_B: Tensor, time_T: Tensor, context: int) -> Tensor:
    """Where each slot's next content comes from, (B, C): an old slot, C + a new token, or C + T for none."""
    total_B1, past_B1 = (past_length_B + length_B)[:, None], past_length_B[:, None]
    place_BC = torch.arange(context, device=time_T.device) + (total_B1 - context).clamp(min=0)
    filled_BC = torch.where(place_BC < past_B1, place_BC, context + place_BC - past_B1)
    return torch.where(place_BC < total_B1, filled_BC, context + len(time_T))


def keep(past_BC: Tensor, new_BT: Tensor, index_BC: Tensor) -> Tensor:
    """The next slots: whole tokens are copied, and zero where there is none."""
    nothing = torch.zeros_like(past_BC[:, :1])
    source = torch.cat([past_BC, new_BT.to(past_BC), nothing], dim=1)
    row_B1 = torch.arange(len(index_BC), device=index_BC.device)[:, None]
    return source[row_B1, index_BC]
