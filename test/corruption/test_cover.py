from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.cover import rectangle
from semalign_ros.corruption.rng import generator
from semalign_ros.types import Frame

OP = get_corruption("occlusion")


@settings(deadline=None)
@given(
    height=st.integers(1, 1200),
    width=st.integers(1, 2048),
    area=st.floats(0, 95),
    seed=st.integers(0, 1000),
)
def test_rectangle_stays_inside_with_the_right_area(
    height: int, width: int, area: float, seed: int
) -> None:
    rows, columns = rectangle(height, width, area, generator(seed, "t", "", 0))
    assert 0 <= rows.start <= rows.stop <= height
    assert 0 <= columns.start <= columns.stop <= width
    found = (rows.stop - rows.start) * (columns.stop - columns.start)
    target = area / 100 * height * width
    if min(height, width) >= 128 and area >= 1:
        # A small area has few rectangles of whole pixels: up to 6 were off in 250,000 draws.
        assert found == pytest.approx(target, rel=0.005, abs=8)
    else:  # too few pixels for any rectangle of exactly that area
        assert abs(found - target) <= max(0.005 * height * width, max(height, width) / 2)


@pytest.mark.parametrize(("severity", "share"), [(1, 0.08), (3, 0.15), (5, 0.25)])
def test_ladder_has_the_areas_of_the_paper(frame: Frame, severity: int, share: float) -> None:
    hidden = OP.hidden(frame, severity)
    assert hidden is not None
    assert hidden.mean() == pytest.approx(share, rel=0.005)


@settings(deadline=None)
@given(st.integers(0, 50), st.floats(0.1, 5), st.booleans(), st.integers(0, 5))
def test_hidden_is_exactly_what_changes(
    index: int, severity: float, persistent: bool, seed: int
) -> None:
    image = np.full((60, 90, 3), 200, np.uint8)
    frame = Frame(0, "c", index, image)
    changed = (OP.apply(frame, severity, seed, persistent=persistent, gray=17).image != image).all(
        axis=2
    )
    hidden = OP.hidden(frame, severity, seed, persistent=persistent, gray=17)
    assert hidden is not None
    assert hidden.dtype == np.bool_
    assert np.array_equal(hidden, changed)


def test_persistent_occluders_stay_and_others_move(frame: Frame) -> None:
    frames = [replace(frame, index=i) for i in range(5)]
    for persistent, places in ((True, 1), (False, 5)):
        masks = [OP.hidden(f, persistent=persistent) for f in frames]
        assert len({mask.tobytes() for mask in masks if mask is not None}) == places


def test_places_cover_the_whole_image() -> None:
    total = np.zeros((60, 120))
    for index in range(300):
        rows, columns = rectangle(60, 120, 15, generator(0, "t", "", index))
        total[rows, columns] += 1
    assert total.reshape(6, 10, 12, 10).any(axis=(1, 3)).all()
    assert total[:, :60].sum() == pytest.approx(total[:, 60:].sum(), rel=0.15)


def test_larger_covers_what_smaller_covers_nearly(frame: Frame) -> None:
    # Severity must not jump elsewhere: calibration needs damage to grow with it.
    small, large = OP.hidden(frame, 1), OP.hidden(frame, 5)
    assert small is not None
    assert large is not None
    assert (small & large).sum() > 0.6 * small.sum()


def test_gray_level(frame: Frame) -> None:
    covered = OP.apply(frame, gray=99.6)
    hidden = OP.hidden(frame, gray=99.6)
    assert (covered.image[hidden] == 100).all()


DIRT = get_corruption("lens_dirt")


@pytest.mark.parametrize("coverage", [5.0, 20.0])
def test_dirt_covers_the_declared_share(coverage: float) -> None:
    # On white, what is half covered by dark mud is well below this level.
    white = Frame(0, "c", 0, np.full((512, 1024, 3), 255, np.uint8))
    for seed in range(3):
        dirty = DIRT.apply(white, seed=seed, coverage_percent=coverage, opacity=1).image
        half = (255 + 51) / 2
        assert (dirty[..., 1] < half).mean() == pytest.approx(coverage / 100, abs=0.005)


def test_dirt_stays_and_differs_by_seed(frame: Frame) -> None:
    first, later = (DIRT.hidden(replace(frame, index=i), 5) for i in (0, 50))
    assert np.array_equal(first, later)
    assert not np.array_equal(first, DIRT.hidden(frame, 5, seed=1))


def test_nothing_shines_through_where_dirt_hides(frame: Frame) -> None:
    other = replace(frame, image=255 - frame.image)
    hidden = DIRT.hidden(frame, 5)
    difference = np.abs(
        DIRT.apply(frame, 5).image.astype(int) - DIRT.apply(other, 5).image.astype(int)
    ).max(axis=2)
    assert hidden.any()
    assert difference[hidden].max() <= 0.1 * 255 + 1
    assert np.array_equal(DIRT.apply(frame, 5, opacity=0).image, frame.image)


def test_more_dirt_keeps_what_was_covered(frame: Frame) -> None:
    masks = [DIRT.hidden(frame, s) for s in (1, 3, 5)]
    assert all((a <= b).all() for a, b in itertools.pairwise(masks))
