"""The last layer of a decoder, computed for the tokens after which logits are wanted.

Of the other tokens nobody needs more than the layer's keys and values. Each question wants
one token, so that of a small model, with few layers, this saves a fifth.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_ATTENTION = "semalign_wanted"


class Wanted:
    """Which tokens are wanted in a run, i64[R]; known during that only."""

    tokens: Tensor

    @contextmanager
    def are(self, tokens: Tensor) -> Iterator[None]:
        """Set them, for a run."""
        self.tokens = tokens
        try:
            yield
        finally:
            del self.tokens  # torch traces with tensors that cannot be copied afterwards


class _ForWanted(nn.Module):
    """A module that treats tokens one by one, applied to the wanted; the others' results are 0.

    Args:
        module: f32[B, S, D] -> f32[B, S, E], with an S of any size.
        wanted: Of S tokens.
    """

    def __init__(self, module: nn.Module, wanted: Wanted) -> None:
        super().__init__()
        self.module, self.wanted = module, wanted

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply it."""
        tokens = self.wanted.tokens
        return _spread(self.module(hidden.index_select(1, tokens)), tokens, hidden.shape[1])


def restrict_last_layer(language: Any, wanted: Wanted) -> None:
    """Have the last layer of a causal language model compute no more than is wanted, in place.

    Where its modules bear other names than Llama's, it computes more.
    """
    last = language.model.layers[-1]
    for name in ("self_attn.q_proj", "self_attn.o_proj", "mlp"):
        with suppress(AttributeError):
            last.set_submodule(name, _ForWanted(last.get_submodule(name), wanted), strict=True)
    for attention in last.children():
        if getattr(getattr(attention, "config", None), "_attn_implementation", "") == "sdpa":
            attention.wanted = wanted
            attention.config = copy.copy(attention.config)  # the other layers have the same one
            attention.config._attn_implementation = _ATTENTION


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    **options: Any,
) -> tuple[Tensor, None]:
    """Let the wanted tokens look at all, as transformers' attention functions are called.

    Args:
        module: Bears ``wanted``.
        query: f32[B, heads, S, D].
        key: f32[B, kv_heads, T, D].
        value: Likewise.
        attention_mask: Added to the products, f32[B, 1, S, T].
        **options: For the function of transformers.

    Returns:
        f32[B, S, heads, D], 0 for the others, and no weights.
    """
    tokens = module.wanted.tokens
    seen = attention_mask.index_select(2, tokens)
    found, _ = sdpa_attention_forward(
        module, query.index_select(2, tokens), key, value, seen, **options
    )
    return _spread(found, tokens, query.shape[2]), None


def _spread(found: Tensor, tokens: Tensor, count: int) -> Tensor:
    """Put results [B, R, ...] where their tokens stand among `count`, and 0 elsewhere."""
    nothing = found.new_zeros(found.shape[0], count, *found.shape[2:])
    return nothing.index_copy(1, tokens, found)


AttentionInterface.register(_ATTENTION, _attend)
