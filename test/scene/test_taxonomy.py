from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.scene.taxonomy import (
    CLASSES,
    CRITICAL,
    LABEL_ID_TO_TRAIN_ID,
    NUM_CLASSES,
    PALETTE,
    TRAIN_ID,
    check_classes,
    colorize,
)


def test_the_vocabulary_is_cityscapes():
    assert NUM_CLASSES == 19
    assert CLASSES[0] == "road"
    assert CLASSES[18] == "bicycle"
    assert TRAIN_ID["person"] == 11
    assert set(CRITICAL) <= set(CLASSES)


def test_label_ids_map_to_train_ids():
    # road 7, person 24, train 31; licence plate and unlabelled are ignored
    ids = LABEL_ID_TO_TRAIN_ID[[7, 24, 31, 33, 0, 34, 255]]
    assert ids.tolist() == [0, 11, 16, 18, 255, 255, 255]


def test_colours_are_rgb_and_ignored_is_black():
    image = colorize(np.array([[0, 13], [255, 11]], np.uint8))
    assert image.dtype == np.uint8
    assert image.tolist() == [[[128, 64, 128], [0, 0, 142]], [[0, 0, 0], [220, 20, 60]]]
    assert len(np.unique(PALETTE[:19], axis=0)) == 19


def test_an_unknown_class_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'person'"):
        check_classes({"persn"})
