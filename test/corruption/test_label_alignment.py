from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import Condition, Step, get_corruption
from semalign_ros.types import Frame

from .conftest import CAR, drive, street

LAG, SHIFT = get_corruption("temporal_lag"), get_corruption("calibration_shift")


def test_a_late_map_is_that_of_the_earlier_frame():
    frame = drive(40)
    assert LAG.apply(frame, lag_frames=3).labels is frame.earlier[3].labels
    assert LAG.apply(frame, lag_frames=0.4).labels is frame.labels
    assert Condition.of("temporal_lag", 2).recalls() == {2}
    young = replace(frame, index=1, earlier={1: frame.earlier[1]})
    assert LAG.apply(young, lag_frames=3).labels is young.labels
    assert LAG.notes(young, lag_frames=3) == ()  # the stream has only begun


def test_later_steps_see_late_maps_too():
    chain = Condition(
        "chain", 3, (Step("temporal_lag", 3, {"lag_frames": 2}), Step("downsample", 1))
    )
    frame = drive(40)
    alone = Condition.of("downsample", 1)
    expected = alone.degrade_labels(frame.earlier[2], 0).labels
    assert np.array_equal(chain.degrade_labels(frame, 0).labels, expected)


def test_a_shift_is_in_pixels_of_the_reference_width():
    frame = street(512, 1024)
    moved = SHIFT.apply(frame, du_px=20, dv_px=-8, roll_deg=0).labels
    assert np.array_equal(moved[:-4, 10:], frame.labels[4:, :-10])
    assert (moved[:, :10] == 255).all()
    assert (moved[-4:] == 255).all()


@pytest.mark.parametrize("size", [(256, 512), (256, 256), (384, 512)])
def test_a_roll_turns_about_the_middle(size):
    height, width = size
    labels = np.zeros(size, np.uint8)
    # A point a quarter of the picture's width to the right of the middle.
    labels[height // 2 - 2 : height // 2 + 2, width * 3 // 4 - 2 : width * 3 // 4 + 2] = CAR
    frame = Frame(0, "c", 0, np.zeros((*size, 3), np.uint8), labels)
    turned = SHIFT.apply(frame, du_px=0, dv_px=0, roll_deg=10).labels
    y, x = (v.mean() for v in np.nonzero(turned == CAR))
    right, down = x - (width - 1) / 2, y - (height - 1) / 2
    assert right == pytest.approx(width / 4 * np.cos(np.radians(10)), abs=1)
    assert down == pytest.approx(width / 4 * np.sin(np.radians(10)), abs=1)
