from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.scene.taxonomy import IGNORE, PALETTE, TRAIN_ID, colorize
from semalign_ros.train.augment import PASTED, augment, crop, paste
from semalign_ros.train.batches import generator
from semalign_ros.train.settings import AugmentSettings

GEOMETRY = AugmentSettings(flip=0.5, whole=0.0, zoom=2.0, light=0, color=0, degrade=0)


@pytest.mark.parametrize("index", range(8))
def test_labels_move_with_the_picture(draw_street, index):
    labels = draw_street(generator(1, 0, index))
    image, moved = augment(colorize(labels), labels, GEOMETRY, generator(0, 0, index))
    # Away from edges, where the picture is interpolated, colour and label still agree.
    inside = np.zeros(moved.shape, bool)
    inside[2:-2, 2:-2] = True
    for dy in (-2, 0, 2):
        for dx in (-2, 0, 2):
            inside &= np.roll(moved, (dy, dx), (0, 1)) == moved
    inside &= moved != IGNORE
    assert inside.mean() > 0.3
    assert np.array_equal(image[inside], PALETTE[moved[inside]])


def test_only_light_changes_leave_labels_alone(draw_street):
    labels = draw_street(generator(1, 0, 0))
    settings = AugmentSettings(flip=0, whole=1.0, degrade=1.0)
    image = colorize(labels)
    before = image.copy()
    changed, same = augment(image, labels, settings, generator(0, 0, 0))
    assert np.array_equal(same, labels)
    assert np.array_equal(image, before)
    assert not np.array_equal(changed, image)


def test_everything_off_is_the_identity_and_draws_are_keyed(draw_street):
    labels = draw_street(generator(1, 0, 0))
    off = AugmentSettings(flip=0, whole=1.0, light=0, color=0, degrade=0)
    image, same = augment(colorize(labels), labels, off, generator(0, 0, 0))
    assert np.array_equal(image, colorize(labels))
    assert np.array_equal(same, labels)
    first, again, other = (
        augment(colorize(labels), labels, AugmentSettings(), generator(0, 0, i))[0]
        for i in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_pasted_things_keep_their_place_and_nothing_else_moves(draw_street):
    labels = draw_street(generator(1, 0, 0))
    other = draw_street(generator(1, 0, 1))
    other[2:6, 3:9] = TRAIN_ID["rider"]
    image, painted = colorize(labels), colorize(other)
    pasted, target = paste(image, labels, painted, other)
    things = np.isin(other, [TRAIN_ID[name] for name in PASTED])
    assert things[2:6, 3:9].all()
    assert np.array_equal(target, np.where(things, other, labels))
    assert np.array_equal(pasted, PALETTE[target])
    assert np.array_equal(image, colorize(labels))


def test_crops_are_windows_of_both_and_reach_every_corner(draw_street):
    labels = draw_street(generator(1, 0, 0))
    size = labels.shape[0]
    labels = (np.arange(size)[:, None] // 4 * 8 + np.arange(size)[None] // 4).astype(np.uint8)
    image = np.repeat(labels[..., None], 3, axis=2)
    corners = set()
    for index in range(40):
        window, target = crop(image, labels, size - 1, generator(0, 0, index))
        assert np.array_equal(window[..., 0], target)
        assert target.shape == (size - 1, size - 1)
        y, x = next(
            (y, x)
            for y in (0, 1)
            for x in (0, 1)
            if np.array_equal(target, labels[y : y + size - 1, x : x + size - 1])
        )
        corners.add((y, x))
    assert len(corners) == 4
