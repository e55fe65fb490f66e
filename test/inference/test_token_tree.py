from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semalign_ros.inference.token_tree import token_tree

_SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8)


@given(_SEQUENCES)
def test_a_sequence_is_what_its_last_token_sees(sequences: list[list[int]]) -> None:
    tree = token_tree(sequences)
    for sequence, end in zip(sequences, tree.ends, strict=True):
        path = np.flatnonzero(tree.seen[end])  # parents come before their children
        assert tree.ids[path].tolist() == sequence
        assert tree.depth[path].tolist() == list(range(len(sequence)))


@given(_SEQUENCES)
def test_each_beginning_is_one_token(sequences: list[list[int]]) -> None:
    beginnings = {tuple(s[:i]) for s in sequences for i in range(1, len(s) + 1)}
    assert len(token_tree(sequences).ids) == len(beginnings)


def test_by_hand() -> None:
    tree = token_tree([[5, 6], [5, 7, 6], [5]])
    assert tree.ids.tolist() == [5, 6, 7, 6]
    assert tree.depth.tolist() == [0, 1, 1, 2]
    assert tree.ends.tolist() == [1, 3, 0]
    assert tree.seen.astype(int).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 0, 1, 0],
        [1, 0, 1, 1],
    ]


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        token_tree([[1], []])
