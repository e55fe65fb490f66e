from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.label_boundaries import smooth_field
from semalign_ros.corruption.rng import generator
from semalign_ros.types import Frame

from .conftest import ROAD, SKY, street

JITTER = get_corruption("boundary_jitter")


def edge_offsets(labels: np.ndarray) -> np.ndarray:
    """Column of the first road pixel of each row, for a map that is sky | road."""
    return np.argmax(labels == ROAD, axis=1)


def halves(height: int, width: int) -> Frame:
    labels = np.full((height, width), SKY, np.uint8)
    labels[:, width // 2 :] = ROAD
    return Frame(0, "c", 0, np.zeros((height, width, 3), np.uint8), labels)


def test_smooth_field_has_unit_deviation() -> None:
    fields = [smooth_field(400, 600, 20, generator(s, "t", "", 0)) for s in range(8)]
    assert np.std(fields) == pytest.approx(1, abs=0.03)
    assert np.mean(fields) == pytest.approx(0, abs=0.05)


def test_smooth_field_is_the_same_at_half_size() -> None:
    full = smooth_field(200, 400, 40, generator(0, "t", "", 0))
    half = smooth_field(100, 200, 20, generator(0, "t", "", 0))
    assert np.abs(cv2.resize(full, (200, 100), interpolation=cv2.INTER_AREA) - half).max() < 0.05


@pytest.mark.parametrize("amplitude", [3.0, 10.0])
def test_boundaries_shift_by_the_declared_deviation(amplitude: float) -> None:
    frame = halves(1024, 2048)
    offsets = [
        edge_offsets(JITTER.apply(frame, seed=s, amplitude_px=amplitude, correlation_px=128).labels)
        for s in range(12)
    ]
    assert np.std(np.array(offsets) - 1024) == pytest.approx(amplitude, rel=0.12)


def test_boundary_shift_scales_with_resolution() -> None:
    big, small = (edge_offsets(JITTER.apply(halves(h, 2 * h), 5).labels) - h for h in (1024, 512))
    assert np.abs(big[::2] / 2 - small).max() <= 2
    assert np.std(small) > 2


def test_only_boundaries_change(frame: Frame) -> None:
    frame = street(512, 1024)
    changed = JITTER.apply(frame, amplitude_px=6).labels != frame.labels
    edges = cv2.morphologyEx(frame.labels, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    distance = ndimage.distance_transform_edt(~edges)
    assert changed.any()
    assert distance[changed].max() <= 5 * 6 * 1024 / 2048
    assert set(np.unique(JITTER.apply(frame).labels)) <= set(np.unique(frame.labels))


def test_jitter_is_new_in_each_frame(frame: Frame) -> None:
    a, b = (JITTER.apply(replace(frame, index=i)).labels for i in (0, 1))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize(("height", "width"), [(1024, 2048), (512, 1024)])
def test_downsample_makes_cells_of_their_centre(height, width):
    labels = np.random.default_rng(0).integers(0, 19, (height, width), np.uint8)
    frame = Frame(0, "c", 0, np.zeros((height, width, 3), np.uint8), labels)
    side = 16 * width // 2048
    blocky = get_corruption("downsample").apply(frame, cell_px=16).labels
    cells = blocky.reshape(height // side, side, width // side, side)
    assert (cells == cells[:, :1, :, :1]).all()
    assert np.array_equal(cells[:, 0, :, 0], labels[side // 2 :: side, side // 2 :: side])


def test_downsample_does_not_shift():
    frame = halves(1024, 2048)
    for cell in (7.3, 10, 24, 33):
        shift = edge_offsets(get_corruption("downsample").apply(frame, cell_px=cell).labels) - 1024
        assert np.abs(shift).max() <= cell / 2 + 1
