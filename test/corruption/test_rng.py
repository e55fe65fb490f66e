from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from semalign_ros.corruption.rng import Draws, generator, random_bytes


def test_every_part_of_the_key_opens_another_stream() -> None:
    keys = [
        (0, "a", "x", 0),
        (1, "a", "x", 0),
        (0, "b", "x", 0),
        (0, "a", "y", 0),
        (0, "a", "x", 1),
        (0, "a", "x", None),
        (0, "ax", "", 0),  # the parts must not run together
    ]
    first = {generator(*key).integers(2**62) for key in keys}
    assert len(first) == len(keys)


def test_streams_of_neighbouring_frames_do_not_overlap() -> None:
    words = [generator(0, "a", "x", i).bit_generator.random_raw(1000) for i in range(20)]
    assert np.unique(np.concatenate(words)).size == 20_000


def test_known_bytes_never_change() -> None:
    # Results are stored and compared across versions: a change here is a breaking one.
    assert random_bytes(generator(7, "fog", "noise", 3), (4,)).tolist() == [156, 246, 136, 166]


@pytest.mark.parametrize("index", [0, 2**40, 2**64 - 1])
def test_large_indices(index: int) -> None:
    assert 0 <= generator(-5, "a", "x", index).random() < 1


def test_draws_differ_by_occurrence_and_frame() -> None:
    one, again, second, later = (
        Draws(0, "a", 0),
        Draws(0, "a", 0),
        Draws(0, "a", 0, occurrence=1),
        Draws(0, "a", 1),
    )
    for open_stream in (Draws.each_frame, Draws.whole_sequence):
        assert open_stream(one, "x").random() == open_stream(again, "x").random()
        assert open_stream(one, "x").random() != open_stream(second, "x").random()
    assert one.whole_sequence("x").random() == later.whole_sequence("x").random()
    assert one.each_frame("x").random() != later.each_frame("x").random()


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 3), (0,)])
def test_random_bytes_fill_any_shape(shape: tuple[int, ...]) -> None:
    values = random_bytes(generator(0, "a", "x", 0), shape)
    assert values.shape == shape
    assert values.dtype == np.uint8


def test_random_bytes_are_uniform() -> None:
    counts = np.bincount(random_bytes(generator(0, "a", "x", 0), (256_000,)), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_numpy_index_is_an_index():
    plain, numpy = (generator(7, "fog", "noise", index=n) for n in (5, np.int64(5)))
    assert plain.random() == numpy.random()
