"""One frame with everything that led to its verdict, in a folder for people to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from semalign_ros.drawing import draw_overlay
from semalign_ros.errors import OutputError
from semalign_ros.image_codec import encode_file
from semalign_ros.monitor import Judged
from semalign_ros.output import atomic_path
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.scene.taxonomy import colorize
from semalign_ros.types import Judgment


def write_snapshot(
    folder: Path,
    judged: Judged,
    parameters: Mapping[str, object],
    *,
    rule: ReferenceRule,
    title: str = "",
) -> Path:
    """Write a verdict's frame, label maps, answers and parameters.

    Args:
        folder: Gets a new folder, named after the stamp and the frame's number.
        judged: The verdict and what led to it.
        parameters: Written as they are.
        rule: Of the reference.
        title: Of the overlay picture.

    Returns:
        The new folder; it appears whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    verdict = judged.verdict
    name = f"{verdict.stamp_ns // 10**9}.{verdict.stamp_ns % 10**9:09d}_{verdict.index:06d}"
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{name}_{number}"
    with atomic_path(target) as partial:
        try:
            partial.mkdir()
            for file, image in _pictures(judged, rule, title).items():
                (partial / f"{file}.png").write_bytes(encode_file(image))
            text = json.dumps(_plain(asdict(verdict)), indent=2, allow_nan=False)
            (partial / "verdict.json").write_text(text + "\n", encoding="utf-8")
            values = {k: list(v) if isinstance(v, tuple) else v for k, v in parameters.items()}
            (partial / "parameters.yaml").write_text(
                yaml.safe_dump(values, sort_keys=False), encoding="utf-8"
            )
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror})") from error
    return target


def _pictures(judged: Judged, rule: ReferenceRule, title: str) -> dict[str, Any]:
    clean, degraded = judged.clean.perception, judged.degraded.perception
    pictures = {
        "image": clean.frame.image,
        "image_degraded": degraded.frame.image,
        "overlay": draw_overlay(judged, rule=rule, title=title),
        "reference_labels": judged.reference_labels,
        "reference_color": colorize(judged.reference_labels),
    }
    for name, labels in (("clean", clean.labels), ("degraded", degraded.labels)):
        if labels is not None:
            pictures[f"segmentation_{name}"] = labels
            pictures[f"segmentation_{name}_color"] = colorize(labels)
    return pictures


def _plain(value: Any) -> Any:
    """Value as JSON knows it; what is undefined (NaN) becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Judgment):
        return value.value
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
