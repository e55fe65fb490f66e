from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from semalign_ros.corruption import get_corruption
from semalign_ros.corruption.light import gamma_table, sensor_table
from semalign_ros.corruption.tones import decode_srgb, encode_srgb
from semalign_ros.types import Frame


def gray(level: int, side: int = 256) -> Frame:
    return Frame(0, "c", 0, np.full((side, side, 3), level, np.uint8))


@pytest.mark.parametrize("gamma", [1.6, 2.2, 3.0])
def test_gamma_without_noise_is_the_curve(gamma: float) -> None:
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    dark = get_corruption("low_light_gamma").apply(Frame(0, "c", 0, ramp), gamma=gamma, sigma=0)
    assert np.abs(dark.image[0, :, 0] - 255 * (np.arange(256) / 255) ** gamma).max() <= 0.5


@pytest.mark.parametrize("level", [128, 180, 230])
@pytest.mark.parametrize("sigma", [5, 10, 15])
def test_gaussian_noise_has_the_declared_mean_and_variance(level: int, sigma: float) -> None:
    dark = get_corruption("low_light_gamma").apply(gray(level), gamma=1.6, sigma=sigma).image
    mean = 255 * (level / 255) ** 1.6
    assert dark.mean() == pytest.approx(mean, abs=0.15)
    assert dark.var() == pytest.approx(sigma**2 + 1 / 12, rel=0.02)


def test_noise_is_independent_between_samples_channels_and_frames() -> None:
    op = get_corruption("low_light_gamma")
    first = op.apply(gray(200), sigma=15).image.astype(float)
    second = op.apply(Frame(0, "c", 1, gray(200).image), sigma=15).image.astype(float)
    for a, b in (
        (first[:, 1:, 0], first[:, :-1, 0]),
        (first[1:, :, 0], first[:-1, :, 0]),
        (first[..., 0], first[..., 1]),
        (first, second),
    ):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(
    # Where neither black nor white clips, within four standard deviations.
    ("loss", "read_noise", "level"),
    [
        (0.0, 5.0, 60),
        (0.0, 5.0, 220),
        (4.0, 2.0, 60),
        (4.0, 2.0, 128),
        (4.0, 2.0, 220),
        (6.0, 2.0, 128),
        (4.0, 20.0, 170),
        (8.0, 1.0, 170),
    ],
)
def test_sensor_noise_follows_the_photon_transfer_formula(
    loss: float, read_noise: float, level: int
) -> None:
    # Without gain nothing clips, and the encoded noise is the electrons' through the curve.
    well = 8000.0
    noisy = get_corruption("low_light").apply(
        gray(level), light_loss_ev=loss, gain_ev=loss, full_well_e=well, read_noise_e=read_noise
    )
    full = well * 2.0**-loss
    electrons = decode_srgb(noisy.image[..., 0] / 255.0) * full
    mean = float(decode_srgb(np.array(level / 255.0))) * full
    variance = mean + read_noise**2
    step = full * float(np.diff(decode_srgb(np.array([level, level + 1.0]) / 255.0))[0])
    assert full - 4 * np.sqrt(variance) > mean > 3 * np.sqrt(variance)
    assert electrons.mean() == pytest.approx(mean, rel=0.01)
    assert electrons.var() == pytest.approx(variance + step**2 / 12, rel=0.04)


def test_sensor_table_against_simulated_photons() -> None:
    # Deep night, where Poisson is far from normal: compare whole distributions.
    loss, gain, well, read = 9.0, 7.0, 8000.0, 2.0
    random = np.random.default_rng(3)
    table = sensor_table(loss, gain, well, read).reshape(256, 256)
    for level in (0, 40, 128, 255):
        light = float(decode_srgb(np.array(level / 255.0)))
        electrons = random.poisson(light * well * 2**-loss, 200_000) + random.normal(
            0, read, 200_000
        )
        simulated = np.rint(255 * encode_srgb(np.clip(electrons / (well * 2**-gain), 0, 1)))
        distance = stats.ks_2samp(table[:, level], simulated).statistic
        assert distance < 1 / 256 + 0.004


def test_bright_and_dim_branches_agree() -> None:
    # The exact Poisson rows end where a normal distribution takes over.
    exact = sensor_table(1.0, 1.0, 7999.0, 3.0).astype(int)
    normal = sensor_table(1.0, 1.0, 8001.0, 3.0).astype(int)
    assert np.abs(exact - normal).max() <= 2
    assert np.abs(exact - normal).mean() < 0.05


@settings(deadline=None, max_examples=15)
@given(st.floats(1, 6), st.floats(0.05, 64))
def test_tables_are_monotone_in_pixel_and_randomness(gamma: float, sigma: float) -> None:
    table = gamma_table(gamma, sigma).reshape(256, 256).astype(int)
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) >= 0).all()


def test_night_is_darker_and_noisier_with_severity(frame: Frame) -> None:
    op = get_corruption("low_light")
    results = [op.apply(gray(120), severity).image for severity in range(6)]
    means = [image.mean() for image in results]
    relative = [image.std() / image.mean() for image in results]
    assert means == sorted(means, reverse=True)
    assert relative == sorted(relative)
