from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import get_corruption
from semalign_ros.types import Frame

OP = get_corruption("dead_pixels")


def gray(side=400, level=120):
    return Frame(0, "c", 0, np.full((side, side, 3), level, np.uint8))


def test_defects_stay_in_their_places():
    frame = gray()
    first, later = (OP.apply(replace(frame, index=i), 5).image for i in (0, 99))
    assert np.array_equal(first, later)
    assert not np.array_equal(first, OP.apply(frame, 5, seed=1).image)


def test_density_is_that_of_stuck_photosites():
    image = OP.apply(gray(1000), density_ppm=1000).image
    stuck = (image == 0) | (image == 255)
    # Two of 1000 may share a place, or a neighbour's demosaicing may touch one.
    assert stuck.sum() == pytest.approx(1000, rel=0.02)
    assert (image == 0).sum() == pytest.approx((image == 255).sum(), rel=0.25)


def test_each_is_one_colour_of_the_mosaic():
    image = OP.apply(gray(1000), density_ppm=200).image
    stuck = (image == 0) | (image == 255)
    for channel, parity in ((0, {(0, 0)}), (1, {(0, 1), (1, 0)}), (2, {(1, 1)})):
        rows, columns = np.nonzero(stuck[..., channel])
        assert set(zip((rows % 2).tolist(), (columns % 2).tolist(), strict=True)) == parity
    counts = stuck.sum(axis=(0, 1))
    assert counts[1] == pytest.approx(counts[0] + counts[2], rel=0.35)


def test_demosaicing_spreads_a_defect_symmetrically():
    change = OP.apply(gray(60, level=128), density_ppm=300).image.astype(float) - 128
    total = np.abs(change).sum(axis=2)
    ((y, x),) = np.argwhere(total > 100)[:1]
    patch = total[y - 1 : y + 2, x - 1 : x + 2]
    assert np.allclose(patch, patch[::-1, ::-1], atol=1)
    assert 0.2 < patch[0, 1] / patch[1, 1] < 0.55


def test_higher_density_keeps_the_defects_of_a_lower_one():
    few, many = (OP.apply(gray(), density_ppm=d).image for d in (100, 1000))
    stuck = (few == 0) | (few == 255)
    assert (many[stuck] == few[stuck]).mean() > 0.97


def test_defects_at_the_border():
    tiny = Frame(0, "c", 0, np.full((2, 2, 3), 9, np.uint8))
    for seed in range(30):
        assert OP.apply(tiny, 5, seed, density_ppm=50_000).image.shape == (2, 2, 3)
    one = Frame(0, "c", 0, np.full((3, 7, 3), 9, np.uint8))
    assert (OP.apply(one, density_ppm=50_000).image != 9).any()
