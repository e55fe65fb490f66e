"""Differences between two drives or two models, with intervals over resampled frames.

All figures of one result folder are computed on the same frames and the same resamples of them,
so that a difference between two conditions or two models keeps only what differs on one frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from semalign_ros.alignment.bootstrap import MIN_CLUSTERS, Estimate, middle
from semalign_ros.alignment.verdict import CLEAN
from semalign_ros.errors import ConfigError, OutputError
from semalign_ros.evaluation.store import read_settings, read_table
from semalign_ros.evaluation.tables import Row, short_name
from semalign_ros.scene.taxonomy import NUM_CLASSES

Drawn = NDArray[np.float64]
"""A figure on all frames, then on every resample: f64[1 + R]."""
Condition = tuple[str, float]
Cell = tuple[str, Condition]
"""Model and condition."""

_CLEAN: Condition = (CLEAN, 0.0)
_SHAPE = (NUM_CLASSES, NUM_CLASSES + 1)
_COMPARABLE = (
    "vlm_input",
    "prompts",
    "protocol",
    "top_k",
    "fp16",
    "rule",
    "critical",
    "vocabulary",
    "labelled",
)
"""Settings of an evaluation that must be the same in two to be compared."""


@dataclass(frozen=True, slots=True)
class Drive:
    """The judged frames of one result folder.

    Args:
        name: Of the folder.
        settings: What its ``run.yaml`` says.
        frames: Number of frames that were judged under every condition.
        left_out: Number of other frames.
        waiting: Number of frames that the evaluation has not come to; it was interrupted.
        values: By cell and measure f64[F], or confusions f64[F, 19 * 20] as ``mIoU``.
        shown: bool[19], classes of the reference.
    """

    name: str
    settings: Mapping[str, Any]
    frames: int
    left_out: int
    waiting: int
    values: Mapping[Cell, Mapping[str, NDArray[np.float64]]]
    shown: NDArray[np.bool_]

    @property
    def models(self) -> list[str]:
        """Ids of the models, segmenters first."""
        return list(dict.fromkeys(model for model, _ in self.values))

    def conditions(self, model: str) -> list[Condition]:
        """Conditions of a model, clean first, then by name and severity."""
        found = [condition for name, condition in self.values if name == model]
        return sorted(found, key=lambda c: (c != _CLEAN, c))

    def model(self, name: str) -> str:
        """Find a model by its id or the beginning of it, or by its name where only one has it.

        Raises:
            ConfigError: None or several fit.
        """
        fitting = [
            m for m in self.models if name == short_name(m) or ("@" in name and m.startswith(name))
        ]
        if len(fitting) != 1:
            raise ConfigError(
                f"{self.name}: {len(fitting)} models are called {name!r}, expected one of "
                f"{', '.join(self.models)}"
            )
        return fitting[0]


Figures = Mapping[Cell, Mapping[str, Drawn]]
"""By cell and measure."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What one condition, or another drive, changes for a model.

    Args:
        model: Its id.
        what: Condition of the first drive, or the name of the other.
        severity: Of the condition; None for the other drive.
        changes: By measure: the figure, and its difference from clean on the first drive.
    """

    model: str
    what: str
    severity: float | None
    changes: Mapping[str, tuple[Estimate, Estimate]]


@dataclass(frozen=True, slots=True)
class Contrast:
    """What one condition changes for two models; for clean the figures themselves.

    Args:
        what: The condition.
        severity: Its severity.
        changes: By measure: change of the first model, of the second, second minus first.
    """

    what: str
    severity: float
    changes: Mapping[str, tuple[Estimate, Estimate, Estimate]]


def load_drive(folder: Path, conditions: Sequence[str] = ()) -> Drive:
    """Read a result folder.

    Args:
        folder: Of `semalign evaluate`.
        conditions: Names of those to keep beside clean; none for all.

    Raises:
        OutputError: It is no result folder, or has fewer than 3 frames that were judged
            under every condition.
        ConfigError: It has no such condition.
    """
    name, settings = folder.resolve().name, read_settings(folder)
    tables = [read_table(folder, kind) for kind in ("segmentation", "verdicts")]
    known = {c for table in tables for c in pc.unique(table["condition"]).to_pylist()}
    if unknown := sorted(set(conditions) - known):
        raise ConfigError(
            f"condition {unknown[0]}: {folder} has {', '.join(sorted(known)) or 'no rows'}"
        )
    groups: dict[Cell, dict[int, Row]] = {}
    for table, model in zip(tables, ("segmenter", "vlm"), strict=True):
        if conditions:
            table = table.filter(pc.field("condition").isin([CLEAN, *conditions]))
        for row in table.to_pylist():
            cell = row[model], (row["condition"], float(row["severity"]))
            groups.setdefault(cell, {})[row["index"]] = row
    every = set[int]().union(*groups.values())
    common = sorted(every.intersection(*groups.values()))
    if len(common) < MIN_CLUSTERS:
        raise OutputError(
            f"{folder}: {len(common)} of {len(every)} frames were judged by every model under "
            f"every condition, expected at least {MIN_CLUSTERS}"
        )
    # Frames on which everything failed have no other rows; those to come, none at all.
    failed = set(read_table(folder, "failures")["index"].to_pylist())
    every = every | failed
    waiting = int(settings.get("frames") or 0) - len(every)
    values = {cell: _values([rows[i] for i in common]) for cell, rows in groups.items()}
    pooled = [v["mIoU"].sum(axis=0) for (_, c), v in values.items() if c == _CLEAN and "mIoU" in v]
    shown = np.sum(pooled, axis=0).reshape(_SHAPE).sum(axis=1) > 0 if pooled else _NO_CLASS
    # Without ground truth a segmenter's own clean labels are the reference.
    if pooled and all(np.trace(p.reshape(_SHAPE)) == p.sum() for p in pooled):
        values = {cell: v for cell, v in values.items() if "mIoU" not in v}
    left_out = len(every) - len(common)
    return Drive(name, settings, len(common), left_out, max(waiting, 0), values, shown)


_NO_CLASS = np.zeros(NUM_CLASSES, np.bool_)


def _values(rows: Sequence[Row]) -> dict[str, NDArray[np.float64]]:
    if "confusion" in rows[0]:
        return {"mIoU": np.array([row["confusion"] for row in rows], np.float64)}
    return {
        "HR": np.array([row["hallucination"] for row in rows], np.float64),
        "COR": np.array([bool(row["omitted"]) for row in rows], np.float64),
        "SMR": np.array([row["misinterpretation"] for row in rows], np.float64),
    }


def require_comparable(base: Drive, other: Drive) -> None:
    """Refuse two drives that were judged in different ways.

    Raises:
        ConfigError: Naming the settings.
    """
    found = [key for key in _COMPARABLE if base.settings.get(key) != other.settings.get(key)]
    references = [list(d.settings.get("models", ()))[:1] for d in (base, other)]
    if base.settings.get("labelled") is False and references[0] != references[1]:
        found.append("segmenter of the reference")
    if found:
        raise ConfigError(
            f"{base.name} and {other.name} were not judged alike, {', '.join(found)} differ; "
            "evaluate both with the same options"
        )


def draw(drive: Drive, classes: NDArray[np.bool_], resamples: int = 1000, seed: int = 0) -> Figures:
    """Compute the figures of a drive on all of its frames and on resamples of them.

    Args:
        drive: The drive.
        classes: bool[19], those that mIoU is the mean of, as far as the reference of the drawn
            frames shows them.
        resamples: How many.
        seed: Of the draws; two drives need two.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    weights = np.ones((1 + resamples, drive.frames))
    weights[1:] = rng.multinomial(drive.frames, np.full(drive.frames, 1 / drive.frames), resamples)
    return {
        cell: {
            name: _mean_iou(weights @ v, classes) if name == "mIoU" else weights @ v / drive.frames
            for name, v in measures.items()
        }
        for cell, measures in drive.values.items()
    }


