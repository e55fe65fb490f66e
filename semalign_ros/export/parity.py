"""Does the exported graph compute what the checkpoint computes?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor

from semalign_ros.errors import BundleError
from semalign_ros.types import Image

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What may differ.

    Args:
        value: Largest difference of a float output, relative to the largest
            magnitude of that output or 1.
        labels: Share of the values of an integer output that may differ: where two
            classes are equally likely, rounding decides.
    """

    value: float = 2e-3
    labels: float = 1e-3


def sample_frames(seed: int = 0) -> tuple[Image, ...]:
    """Frames of several sizes for a check without real ones: coloured shapes with fine grain."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    frames = []
    for height, width in ((256, 256), (240, 320), (512, 1024)):
        coarse = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)
        frame = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(12):
            x, y = (int(rng.integers(0, n)) for n in (width, height))
            w, h = (int(rng.integers(n // 16, n // 3)) for n in (width, height))
            colour = tuple(int(c) for c in rng.integers(0, 256, 3))
            cv2.rectangle(frame, (x, y), (x + w, y + h), colour, -1)
        grain = rng.integers(-20, 21, frame.shape)
        frames.append(np.clip(frame + grain, 0, 255).astype(np.uint8))
    return tuple(frames)


def largest_differences(
    original: Callable[..., Tensor | tuple[Tensor, ...]],
    graph: Path,
    feeds: Sequence[Arrays],
    outputs: Sequence[str],
) -> dict[str, float]:
    """Compare a graph with what it was made of.

    Args:
        original: Takes the arrays of a feed in order, as tensors.
        graph: ONNX file.
        feeds: Inputs by name.
        outputs: Names of the outputs in the original's order.

    Returns:
        By output: the relative difference of a float output, the differing share of an
        integer one; the worst over the feeds.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    worst = dict.fromkeys(outputs, 0.0)
    for feed in feeds:
        with torch.inference_mode():
            results = original(*(torch.from_numpy(np.asarray(v)) for v in feed.values()))
        wanted = (results,) if isinstance(results, Tensor) else results
        found = session.run(list(outputs), dict(feed))
        for name, w, f in zip(outputs, wanted, found, strict=True):
            worst[name] = max(worst[name], difference(w.numpy(), f))
    return worst


def difference(wanted: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    """Relative difference of floats, differing share of integers; infinite for other shapes."""
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return float("inf")
    if np.issubdtype(wanted.dtype, np.integer):
        return float((wanted != found).mean())
    a, b = wanted.astype(np.float64), found.astype(np.float64)
    if not np.isfinite(b).all():
        return float("inf")
    # Labels that flip take their confidence along smoothly, so one maximum serves all outputs.
    return float(np.abs(a - b).max(initial=0.0) / max(1.0, np.abs(a).max(initial=0.0)))


def require_parity(
    differences: Mapping[str, float], tolerance: Tolerance, integers: Sequence[str] = ()
) -> None:
    """Refuse a graph that differs from its checkpoint.

    Args:
        differences: Of :func:`largest_differences`.
        tolerance: What may differ.
        integers: Outputs judged by `tolerance.labels`.

    Raises:
        BundleError: Naming every output that differs too much.
    """
    limits = {n: tolerance.labels if n in integers else tolerance.value for n in differences}
    bad = [
        f"{name} differs by {found:.3g} (allowed {limits[name]:.3g})"
        for name, found in differences.items()
        if not found <= limits[name]
    ]
    if bad:
        raise BundleError(
            f"the exported graph does not equal the checkpoint: {'; '.join(bad)}; no bundle was "
            "written. Raise --tolerance only if such a difference is acceptable to you"
        )
