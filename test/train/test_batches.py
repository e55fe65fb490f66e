from __future__ import annotations

import itertools

import numpy as np
import pytest

from semalign_ros.train.batches import Prefetch, generator, index_batches


def take(count, **arguments):
    return [b.tolist() for b in itertools.islice(index_batches(**arguments), count)]


def test_a_resumed_stream_goes_on_where_it_was():
    repeats = np.array([1.0, 0.5, 2.25, 1.0, 1.0])
    whole = take(40, repeats=repeats, batch=3, seed=5)
    assert take(17, repeats=repeats, batch=3, seed=5, start=23) == whole[23:]
    assert take(40, repeats=repeats, batch=3, seed=6) != whole


def test_frames_come_as_often_as_their_repeats():
    repeats = np.array([1.0, 0.5, 2.25])
    drawn = np.concatenate(take(5000, repeats=repeats, batch=3, seed=0))
    share = np.bincount(drawn) / len(drawn)
    assert share == pytest.approx(repeats / repeats.sum(), abs=0.01)


def test_streams_differ():
    draws = {generator(0, s, i).integers(1 << 60) for s in range(4) for i in range(4)}
    assert len(draws) == 16


def test_prefetch_keeps_order_and_raises_what_failed():
    with Prefetch(lambda i: i * i, 3, 8) as stream:
        assert list(stream) == [9, 16, 25, 36, 49]

    def fail(i):
        if i == 2:
            raise ValueError("step 2")
        return i

    with pytest.raises(ValueError, match="step 2"), Prefetch(fail, 0, 100) as stream:
        list(stream)


def test_prefetch_ends_its_thread_when_left_early():
    made = []
    with Prefetch(lambda i: made.append(i), 0, 10_000, depth=2) as stream:
        next(iter(stream))
    assert not stream._thread.is_alive()
    assert len(made) < 100
