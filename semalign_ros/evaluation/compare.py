"""Differences between two drives or two models, with intervals over resampled frames.

All figures of one result folder are computed on the same resamples, so that a difference
between two conditions or two models keeps only what differs on the same frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semalign_ros.alignment.bootstrap import Estimate
from semalign_ros.alignment.verdict import CLEAN
from semalign_ros.errors import ConfigError, OutputError
from semalign_ros.evaluation.store import read_table
from semalign_ros.evaluation.tables import Row, short_name
from semalign_ros.scene.taxonomy import NUM_CLASSES

Drawn = NDArray[np.float64]
"""A figure on all frames, then on every resample: f64[1 + R]."""
Condition = tuple[str, float]

SEGMENTATION, LANGUAGE = ("mIoU",), ("HR", "COR", "SMR")
_CLEAN: Condition = (CLEAN, 0.0)
_MIN_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Drive:
    """The figures of one result folder.

    Args:
        name: Of the folder.
        frames: Frames in it.
        figures: By model, condition and measure.
    """

    name: str
    frames: int
    figures: dict[str, dict[Condition, dict[str, Drawn]]]

    def model(self, name: str) -> str:
        """Find a model by its id, or by its name where only one has it.

        Raises:
            ConfigError: None or several fit.
        """
        fitting = [m for m in self.figures if name in (m, short_name(m))]
        if len(fitting) != 1:
            raise ConfigError(
                f"{self.name}: {len(fitting)} models are called {name!r}, expected one of "
                f"{', '.join(self.figures)}"
            )
        return fitting[0]


@dataclass(frozen=True, slots=True)
class Shift:
    """What one condition, or another drive, changes for a model.

    Args:
        model: Its id.
        what: Condition of the first drive, or the name of the other.
        severity: Of the condition.
        changes: By measure: the figure, and its difference from clean on the first drive.
    """

    model: str
    what: str
    severity: float
    changes: dict[str, tuple[Estimate, Estimate]]


@dataclass(frozen=True, slots=True)
class Contrast:
    """What one condition changes for two models.

    Args:
        what: The condition.
        severity: Its severity.
        changes: By measure: change of the first model, of the second, second minus first.
    """

    what: str
    severity: float
    changes: dict[str, tuple[Estimate, Estimate, Estimate]]


def shared_classes(folders: Sequence[Path]) -> NDArray[np.bool_]:
    """Classes that the reference of every folder shows somewhere: bool[19].

    A mean over the classes is comparable between two drives only if both have them.
    """
    shown = np.ones(NUM_CLASSES, np.bool_)
    for folder in folders:
        total = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), np.int64)
        for row in read_table(folder, "segmentation").to_pylist():
            if row["condition"] == CLEAN:
                total += np.reshape(row["confusion"], total.shape)
        shown &= total.sum(axis=1) > 0
    return shown


def load_drive(
    folder: Path, classes: NDArray[np.bool_] | None = None, resamples: int = 1000, seed: int = 0
) -> Drive:
    """Read a result folder and compute its figures.

    Args:
        folder: Of `semalign evaluate`.
        classes: bool[19], those that mIoU is the mean of; None for all that occur.
        resamples: Of the frames.
        seed: Of the draws.

    Raises:
        OutputError: It is no result folder, or has fewer than 3 frames.
    """
    rows = [
        *((row["segmenter"], row) for row in read_table(folder, "segmentation").to_pylist()),
        *((row["vlm"], row) for row in read_table(folder, "verdicts").to_pylist()),
    ]
    frames = sorted({row["index"] for _, row in rows})
    if len(frames) < _MIN_FRAMES:
        raise OutputError(
            f"{folder}: {len(frames)} judged frames, expected at least {_MIN_FRAMES} to compare"
        )
    place = {index: i for i, index in enumerate(frames)}
    rng = np.random.Generator(np.random.Philox(seed))
    counts = np.ones((1 + resamples, len(frames)))
    counts[1:] = rng.multinomial(len(frames), np.full(len(frames), 1 / len(frames)), resamples)
    groups: dict[tuple[str, Condition], list[Row]] = {}
    for model, row in rows:
        groups.setdefault((model, (row["condition"], float(row["severity"]))), []).append(row)
    figures: dict[str, dict[Condition, dict[str, Drawn]]] = {}
    for (model, condition), group in groups.items():
        weights = counts[:, [place[row["index"]] for row in group]]
        measured = _mean_iou if "confusion" in group[0] else _language
        figures.setdefault(model, {})[condition] = measured(group, weights, classes)
    return Drive(folder.name, len(frames), figures)


def _mean_iou(
    rows: Sequence[Row], weights: NDArray[np.float64], classes: NDArray[np.bool_] | None
) -> dict[str, Drawn]:
    confusion = np.array([row["confusion"] for row in rows], np.float64)
    pooled = (weights @ confusion).reshape(-1, NUM_CLASSES, NUM_CLASSES + 1)
    hits = np.diagonal(pooled, axis1=1, axis2=2)
    union = pooled.sum(axis=2) + pooled[:, :, :NUM_CLASSES].sum(axis=1) - hits
    counted = union > 0
    if classes is not None:
        counted &= classes
    iou = np.divide(hits, union, out=np.zeros_like(union), where=counted)
    return {"mIoU": _ratio(iou.sum(axis=1), counted.sum(axis=1))}


def _language(
    rows: Sequence[Row], weights: NDArray[np.float64], _: object = None
) -> dict[str, Drawn]:
    values = {
        "HR": [row["hallucination"] for row in rows],
        "COR": [bool(row["omitted"]) for row in rows],
        "SMR": [row["misinterpretation"] for row in rows],
    }
    total = weights.sum(axis=1)
    return {k: _ratio(weights @ np.asarray(v, np.float64), total) for k, v in values.items()}


def _ratio(above: Any, below: Any) -> Drawn:
    out: Drawn = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) > 0)
    return out


def estimate(drawn: Drawn) -> Estimate:
    """Value on all frames, with the middle 95 % of the resamples."""
    low, high = np.nanquantile(drawn[1:], [0.025, 0.975])
    return Estimate(float(drawn[0]), float(low), float(high))


def shifts(base: Drive, other: Drive | None = None) -> Iterator[Shift]:
    """What each condition of a drive, and another drive seen clean, change for each model.

    Args:
        base: Has clean frames, and conditions or not.
        other: The drive to compare with, of other frames and the same models.

    Raises:
        ConfigError: The drives have no model in common.
    """
    shared = [m for m in base.figures if other is None or m in other.figures]
    if not shared:
        assert other is not None
        raise ConfigError(
            f"{base.name} and {other.name} have no model in common: {', '.join(base.figures)} "
            f"against {', '.join(other.figures)}"
        )
    for model in shared:
        clean = base.figures[model][_CLEAN]
        found = [(*c, base.figures[model][c]) for c in _ordered(base, model)]
        if other is not None:
            found.append((other.name, 0.0, other.figures[model][_CLEAN]))
        for what, severity, figures in found:
            changes = {k: (estimate(v), estimate(v - clean[k])) for k, v in figures.items()}
            yield Shift(model, what, severity, changes)


def contrasts(drive: Drive, first: str, second: str) -> Iterator[Contrast]:
    """Tell whether a condition changes more for one model than for another.

    Args:
        drive: Has both.
        first: Id of a model.
        second: Id of another of the same kind.

    Raises:
        ConfigError: One is a segmenter and the other a VLM.
    """
    a, b = drive.figures[first], drive.figures[second]
    if a[_CLEAN].keys() != b[_CLEAN].keys():
        raise ConfigError(
            f"{first} and {second}: found a segmenter and a VLM, expected two of a kind"
        )
    yield Contrast(CLEAN, 0.0, {k: _triple(a[_CLEAN][k], b[_CLEAN][k]) for k in a[_CLEAN]})
    for condition in _ordered(drive, first)[1:]:
        if condition in b:
            changes = {
                k: _triple(a[condition][k] - a[_CLEAN][k], b[condition][k] - b[_CLEAN][k])
                for k in a[condition]
            }
            yield Contrast(*condition, changes)


def _triple(a: Drawn, b: Drawn) -> tuple[Estimate, Estimate, Estimate]:
    return estimate(a), estimate(b), estimate(b - a)


def _ordered(drive: Drive, model: str) -> list[Condition]:
    """Clean first, then by name and severity."""
    return sorted(drive.figures[model], key=lambda c: (c != _CLEAN, c))
