from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.scene.taxonomy import IGNORE, PALETTE, colorize
from semalign_ros.train.augment import augment
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
