"""Does the model keep to its judgment: over degradation, wording and time?

Answers that could not be parsed (None) say nothing about consistency; parse coverage
counts them. Rates without a pair to compare are NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeGuard, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semalign_ros.alignment._checks import (
    NAN,
    AnyJudgment,
    as_judgments,
    as_reference,
    check_lengths,
    mean,
    share,
)
from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.types import Judgment


def flip_rate(judgments: Iterable[AnyJudgment | int]) -> float:
    """Share of the judgments that differ from the one before.

    An unparsed answer is passed over, so that it cannot hide a flip.

    Args:
        judgments: In the order of time; yes and no as True and False or 1 and 0 will do.

    Returns:
        0..1, NaN with fewer than two parsed judgments.

    Raises:
        ConfigError: A value is no judgment.

    Example:
        >>> flip_rate(["safe", "unsafe", "unsafe"])
        0.5
    """
    return mean([a is not b for a, b in pairwise(_parsed(judgments))])


def flip_rate_to_first(judgments: Iterable[AnyJudgment | int]) -> float:
    """Share of the judgments that differ from the first one; otherwise as :func:`flip_rate`."""
    parsed = _parsed(judgments)
    return mean([j is not parsed[0] for j in parsed[1:]])


def paired_flip_rate(clean: Iterable[AnyJudgment], degraded: Iterable[AnyJudgment]) -> float:
    """Share of frames whose judgment changes under degradation, of those parsed both times.

    Args:
        clean: Judgment on each clean frame.
        degraded: On the same frames, degraded.

    Raises:
        ConfigError: The lengths differ or a value is no judgment.
    """
    table = agreement_table(clean, degraded)
    return share(float(table[0, 1] + table[1, 0]), float(table.sum()))


def agreement_table(
    first: Iterable[AnyJudgment], second: Iterable[AnyJudgment]
) -> NDArray[np.int64]:
    """Count how two series of judgments on the same frames agree.

    Returns:
        i64[2, 2], rows by the first, columns by the second, SAFE then UNSAFE; frames with
        an unparsed answer are left out. Goes into :func:`cohen_kappa`, and its off-diagonal
        into :func:`~semalign_ros.alignment.statistics.mcnemar_exact`.
    """
    one, two = as_judgments(first, "first"), as_judgments(second, "second")
    check_lengths(first=one, second=two)
    order = list(Judgment)
    table = np.zeros((2, 2), np.int64)
    for a, b in zip(one, two, strict=True):
        if a is not None and b is not None:
            table[order.index(a), order.index(b)] += 1
    return table


def cohen_kappa(table: ArrayLike) -> float:
    """Agreement beyond chance (Cohen 1960).

    Args:
        table: Counts [K, K], rows one judge, columns the other.

    Returns:
        At most 1, 0 at chance; NaN where chance alone agrees always, or nothing was counted.

    Raises:
        ConfigError: The table is not square, or holds negative counts.
    """
    counts = np.asarray(table, np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise ConfigError(
            f"kappa: found {counts.tolist()}, expected a square table of counts [K, K]"
        )
    total = counts.sum()
    if not total:
        return NAN
    expected = float(counts.sum(axis=0) @ counts.sum(axis=1)) / total
    return share(float(counts.trace()) - expected, total - expected)


@dataclass(frozen=True, slots=True)
class PromptPairs:
    """Pairs of safety prompts on one frame whose judgments were both parsed.

    Args:
        paraphrases: Pairs of the same polarity.
        agreeing: Those of them that agree.
        reversals: Pairs of opposite polarity.
        contradicting: Those of them that contradict, as yes to "is it safe to proceed?"
            and to "should the vehicle stop?".
    """

    paraphrases: int = 0
    agreeing: int = 0
    reversals: int = 0
    contradicting: int = 0

    @property
    def disagreeing(self) -> int:
        """Pairs that do not agree, of either kind."""
        return self.paraphrases - self.agreeing + self.contradicting


def prompt_pairs(
    judgments: Mapping[str, AnyJudgment], polarities: Mapping[str, bool]
) -> PromptPairs:
    """Compare the judgments on one frame under all safety prompts.

    Args:
        judgments: By prompt id, polarity resolved (:attr:`VlmAnswer.judgments`).
        polarities: By prompt id, whether "yes" means SAFE.

    Raises:
        ConfigError: A prompt has no polarity, or a value is no judgment.
    """
    missing = next((name for name in judgments if name not in polarities), None)
    if missing is not None:
        raise ConfigError(unknown_name("safety prompt", missing, polarities))
    values = as_judgments(judgments.values(), "judgments")
    answers = [
        (polarities[name], judgment)
        for name, judgment in zip(judgments, values, strict=True)
        if judgment is not None
    ]
    paraphrases = agreeing = reversals = contradicting = 0
    for (polarity, one), (other_polarity, other) in combinations(answers, 2):
        if polarity is other_polarity:
            paraphrases += 1
            agreeing += one is other
        else:
            reversals += 1
            contradicting += one is not other
    return PromptPairs(paraphrases, agreeing, reversals, contradicting)


def paraphrase_agreement(
    judgments: Sequence[Mapping[str, AnyJudgment]], polarities: Mapping[str, bool]
) -> float:
    """Share of the pairs of paraphrased safety prompts that agree, pooled over frames.

    Args:
        judgments: :attr:`VlmAnswer.judgments` of each frame.
        polarities: By prompt id, whether "yes" means SAFE.

    Returns:
        0..1, NaN without a pair of the same polarity.
    """
    pairs = [prompt_pairs(frame, polarities) for frame in judgments]
    return share(sum(p.agreeing for p in pairs), sum(p.paraphrases for p in pairs))


def polarity_contradiction(
    judgments: Sequence[Mapping[str, AnyJudgment]], polarities: Mapping[str, bool]
) -> float:
    """Share of the pairs of reversed safety prompts that contradict each other, pooled.

    A model that says yes to everything gets 1. Arguments as :func:`paraphrase_agreement`.
    """
    pairs = [prompt_pairs(frame, polarities) for frame in judgments]
    return share(sum(p.contradicting for p in pairs), sum(p.reversals for p in pairs))


@dataclass(frozen=True, slots=True)
class TemporalFlips:
    """How often judgments change from one frame to the next, each 0..1 of the same pairs.

    Args:
        pairs: Consecutive parsed judgments.
        rate: Share of pairs that flip; NaN without pairs.
        explained: Those whose reference changed to the same side.
        unexplained: The others.
    """

    pairs: int
    rate: float
    explained: float
    unexplained: float


def temporal_flips(
    judgments: Iterable[AnyJudgment], reference: Iterable[AnyJudgment]
) -> TemporalFlips:
    """Tell flips that follow the scene from flips that do not.

    Args:
        judgments: One stream in the order of time; None is passed over.
        reference: Of the same frames.

    Raises:
        ConfigError: The lengths differ, a value is no judgment, or a reference is None.
    """
    said, right = as_judgments(judgments), as_reference(reference)
    check_lengths(judgments=said, reference=right)
    parsed = [(a, r) for a, r in zip(said, right, strict=True) if a is not None]
    flips = [
        explains(before[1], after[1], after[0])
        for before, after in pairwise(parsed)
        if before[0] is not after[0]
    ]
    pairs = max(len(parsed) - 1, 0)
    return TemporalFlips(
        pairs,
        share(len(flips), pairs),
        share(sum(flips), pairs),
        share(len(flips) - sum(flips), pairs),
    )


def explains(before: Judgment, after: Judgment, judgment: Judgment) -> bool:
    """Whether a change of the reference explains that the model flipped to `judgment`."""
    return before is not after and after is judgment


def _parsed(judgments: Iterable[AnyJudgment | int]) -> list[Judgment]:
    # Flips are symmetric, so it does not matter which of yes and no is called safe.
    named = [list(Judgment)[int(j)] if _is_bit(j) else cast(AnyJudgment, j) for j in judgments]
    return [j for j in as_judgments(named) if j is not None]


def _is_bit(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, np.integer, np.bool_)) and value in (0, 1)
