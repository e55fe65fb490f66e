"""Intervals and tests for proportions, pairs and clustered means."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semalign_ros.alignment._checks import NAN, check_lengths
from semalign_ros.errors import ConfigError


def wilson_interval(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927).

    Unlike the normal approximation it stays within 0..1 and does not shrink to a point at
    0 or n, so that it can be trusted for the small counts of a short window.

    Args:
        k: Frames with the event, 0..n.
        n: Frames counted.
        confidence: Two-sided, between 0 and 1.

    Returns:
        (low, high), NaN both where n is 0.

    Raises:
        ConfigError: k is outside 0..n, or the confidence is not between 0 and 1.

    Example:
        >>> [round(bound, 4) for bound in wilson_interval(46, 50)]
        [0.8116, 0.9685]
    """
    if not 0 <= k <= n:
        raise ConfigError(f"Wilson interval: found {k!r} of {n!r}, expected 0 <= k <= n")
    check_confidence(confidence)
    if n == 0:
        return NAN, NAN
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    centre = (k + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    # Rounding must not push a bound past the proportion at the ends.
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact test of paired yes/no outcomes (McNemar 1947, binomial form).

    Args:
        b: Pairs with the event on clean only.
        c: Pairs with the event on degraded only.

    Returns:
        p value, 1 where no pair differs.

    Raises:
        ConfigError: A count is negative or no whole number.

    Example:
        >>> round(mcnemar_exact(4, 12), 6)
        0.076813
    """
    if not all(0 <= count < math.inf and count == int(count) for count in (b, c)):
        raise ConfigError(f"McNemar: found {b!r} and {c!r}, expected counts of pairs")
    b, c = int(b), int(c)  # those of NumPy overflow
    n, few = b + c, min(b, c)
    # Whole numbers: exact at any size, where binomial probabilities underflow.
    term = tail = 1
    for i in range(few):
        term = term * (n - i) // (i + 1)
        tail += term
    p_value: float = 2 * tail / 2**n
    return min(1.0, p_value)


def clustered_standard_error(values: ArrayLike, clusters: Sequence[Hashable]) -> float:
    """Standard error of a mean whose values are alike within clusters.

    Frames of one drive, or conditions of one frame, are no independent draws. Formula of
    Miller 2024, "Adding error bars to evals": the naive variance plus the covariances
    within clusters.

    Args:
        values: f[N].
        clusters: N labels.

    Returns:
        In the unit of the values; NaN with fewer than two values.

    Raises:
        ConfigError: The lengths differ, or a value is not finite.
    """
    data = finite_vector(values, "values")
    codes, _ = cluster_codes(clusters)
    check_lengths(values=data, clusters=codes)
    n = len(data)
    if n < 2:
        return NAN
    residual = data - data.mean()
    squares = float(residual @ residual)
    sums = np.bincount(codes, weights=residual)
    return math.sqrt(squares / (n * (n - 1)) + (float(sums @ sums) - squares) / n**2)


def holm(p_values: Iterable[float]) -> NDArray[np.float64]:
    """Adjust p values of many tests (Holm 1979): any below alpha holds for the whole family.

    Args:
        p_values: N values 0..1; NaN is no test and stays NaN.

    Returns:
        f64[N].

    Raises:
        ConfigError: A value is outside 0..1.
    """
    p = np.asarray(list(p_values), np.float64)
    if ((p < 0) | (p > 1)).any():
        raise ConfigError("Holm: found a p value outside 0..1")
    adjusted = p.copy()
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    scaled = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def cluster_codes(clusters: Sequence[Hashable]) -> tuple[NDArray[np.intp], int]:
    """Number cluster labels of any type from 0 on: codes intp[N], and how many there are."""
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(label, len(numbers)) for label in clusters]
    return np.asarray(codes, np.intp), len(numbers)


def finite_vector(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return f64[N].

    Raises:
        ConfigError: Not one-dimensional, or not finite.
    """
    data = np.asarray(values, np.float64)
    if data.ndim != 1 or not np.isfinite(data).all():
        raise ConfigError(
            f"{what}: found shape {list(data.shape)}"
            + ("" if np.isfinite(data).all() else " with values that are not finite")
            + ", expected finite numbers [N]; drop rows where the metric is undefined"
        )
    return data


def check_confidence(confidence: float) -> None:
    """Raise ConfigError unless `confidence` is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence: found {confidence!r}, expected between 0 and 1")
