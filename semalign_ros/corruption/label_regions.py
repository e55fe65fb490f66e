"""Regions that a perception module loses, shrinks, swells or merges."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.depth import ASSUMPTION, complete_depth, depth_is_assumed
from semalign_ros.corruption.nearest import fill_from_background, is_one_of, nearest_label
from semalign_ros.corruption.parameters import ClassNames, Number
from semalign_ros.corruption.registry import Mask, corruption, labels_of
from semalign_ros.corruption.resolution import pixel_scale
from semalign_ros.corruption.rng import Draws
from semalign_ros.scene.taxonomy import CRITICAL, NUM_CLASSES, TRAIN_ID
from semalign_ros.types import Frame, Labels

_Window = tuple[slice, slice]


def _components(
    labels: Labels, ids: list[int]
) -> Iterator[tuple[_Window, NDArray[np.int32], NDArray[np.int64]]]:
    """Connected regions of each class.

    Yields:
        For every class that occurs: the window around it, the number of the region of each
        pixel in that window, i32[h, w], 0 for other classes, and the areas by that number,
        i64[regions + 1].
    """
    for train_id in ids:
        mask = (labels == train_id).view(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:  # OpenCV does not survive an empty window
            continue
        window = slice(y, y + h), slice(x, x + w)
        inside = mask[window]
        count, numbers = cv2.connectedComponents(inside)
        regions = np.asarray(numbers, np.int32)
        # OpenCV's own statistics cost more than the regions themselves.
        yield window, regions, np.bincount(regions[inside.view(np.bool_)], minlength=count)


def _miss(
    labels: Labels,
    classes: tuple[str, ...],
    source: np.random.Generator,
    probability: float,
    eligible: Callable[[_Window, NDArray[np.int32], NDArray[np.int64]], NDArray[np.bool_]],
) -> Labels:
    """Lose instances: their place gets the nearest background class.

    Args:
        labels: u8[H, W].
        classes: Whose instances can be lost.
        source: Of the draws, one for every instance, lost or not: a higher severity loses the
            same ones and more.
        probability: Of each eligible one.
        eligible: Takes window, region numbers and areas of a class as :func:`_components`
            gives them, returns bool[regions + 1].

    Returns:
        u8[H, W]; `labels` itself where nothing is lost.
    """
    ids = [TRAIN_ID[name] for name in classes]
    lost = np.zeros(labels.shape, np.bool_)
    for window, regions, areas in _components(labels, ids):
        drop = (source.random(areas.size) < probability) & eligible(window, regions, areas)
        drop[0] = False  # other classes
        if drop.any():
            lost[window] |= np.take(drop, regions)
    return fill_from_background(labels, lost, ids) if lost.any() else labels


def _distance_assumed(frame: Frame, *, beyond_m: float, **_: object) -> tuple[str, ...]:
    return (ASSUMPTION,) if beyond_m and depth_is_assumed(frame) else ()


@corruption(
    "labels",
    Number(
        "max_area_px",
        "px",
        0,
        2048 * 2048,
        "Instances of at most this area, in pixels at 2048 px width, can be lost.",
        neutral=0,
        ladder=(500, 2000, 6000, 20000, 60000),
    ),
    Number(
        "probability",
        "",
        0,
        1,
        "Chance of each of them to be lost.",
        neutral=0,
        ladder=(0.3, 0.45, 0.6, 0.75, 0.9),
    ),
    Number("beyond_m", "m", 0, 1000, "Instances nearer than this are kept.", default=0),
    ClassNames("classes", "Classes whose instances can be lost.", default=CRITICAL),
    remarks=_distance_assumed,
)
def instance_dropout(
    frame: Frame,
    draws: Draws,
    *,
    max_area_px: float,
    probability: float,
    beyond_m: float,
    classes: tuple[str, ...],
) -> Labels:
    """Small or distant objects missed: their place gets the nearest background class.

    An instance is a connected region of one class, so objects that touch count as one; its
    distance is the mean depth of its pixels. To choose by distance alone, give `beyond_m` and
    the largest area there is.

    Source: misses of detectors concentrate on small objects (Hoiem et al. 2012, ECCV).
    """
    labels = labels_of(frame)
    limit = max_area_px * pixel_scale(labels.shape[1]) ** 2
    depth = complete_depth(frame) if beyond_m else None

    def eligible(
        window: _Window, regions: NDArray[np.int32], areas: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        small = areas <= limit
        if depth is None:
            return small
        total = np.bincount(regions.ravel(), depth[window].ravel(), minlength=areas.size)
        return small & (total >= beyond_m * areas)

    return _miss(labels, classes, draws.each_frame("instances"), probability, eligible)


@corruption(
    "labels",
    Number(
        "probability",
        "",
        0,
        1,
        "Chance of each instance to be missed in a frame.",
        neutral=0,
        ladder=(0.1, 0.2, 0.35, 0.5, 0.7),
    ),
    ClassNames("classes", "Classes whose instances flicker.", default=CRITICAL),
)
def flicker(frame: Frame, draws: Draws, *, probability: float, classes: tuple[str, ...]) -> Labels:
    """Objects of any size missed in single frames: they come and go.

    An instance is a connected region of one class; what is missed is drawn anew in every
    frame, and its place gets the nearest background class.

    Source: misses that are independent from frame to frame.
    """
    return _miss(
        labels_of(frame),
        classes,
        draws.each_frame("instances"),
        probability,
        lambda _window, _regions, areas: np.ones(areas.size, np.bool_),
    )


@corruption(
    "labels",
    Number(
        "max_area_px",
        "px",
        0,
        2048 * 2048,
        "Regions of at most this area, in pixels at 2048 px width, are merged.",
        neutral=0,
        ladder=(200, 800, 2500, 7000, 15000),
    ),
)
def region_merge(frame: Frame, draws: Draws, *, max_area_px: float) -> Labels:  # noqa: ARG001
    """Under-segmentation: small regions of any class take the class around them.

    Source: region merging by area (Koepfler et al. 1994, SIAM J. Numer. Anal.).
    """
    labels = labels_of(frame)
    limit = max_area_px * pixel_scale(labels.shape[1]) ** 2
    small = np.zeros(labels.shape, np.bool_)
    for window, regions, areas in _components(labels, list(range(NUM_CLASSES))):
        merge = areas <= limit
        merge[0] = False  # other classes
        if merge.any():
            small[window] |= np.take(merge, regions)
    return fill_from_background(labels, small, []) if small.any() else labels


def _foreground(labels: Labels, classes: tuple[str, ...]) -> tuple[list[int], Mask]:
    ids = [TRAIN_ID[name] for name in classes]
    return ids, is_one_of(labels, ids)


def _reach(radius_px: float, labels: Labels) -> float:
    """Pixels from a centre on this side of a boundary to centres on the other side.

    The boundary runs between pixels, half a pixel from the nearest centre.
    """
    return radius_px * pixel_scale(labels.shape[1]) + 0.5


_RADIUS = Number(
    "radius_px", "px", 0, 200, "Width of the rim.", neutral=0, ladder=(2, 4, 7, 11, 16)
)
_OBJECTS = ClassNames("classes", "Classes that are objects.", default=CRITICAL)


@corruption("labels", _RADIUS, _OBJECTS)
def erode(frame: Frame, draws: Draws, *, radius_px: float, classes: tuple[str, ...]) -> Labels:  # noqa: ARG001
    """Objects too small: a rim of each is taken for background, thin ones vanish.

    Source: binary erosion by a disc (Serra 1982) of the objects together.
    """
    labels = labels_of(frame)
    ids, objects = _foreground(labels, classes)
    if not objects.any() or objects.all():
        return labels
    depth = cv2.distanceTransform(objects.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    rim = objects & (depth <= _reach(radius_px, labels))
    return fill_from_background(labels, rim, ids)


@corruption("labels", _RADIUS, _OBJECTS)
def dilate(frame: Frame, draws: Draws, *, radius_px: float, classes: tuple[str, ...]) -> Labels:  # noqa: ARG001
    """Objects too large: each takes a rim of what is around it.

    Source: binary dilation by a disc (Serra 1982); where two objects meet, the nearer one wins.
    """
    labels = labels_of(frame)
    _, objects = _foreground(labels, classes)
    if not objects.any():
        return labels
    nearest, distance = nearest_label(labels, objects)
    return np.where(distance <= _reach(radius_px, labels), nearest, labels)
