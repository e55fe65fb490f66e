"""What a model says is there, against what is there: hallucination and omission.

Sets are taken as they are given: the pseudo-class "vehicle" is resolved before, by
:func:`semalign_ros.alignment.verdict.resolve_generic`. Rates over no frames are NaN.

HR and COR follow arXiv 2601.08355, 3.4; CHAIR follows Rohrbach et al. 2018.
"""

from __future__ import annotations

from semalign_ros.alignment._checks import ClassSets, as_sets, check_lengths, mean, share
from semalign_ros.errors import ConfigError

_Sets = list[frozenset[str]]


def hallucination_rate(claims: ClassSets, present: ClassSets) -> float:
    """HR of the paper: mean over frames of the share of claims that are not there.

    Args:
        claims: Classes the model claims, one set a frame.
        present: Classes present, one set a frame.

    Returns:
        0..1; a frame without a claim counts 0. NaN without frames.

    Raises:
        ConfigError: The lengths differ, or an item is no set of names.

    Example:
        >>> hallucination_rate([{"car", "bus"}], [{"car"}])
        0.5
    """
    said, there = _paired(claims=claims, present=present)
    return mean([share(len(v - g), len(v)) if v else 0.0 for v, g in zip(said, there, strict=True)])


def chair(claims: ClassSets, present: ClassSets) -> tuple[float, float]:
    """CHAIR_i and CHAIR_s: hallucinated claims pooled, and frames with at least one.

    Args:
        claims: Classes the model claims, one set a frame.
        present: Classes present, one set a frame.

    Returns:
        (hallucinated / all claims, NaN without a claim; share of frames, NaN without frames).
    """
    said, there = _paired(claims=claims, present=present)
    wrong = [len(v - g) for v, g in zip(said, there, strict=True)]
    return share(sum(wrong), sum(map(len, said))), mean([n > 0 for n in wrong])


def critical_omission_rate(claims: ClassSets, critical: ClassSets) -> float:
    """COR of the paper: share of frames with a critical class that is not claimed.

    Args:
        claims: Classes the model claims, one set a frame.
        critical: Critical classes present, one set a frame.

    Returns:
        0..1; a frame without a critical class counts 0. NaN without frames.
    """
    said, needed = _paired(claims=claims, critical=critical)
    return mean([not c <= v for v, c in zip(said, needed, strict=True)])


def conditional_omission_rate(claims: ClassSets, critical: ClassSets) -> float:
    """COR over the frames that have a critical class; NaN where none has."""
    said, needed = _paired(claims=claims, critical=critical)
    return mean([not c <= v for v, c in zip(said, needed, strict=True) if c])


def object_omission_rate(claims: ClassSets, critical: ClassSets) -> float:
    """Share of the critical classes present, pooled over frames, that are not claimed."""
    said, needed = _paired(claims=claims, critical=critical)
    missed = sum(len(c - v) for v, c in zip(said, needed, strict=True))
    return share(missed, sum(map(len, needed)))


def top_k_omission_floor(critical: ClassSets, k: int) -> float:
    """COR below which no model that names exactly K classes can come.

    A frame with more than K critical classes is an omission by construction, whatever
    the model sees.

    Args:
        critical: Critical classes present, one set a frame.
        k: Number of classes named for every frame, at least 1.

    Returns:
        0..1, NaN without frames.

    Raises:
        ConfigError: `k` is less than 1.
    """
    _check_k(k)
    return mean([len(c) > k for c in as_sets(critical, "critical")])


def top_k_hallucination_floor(present: ClassSets, k: int) -> float:
    """HR below which no model that names exactly K classes can come.

    Args:
        present: Classes present among those that can be named, one set a frame.
        k: Number of classes named for every frame, at least 1.
    """
    _check_k(k)
    return mean([max(0, k - len(g)) / k for g in as_sets(present, "present")])


def _check_k(k: int) -> None:
    if k < 1:
        raise ConfigError(f"top-K: found k = {k!r}, expected at least 1")


def _paired(**sets: ClassSets) -> tuple[_Sets, _Sets]:
    first, second = (as_sets(value, name) for name, value in sets.items())
    check_lengths(**dict(zip(sets, (first, second), strict=True)))
    return first, second
