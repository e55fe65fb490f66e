from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from semalign_ros.train.batches import generator, index_batches, prefetched


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


def test_prefetching_keeps_order_and_raises_what_failed():
    def square(i):
        time.sleep(0.02 * (i % 3))  # so that threads overtake each other
        return i * i

    assert list(prefetched(square, range(3, 20), workers=4)) == [i * i for i in range(3, 20)]

    def fail(i):
        if i == 2:
            raise ValueError("step 2")
        return i

    with pytest.raises(ValueError, match="step 2"):
        list(prefetched(fail, range(100)))


def test_prefetching_stops_when_left_early():
    made = []
    stream = prefetched(made.append, itertools.count(), workers=2)
    next(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("prefetch")]
    assert len(made) < 20
