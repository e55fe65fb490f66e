"""Robustness over corruptions and severities.

mCE and relative mCE follow ImageNet-C (Hendrycks and Dietterich 2019), mPC and rPC the
robust-detection benchmark (Michaelis et al. 2019). An error is 1 - metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from semalign_ros.alignment._checks import NAN, check_lengths, mean, share
from semalign_ros.errors import ConfigError

Row = Sequence[float] | Mapping[float, float]
Table = Mapping[str, Row] | Sequence[Row]
"""A value per severity for every corruption, each by its name or its position."""

_Rows = list[list[float]]


def mean_corruption_error(errors: Table, baseline: Table) -> float:
    """mCE: per corruption the error summed over severities, relative to a baseline's.

    Args:
        errors: Errors of the model.
        baseline: Errors of the model it is compared with, at the same places.

    Returns:
        At least 0; 1 is the baseline. NaN where the baseline has no error to relate to.

    Raises:
        ConfigError: The tables differ in corruptions or severities.

    Example:
        >>> mean_corruption_error([[0.2, 0.4]], [[0.4, 0.8]])
        0.5
    """
    return relative_mean_corruption_error(errors, 0.0, baseline, 0.0)


def relative_mean_corruption_error(
    errors: Table, clean: float, baseline: Table, baseline_clean: float
) -> float:
    """Relative mCE: the same of the error that the corruptions add to the clean one.

    Args:
        errors: Errors of the model.
        clean: Its error on clean frames.
        baseline: Errors of the model it is compared with, at the same places.
        baseline_clean: Its error on clean frames.

    Returns:
        1 where the model loses as much as the baseline. NaN where the baseline loses nothing.

    Raises:
        ConfigError: The tables differ in corruptions or severities.
    """
    ours, theirs = _aligned(errors, baseline)
    ratios = []
    for own, other in zip(ours, theirs, strict=True):
        check_lengths(errors=own, baseline=other)
        added = math.fsum(e - clean for e in own)
        ratios.append(share(added, math.fsum(e - baseline_clean for e in other)))
    return mean(ratios)


def mean_performance_under_corruption(performance: Table) -> float:
    """mPC: the metric averaged over severities, then over corruptions; NaN of nothing."""
    rows = performance.values() if isinstance(performance, Mapping) else performance
    return mean([mean([float(p) for p in _values(row)]) for row in rows])


def relative_performance_under_corruption(performance: Table, clean: float) -> float:
    """RPC: mPC relative to the metric on clean frames; NaN where that is 0."""
    mpc = mean_performance_under_corruption(performance)
    return mpc / clean if clean else NAN


def _aligned(errors: Table, baseline: Table) -> tuple[_Rows, _Rows]:
    if isinstance(errors, Mapping) and isinstance(baseline, Mapping):
        if set(errors) != set(baseline):
            odd = sorted(set(errors) ^ set(baseline))
            raise ConfigError(f"corruptions in one of errors and baseline only: {', '.join(odd)}")
        pairs = [_pair(errors[name], baseline[name]) for name in errors]
        return [own for own, _ in pairs], [other for _, other in pairs]
    if isinstance(errors, Mapping) or isinstance(baseline, Mapping):
        raise ConfigError("errors and baseline: found names in one only, expected in both or none")
    check_lengths(errors=errors, baseline=baseline)
    pairs = [_pair(*rows) for rows in zip(errors, baseline, strict=True)]
    return [own for own, _ in pairs], [other for _, other in pairs]


def _values(row: Row) -> list[float]:
    return list(row.values() if isinstance(row, Mapping) else row)


def _pair(own: Row, other: Row) -> tuple[list[float], list[float]]:
    """Values of two rows at the same severities."""
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        if set(own) != set(other):
            odd = ", ".join(f"{severity:g}" for severity in sorted(set(own) ^ set(other)))
            raise ConfigError(f"severities in one of errors and baseline only: {odd}")
        return list(own.values()), [other[severity] for severity in own]
    return _values(own), _values(other)
