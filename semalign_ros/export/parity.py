"""Does the exported graph compute what the checkpoint computes?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.inference.runtime import OnnxSession
from semalign_ros.types import Image

Arrays: TypeAlias = Mapping[str, NDArray[np.generic]]
_CPU = torch.device("cpu")
_Module: TypeAlias = Callable[..., Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What may differ.

    Args:
        value: Difference of a float output, relative to the largest magnitude of that
            output or 1.
        labels: Share of the labels that may differ: where two classes are equally likely,
            rounding decides.
        texts: Share of the descriptions that may differ.
        mean: Whether `value` is for the mean over a segmenter's pixels, not for the largest
            difference: in coarse arithmetic single pixels between two classes say nothing.
    """

    value: float = 1e-3
    labels: float = 1e-4
    texts: float = 1e-3
    mean: bool = False


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


def graph_differences(
    original: _Module,
    graph: Path,
    feeds: Sequence[Arrays],
    outputs: Sequence[str],
    *,
    rounded: nn.Module | None = None,
    mean: bool = False,
) -> dict[str, float]:
    """Compare a graph with what it was made of.

    Args:
        original: Takes the arrays of a feed in order, as tensors.
        graph: ONNX file.
        feeds: Inputs by name.
        outputs: Names of the outputs in the original's order.
        rounded: The original in float16, for a graph in float16. It is compared too: ONNX
            Runtime's CPU provider computes such graphs in float32, so that only torch shows what
            a GPU's rounding and overflow above 65504 do. It runs on a GPU where torch finds one.
        mean: See :class:`Tolerance`.

    Returns:
        By output: the relative difference of a float output, the differing share of an
        integer one; the worst over the feeds.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
        InferenceError: It fails on a feed.
    """
    session = OnnxSession(graph, "cpu")
    gpu = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if rounded is not None:
        rounded = rounded.to(gpu)
    halves = {name for name, spec in session.inputs.items() if spec.dtype == "float16"}
    worst = dict.fromkeys(outputs, 0.0)
    for feed in feeds:
        wanted = _run(original, feed)
        narrow = {n: v.astype(np.float16) if n in halves else v for n, v in feed.items()}
        runs = [session.run(narrow, outputs)]
        if rounded is not None:
            runs = [[_widened(v) for v in run] for run in (*runs, _run(rounded, narrow, gpu))]
        for found in runs:
            for name, w, f in zip(outputs, wanted, found, strict=True):
                worst[name] = max(worst[name], difference(w, f, mean=mean))
    return worst


def _run(module: _Module, feed: Arrays, device: torch.device = _CPU) -> list[NDArray[np.generic]]:
    with torch.inference_mode():
        results = module(*(torch.from_numpy(np.asarray(v)).to(device) for v in feed.values()))
    return [t.cpu().numpy() for t in ((results,) if isinstance(results, Tensor) else results)]


def _widened(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def difference(
    wanted: NDArray[np.generic], found: NDArray[np.generic], *, mean: bool = False
) -> float:
    """Relative difference of floats, differing share of integers; infinite for other shapes.

    Args:
        wanted: What the original says.
        found: What is compared.
        mean: The mean difference of floats, not the largest.
    """
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return float("inf")
    if np.issubdtype(wanted.dtype, np.integer):
        return float((wanted != found).mean())
    a, b = wanted.astype(np.float64), found.astype(np.float64)
    if not np.isfinite(b).all():
        return float("inf")
    # Labels that flip take their confidence along smoothly, so one maximum serves all outputs.
    off = np.abs(a - b)
    worst = off.mean() if mean else off.max(initial=0.0)
    return float(worst / max(1.0, np.abs(a).max(initial=0.0)))


def require_parity(differences: Mapping[str, float], tolerance: Tolerance) -> None:
    """Refuse a graph that differs from its checkpoint.

    Args:
        differences: Of :func:`graph_differences`; ``labels`` and ``tokens`` are shares.
        tolerance: What may differ.

    Raises:
        BundleError: Naming every output that differs too much.
    """
    shares = {"labels": tolerance.labels, "tokens": tolerance.texts}
    limits = {name: shares.get(name, tolerance.value) for name in differences}
    over = {name: found for name, found in differences.items() if not found <= limits[name]}
    if not over:
        return
    if not np.isfinite(list(over.values())).all():
        advice = "Some results are no numbers: look at the checkpoint's weights"
    elif set(over) == {"tokens"}:
        advice = "No option allows that: words do not differ by rounding"
    else:
        advice = "Raise --tolerance only if such a difference is acceptable to you"
    told = [f"{n} differs by {found:.3g} (allowed {limits[n]:.3g})" for n, found in over.items()]
    raise BundleError(
        f"the exported graph does not equal the checkpoint: {'; '.join(told)}; no bundle was "
        f"written. {advice}"
    )
