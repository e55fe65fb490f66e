from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.alignment.windows import SlidingRatios
from semalign_ros.errors import ConfigError

SECOND = 1_000_000_000


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=60),
    st.integers(1, 10),
    st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_running_sums_equal_a_recount(frames, size, age):
    window, kept, stamp = SlidingRatios(size, float(age)), [], 0
    for gap, event, counted in frames:
        stamp += gap * SECOND
        window.add(stamp, {"a": (event and counted, counted), "n": (1, 1)})
        kept = [*kept, (stamp, event and counted, counted)][-size:]
        kept = [f for f in kept if stamp - f[0] <= age * SECOND]
        assert len(window) == len(kept)
        assert window.sums("a") == (sum(f[1] for f in kept), sum(f[2] for f in kept))
        assert window.sums("n") == (len(kept), len(kept))


def test_a_backwards_jump_empties_the_window():
    window = SlidingRatios(10)
    assert not window.add(5 * SECOND, {"a": (1, 1)})
    assert not window.add(5 * SECOND, {"a": (1, 1)})  # the same stamp is no jump
    assert window.add(1 * SECOND, {"a": (0, 1)})
    assert window.sums("a") == (0, 1)


def test_unknown_measures_and_cleared_windows_are_empty():
    window = SlidingRatios(3)
    assert window.sums("a") == (0, 0)
    window.add(0, {"a": (1, 1)})
    window.clear()
    assert (len(window), window.sums("a")) == (0, (0, 0))


def test_fractions_do_not_drift():
    window = SlidingRatios(50)
    for i in range(50_000):
        window.add(i, {"a": (i % 7 / 7, 1)})
    expected = sum(i % 7 / 7 for i in range(49_950, 50_000))
    assert window.sums("a")[0] == pytest.approx(expected, abs=1e-10)


def test_a_frame_costs_the_same_in_any_window():
    """Counts the calls, not the time: a recount would make them grow with the window."""

    def calls(size):
        window = SlidingRatios(size)
        for i in range(size):
            window.add(i, {"a": (1, 1)})
        count = 0

        def profile(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(profile)
        for i in range(size, size + 20):
            window.add(i, {"a": (1, 1)})
        sys.setprofile(None)
        return count

    assert calls(1000) == calls(10)


@pytest.mark.parametrize(("frames", "seconds"), [(0, 1.0), (5, 0.0), (5, float("nan"))])
def test_bad_limits_are_refused(frames, seconds):
    with pytest.raises(ConfigError, match="expected at least 1 frame"):
        SlidingRatios(frames, seconds)
