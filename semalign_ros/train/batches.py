"""Which frames a step sees: a fixed function of seed and step, whatever was resumed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

A = TypeVar("A")
T = TypeVar("T")
_AHEAD = 2


def generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """Return the random numbers of one (seed, stream, index)."""
    return np.random.Generator(np.random.Philox(key=[seed, (stream << 48) | index]))


def index_batches(
    repeats: NDArray[np.float64], batch: int, seed: int, start: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Yield the frame indices of step `start`, `start + 1`, ... without end.

    In one pass frame i comes floor(repeats[i]) times, and once more with the
    probability of the rest, in random order.

    Args:
        repeats: f64[N], see :func:`semalign_ros.train.datasets.repeats`.
        batch: Frames a step.
        seed: Keys the order.
        start: First step.

    Yields:
        i64[batch].
    """
    pool = np.empty(0, np.int64)
    step, taken = 0, 0
    for epoch in range(1 << 30):
        rng = generator(seed, 1, epoch)
        extra = rng.random(len(repeats)) < repeats % 1.0
        times = np.floor(repeats).astype(np.int64) + extra
        pool = np.concatenate(
            [pool[taken:], rng.permutation(np.repeat(np.arange(len(repeats)), times))]
        )
        taken = 0
        while taken + batch <= len(pool):
            if step >= start:
                yield pool[taken : taken + batch]
            step, taken = step + 1, taken + batch


def prefetched(make: Callable[[A], T], items: Iterable[A], workers: int = 0) -> Iterator[T]:
    """Yield `make(item)` in order, made in threads while the caller computes.

    Args:
        make: Called once an item; may run at once for several.
        items: What to make from; read in the caller's thread.
        workers: Threads; 0 for half of the cores.
    """
    workers = workers or max(1, len(os.sched_getaffinity(0)) // 2)
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="prefetch") as pool:
        try:
            for item in items:
                pending.append(pool.submit(make, item))
                if len(pending) > workers + _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
