"""Too little light: the paper's gamma curve with noise, and a sensor's photon budget."""

from __future__ import annotations

import functools
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.corruption.rng import Draws, random_bytes
from semalign_ros.corruption.tones import LEVELS, decode_srgb, look_up
from semalign_ros.types import Frame, Image


def noise_table(cdf: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Tabulate a noise distribution for :func:`~semalign_ros.corruption.tones.look_up`.

    Args:
        cdf: f64[256, 256]; row x, column k holds the probability that a pixel of value x
            comes out as k or darker.

    Returns:
        u8[65536]: the outcome for pixel x and random byte b at 256 b + x, that is the
        quantile (b + 1/2) / 256 of row x.
    """
    quantiles = (LEVELS + 0.5) / 256
    # An outcome is the number of levels whose cumulative probability stays below the quantile.
    rows = [np.searchsorted(row, quantiles) for row in cdf]
    return np.ascontiguousarray(np.transpose(rows).clip(0, 255), np.uint8).ravel()


def _draw(image: Image, table: NDArray[np.uint8], draws: Draws) -> Image:
    """Draw the outcome of every sample from a :func:`noise_table`.

    One byte of randomness and one look-up a sample, whatever the distribution.
    """
    return look_up(image, random_bytes(draws.each_frame("noise"), image.shape), table)


def _normal_cdf(z: NDArray[np.float64]) -> NDArray[np.float64]:
    grid, values = _normal_grid()
    return np.asarray(np.interp(z, grid, values))


@functools.cache
def _normal_grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grid = np.linspace(-8, 8, 8193)  # linear interpolation then errs by less than 1e-6
    return grid, np.array([NormalDist().cdf(z) for z in grid])


@functools.lru_cache(maxsize=16)
def gamma_table(gamma: float, sigma: float) -> NDArray[np.uint8]:
    """Noise table of 255 (x / 255)^gamma plus a normal of standard deviation `sigma`."""
    mean = 255 * (LEVELS / 255) ** gamma
    return noise_table(_normal_cdf((LEVELS + 0.5 - mean[:, None]) / sigma))


@corruption(
    "image",
    Number(
        "gamma",
        "",
        1,
        6,
        "Exponent on the encoded image, 1 leaves it.",
        neutral=1,
        ladder=(1.6, 1.9, 2.2, 2.6, 3.0),
    ),
    Number(
        "sigma",
        "levels",
        0,
        64,
        "Standard deviation of the Gaussian noise, of 255 levels.",
        neutral=0,
        ladder=(5, 7.5, 10, 12.5, 15),
    ),
)
def low_light_gamma(frame: Frame, draws: Draws, *, gamma: float, sigma: float) -> Image:
    """Darkening by a gamma curve, then Gaussian noise: the low light of the paper.

    Source: Cheng 2026 (arXiv 2601.08355, Table 1), gamma 1.6, 2.2 and 3.0, which are the
    severities 1, 3 and 5. The paper gives no sigma; 5, 10 and 15 levels are ours. A filter, not
    a sensor: `low_light` is the physical one.
    """
    if sigma < 0.05:  # rounding to whole levels leaves nothing of such noise
        curve = np.rint(255 * (LEVELS / 255) ** gamma).astype(np.uint8)
        return np.asarray(cv2.LUT(frame.image, curve), np.uint8)
    return _draw(frame.image, gamma_table(gamma, sigma), draws)


def _poisson(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Poisson probabilities, one row per mean, wide enough for all of them.

    Returns:
        f64[means, counts].
    """
    top = float(mean.max())
    counts = np.arange(int(top + 8 * np.sqrt(top) + 16))
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    log_mean = np.log(np.maximum(mean, 1e-300))[:, None]
    return np.asarray(np.exp(counts * log_mean - mean[:, None] - log_factorial))


@functools.lru_cache(maxsize=16)
def sensor_table(
    light_loss: float, gain: float, full_well: float, read_noise: float
) -> NDArray[np.uint8]:
    """Noise table of a sensor; arguments as in :func:`low_light`."""
    mean = decode_srgb(LEVELS / 255) * full_well * 2.0**-light_loss
    # The electrons at which the encoded, amplified value passes from level k to k + 1.
    edges = decode_srgb((LEVELS + 0.5) / 255) * full_well * 2.0**-gain
    if mean.max() > 4000:  # there a Poisson distribution is a normal one
        spread = np.sqrt(mean + read_noise**2)[:, None]
        cdf = _normal_cdf((edges - mean[:, None]) / spread)
    else:
        electrons = _poisson(mean)
        cdf = electrons @ _normal_cdf((edges - np.arange(electrons.shape[1])[:, None]) / read_noise)
    cdf[:, -1] = 1.0  # brighter than white is white
    return noise_table(cdf)


@corruption(
    "image",
    Number(
        "light_loss_ev",
        "EV",
        0,
        14,
        "Light missing against the input, in stops.",
        neutral=0,
        ladder=(2.5, 3.75, 5, 6, 6.75),
    ),
    Number(
        "gain_ev",
        "EV",
        0,
        14,
        "Amplification by which the camera makes up for it, in stops.",
        neutral=0,
        ladder=(1.75, 2.75, 3.75, 4.5, 5),
    ),
    Number(
        "full_well_e", "e-", 100, 100000, "Electrons of a white pixel in the input.", default=8000
    ),
    Number("read_noise_e", "e-", 0.1, 100, "Standard deviation of the readout.", default=2),
)
def low_light(
    frame: Frame,
    draws: Draws,
    *,
    light_loss_ev: float,
    gain_ev: float,
    full_well_e: float,
    read_noise_e: float,
) -> Image:
    """Night as a sensor records it: few photons, read noise, gain, tone curve.

    The input is linearised (sRGB), scaled to the electrons that remain of it, drawn from a
    Poisson distribution with Gaussian read noise added, amplified, clipped and encoded again.

    Source: the photon transfer model of EMVA 1288; noise variance in electrons is
    mean + read_noise^2.
    """
    table = sensor_table(light_loss_ev, gain_ev, full_well_e, read_noise_e)
    return _draw(frame.image, table, draws)
