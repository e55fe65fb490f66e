"""Detection of a change in a rate, from a stream of yes/no events.

The window of :mod:`semalign_ros.alignment.windows` says how high a rate is; a CUSUM says
that it is no longer what it was, and since when, also where it stays below all thresholds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from semalign_ros.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Change:
    """A rate that has changed.

    Args:
        rising: Whether it rose; else it fell.
        index: Event, counted from 0 over the whole stream, at which this was noticed.
        onset: Event from which on the evidence gathered: the likely start.
        before: Rate up to the onset, 0..1.
        after: Rate from the onset on, 0..1.
    """

    rising: bool
    index: int
    onset: int
    before: float
    after: float


class ChangeDetector:
    """Two-sided Bernoulli CUSUM against the stream's own rate (Page 1954, Reynolds 1999).

    For either side it sums the log-likelihood ratio of a rate whose odds are changed by
    `odds_ratio` against the rate seen so far, floored at 0, and reports a change when a sum
    passes `threshold`. Then it learns the new rate from the start.

    With the defaults, independent events of a constant rate between 0.02 and 0.5 run for a
    median of more than 3,000 events without a false report; a rate that goes from 0.1 to 0.4
    is reported after about 20 events. Events of a slow video are alike from frame to frame,
    which brings more reports than that.

    Args:
        odds_ratio: Change of the odds worth noticing, above 1.
        threshold: Evidence needed, natural-log units, above 0.
        warmup: Events from which the rate is learnt before the first report, at least 1.

    Raises:
        ConfigError: A parameter is out of range.
    """

    def __init__(self, odds_ratio: float = 3.0, threshold: float = 7.0, warmup: int = 50) -> None:
        if not odds_ratio > 1 or not threshold > 0 or warmup < 1:
            raise ConfigError(
                f"change detector: found odds ratio {odds_ratio}, threshold {threshold}, warm-up "
                f"{warmup}; expected more than 1, more than 0, at least 1"
            )
        self._odds = {True: odds_ratio, False: 1 / odds_ratio}
        self._threshold = threshold
        self._warmup = warmup
        self._seen = 0
        self._restart()

    def update(self, event: bool) -> Change | None:
        """Take in one event.

        Returns:
            The change, at the event that gives enough evidence of it, else None.
        """
        change = None
        if self._count >= self._warmup:
            rate = self._events / self._count
            for rising, odds in self._odds.items():
                self._gather(rising, _evidence(event, rate, odds))
                if change is None and self._sums[rising] > self._threshold:
                    change = self._change(rising, event)
        self._count += 1
        self._events += event
        self._seen += 1
        if change is not None:
            self._restart()
        return change

    def _gather(self, rising: bool, evidence: float) -> None:
        if self._sums[rising] == 0.0:
            self._onsets[rising] = (self._count, self._events)
        self._sums[rising] = max(0.0, self._sums[rising] + evidence)

    def _change(self, rising: bool, event: bool) -> Change:
        count, events = self._onsets[rising]
        return Change(
            rising,
            index=self._seen,
            onset=self._seen - (self._count - count),
            before=events / count,
            after=(self._events + event - events) / (self._count + 1 - count),
        )

    def _restart(self) -> None:
        self._count = 0
        self._events = 0
        self._sums = {True: 0.0, False: 0.0}
        self._onsets = {True: (0, 0), False: (0, 0)}


def _evidence(event: bool, rate: float, odds: float) -> float:
    """Log-likelihood ratio of one event: odds changed against odds kept."""
    # The changed rate is odds * rate / scale, its complement (1 - rate) / scale.
    scale = 1 - rate + odds * rate
    return math.log((odds if event else 1.0) / scale)
