"""The vocabulary: the 19 Cityscapes classes, their colours and ids.

Ids, train ids and colours are those of the Cityscapes data set
(https://www.cityscapes-dataset.com, labels.py of its scripts).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.types import Image, Labels

IGNORE = 255
"""Train id of pixels that no metric counts."""

# train id -> (name, Cityscapes label id, RGB colour)
_TABLE: tuple[tuple[str, int, tuple[int, int, int]], ...] = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)

CLASSES: tuple[str, ...] = tuple(name for name, _, _ in _TABLE)
"""Class names by train id."""

NUM_CLASSES = len(CLASSES)

TRAIN_ID: dict[str, int] = {name: i for i, name in enumerate(CLASSES)}

LABEL_ID: dict[str, int] = {name: label_id for name, label_id, _ in _TABLE}

CRITICAL: tuple[str, ...] = (
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
    "traffic light",
    "traffic sign",
)
"""Classes that the vehicle must not overlook (default critical set)."""

VEHICLES: tuple[str, ...] = ("car", "truck", "bus", "train", "motorcycle", "bicycle")
"""Classes that a generic "vehicle" may mean."""

GENERIC_VEHICLE = "vehicle"
"""Pseudo-class that a text may claim: a vehicle of no named type."""


def _label_id_table() -> Labels:
    table = np.full(256, IGNORE, np.uint8)
    for train_id, (_, label_id, _) in enumerate(_TABLE):
        table[label_id] = train_id
    table.setflags(write=False)
    return table


LABEL_ID_TO_TRAIN_ID: Labels = _label_id_table()
"""u8[256]: Cityscapes label id -> train id, 255 for every other id."""


def _palette() -> Image:
    table = np.zeros((256, 3), np.uint8)
    for train_id, (_, _, colour) in enumerate(_TABLE):
        table[train_id] = colour
    table.setflags(write=False)
    return table


PALETTE: Image = _palette()
"""u8[256, 3], RGB by train id; ignored pixels are black."""


def colorize(labels: Labels) -> Image:
    """Colour a label map with the Cityscapes palette.

    Args:
        labels: u8[H, W] train ids.

    Returns:
        u8[H, W, 3], RGB.
    """
    # np.take beats fancy indexing by a factor of three on a 2 MP map.
    return np.take(PALETTE, labels, axis=0)


def check_classes(names: Iterable[str], what: str = "class") -> frozenset[str]:
    """Return `names` as a set.

    Raises:
        ConfigError: One of them is no Cityscapes class.
    """
    chosen = frozenset(names)
    for name in sorted(chosen):
        if name not in TRAIN_ID:
            raise ConfigError(unknown_name(what, name, CLASSES))
    return chosen
