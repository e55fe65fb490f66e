"""Labels, instances, depth and picture of a scene agree with each other and with the world."""

from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.bags.camera import depth_from_disparity
from semalign_ros.scene import CLASSES, reference_from_labels
from semalign_ros.scene.taxonomy import LABEL_ID, LABEL_ID_TO_TRAIN_ID
from semalign_ros.train.scenes import Pose, View, render_sequence
from semalign_ros.types import Judgment

_THINGS = {LABEL_ID[name] for name in CLASSES[11:]}
_OUTSIDE = {1, 4}  # the recording vehicle, and things without a class


def test_instance_ids_give_the_label_ids(many):
    for frame in many:
        ids = frame.instance_ids.astype(int)
        np.testing.assert_array_equal(np.where(ids >= 1000, ids // 1000, ids), frame.label_ids)
        np.testing.assert_array_equal(LABEL_ID_TO_TRAIN_ID[frame.label_ids], frame.train_ids)
        # Things are numbered, stuff is not.
        things = {int(i) for i in np.unique(ids[ids >= 1000]) // 1000}
        stuff = {int(i) for i in np.unique(ids[ids < 1000])}
        assert things <= _THINGS
        assert stuff <= {LABEL_ID[name] for name in CLASSES[:11]} | _OUTSIDE


def test_depth_survives_the_disparity_file(many):
    frame = many[0]
    code = frame.disparity
    decoded = depth_from_disparity(code, frame.camera.fx, frame.camera.baseline)
    near = frame.depth < 80
    step = frame.depth[near] ** 2 / (frame.camera.baseline * frame.camera.fx * 256)
    assert (np.abs(decoded[near] - frame.depth[near]) <= 0.6 * step + 1e-4).all()
    assert (code[frame.label_ids == 1] == 0).all()
    assert (code[frame.label_ids == LABEL_ID["sky"]] == 1).all()


def test_only_the_sky_is_infinitely_far(many):
    for frame in many:
        sky = frame.label_ids == LABEL_ID["sky"]
        assert np.isinf(frame.depth[sky]).all()
        known = ~sky & (frame.label_ids != 1)
        assert np.isfinite(frame.depth[known]).all()
        assert frame.depth[known].min() > 0.3


def test_the_road_recedes_row_by_row(many):
    for frame in many:
        rows, columns = np.nonzero(frame.train_ids == 0)
        for column in np.unique(columns)[::20]:
            picked = columns == column
            depth = frame.depth[rows[picked], column]
            assert (np.diff(depth[np.argsort(rows[picked])]) < 1e-3).all()


def _feet_and_heads(frame):
    """World heights of the lowest and highest pixel of each instance, and its depth and pixels.

    Only those whose foot is in sight: the pixel below it is ground, about as far away.
    """
    view = View.at(frame.camera, Pose(0.0, 0.0, 0.0))
    ground = np.isin(frame.train_ids, (0, 1, 9))
    for ident in np.unique(frame.instance_ids[frame.instance_ids >= 1000]):
        rows, columns = np.nonzero(frame.instance_ids == ident)
        if len(rows) < 60 or rows.max() + 1 >= frame.depth.shape[0]:
            continue
        heights = []
        for pick in (rows.argmax(), rows.argmin()):
            v, u = rows[pick], columns[pick]
            ray = view.rays() @ (u, v + (0.5 if pick == rows.argmax() else -0.5), 1.0)
            heights.append(float(view.position[2] + ray[2] * frame.depth[v, u]))
        below = (rows.max() + 1, columns[rows.argmax()])
        if ground[below]:
            yield int(ident) // 1000, heights[0], heights[1], frame.depth[rows, columns].mean()


@pytest.fixture(scope="module")
def measured():
    frames = [next(render_sequence(11, n, 1, (512, 256))) for n in range(60, 68)]
    return [row for frame in frames for row in _feet_and_heads(frame)]


def test_nothing_floats_or_sinks(measured):
    """The lowest point of what stands free is at the height of road or pavement."""
    feet = np.array([foot for _, foot, _, _ in measured])
    assert len(feet) > 20
    assert np.percentile(np.abs(feet - 0.06), 90) < 0.3


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("person", 1.2, 2.1), ("car", 1.2, 2.1)],
)
def test_things_have_their_natural_height(measured, name, low, high):
    heights = [top - foot for label, foot, top, _ in measured if label == LABEL_ID[name]]
    assert len(heights) >= 4
    # Some are half hidden, none is too tall.
    assert max(heights) < high
    assert np.percentile(heights, 75) > low


def test_labels_follow_the_edges_of_the_picture():
    """Along label borders the picture changes more than elsewhere; shifted labels would not."""
    frame = next(render_sequence(11, 3, 1, (512, 256)))
    grey = frame.image.astype(float).mean(2)
    change = np.abs(np.diff(grey, axis=1))
    border = np.diff(frame.instance_ids.astype(int), axis=1) != 0

    def contrast(shift):
        return change[np.roll(border, shift, axis=1)].mean()

    assert contrast(0) > 1.15 * max(contrast(-3), contrast(3))
    assert contrast(0) > 3 * change[~border].mean()


def test_every_class_occurs_about_as_often_as_on_cityscapes(many):
    """On Cityscapes: cars 0.95, persons 0.7, signs 0.8, lights 0.35, bicycles 0.4 of the frames."""
    count = dict.fromkeys(CLASSES, 0)
    for frame in many:
        for name in reference_from_labels(frame.train_ids).entities:
            count[name] += 1
    share = {name: count[name] / len(many) for name in CLASSES}
    bounds = {
        "road": (1, 1), "building": (0.9, 1), "vegetation": (0.75, 1), "sky": (0.7, 1),
        "sidewalk": (0.8, 1), "car": (0.85, 1), "person": (0.55, 0.95), "pole": (0.85, 1),
        "traffic sign": (0.6, 0.98), "traffic light": (0.2, 0.65), "bicycle": (0.2, 0.65),
        "fence": (0.15, 0.8), "wall": (0.1, 0.7), "terrain": (0.3, 0.85), "rider": (0.05, 0.45),
        "truck": (0.02, 0.3), "bus": (0.02, 0.3), "train": (0, 0.2), "motorcycle": (0.02, 0.3),
    }  # fmt: skip
    off = {n: share[n] for n, (low, high) in bounds.items() if not low <= share[n] <= high}
    assert not off
    seen = {int(i) for frame in many for i in np.unique(frame.train_ids)}
    assert set(range(19)) <= seen


def test_about_a_quarter_of_the_frames_is_unsafe(many):
    unsafe = [reference_from_labels(frame.train_ids).judgment is Judgment.UNSAFE for frame in many]
    assert 0.12 <= np.mean(unsafe) <= 0.45


def test_scenes_vary_in_light_and_look(many):
    brightness = np.array([frame.image.mean() for frame in many])
    assert brightness.std() > 8
    assert 45 < brightness.mean() < 110
