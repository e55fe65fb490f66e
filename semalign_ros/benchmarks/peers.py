"""ONNX Runtime and PyTorch on the same checkpoint, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semalign_ros.benchmarks.inference import Model
from semalign_ros.benchmarks.timing import Times, interleave
from semalign_ros.benchmarks.ways import MAX_TOKENS
from semalign_ros.inference import Segmenter, VlmQuery
from semalign_ros.language import PromptSet
from semalign_ros.types import Image, Labels

Result = Labels | Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class Compared:
    """One way to run a model, beside ours.

    Args:
        model: Name of the bundle.
        way: What ran.
        times: Of a frame; None where it failed.
        ours: Of ours in the same repetitions.
        same: Share of pixels or questions with the same result as ours, 0..1.
        failure: Why it failed; empty where it ran.
    """

    model: str
    way: str
    times: Times | None
    ours: Times
    same: float = 1.0
    failure: str = ""


def compare(
    model: Model, checkpoint: Path, image: Image, prompts: PromptSet, repetitions: int
) -> list[Compared]:
    """Time a bundle and its checkpoint in PyTorch in turn, on its device and in its precision.

    Args:
        model: The bundle.
        checkpoint: What it was made of.
        image: u8[H, W, 3].
        prompts: What is asked.
        repetitions: Of each way.

    Raises:
        BundleError: The checkpoint cannot be loaded.
    """
    from semalign_ros.export.peers import failure_of, open_peers

    device = "cpu" if model.model.device == "cpu" else "cuda"
    wanted = result_of(model, image)
    same: dict[str, float] = {}
    failures: dict[str, str] = {}
    runs = {}
    manifest = model.bundle.manifest
    half, size = manifest.precision == "float16", manifest.net_size
    for peer in open_peers(checkpoint, device, prompts, MAX_TOKENS, half, size):
        try:
            same[peer.name] = agreement(wanted, peer.run(image))
        except Exception as error:  # torch raises many types; the other ways go on
            failures[peer.name] = failure_of(error)
        else:
            runs[peer.name] = lambda peer=peer: peer.run(image)
    times = interleave({"": model.call(image), **runs}, repetitions)
    ours = times[""]
    return [
        Compared(model.name, f"ONNX Runtime, {model.model.device}", ours, ours),
        *(Compared(model.name, way, times[way], ours, same[way]) for way in runs),
        *(Compared(model.name, way, None, ours, 0.0, why) for way, why in failures.items()),
    ]


def result_of(model: Model, image: Image) -> Result:
    """Labels, or answers by question id, of a bundle."""
    if isinstance(model.model, Segmenter):
        return model.model.segment(image).labels
    answer = model.model.answer(VlmQuery(image))
    return {question: score > 0 for question, score in answer.scores.items()}


def agreement(wanted: Result, found: Result) -> float:
    """Share of pixels or questions with the same result, 0..1."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return sum(found.get(q) == a for q, a in wanted.items()) / len(wanted)
    return float(np.mean(np.asarray(wanted) == np.asarray(found)))


def peer_table(compared: Sequence[Compared]) -> str:
    """Markdown table of ways, milliseconds; ours stands first for every model."""
    lines = [
        "| model | run by | median ms | p90 ms | times as long as ours | same result |",
        "|---|---|---|---|---|---|",
    ]
    for c in compared:
        if c.times is None:
            lines.append(f"| {c.model} | {c.way} | failed: {c.failure} | | | |")
            continue
        lines.append(
            f"| {c.model} | {c.way} | {c.times.median_ms:.1f} | {c.times.p90_ms:.1f} | "
            f"{c.times.over(c.ours):.2f} | {c.same:.2%} |"
        )
    return "\n".join(lines)
