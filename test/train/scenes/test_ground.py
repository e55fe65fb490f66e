from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.camera import Pose, View
from semalign_ros.train.scenes.decals import paint_mask
from semalign_ros.train.scenes.ground import draw_ground
from semalign_ros.train.scenes.street import BEHIND, KERB_HEIGHT, LENGTH, Crossing, Street
from semalign_ros.train.scenes.surface import GRASS, PAVERS, draw_look

STREET = Street(
    kind="canyon", slope=0.0, bend_start=50.0, bend_length=30.0, lane=3.5, lanes_right=1,
    lanes_left=1, median=0.0, parking_right=0.0, parking_left=0.0, sidewalk_right=3.0,
    sidewalk_left=3.0, verge=0.0, crossings=(), tram=False, cobbles=False, cycle_lane=False,
    marked=True, ego_lane=0,
)  # fmt: skip


def draw(view, blank, light, street=STREET, behind=PAVERS):
    buffers = blank(view)
    shape = buffers.ids.shape
    rng = np.random.Generator(np.random.Philox(1))
    look = draw_look(rng, np.full((2, int(LENGTH)), behind, np.uint8))
    nothing = np.zeros(shape, np.uint8)
    tone = np.full(shape, 128, np.uint8)
    draw_ground(buffers, view, street, look, light, nothing, nothing, tone)
    return buffers


def test_the_carriageway_lies_on_the_plane_below_us(level_view, blank, light):
    """depth = height * f / (v - v0)."""
    buffers = draw(level_view, blank, light)
    for row in (110, 140, 199):
        assert buffers.ids[row, 199] == LABEL_ID["road"]
        assert 1 / buffers.inverse_depth[row, 199] == pytest.approx(
            1.2 * 500 / (row - 99.5), rel=1e-4
        )


def test_the_kerb_is_where_the_plan_has_it_and_a_kerb_high(level_view, blank, light):
    """In row 159.5 the ground is 10 m away: carriageway up to +-3.5 m, so 199.5 +- 175 px."""
    buffers = draw(level_view, blank, light)
    row = 160
    distance = 1.2 * 500 / (row - 99.5)
    road = np.flatnonzero(buffers.ids[row] == LABEL_ID["road"])
    assert road[0] == pytest.approx(199.5 - 500 * 3.5 / distance, abs=1.0)
    assert road[-1] == pytest.approx(199.5 + 500 * 3.5 / distance, abs=1.0)
    beside = buffers.inverse_depth[row, 399]
    assert buffers.ids[row, 399] == LABEL_ID["sidewalk"]
    assert 1 / beside == pytest.approx((1.2 - KERB_HEIGHT) * 500 / (row - 99.5), rel=1e-4)


def test_depth_is_continuous_over_the_kerbs_face(level_view, blank, light):
    buffers = draw(level_view, blank, light)
    row = 160
    depth = 1 / buffers.inverse_depth[row]
    assert (np.abs(np.diff(depth)) < 0.2 * KERB_HEIGHT / 1.2 * depth[:-1]).all()


def test_grass_lies_behind_the_pavement_where_the_plan_has_it(level_view, blank, light):
    buffers = draw(level_view, blank, light, behind=GRASS)
    row = 120  # about 29 m away: the pavement ends at 6.5 m, or 111 px
    assert buffers.ids[row, 199 + 75] == LABEL_ID["sidewalk"]
    assert buffers.ids[row, 199 + 135] == LABEL_ID["terrain"]
    assert buffers.ids[row, 199 - 135] == LABEL_ID["terrain"]


def test_a_street_that_crosses_opens_the_kerb(level_view, blank, light):
    crossed = dataclasses.replace(STREET, crossings=(Crossing(20.0, 4.0, False, False),))
    row = round(99.5 + 1.2 * 500 / 20)
    assert draw(level_view, blank, light).ids[row, 10] == LABEL_ID["sidewalk"]
    assert draw(level_view, blank, light, crossed).ids[row, 10] == LABEL_ID["road"]


def test_kerb_distance_is_metric_and_rounds_corners():
    crossed = dataclasses.replace(STREET, crossings=(Crossing(20.0, 4.0, False, False),))

    def at(s, d):
        return float(crossed.kerb_distance(np.array([s], np.float32), np.array([d], np.float32))[0])

    assert at(0, 0) == pytest.approx(-3.5)
    assert at(0, 5.0) == pytest.approx(1.5)
    assert at(20, 30) == pytest.approx(-4.0)
    assert at(25.5, 4.5) < 0.4  # inside the rounded corner, 1 and 1.5 m from the two kerbs
    assert crossed.ground_height(0, 5.0) == KERB_HEIGHT
    assert crossed.ground_height(20, 5.0) == 0.0


def test_a_bend_keeps_the_start_straight_and_reaches_its_slope():
    bent = dataclasses.replace(STREET, slope=0.3)
    assert bent.centre(0.0) == pytest.approx(0.0, abs=1e-9)
    assert bent.heading(-BEHIND) < 0.05
    assert np.tan(bent.heading(300.0)) == pytest.approx(0.3, abs=0.005)
    step = (bent.centre(80.5) - bent.centre(79.5)) / 1.0
    assert np.tan(bent.heading(80.0)) == pytest.approx(step, abs=1e-3)


def test_a_painted_line_is_drawn_in_perspective(level_view):
    """A line of 0.2 m, 1.5 m to our right: 500 * 0.2 / depth pixels wide."""
    line = np.array([[(4.0, -1.6), (60.0, -1.6), (60.0, -1.4), (4.0, -1.4)]])
    mask = paint_mask(level_view, line) / 255.0
    for depth in (7.0, 12.0, 20.0):
        row = round(99.5 + 600 / depth)
        depth = 600 / (row - 99.5)
        assert mask[row].sum() == pytest.approx(100 / depth, abs=1.0)
        middle = (mask[row] * np.arange(400)).sum() / mask[row].sum()
        assert middle == pytest.approx(199.5 + 750 / depth, abs=0.6)


def test_a_thin_line_far_away_fades_instead_of_growing(level_view):
    line = np.array([[(40.0, -1.52), (120.0, -1.52), (120.0, -1.48), (40.0, -1.48)]])
    mask = paint_mask(level_view, line)
    assert 0 < mask.max() < 160


def test_the_view_may_start_in_a_turn(blank, light, level_view):
    """Turned 20 degrees to the left the right kerb moves out and the left one in."""
    view = View.at(level_view.camera, Pose(0.0, 0.0, 0.35))
    buffers = draw(view, blank, light)
    rays = view.rays()
    ray = rays @ (100.0, 160.0, 1.0)
    point = view.position + ray * (-view.position[2] / ray[2])
    expected = "road" if abs(point[1]) < 3.5 else "sidewalk"
    assert buffers.ids[160, 100] == LABEL_ID[expected]
    assert 1 / buffers.inverse_depth[199, 200] == pytest.approx(600 / 99.5, rel=1e-3)


def test_a_median_is_a_raised_strip_of_grass(level_view, blank, light):
    """Row 160 is 9.9 m away: the strip reaches 1 m to both sides, 50 px."""
    divided = dataclasses.replace(STREET, median=1.0)
    row = draw(level_view, blank, light, divided).ids[160]
    assert row[199] == LABEL_ID["terrain"]
    assert row[199 - 75] == row[199 + 75] == LABEL_ID["road"]
    assert divided.ground_height(5.0, 0.0) == KERB_HEIGHT
    assert divided.ego_offset == pytest.approx(-1.0 - 3.5 / 2)
