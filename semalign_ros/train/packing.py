"""Several questions about one image in one row: the image is read once, as at run time.

A row is the image's tokens, an optional sentence, then questions with their answers.
Every question sees image and sentence and itself, and counts its positions on from
them, exactly as with shared-prefix scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semalign_ros.train.questions import PAD

NOTHING = -100
"""Target of positions that are not trained."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and the answer to learn.

    Args:
        question: Token ids, to where the answer starts.
        answer: Token ids, the end token included; empty to only ask.
        shift: Added to the logit of yes at the answer's first token; see
            :func:`semalign_ros.train.questions.logit_shift`.
        is_choice: The first token of the answer is a yes or a no.
    """

    question: Sequence[int]
    answer: Sequence[int] = ()
    shift: float = 0.0
    is_choice: bool = True


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of a batch; L positions follow the T image tokens.

    Args:
        ids: i64[B, L], tokens.
        positions: i64[B, T + L].
        mask: bool[B, 1, T + L, T + L], what each position (row) sees.
        target: i64[B, L], token to predict after each position, or -100.
        choice: bool[B, L], the target is a yes or a no.
        shift: f32[B, L], see :class:`Exchange`.
        last: i64[B, K], position in the row (of L) of each question's last token.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    target: Tensor
    choice: Tensor
    shift: Tensor
    last: Tensor


def pack(
    rows: Sequence[Sequence[Exchange]], sentences: Sequence[Sequence[int]], image_tokens: int
) -> Packed:
    """Lay out a batch.

    Args:
        rows: Questions of each image, equally many for all.
        sentences: Token ids of the sentence beside each image, empty for none.
        image_tokens: T.
    """
    sizes = [
        len(said) + sum(len(e.question) + max(len(e.answer) - 1, 0) for e in row)
        for row, said in zip(rows, sentences, strict=True)
    ]
    B, L = len(rows), max(sizes)
    ids = torch.full((B, L), PAD)
    segment = torch.full((B, L), -1)
    positions = torch.zeros(B, L, dtype=torch.long)
    target = torch.full((B, L), NOTHING)
    choice = torch.zeros(B, L, dtype=torch.bool)
    shift = torch.zeros(B, L)
    last = torch.zeros(B, max(map(len, rows)), dtype=torch.long)
    for b, (row, said) in enumerate(zip(rows, sentences, strict=True)):
        n = len(said)
        ids[b, :n] = torch.tensor(said, dtype=torch.long)
        segment[b, :n] = 0
        positions[b, :n] = image_tokens + torch.arange(n)
        prefix, at = image_tokens + n, n
        for k, exchange in enumerate(row, 1):
            tokens = [*exchange.question, *exchange.answer[:-1]]
            end = at + len(tokens)
            first = at + len(exchange.question) - 1
            ids[b, at:end] = torch.tensor(tokens)
            segment[b, at:end] = k
            positions[b, at:end] = prefix + torch.arange(len(tokens))
            last[b, k - 1] = first
            if exchange.answer:
                target[b, first:end] = torch.tensor(exchange.answer)
                choice[b, first] = exchange.is_choice
                shift[b, first] = exchange.shift
            at = end
    segment = torch.cat([torch.zeros(B, image_tokens, dtype=torch.long), segment], dim=1)
    before = torch.arange(image_tokens).expand(B, -1)
    return Packed(
        ids, torch.cat([before, positions], 1), _sight(segment), target, choice, shift, last
    )


def _sight(segment: Tensor) -> Tensor:
    """Who sees whom: earlier positions of the prefix (0) and of one's own question."""
    count = segment.shape[1]
    earlier = torch.ones(count, count, dtype=torch.bool).tril()
    shared = (segment[:, None, :] == 0) | (segment[:, None, :] == segment[:, :, None])
    return (earlier & shared)[:, None]
