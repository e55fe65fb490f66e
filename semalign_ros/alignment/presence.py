"""Presence as detection: for every frame and class, yes or no against there or not.

"Yes" is the positive answer, as in POPE (Li et al. 2023). Names outside the classes
asked are left out on both sides. Undefined values are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment._checks import NAN, ClassSets, as_sets, check_lengths, mean, share
from semalign_ros.scene.taxonomy import CLASSES


@dataclass(frozen=True, slots=True)
class PresenceScores:
    """Counts of presence answers and the scores that follow from them.

    Args:
        tp: There and claimed.
        fp: Claimed and not there.
        tn: Neither.
        fn: There and not claimed.
    """

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of the claims that are right; NaN without a claim."""
        return share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share claimed of what is there; NaN where nothing is."""
        return share(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN with neither claims nor objects."""
        return share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Share of the answers that are right."""
        return share(self.tp + self.tn, sum(astuple(self)))

    @property
    def yes_ratio(self) -> float:
        """Share of the answers that are yes."""
        return share(self.tp + self.fp, sum(astuple(self)))

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls of yes and no; NaN where one of them never was right."""
        return (self.recall + share(self.tn, self.tn + self.fp)) / 2


def presence_by_class(
    claims: ClassSets, present: ClassSets, classes: Sequence[str] = CLASSES
) -> dict[str, PresenceScores]:
    """Score each class over all frames.

    Args:
        claims: Classes the model claims, one set a frame.
        present: Classes present, one set a frame.
        classes: Those that were asked.

    Raises:
        ConfigError: The lengths differ, or an item is no set of names.
    """
    said, there = membership(claims, classes, "claims"), membership(present, classes, "present")
    check_lengths(claims=said, present=there)
    counts = np.stack(
        [(said & there), (said & ~there), (~said & ~there), (~said & there)], axis=-1
    ).sum(axis=0)
    return {name: PresenceScores(*map(int, row)) for name, row in zip(classes, counts, strict=True)}


def presence_scores(
    claims: ClassSets, present: ClassSets, classes: Sequence[str] = CLASSES
) -> PresenceScores:
    """Score all frames and classes, pooled. Arguments as :func:`presence_by_class`.

    Example:
        >>> presence_scores([{"car"}], [{"car", "bus"}], ["car", "bus"]).recall
        0.5
    """
    by_class = presence_by_class(claims, present, classes).values()
    counts = np.array([astuple(scores) for scores in by_class], np.int64).reshape(-1, 4)
    return PresenceScores(*map(int, counts.sum(axis=0)))


def presence_balanced_accuracy(
    claims: ClassSets,
    present: ClassSets,
    classes: Sequence[str] = CLASSES,
    minimum: int = 1,
) -> float:
    """Balanced accuracy per class, averaged: a constant answer gets 0.5, however common.

    Args:
        claims: Classes the model claims, one set a frame.
        present: Classes present, one set a frame.
        classes: Those that were asked.
        minimum: A class counts where it is present in at least as many frames and absent
            in at least as many.

    Returns:
        0..1, NaN where no class counts.
    """
    scores = presence_by_class(claims, present, classes).values()
    counted = [s for s in scores if min(s.tp + s.fn, s.tn + s.fp) >= max(minimum, 1)]
    return mean([s.balanced_accuracy for s in counted]) if counted else NAN


def membership(sets: ClassSets, classes: Sequence[str], what: str = "sets") -> NDArray[np.bool_]:
    """Return bool[N, K]: whether frame n has class k."""
    column = {name: i for i, name in enumerate(classes)}
    rows = as_sets(sets, what)
    table = np.zeros((len(rows), len(column)), np.bool_)
    for row, names in zip(table, rows, strict=True):
        row[[column[name] for name in names if name in column]] = True
    return table
