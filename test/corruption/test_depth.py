from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.depth import FAR_M, assumed_depth, complete_depth, road_depth
from semalign_ros.types import Frame


def with_depth(depth):
    height, width = depth.shape
    return Frame(0, "c", 0, np.zeros((height, width, 3), np.uint8), depth=depth)


def test_the_road_falls_off_as_the_inverse_of_the_row_below_the_horizon():
    rows = road_depth(1000, 2000)[:, 0]
    assert (rows[:440] == FAR_M).all()
    assert (np.diff(rows[440:]) <= 0).all()
    # 1.22 m below the camera, focal length 2.2 heights: 2.2 * 1.22 / 0.5 at half a height.
    assert rows[939] == pytest.approx(5.37, abs=0.02)


def test_assumed_distances_are_symmetric_and_do_not_depend_on_size():
    full, half = assumed_depth(512, 1024), assumed_depth(256, 512)
    assert np.allclose(full, full[:, ::-1], rtol=1e-4)
    assert full[20, 0] == pytest.approx(2 * 1.1 * 15, rel=0.05)  # a wall 15 m to the side
    assert full[20, 512] == pytest.approx(120, rel=0.01)  # the end of the street
    coarse = full.reshape(256, 2, 512, 2).mean(axis=(1, 3))
    near = half < 100
    assert np.allclose(coarse[near], half[near], rtol=0.05)


def test_a_frame_without_depth_gets_the_assumption():
    frame = replace(with_depth(np.ones((40, 80), np.float32)), depth=None)
    assert np.array_equal(complete_depth(frame), assumed_depth(40, 80))


def test_known_distances_stay_and_small_gaps_take_their_neighbours():
    depth = np.full((200, 400), 4.0, np.float32)
    depth[100:104, 100:104] = np.nan
    depth[20:22] = np.inf
    before = depth.copy()
    result = complete_depth(with_depth(depth))
    assert (result == 4.0).all()
    assert np.array_equal(depth, before, equal_nan=True)


def test_a_large_gap_is_sky_or_road():
    depth = np.full((200, 400), 4.0, np.float32)
    depth[:, 100:300] = np.nan
    result = complete_depth(with_depth(depth))
    assert result[4, 200] == FAR_M
    assert result[150, 200] == pytest.approx(road_depth(200, 400)[150, 0], rel=0.1)
    assert result[4, 50] == 4.0


def test_the_sky_begins_close_to_what_is_before_it():
    # 40 m below the skyline: at most a thin rim of the sky takes that distance.
    depth = np.full((256, 512), 40.0, np.float32)
    depth[:96] = np.nan
    above = complete_depth(with_depth(depth))[:96, 256]
    assert (above[:92] == FAR_M).all()


def test_a_small_gap_above_the_horizon_is_sky_where_it_looks_like_it():
    depth = np.full((256, 512), 20.0, np.float32)
    frame = with_depth(depth)
    frame.image[:] = 120, 100, 90
    rows, plain, bright, dark = slice(16, 28), slice(32, 40), slice(96, 104), slice(160, 168)
    for columns in (plain, bright, dark):
        depth[rows, columns] = np.nan
    frame.image[:40, 300:] = frame.image[rows, bright] = 250  # sky, and some between roofs
    frame.image[rows, dark] = 20  # a window
    found = complete_depth(frame)
    assert (found[20:24, 100] == FAR_M).all()
    assert (found[20:24, [36, 164]] == 20).all()
    # Below the horizon a bright gap is a wall or a car.
    depth[150:158, 96:104], frame.image[150:158, 96:104] = np.nan, 250
    assert found[100, 100] == complete_depth(frame)[154, 100] == 20


def test_depth_without_a_known_pixel_is_assumed_and_says_so():
    fog = get_corruption("fog")
    nothing = with_depth(np.full((50, 90), np.nan, np.float32))
    assert fog.notes(nothing) == fog.notes(replace(nothing, depth=None)) != ()
    known = nothing.depth.copy()
    known[20:30] = 9.0
    assert fog.notes(with_depth(known)) == ()


@pytest.mark.parametrize("bad", [0.0, -3.0, np.nan, np.inf, -np.inf, FAR_M])
def test_no_distance_is_ever_unusable(bad):
    depth = np.full((50, 90), bad, np.float32)
    for frame in (with_depth(depth), with_depth(np.where(np.eye(50, 90) > 0, depth, 3.0))):
        result = complete_depth(frame)
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert result.min() > 0


def test_nothing_lies_below_the_road():
    # Stereo on the own bonnet gives such distances; they would paint fog on it.
    result = complete_depth(with_depth(np.full((200, 400), 500.0, np.float32)))
    assert result[-1].max() < 12
