"""Token sequences as one tree, in which what several of them begin with stands once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Sequences that share their beginnings (a trie), N tokens in all.

    A decoder reads the tree in one run, if every token sees its ancestors only (SpecInfer,
    arXiv 2305.09781, section 4.2, calls this tree attention).

    Args:
        ids: i64[N], parents before their children.
        depth: i64[N], tokens before this one in its sequence.
        seen: bool[N, N], whether the token of the row follows that of the column, or is it.
        ends: i64[K], index of the last token of each sequence.
    """

    ids: NDArray[np.int64]
    depth: NDArray[np.int64]
    seen: NDArray[np.bool_]
    ends: NDArray[np.int64]


def token_tree(sequences: Sequence[Sequence[int]]) -> TokenTree:
    """Join sequences where they begin alike.

    Args:
        sequences: K of them, of one or more tokens each.

    Raises:
        ValueError: A sequence is empty.
    """
    found: dict[tuple[int, int], int] = {}
    parents: list[int] = []
    ends = []
    for sequence in sequences:
        if not len(sequence):
            raise ValueError("an empty sequence has no last token")
        node = -1
        for token in sequence:
            parent, node = node, found.setdefault((node, int(token)), len(found))
            if node == len(parents):
                parents.append(parent)
        ends.append(node)
    seen = np.eye(len(parents), dtype=bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            seen[node] |= seen[parent]
    return TokenTree(
        ids=np.array([token for _, token in found], np.int64),
        depth=seen.sum(axis=1, dtype=np.int64) - 1,
        seen=seen,
        ends=np.array(ends, np.int64),
    )
