from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.exposure import lit_share
from semalign_ros.types import Frame

from .conftest import LIGHT, street

FLICKER = get_corruption("led_flicker")


@given(
    phase=st.floats(0, 50),
    duty=st.floats(0.05, 1),
    exposure=st.floats(0.05, 40),
)
def test_lit_share_is_that_of_a_simulated_pulse(phase: float, duty: float, exposure: float) -> None:
    period = 11.0
    times = phase * period + (np.arange(40_000) + 0.5) / 40_000 * exposure - exposure / 2
    on = (times % period) < duty * period
    assert lit_share(phase, period, duty * period, exposure) == pytest.approx(
        on.mean() / duty, abs=2e-3 / duty
    )


def red(frame: Frame) -> float:
    return float(frame.image[frame.labels == LIGHT][:, 0].mean())


def test_only_lights_change_and_the_phase_follows_the_stamp():
    frame = street()
    seen = []
    for k in range(40):
        moved = replace(frame, stamp_ns=1_700_000_000_000_000_000 + 59_000_000 * k)
        result = FLICKER.apply(moved, modulation_percent=100, exposure_ms=1)
        elsewhere = frame.labels != LIGHT
        assert np.array_equal(result.image[elsewhere], frame.image[elsewhere])
        seen.append(red(result))
    # A short exposure catches a lamp that is on for a quarter of the time in a quarter of frames.
    assert np.mean(np.array(seen) < 100) == pytest.approx(0.75, abs=0.15)
    assert max(seen) > red(frame)
    again = replace(frame, stamp_ns=1_700_000_000_000_000_000 + 90 * 1_000_000_000)
    first = replace(frame, stamp_ns=1_700_000_000_000_000_000)
    one, two = (red(FLICKER.apply(f, 5, exposure_ms=3)) for f in (first, again))
    assert one == pytest.approx(two, abs=2)  # whole periods later


def test_a_whole_period_does_not_flicker():
    frame = street()
    result = FLICKER.apply(frame, 5, exposure_ms=1000 / 90)
    assert np.abs(result.image.astype(int) - frame.image).max() <= 1


def test_without_lights_or_labels_nothing_happens():
    frame = street()
    blind = replace(frame, labels=None)
    assert FLICKER.apply(blind, 5).image is blind.image
    assert "no label map" in FLICKER.notes(blind)[0]
    assert FLICKER.notes(frame) == ()
