from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.train.scenes.faces import FaceBuilder, stack
from semalign_ros.train.scenes.raster import draw_faces
from semalign_ros.train.scenes.texture import Texture, plain

WHITE = plain((255, 255, 255))


def wall(x, label=11, *, y=0.0, z=0.0, width=2.0, height=1.5, texture=WHITE):
    """An upright wall across our way, its foot's middle at (x, y, z)."""
    build = FaceBuilder()
    build.add(
        (x, y + width / 2, z + height), (0, -width, 0), (0, 0, -height), texture, label,
        normal=(-1, 0, 0),
    )  # fmt: skip
    return build.build()


def box(x, label=26):
    build = FaceBuilder()
    build.box(
        (4.0, 1.8, 1.5),
        (x, 0, 0),
        dict.fromkeys(("front", "rear", "left", "right", "top"), WHITE),
        label,
    )
    return build.build()


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


@pytest.mark.parametrize("distance", [6.0, 15.0, 40.0])
def test_a_box_has_the_size_that_its_distance_gives(level_view, blank, light, distance):
    """A car of 1.8 x 1.5 m: 500 px focal length, so 500 * size / distance pixels."""
    buffers = blank(level_view)
    draw_faces(buffers, level_view, box(distance + 2.0), light)
    rear = buffers.inverse_depth > 0.9999 / distance
    height, width = extent(rear & (buffers.ids == 26))
    assert height == pytest.approx(500 * 1.5 / distance, abs=1.5)
    assert width == pytest.approx(500 * 1.8 / distance, abs=1.5)


def test_it_stands_on_the_ground(level_view, blank, light):
    buffers = blank(level_view)
    draw_faces(buffers, level_view, box(12.0), light)
    lowest = np.flatnonzero((buffers.ids == 26).any(1)).max()
    assert lowest == pytest.approx(99.5 + 500 * 1.2 / 10, abs=1.0)


def test_depth_of_a_slanted_wall_is_that_of_the_plane(level_view, blank, light):
    """Oracle: cut each pixel's ray with the plane x + y = 20."""
    build = FaceBuilder()
    build.add(
        (17.0, 3.0, 2.0), (6.0, -6.0, 0), (0, 0, -2.0), WHITE, 11, normal=(-1, -1, 0),
        two_sided=True,
    )  # fmt: skip
    buffers = blank(level_view)
    draw_faces(buffers, level_view, build.build(), light)
    rows, columns = np.nonzero(buffers.ids == 11)
    assert len(rows) > 2000
    # Ray: x = depth, y = -depth * (u - u0) / f.
    expected = 20.0 / (1.0 - (columns - 199.5) / 500.0)
    np.testing.assert_allclose(1.0 / buffers.inverse_depth[rows, columns], expected, rtol=1e-4)


def test_the_nearer_one_hides_the_other_in_any_order(level_view, blank, light):
    near, far = wall(8.0, 11, width=1.0), wall(12.0, 12, width=4.0)
    results = []
    for faces in (stack([near, far]), stack([far, near])):
        buffers = blank(level_view)
        draw_faces(buffers, level_view, faces, light)
        results.append(buffers.ids.copy())
    np.testing.assert_array_equal(*results)
    assert results[0][130, 199] == 11
    assert results[0][130, 150] == 12


def test_walls_that_cross_are_cut_where_they_meet(level_view, blank, light):
    """A painter that sorts whole faces gets one half wrong."""
    build = FaceBuilder()
    for label, sign in ((11, 1.0), (12, -1.0)):
        build.add(
            (10 - 2 * sign, 2.0, 2.0), (4 * sign, -4.0, 0), (0, 0, -2.0), WHITE, label,
            normal=(-1, 0, 0), two_sided=True,
        )  # fmt: skip
    buffers = blank(level_view)
    draw_faces(buffers, level_view, build.build(), light)
    assert (buffers.ids[120, 110:190] == 11).all()
    assert (buffers.ids[120, 210:290] == 12).all()


def test_a_face_that_reaches_behind_the_camera_is_clipped(level_view, blank, light):
    """A house front beside us, from 10 m behind to 30 m ahead: its foot must reach the border."""
    build = FaceBuilder()
    build.add(
        (-10.0, 3.0, 4.0), (40.0, 0, 0), (0, 0, -4.0), WHITE, 11, normal=(0, -1, 0)
    )  # fmt: skip
    buffers = blank(level_view)
    draw_faces(buffers, level_view, build.build(), light)
    # Its top is 2.8 m above us, its foot 1.2 m below: at the border 7.5 m away.
    rows = np.flatnonzero(buffers.ids[:, 0] == 11)
    assert rows[0] == 0
    assert rows[-1] == pytest.approx(99.5 + 500 * 1.2 / 7.5, abs=1.0)
    u = np.arange(20, 100)
    depth = 3.0 * 500 / (199.5 - u)
    np.testing.assert_allclose(buffers.inverse_depth[99, u], 1 / depth, rtol=1e-3)
    assert (buffers.ids[:, 260:] == 0).all()


def test_what_turns_its_back_is_not_drawn(level_view, blank, light):
    build = FaceBuilder()
    build.add((8, 1, 2), (0, -2, 0), (0, 0, -2), WHITE, 11, normal=(1, 0, 0))
    buffers = blank(level_view)
    draw_faces(buffers, level_view, build.build(), light)
    assert not buffers.ids.any()


def test_a_picture_is_neither_mirrored_nor_turned(level_view, blank, light):
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[:32, :32, 0] = 255  # red top left
    rgba[32:, 32:, 2] = 255  # blue bottom right
    buffers = blank(level_view)
    draw_faces(buffers, level_view, wall(6.0, texture=Texture(rgba), height=2.0), light)
    rows, columns = np.nonzero(buffers.ids)
    top, bottom, left, right = rows.min() + 8, rows.max() - 8, columns.min() + 8, columns.max() - 8
    lit = buffers.colour > 150
    assert lit[top, left].tolist() == [True, False, False]
    assert lit[bottom, right].tolist() == [False, False, True]
    assert not buffers.colour[top, right].any()


def test_a_hole_in_a_picture_shows_what_is_behind(level_view, blank, light):
    rgba = np.full((16, 16, 4), 255, np.uint8)
    rgba[4:12, 4:12, 3] = 0
    faces = stack([wall(6.0, 13, texture=Texture(rgba)), wall(9.0, 11, width=4.0, height=3.0)])
    buffers = blank(level_view)
    draw_faces(buffers, level_view, faces, light)
    middle_row = round(99.5 + 500 * (1.2 - 0.75) / 6)
    assert buffers.ids[middle_row, 199] == 11
    assert 1 / buffers.inverse_depth[middle_row, 199] == pytest.approx(9.0, rel=1e-4)
    assert buffers.ids[middle_row, 130] == 13


def test_edges_are_smooth_in_the_picture_only(level_view, blank, light):
    buffers = blank(level_view)
    faces = FaceBuilder()
    faces.add((8, 1, 2.3), (0, -2, 0.4), (0, 0, -2), WHITE, 11, normal=(-1, 0, 0))
    draw_faces(buffers, level_view, faces.build(), light)
    grey = (buffers.colour[..., 0] > 20) & (buffers.colour[..., 0] < 235)
    assert grey.sum() > 50
    assert set(np.unique(buffers.ids)) == {0, 11}
    inside = buffers.colour[..., 0] == 255
    assert (buffers.ids[inside] == 11).all()
