"""What a label map says: which classes are present, and whether it is safe to proceed.

The safety rule ``ego_corridor_v1`` looks at a trapezoid in front of the vehicle.
It is a proxy, cheap and reproducible; external safety labels replace it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import ConfigError
from semalign_ros.scene.taxonomy import CLASSES as _CLASSES
from semalign_ros.scene.taxonomy import (
    CRITICAL,
    IGNORE,
    NUM_CLASSES,
    TRAIN_ID,
    VEHICLES,
    check_classes,
)
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary
from semalign_ros.types import Judgment, Labels, SceneReference

_OBSTACLES = tuple(TRAIN_ID[name] for name in ("person", "rider", *VEHICLES))
_ROAD = TRAIN_ID["road"]


@dataclass(frozen=True, slots=True)
class ReferenceRule:
    """Parameters of the reference; all lengths are shares of the image side.

    Args:
        min_fraction: Area share from which a class counts as present, 0..1.
        critical: Classes that must not be overlooked.
        corridor_top: Height of the corridor's far edge, 0 (top) .. 1.
        corridor_bottom: Height of its near edge.
        corridor_top_width: Width of the far edge, centred.
        corridor_bottom_width: Width of the near edge, centred.
        max_object_fraction: From this share of the corridor on, persons, riders
            and vehicles make it UNSAFE.
        min_road_fraction: Below this share of road it is UNSAFE.
        vocabulary: Classes that the label maps tell apart.

    Raises:
        ConfigError: A value is out of range or a class is unknown.
    """

    min_fraction: float = 0.0005
    critical: frozenset[str] = frozenset(CRITICAL)
    corridor_top: float = 0.50
    corridor_bottom: float = 0.85
    corridor_top_width: float = 0.10
    corridor_bottom_width: float = 0.50
    max_object_fraction: float = 0.01
    min_road_fraction: float = 0.6
    vocabulary: Vocabulary = CITYSCAPES

    def __post_init__(self) -> None:
        """Check every range at once."""
        object.__setattr__(self, "critical", check_classes(self.critical, "critical class"))
        bad = [
            f"{f.name} = {getattr(self, f.name)!r}"
            for f in fields(self)
            if f.name not in ("critical", "vocabulary")
            and not 0.0 <= _number(getattr(self, f.name)) <= 1.0
        ]
        if bad:
            raise ConfigError(f"reference rule: expected numbers in 0..1, found {', '.join(bad)}")
        if self.corridor_top >= self.corridor_bottom:
            raise ConfigError(
                f"reference rule: corridor_top ({self.corridor_top}) must be above "
                f"corridor_bottom ({self.corridor_bottom}), so smaller"
            )

    def describe(self) -> str:
        """Name and parameters, as written into every result; the vocabulary stands beside it."""
        return (
            f"ego_corridor_v1(y {self.corridor_top:g}..{self.corridor_bottom:g}, "
            f"width {self.corridor_top_width:g}..{self.corridor_bottom_width:g}, "
            f"objects < {self.max_object_fraction:g}, road >= {self.min_road_fraction:g}; "
            f"present >= {self.min_fraction:g})"
        )


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def corridor_polygon(rule: ReferenceRule, height: int, width: int) -> NDArray[np.int32]:
    """Corners of the corridor in pixels.

    Returns:
        i32[4, 2], x and y: far left, far right, near right, near left.
    """
    top, bottom = rule.corridor_top * height, rule.corridor_bottom * height
    far, near = rule.corridor_top_width * width / 2, rule.corridor_bottom_width * width / 2
    x = width / 2
    corners = [(x - far, top), (x + far, top), (x + near, bottom), (x - near, bottom)]
    return np.asarray(np.rint(corners), np.int32)


@functools.lru_cache(maxsize=8)
def _corridor_mask(
    rule: ReferenceRule, height: int, width: int
) -> tuple[NDArray[np.uint8], tuple[slice, slice]]:
    """The corridor in the box around it, and the box: it holds a sixth of the image."""
    corners = corridor_polygon(rule, height, width)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, corners, 1)
    left, top = np.clip(corners.min(axis=0), 0, None)
    right, bottom = corners.max(axis=0) + 1
    around = slice(top, bottom), slice(left, right)
    return np.ascontiguousarray(mask[around]), around


def class_fractions(labels: Labels, mask: NDArray[np.uint8] | None = None) -> NDArray[np.float64]:
    """Area share of each class among the pixels that `mask` selects, ignored ones included.

    Args:
        labels: u8[H, W] train ids.
        mask: u8[H, W], nonzero where a pixel counts, or None for all.

    Returns:
        f64[19], each 0..1.
    """
    return _shares(_histogram(labels, mask))


def _histogram(labels: Labels, mask: NDArray[np.uint8] | None = None) -> NDArray[np.int64]:
    """Pixels by id, i64[256]."""
    counts = np.zeros(256, np.int64)
    # calcHist returns float32, which counts exactly up to 2**24.
    rows = max(1, (1 << 24) // labels.shape[1])
    for top in range(0, labels.shape[0], rows):
        part = slice(top, top + rows)
        shown = None if mask is None else mask[part]
        found = cv2.calcHist([labels[part]], [0], shown, [256], [0, 256])
        counts += found.ravel().astype(np.int64)
    return counts


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts[:NUM_CLASSES] / max(int(counts.sum()), 1), np.float64)


def reference_from_labels(
    labels: Labels,
    rule: ReferenceRule | None = None,
    *,
    counts: NDArray[np.int64] | None = None,
    **overrides: float | Iterable[str] | Vocabulary,
) -> SceneReference:
    """Derive entities, critical entities and the safety judgment from a label map.

    Args:
        labels: u8[H, W] train ids, 255 ignored.
        rule: The rule; None for the defaults.
        counts: What :func:`count_labels` gave, where somebody has counted already.
        **overrides: Fields of :class:`ReferenceRule` to change.

    Raises:
        ConfigError: A parameter is unknown or out of range, or `labels` is no
            u8[H, W] map of train ids.

    Example:
        >>> reference_from_labels(np.zeros((100, 200), np.uint8)).judgment
        <Judgment.SAFE: 'safe'>
    """
    rule = rule_with(rule or ReferenceRule(), **overrides)
    share = _shares(count_labels(labels) if counts is None else counts)
    entities = frozenset(
        _CLASSES[i] for i in np.flatnonzero((share >= rule.min_fraction) & (share > 0))
    )
    mask, around = _corridor_mask(rule, *labels.shape)
    inside = class_fractions(labels[around], mask)
    objects, road = inside[list(_OBSTACLES)].sum(), inside[_ROAD]
    unsafe = objects >= rule.max_object_fraction or road < rule.min_road_fraction
    return SceneReference(
        entities=entities,
        critical=entities & rule.critical,
        judgment=Judgment.UNSAFE if unsafe else Judgment.SAFE,
        rule=rule.describe(),
    )


def rule_with(
    rule: ReferenceRule, **overrides: float | Iterable[str] | Vocabulary
) -> ReferenceRule:
    """Return `rule` with some fields changed.

    Raises:
        ConfigError: A name is no field of the rule, or its value is out of range.
    """
    if not overrides:
        return rule
    values = {f.name: getattr(rule, f.name) for f in fields(rule)}
    unknown = sorted(set(overrides) - set(values))
    if unknown:
        raise ConfigError(
            f"reference rule: unknown parameter {unknown[0]!r}; valid: {', '.join(values)}"
        )
    return ReferenceRule(**{**values, **overrides})


def check_labels(labels: Labels) -> None:
    """Check that an array is a label map.

    Raises:
        ConfigError: Not u8[H, W] with train ids 0..18 or 255.
    """
    count_labels(labels)


def count_labels(labels: Labels) -> NDArray[np.int64]:
    """Count the pixels of each id.

    Returns:
        i64[256].

    Raises:
        ConfigError: Not u8[H, W] with train ids 0..18 or 255.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise ConfigError(
            f"label map: found {labels.dtype}{list(labels.shape)}, expected a non-empty u8[H, W]"
        )
    counts = _histogram(labels)
    unknown = [int(i) for i in np.flatnonzero(counts) if NUM_CLASSES <= i < IGNORE]
    if unknown:
        raise ConfigError(
            f"label map: found ids {unknown[:8]}, expected Cityscapes train ids 0..18 or 255 "
            "(ignored); a map of Cityscapes label ids is converted by `semalign convert`"
        )
    return counts
