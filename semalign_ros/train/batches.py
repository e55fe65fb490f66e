"""Which frames a step sees: a fixed function of seed and step, whatever was resumed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


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


class Prefetch(Generic[T]):
    """Runs `make(step)` for the next steps in one thread, while the caller computes.

    Use as a context manager; iteration yields the results in order, and raises
    what `make` raised.
    """

    def __init__(self, make: Callable[[int], T], start: int, stop: int, depth: int = 4) -> None:
        self._make, self._start, self._stop = make, start, stop
        self._queue: queue.Queue[T | BaseException] = queue.Queue(depth)
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancelled.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _work(self) -> None:
        try:
            for step in range(self._start, self._stop):
                if self._cancelled.is_set():
                    return
                self._queue.put(self._make(step))
        except BaseException as error:
            self._queue.put(error)

    def __iter__(self) -> Iterator[T]:
        for _ in range(self._start, self._stop):
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
