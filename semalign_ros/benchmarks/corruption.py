"""CPU time of every corruption on one core, against `imagecorruptions` and a memory copy."""

from __future__ import annotations

import contextlib
import importlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption import get_corruption
from semalign_ros.errors import MissingDependencyError
from semalign_ros.types import Frame, Image

PEERS = {
    "motion_blur": "motion_blur",
    "defocus": "defocus_blur",
    "jpeg": "jpeg_compression",
    "fog": "fog",
    "snow": "snow",
    "low_light": "shot_noise",
}
"""Corruptions that `imagecorruptions` has too, by its name for them."""

SEVERITIES = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one corruption, milliseconds of CPU time, by severity.

    Args:
        name: Its name.
        own: At each of `SEVERITIES`.
        peer: The same of the peer; None where it has none or was not asked.
    """

    name: str
    own: tuple[float, ...]
    peer: tuple[float, ...] | None

    @property
    def speedup(self) -> float | None:
        """Geometric mean of the peer's times over ours."""
        if self.peer is None:
            return None
        return statistics.geometric_mean(p / o for p, o in zip(self.peer, self.own, strict=True))


def scene(height: int, width: int) -> Frame:
    """Make a frame with content at every scale, in image, labels and depth."""
    random = np.random.Generator(np.random.Philox(1))

    def octaves(channels: int) -> NDArray[np.float32]:
        total = np.zeros((height, width, channels), np.float32)
        for nodes in (4, 16, 64, 256):
            noise = random.random((nodes, 2 * nodes, channels), np.float32)
            wide = cv2.resize(noise, (width, height)).reshape(total.shape)
            total += wide / np.float32(np.log2(nodes))
        return np.asarray(total / total.max(), np.float32)

    # A label map of patches from 1 to some 200 px, like a street's.
    coarse = cv2.resize(octaves(1)[..., 0], (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    regions = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    labels = np.asarray(np.clip(regions * np.float32(18.99), 0, 18), np.uint8)
    depth = 5 + 200 * octaves(1)[..., 0]
    image = np.asarray(octaves(3) * 255, np.uint8)
    frame = Frame(0, "camera", 40, image, labels, depth, 15.0, 0.05)
    return replace(
        frame, earlier={n: replace(frame, stamp_ns=-n * 60_000_000) for n in range(1, 61)}
    )


def milliseconds(call: Callable[[], object], repetitions: int) -> float:
    """Median CPU time after a warm-up, which fills look-up tables as a sequence does.

    CPU time of the process, so that other work on the machine does not count.
    """
    call()
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def run(names: Sequence[str], frame: Frame, repetitions: int, *, peer: bool) -> Iterator[Timing]:
    """Time corruptions one after the other, each beside its peer.

    Args:
        names: Which.
        frame: What they degrade.
        repetitions: Of each; the median counts.
        peer: Whether to time `imagecorruptions`.

    Raises:
        MissingDependencyError: The peer is asked for and not installed.
    """
    corrupt = _load_peer() if peer else None
    with one_thread():
        for name in names:
            op = get_corruption(name)
            own = tuple(
                milliseconds(lambda op=op, s=s: op.apply(frame, s), repetitions)  # type: ignore[misc]
                for s in SEVERITIES
            )
            theirs = None
            if corrupt is not None and name in PEERS:
                theirs = tuple(
                    milliseconds(
                        lambda name=name, s=s: corrupt(frame.image, s, PEERS[name]),  # type: ignore[misc]
                        max(1, repetitions // 3),
                    )
                    for s in SEVERITIES
                )
            yield Timing(name, own, theirs)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV use one thread."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _load_peer() -> Callable[[Image, int, str], object]:
    # Version 1.1.2 is of before NumPy 2, which dropped this name.
    if not hasattr(np, "float_"):
        setattr(np, "float_", np.float64)  # noqa: B010
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            peer = importlib.import_module("imagecorruptions")
        except ImportError as error:
            raise MissingDependencyError(
                f"--peer needs imagecorruptions ({error}); install with "
                "`pip install imagecorruptions 'setuptools<80'`"
            ) from error

    def corrupt(image: Image, severity: int, name: str) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return peer.corrupt(image, severity=severity, corruption_name=name)

    return corrupt


def table(timings: Sequence[Timing], copy_ms: float) -> str:
    """Markdown table of the times, milliseconds."""
    lines = [
        "| | severity 1 | 3 | 5 | in copies | imagecorruptions 1 | 3 | 5 | times as fast |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| memory copy | | {copy_ms:.2f} | | 1 | | | | |",
    ]
    for t in timings:
        own = " | ".join(f"{v:.1f}" for v in t.own)
        peer = " | ".join("" if t.peer is None else f"{v:.0f}" for v in t.peer or (0.0,) * 3)
        ratio = "" if t.speedup is None else f"{t.speedup:.1f}"
        lines.append(f"| {t.name} | {own} | {max(t.own) / copy_ms:.0f} | {peer} | {ratio} |")
    shared = [t.speedup for t in timings if t.speedup is not None]
    if shared:
        mean = statistics.geometric_mean(shared)
        lines.append(f"\nGeometric mean over the {len(shared)} shared ones: {mean:.1f}.")
    return "\n".join(lines)
