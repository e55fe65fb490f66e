"""How figures are written for people: in the terminal, in CSV and in the report."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from semalign_ros.alignment.bootstrap import Estimate
from semalign_ros.evaluation.compare import Contrast, Shift
from semalign_ros.evaluation.summary import LanguageSummary, SegmentationSummary, Summary
from semalign_ros.evaluation.tables import shown_names
from semalign_ros.output import atomic_path
from semalign_ros.scene.taxonomy import CLASSES

Cell = str | float | int


def number(value: float, digits: int = 3) -> str:
    """Write a rate as .123, and what is undefined as a dash."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def with_interval(estimate: Estimate, digits: int = 2) -> str:
    """Write an estimate as .52 [.45, .59]."""
    if not math.isfinite(estimate.low):
        return number(estimate.value, digits)
    low, high = number(estimate.low, digits), number(estimate.high, digits)
    return f"{number(estimate.value, digits)} [{low}, {high}]"


def signed(change: Estimate, digits: int = 2) -> str:
    """Write a change as +.05 [.01, .09]."""
    return ("+" if change.value >= 0 else "") + with_interval(change, digits)


def condition_name(condition: str, severity: float) -> str:
    """Condition and severity as in ``fog 3``; clean has no severity."""
    return condition if severity == 0 else f"{condition} {severity:g}"


def language_cells(row: LanguageSummary) -> dict[str, Cell]:
    """Every figure of a row by its column name, intervals in columns of their own."""
    cells: dict[str, Cell] = {}
    for name in row.__dataclass_fields__:
        value = getattr(row, name)
        if isinstance(value, Estimate):
            cells |= _estimate_cells(name, value)
        else:
            cells[name] = value
    return cells


def segmentation_cells(row: SegmentationSummary) -> dict[str, Cell]:
    """The same for a segmenter, with the IoU of each class."""
    return {
        "segmenter": row.segmenter,
        "condition": row.condition,
        "severity": row.severity,
        "frames": row.frames,
        **_estimate_cells("mean_iou", row.mean_iou),
        "pixel_accuracy": row.pixel_accuracy,
        "critical_recall": row.critical_recall,
        "latency_p50_s": row.latency_p50_s,
        **{f"iou_{name}": float(v) for name, v in zip(CLASSES, row.iou, strict=True)},
    }


def write_csv(path: Path, rows: Sequence[Mapping[str, Cell]], *, overwrite: bool = False) -> None:
    """Write rows with a header line.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    with (
        atomic_path(path, overwrite=overwrite) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(
            {k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            for row in rows
        )


LANGUAGE_LEGEND = (
    "n: frames; HR: share of the classes claimed that are not there; COR: share of the frames with "
    "a critical class left out; SMR: share of the frames with a wrong or no safety judgment; "
    "cover(age): share of the answers that could be read; flips: share of the frames whose "
    "judgment differs from that on the clean frame; in brackets 95 % intervals"
)
"""What the columns of :func:`language_tables` mean."""


def language_tables(summary: Summary) -> list[Table]:
    """Terminal tables: what each VLM said under each condition, with 95 % intervals."""
    tables = []
    for vlm, name in shown_names(row.vlm for row in summary.language).items():
        table = _table(name, "n", "HR", "COR", "SMR", "cover", "flips")
        for row in summary.language:
            if row.vlm == vlm:
                table.add_row(
                    condition_name(row.condition, row.severity),
                    str(row.frames),
                    with_interval(row.hr),
                    with_interval(row.cor),
                    with_interval(row.smr),
                    number(row.coverage, 2),
                    "" if row.severity == 0 else number(row.flips.value, 2),
                )
        tables.append(table)
    return tables


def segmentation_tables(summary: Summary) -> list[Table]:
    """Terminal tables: what each segmenter saw under each condition, with 95 % intervals."""
    tables = []
    for segmenter, name in shown_names(row.segmenter for row in summary.segmentation).items():
        table = _table(name, "n", "mIoU", "pixel accuracy", "p50 ms")
        for row in summary.segmentation:
            if row.segmenter == segmenter:
                table.add_row(
                    condition_name(row.condition, row.severity),
                    str(row.frames),
                    with_interval(row.mean_iou, 3),
                    number(row.pixel_accuracy),
                    f"{1e3 * row.latency_p50_s:.0f}",
                )
        tables.append(table)
    return tables


def shift_tables(shifts: Sequence[Shift]) -> list[Table]:
    """Terminal tables: per model the figures when clean, and how far the others are from them."""
    tables = []
    for model, called in shown_names(s.model for s in shifts).items():
        rows = [s for s in shifts if s.model == model]
        table = _table(called, *rows[0].changes)
        # A long name is folded rather than a figure cut off.
        name = table.columns[0]
        name.no_wrap, name.overflow, name.max_width = False, "fold", 20
        for row in rows:
            other = row.severity is None
            what = f"drive {row.what}" if other else condition_name(row.what, row.severity or 0)
            table.add_row(
                what,
                *(
                    with_interval(value) if row.severity == 0 else signed(change)
                    for value, change in row.changes.values()
                ),
            )
        tables.append(table)
    return tables


def contrast_tables(first: str, second: str, contrasts: Sequence[Contrast]) -> list[Table]:
    """Terminal tables: per measure what each condition changes for two models."""
    tables = []
    for measure in contrasts[0].changes:
        table = _table(measure, *shown_names([first, second]).values(), "difference")
        for row in contrasts:
            a, b, difference = row.changes[measure]
            written = with_interval if row.severity == 0 else signed
            table.add_row(
                condition_name(row.what, row.severity), written(a), written(b), signed(difference)
            )
        tables.append(table)
    return tables


def shift_cells(shift: Shift) -> list[dict[str, Cell]]:
    """Figures of a shift by column name, one row a measure."""
    return [
        {
            "model": shift.model,
            "what": shift.what,
            "severity": "" if shift.severity is None else shift.severity,
            "measure": name,
            **_estimate_cells("value", value),
            **_estimate_cells("change", change),
        }
        for name, (value, change) in shift.changes.items()
    ]


def contrast_cells(first: str, second: str, contrast: Contrast) -> list[dict[str, Cell]]:
    """Figures of a contrast by column name, one row a measure."""
    return [
        {
            "first": first,
            "second": second,
            "what": contrast.what,
            "severity": contrast.severity,
            "measure": name,
            "quantity": "figure" if contrast.severity == 0 else "change",
            **_estimate_cells("first_model", a),
            **_estimate_cells("second_model", b),
            **_estimate_cells("difference", difference),
        }
        for name, (a, b, difference) in contrast.changes.items()
    ]


def _estimate_cells(name: str, value: Estimate) -> dict[str, Cell]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _table(title: str, *figures: str) -> Table:
    # Fits 80 columns: a table whose numbers wrap cannot be read.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("condition", no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table
