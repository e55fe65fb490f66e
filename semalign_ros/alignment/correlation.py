"""Correlations of frames, with intervals. Needs scipy, which takes 0.8 s to import: not live."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # for Kendall's tau of long series of many values

from semalign_ros.alignment._checks import NAN, check_lengths
from semalign_ros.alignment.bootstrap import Estimate, bootstrap
from semalign_ros.alignment.statistics import finite_vector

_LARGEST_TABLE = 400_000
"""Distinct values of one series times those of the other, up to which a table is faster."""


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
    first, second = _Series.of(finite_vector(x, "x")), _Series.of(finite_vector(y, "y"))
    labels: Sequence[Hashable] = range(len(first.values)) if clusters is None else clusters
    check_lengths(x=first.values, y=second.values, clusters=labels)
    estimates = bootstrap(
        lambda rows: _coefficients(first.drawn(rows), second.drawn(rows)),
        labels,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    return Correlation(len(first.values), len(set(labels)), *estimates)


@dataclass(frozen=True, slots=True)
class _Series:
    """Values with their place among all distinct ones: sorted once, not for every resample."""

    values: NDArray[np.float64]
    levels: NDArray[np.intp]
    count: int

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> _Series:
        distinct, levels = np.unique(values, return_inverse=True)
        return cls(values, levels, len(distinct))

    def drawn(self, rows: NDArray[np.intp]) -> _Series:
        return _Series(self.values[rows], self.levels[rows], self.count)

    def ranks(self) -> NDArray[np.float64]:
        """From 1, ties at their mean."""
        tally = np.bincount(self.levels, minlength=self.count)
        ranks: NDArray[np.float64] = (np.cumsum(tally) - (tally - 1) / 2)[self.levels]
        return ranks


def _coefficients(x: _Series, y: _Series) -> tuple[float, float, float]:
    """Pearson, Spearman and Kendall (tau-b) of two series; NaN where one is constant."""
    if len(x.values) < 2 or np.ptp(x.levels) == 0 or np.ptp(y.levels) == 0:
        return NAN, NAN, NAN
    return _pearson(x.values, y.values), _pearson(x.ranks(), y.ranks()), _kendall(x, y)


def _kendall(x: _Series, y: _Series) -> float:
    """Tau-b: of the pairs, those in the same order less those in the opposite one."""
    if x.count * y.count > _LARGEST_TABLE:
        return float(stats.kendalltau(x.values, y.values).statistic)
    table = np.bincount(x.levels * y.count + y.levels, minlength=x.count * y.count)
    table = table.reshape(x.count, y.count)
    before = np.cumsum(table, axis=0) - table  # rows with a lower x, by their y
    lower = np.cumsum(before, axis=1) - before
    higher = before.sum(axis=1, keepdims=True) - lower - before
    surplus = int((table * (lower - higher)).sum())
    pairs = len(x.values) ** 2 / 2
    untied = [pairs - float((table.sum(axis=axis) ** 2).sum()) / 2 for axis in (0, 1)]
    return float(np.clip(surplus / np.sqrt(untied[0] * untied[1]), -1.0, 1.0))


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    a, b = x - x.mean(), y - y.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))
