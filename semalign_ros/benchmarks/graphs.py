"""How much of a call is spent inside of the graphs, and how much in the code around them."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from semalign_ros.inference.runtime import OnnxSession

BEFORE, BETWEEN, AFTER = "host, before", "host, between", "host, after"
"""The code around the graphs of one call."""

_RUNS = ("run", "run_resident")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a graph, its feeds checked and its outputs fetched.

    Args:
        graph: Name of its file.
        start: Of a monotonic clock, seconds.
        end: The same.
        cpu_s: Time of the calling thread on a processor in between, seconds.
    """

    graph: str
    start: float
    end: float
    cpu_s: float


class Holder(Protocol):
    """What holds graphs: a segmenter or a vision-language model."""

    @property
    def sessions(self) -> Mapping[str, OnnxSession]:
        """Graphs by name."""


@contextlib.contextmanager
def watch(*models: Holder) -> Iterator[list[Run]]:
    """Note every run of the models' graphs while the block runs.

    Yields:
        The runs so far; may be emptied.
    """
    runs: list[Run] = []
    sessions = [session for model in models for session in model.sessions.values()]
    for session in sessions:
        for name in _RUNS:
            setattr(session, name, _timed(getattr(session, name), session.path.name, runs))
    try:
        yield runs
    finally:
        for session in sessions:
            for name in _RUNS:
                delattr(session, name)


def _timed(run: Callable[..., Any], graph: str, runs: list[Run]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            return run(*args, **kwargs)
        finally:
            runs.append(Run(graph, start, time.perf_counter(), time.thread_time() - cpu))

    return timed


def split(start: float, end: float, runs: Sequence[Run]) -> dict[str, float]:
    """Share a call out to the graphs and the code around them.

    Args:
        start: When the call began.
        end: When it returned.
        runs: Of graphs in between, in order, at least one.

    Returns:
        Seconds by stage, in order; they add up to the call. A graph that runs again is
        counted, ``decoder.onnx (2)``.
    """
    stages = {BEFORE: runs[0].start - start}
    seen: Counter[str] = Counter()
    for run in runs:
        seen[run.graph] += 1
        again = f" ({seen[run.graph]})" if seen[run.graph] > 1 else ""
        stages[run.graph + again] = run.end - run.start
    if len(runs) > 1:
        stages[BETWEEN] = sum(b.start - a.end for a, b in itertools.pairwise(runs))
    return stages | {AFTER: end - runs[-1].end}
