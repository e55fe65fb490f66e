from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes import Pose, Script, View, render_sequence
from semalign_ros.train.scenes.events import Event

_DIGEST = """
import hashlib
from semalign_ros.train.scenes import render_sequence
d = hashlib.sha256()
for f in render_sequence(7, 3, 2, (128, 64), every=9):
    for a in (f.image, f.instance_ids, f.depth):
        d.update(a.tobytes())
print(d.hexdigest())
"""


def digest(frames):
    total = hashlib.sha256()
    for frame in frames:
        for array in (frame.image, frame.instance_ids, frame.depth):
            total.update(array.tobytes())
    return total.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    """Hash seeds, caches and the order of scenes must not matter."""
    list(render_sequence(1, 0, 1, (128, 64)))
    here = digest(render_sequence(7, 3, 2, (128, 64), every=9))
    there = subprocess.run(
        [sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_a_frame_does_not_depend_on_those_before_it():
    """Resuming and other frame rates show the same moment."""
    dense = list(render_sequence(7, 4, 5, (128, 64), every=2))
    sparse = list(render_sequence(7, 4, 2, (128, 64), every=8))
    assert digest([dense[4]]) == digest([sparse[1]])


def test_seeds_and_scenes_differ():
    pictures = [
        next(render_sequence(seed, scene, 1, (128, 64))).image.mean()
        for seed, scene in ((1, 0), (1, 1), (2, 0))
    ]
    assert len(set(pictures)) == 3


def test_the_renderer_needs_no_torch():
    code = "import sys, semalign_ros.train.scenes; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def _misfit(before, after, speed, yaw_rate):
    """Mean relative depth error of houses after moving by a twist; f64.

    Lift house pixels of one frame by their depth, move them, and look at the next frame there.
    """
    dt = after.time - before.time
    turn = yaw_rate * dt
    moved = Pose(speed * dt * math.cos(turn / 2), speed * dt * math.sin(turn / 2), turn)
    first = View.at(before.camera, Pose(0.0, 0.0, 0.0))
    second = View.at(after.camera, moved)
    rows, columns = np.nonzero(np.isin(before.label_ids, (11, 17, 21)) & (before.depth < 60))
    pixels = np.stack([columns, rows, np.ones_like(rows)])
    points = first.position + ((first.rays() @ pixels) * before.depth[rows, columns]).T
    seen = second.project(points)
    column, row = np.rint(seen[:, 0]).astype(int), np.rint(seen[:, 1]).astype(int)
    height, width = after.depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (seen[:, 2] > 0)
    assert inside.sum() > 2000
    found = after.depth[row[inside], column[inside]]
    return np.minimum(np.abs(found / seen[inside, 2] - 1), 0.5).mean()


def test_static_points_move_as_speed_and_yaw_rate_predict(drive):
    """Only the twist of the vehicle file and the camera file are used, no pose."""
    before, after = drive[-2], drive[-1]
    speed = (before.state.speed + after.state.speed) / 2
    rate = (before.state.yaw_rate + after.state.yaw_rate) / 2
    assert abs(rate) > 0.05
    true = _misfit(before, after, speed, rate)
    assert true < 0.10
    for wrong in (
        (0.0, 0.0),
        (speed, 0.0),
        (speed, -rate),
        (0.8 * speed, rate),
        (1.2 * speed, rate),
    ):
        assert _misfit(before, after, *wrong) > 1.4 * true


def _place(frame, ident):
    """World x and y of the middle of what is seen of an instance."""
    view = View.at(frame.camera, frame.state.pose)
    rows, columns = np.nonzero(frame.instance_ids == ident)
    pixels = np.stack([columns, rows, np.ones_like(rows)])
    points = view.position[:, None] + (view.rays() @ pixels) * frame.depth[rows, columns]
    return np.median(points[:2], axis=1)


def test_instances_keep_their_ids_through_a_sequence(drive):
    """A car with one number stands still or moves evenly; a swap of numbers would jump."""
    large = [
        {
            int(i)
            for i, n in zip(*np.unique(f.instance_ids, return_counts=True), strict=True)
            if i // 1000 == 26 and n > 60
        }
        for f in drive
    ]
    checked = 0
    for k in range(len(drive) - 2):
        for ident in large[k] & large[k + 1] & large[k + 2]:
            before, here, after = (_place(frame, ident) for frame in drive[k : k + 3])
            assert np.abs(before + after - 2 * here).max() < 2.5
            checked += 1
    assert checked >= 5


def test_a_script_gives_what_it_says():
    script = Script(
        street="canyon", light="dusk", speed=6.0, events=(Event("pedestrian", 15.0, 0.5),)
    )
    frames = list(render_sequence(2, 0, 3, (256, 128), every=8, script=script))
    assert frames[0].state.speed == pytest.approx(6.0)
    assert min(f.state.speed for f in frames) < 6.0  # brakes
    people = [np.count_nonzero(f.label_ids == LABEL_ID["person"]) for f in frames]
    assert max(people) > 40


def test_dusk_is_darker_than_day():
    day, dusk = (
        next(render_sequence(2, 1, 1, (128, 64), script=Script(light=light))).image.mean()
        for light in ("day", "dusk")
    )
    assert dusk < 0.75 * day
