"""Bootstrap intervals that resample whole images, not rows.

A frame judged under nine conditions is one observation of the world. Resampling its rows
one by one would pretend to nine times the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semalign_ros.alignment._checks import NAN, check_lengths
from semalign_ros.alignment.statistics import check_confidence, cluster_codes, finite_vector
from semalign_ros.errors import ConfigError

Statistic = Callable[[NDArray[np.intp]], Sequence[float]]
"""Takes the indices of the rows drawn, gives one or more numbers."""

MIN_CLUSTERS = 3
"""Fewer give no interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; NaN bounds where there are too few clusters for one."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Statistic,
    clusters: Sequence[Hashable],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Estimate, ...]:
    """Estimate statistics with percentile intervals over resampled clusters.

    Args:
        statistic: Computed on all rows, then on every resample.
        clusters: Label of each row, such as its frame index.
        resamples: How many, at least 1.
        confidence: Two-sided, between 0 and 1.
        seed: Of the Philox stream; the same seed gives the same interval.

    Returns:
        One estimate per number of the statistic. Resamples on which it is undefined (NaN)
        do not count; the interval is NaN with fewer than 3 clusters.

    Raises:
        ConfigError: There is no row, or a parameter is out of range.
    """
    check_confidence(confidence)
    codes, count = cluster_codes(clusters)
    if resamples < 1 or not count:
        raise ConfigError(
            f"bootstrap: found {len(codes)} rows and {resamples} resamples, "
            "expected at least 1 of each"
        )
    values = statistic(np.arange(len(codes)))
    if count < MIN_CLUSTERS:
        return tuple(Estimate(float(v), NAN, NAN) for v in values)
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.Generator(np.random.Philox(seed))
    drawn = np.empty((resamples, len(values)))
    for row in drawn:
        row[:] = statistic(order[_ranges(starts, sizes, rng.integers(count, size=count))])
    return tuple(
        Estimate(float(v), *middle(column, confidence))
        for v, column in zip(values, drawn.T, strict=True)
    )


def mean_with_interval(
    values: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Mean with its interval over resampled clusters; parameters as :func:`bootstrap`.

    For a paired comparison pass the differences degraded minus clean, row by row: the
    frames' own difficulty cancels out.

    Raises:
        ConfigError: The lengths differ, a value is not finite, or there is no row.
    """
    data = finite_vector(values, "values")
    check_lengths(values=data, clusters=clusters)
    (estimate,) = bootstrap(
        lambda rows: (float(data[rows].mean()),),
        clusters,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return estimate


def _ranges(
    starts: NDArray[np.intp], sizes: NDArray[np.intp], chosen: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Concatenate the index ranges of the chosen clusters, without a Python loop."""
    lengths = sizes[chosen]
    ends = np.cumsum(lengths)
    offsets = np.repeat(starts[chosen] - (ends - lengths), lengths)
    return offsets + np.arange(len(offsets))


def middle(values: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of the middle share of the values that are defined; NaN where none is."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return NAN, NAN
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
