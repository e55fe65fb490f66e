from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.blur import box_taps, disc, disc_kernel, line_kernel
from semalign_ros.types import Frame


@pytest.mark.parametrize("length", [1, 3, 7, 15, 25])
def test_whole_odd_lengths_are_the_papers_boxes(length: int) -> None:
    assert box_taps(length, 1.0) == pytest.approx(np.full(length, 1 / length), abs=1e-12)


@settings(deadline=None)
@given(st.floats(1, 301), st.floats(0.05, 2))
def test_taps_have_the_variance_of_the_scaled_box(length: float, scale: float) -> None:
    taps = box_taps(length, scale)
    offsets = np.arange(taps.size) - taps.size // 2
    assert taps.size % 2 == 1
    assert taps.min() > 0
    assert taps.sum() == pytest.approx(1)
    assert taps == pytest.approx(taps[::-1])
    expected = scale**2 * (length**2 - 1) / 12
    assert taps @ offsets**2 == pytest.approx(expected, rel=1e-6, abs=2e-5)


def test_a_short_blur_of_a_small_image_is_a_weak_three_tap_filter() -> None:
    taps = box_taps(7, 256 / 2048)
    assert taps.size == 3
    assert 0.01 < taps[0] < 0.1


@settings(deadline=None)
@given(st.floats(1, 120), st.floats(-90, 90), st.sampled_from([0.125, 0.5, 1.0]))
def test_line_kernels_are_centred_and_keep_brightness(
    length: float, angle: float, scale: float
) -> None:
    kernel = line_kernel(length, angle, scale)
    assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize(("angle", "shape"), [(0, (1, 15)), (90, (15, 1)), (-90, (15, 1))])
def test_axis_aligned_kernels_are_lines(angle: float, shape: tuple[int, int]) -> None:
    assert line_kernel(15, angle, 1.0).shape == shape


def test_positive_angles_turn_counter_clockwise() -> None:
    kernel = line_kernel(15, 45, 1.0)
    assert kernel[0, -1] > 0 == kernel[0, 0]  # up and to the right


@pytest.mark.parametrize("width", [256, 1024, 2048])
@pytest.mark.parametrize("angle", [0, 33, 90])
@pytest.mark.parametrize("severity", [1, 2.37, 5])
def test_a_point_source_stays_where_it_is(width: int, angle: float, severity: float) -> None:
    image = np.zeros((101, width, 3), np.uint8)
    image[48:51, 100:103] = 255
    blurred = get_corruption("motion_blur").apply(
        Frame(0, "c", 0, image), severity, angle_deg=angle
    )
    y, x = ndimage.center_of_mass(blurred.image[..., 0].astype(float))
    assert abs(y - 49) < 0.05
    assert abs(x - 101) < 0.05


def test_against_scipy() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 2048, 3), np.uint8)
    blurred = get_corruption("motion_blur").apply(Frame(0, "c", 0, image), length_px=15).image
    expected = ndimage.uniform_filter1d(image.astype(float), 15, axis=1, mode="mirror")
    assert np.abs(blurred - expected).max() <= 0.51


def test_half_the_size_gets_half_the_blur() -> None:
    # Blur then shrink must equal shrink then blur: that is what scaling lengths is for.
    noise = np.random.default_rng(0).integers(0, 256, (64, 2048, 3), np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 6)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    blur = get_corruption("motion_blur")

    def shrink(array: np.ndarray) -> np.ndarray:
        return cv2.resize(array, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)

    after = shrink(blur.apply(Frame(0, "c", 0, image), length_px=25).image).astype(float)
    before = blur.apply(Frame(0, "c", 0, shrink(image)), length_px=25).image.astype(float)
    effect = np.abs(before - shrink(image)).mean()
    assert np.abs(after - before).mean() < 0.04 * effect


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 40), st.sampled_from([0.125, 0.5, 1.0]))
def test_disc_kernels_are_centred_and_keep_brightness(radius: float, scale: float) -> None:
    kernel = disc_kernel(radius, scale)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(kernel, kernel[::-1, ::-1])
    assert np.array_equal(kernel, kernel.T)


@pytest.mark.parametrize("radius", [3.0, 6.0, 10.0])
def test_disc_covers_its_area(radius: float) -> None:
    kernel = disc(radius)
    assert 1 / kernel.max() == pytest.approx(np.pi * radius**2, rel=0.01)
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    # A disc has the variance r^2 / 4 along an axis; sampling by pixels adds 1 / 12.
    assert kernel.sum(0) @ offsets**2 == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.015)


def test_defocus_of_a_point_stays_where_it_is() -> None:
    image = np.zeros((101, 1024, 3), np.uint8)
    image[48:51, 100:103] = 255
    for severity in (0.7, 3, 5):
        blurred = get_corruption("defocus").apply(Frame(0, "c", 0, image), severity).image
        y, x = ndimage.center_of_mass(blurred[..., 0].astype(float))
        assert abs(y - 49) < 0.05
        assert abs(x - 101) < 0.05


def test_defocus_commutes_with_shrinking() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 2048, 3), np.uint8)
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 5), None, 0, 255, cv2.NORM_MINMAX)

    def shrink(array: np.ndarray) -> np.ndarray:
        return cv2.resize(array, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)

    def blur(array: np.ndarray) -> np.ndarray:
        return get_corruption("defocus").apply(Frame(0, "c", 0, array), 5).image

    after, before = shrink(blur(image)).astype(float), blur(shrink(image)).astype(float)
    effect = np.abs(before - shrink(image)).mean()
    assert np.abs(after - before).mean() < 0.05 * effect
