"""Correlations of frames, with intervals. Needs scipy, which takes 0.8 s to import: not live."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from semalign_ros.alignment._checks import NAN, check_lengths
from semalign_ros.alignment.bootstrap import Estimate, bootstrap
from semalign_ros.alignment.statistics import finite_vector


@dataclass(frozen=True, slots=True)
class Correlation:
    """Three correlations of the same rows, each -1..1, NaN where one side is constant.

    Args:
        rows: Rows that were correlated.
        clusters: Clusters among them that were resampled.
        pearson: Linear.
        spearman: Of the ranks, ties at their mean.
        kendall: Tau-b.
    """

    rows: int
    clusters: int
    pearson: Estimate
    spearman: Estimate
    kendall: Estimate


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Correlation:
    """Correlate two series, with intervals that resample clusters.

    Args:
        x: f[N].
        y: f[N].
        clusters: N labels, such as frame indices; None where all rows are independent.
        resamples: Bootstrap resamples.
        confidence: Of the intervals.
        seed: Of the resampling.

    Raises:
        ConfigError: The lengths differ, a value is not finite, or there is no row.
    """
    first, second = finite_vector(x, "x"), finite_vector(y, "y")
    labels: Sequence[Hashable] = range(len(first)) if clusters is None else clusters
    check_lengths(x=first, y=second, clusters=labels)
    estimates = bootstrap(
        lambda rows: coefficients(first[rows], second[rows]),
        labels,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return Correlation(len(first), len(set(labels)), *estimates)


def coefficients(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Pearson, Spearman and Kendall (tau-b) of two series; NaN where one is constant."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return NAN, NAN, NAN
    ranks = stats.rankdata(x), stats.rankdata(y)
    return _pearson(x, y), _pearson(*ranks), float(stats.kendalltau(x, y).statistic)


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    a, b = x - x.mean(), y - y.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))
