"""Clocks of the benchmarks."""

from __future__ import annotations

import contextlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Times:
    """Wall times of one thing that was done several times.

    Args:
        seconds: In the order of the repetitions, at least one.
    """

    seconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median, milliseconds."""
        return 1e3 * statistics.median(self.seconds)

    @property
    def p90_ms(self) -> float:
        """What nine of ten stay below, milliseconds."""
        return 1e3 * float(np.percentile(self.seconds, 90))

    @property
    def per_second(self) -> float:
        """How often a second holds the median."""
        return 1e3 / self.median_ms

    def over(self, other: Times) -> float:
        """How many times as long as `other`: the median over repetitions that ran side by side."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))


def interleave(calls: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Times]:
    """Time calls in turn, so that what else the machine does meets all of them alike.

    Args:
        calls: By name; each has run before, so that nothing is prepared in the first one.
        repetitions: Of each.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repetitions):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: Times(tuple(found)) for name, found in seconds.items()}


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