def _mean_iou(pooled: NDArray[np.float64], classes: NDArray[np.bool_]) -> Drawn:
    """Mean IoU of confusions f64[1 + R, 19 * 20] over the classes that the reference shows.

    A class that is only predicted would come and go with the condition, and with it the
    number of classes that the mean is over.
    """
    confusion = pooled.reshape(-1, *_SHAPE)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    wanted = confusion.sum(axis=2)
    union = wanted + confusion[:, :, :NUM_CLASSES].sum(axis=1) - hits
    counted = classes & (wanted > 0)
    iou = np.divide(hits, union, out=np.zeros_like(union), where=counted)
    number = counted.sum(axis=1)
    out: Drawn = np.full(len(number), np.nan)
    np.divide(iou.sum(axis=1), number, out=out, where=number > 0)
    return out


def estimate(drawn: Drawn) -> Estimate:
    """Value on all frames, with the middle 95 % of the resamples."""
    return Estimate(float(drawn[0]), *middle(drawn[1:]))


def shifts(
    base: Drive, figures: Figures, other: Drive | None = None, others: Figures | None = None
) -> Iterator[Shift]:
    """What each condition of a drive, and another drive seen clean, change for each model.

    Args:
        base: Has clean frames, and conditions or not.
        figures: Of `base`.
        other: The drive to compare with, of other frames and the same models.
        others: Figures of `other`.

    Raises:
        ConfigError: The drives have no model in common.
    """
    shared = [m for m in base.models if other is None or m in other.models]
    if not shared and other is not None:
        raise ConfigError(
            f"{base.name} and {other.name} have no model in common: {', '.join(base.models)} "
            f"against {', '.join(other.models)}"
        )
    for model in shared:
        clean = figures[model, _CLEAN]
        found: list[tuple[str, float | None, Mapping[str, Drawn]]]
        found = [(*c, figures[model, c]) for c in base.conditions(model)]
        if other is not None and others is not None:
            found.append((other.name, None, others[model, _CLEAN]))
        for what, severity, now in found:
            changes = {k: (estimate(v), estimate(v - clean[k])) for k, v in now.items()}
            yield Shift(model, what, severity, changes)


def contrasts(drive: Drive, figures: Figures, first: str, second: str) -> Iterator[Contrast]:
    """Tell whether a condition changes more for one model than for another.

    Args:
        drive: Has both.
        figures: Of `drive`.
        first: Id of a model.
        second: Id of another of the same kind.

    Raises:
        ConfigError: One is a segmenter and the other a VLM.
    """
    clean, other_clean = figures[first, _CLEAN], figures[second, _CLEAN]
    if clean.keys() != other_clean.keys():
        raise ConfigError(
            f"{first} and {second}: found a segmenter and a VLM, expected two of a kind"
        )
    for condition in drive.conditions(first):
        if (second, condition) not in figures:
            continue  # the other one failed on every frame of it
        now, other_now = figures[first, condition], figures[second, condition]
        changes = {}
        for k in clean:
            a, b = now[k], other_now[k]
            if condition != _CLEAN:
                a, b = a - clean[k], b - other_clean[k]
            changes[k] = estimate(a), estimate(b), estimate(b - a)
        yield Contrast(*condition, changes)
