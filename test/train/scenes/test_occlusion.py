from __future__ import annotations

import numpy as np

from semalign_ros.train.scenes import raster, render_sequence
from semalign_ros.train.scenes.occlusion import hidden

SIZE = (512, 256)


def wall(x0, x1, y0, y1, depth):
    """Outline, inverse depth and plane of a wall across our way."""
    outline = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)
    return outline, 1 / depth, np.array([0.0, 0.0, 1 / depth])


def ask(*walls, opaque=None):
    outlines, nearest, planes = (np.array(part) for part in zip(*walls, strict=True))
    opaque = np.ones(len(walls), bool) if opaque is None else np.array(opaque)
    return hidden(outlines, nearest, planes, opaque, SIZE).tolist()


def test_what_is_behind_a_wall_is_hidden_and_what_looks_out_is_not():
    front = wall(100, 300, 50, 200, 10.0)
    assert ask(front, wall(150, 250, 100, 150, 20.0)) == [False, True]
    assert ask(front, wall(150, 250, 100, 210, 20.0)) == [False, False]
    assert ask(front, wall(150, 250, 100, 150, 9.0)) == [False, False]


def test_walls_side_by_side_hide_together():
    left, right = wall(100, 201, 50, 200, 10.0), wall(199, 300, 50, 200, 12.0)
    assert ask(left, right, wall(150, 250, 100, 150, 20.0)) == [False, False, True]


def test_what_has_gaps_hides_nothing():
    front, back = wall(100, 300, 50, 200, 10.0), wall(150, 250, 100, 150, 20.0)
    assert ask(front, back, opaque=[False, True]) == [False, False]


def test_a_wall_that_must_be_drawn_is_never_hidden():
    outline, _, plane = wall(150, 250, 100, 150, 20.0)
    assert ask(wall(100, 300, 50, 200, 10.0), (outline, np.inf, plane)) == [False, False]


def test_leaving_out_the_hidden_changes_next_to_nothing(monkeypatch):
    """A few pixels at seams may differ, where the hidden shone through; labels hardly."""
    quick = [next(render_sequence(5, n, 1, SIZE)) for n in range(4)]
    monkeypatch.setattr(raster, "hidden", lambda outlines, *_: np.zeros(len(outlines), bool))
    full = [next(render_sequence(5, n, 1, SIZE)) for n in range(4)]
    for a, b in zip(quick, full, strict=True):
        assert np.count_nonzero(a.instance_ids != b.instance_ids) <= 15
        assert np.count_nonzero((a.image != b.image).any(-1)) < 500
