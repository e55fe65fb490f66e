"""One self-contained page of an evaluation, and its tables as CSV."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from semalign_ros import __version__
from semalign_ros.evaluation import figures, plots
from semalign_ros.evaluation.store import read_table
from semalign_ros.evaluation.summary import (
    LanguageSummary,
    SegmentationSummary,
    Summary,
    summarize,
)
from semalign_ros.evaluation.tables import shown_names
from semalign_ros.evaluation.worst import Picture
from semalign_ros.output import atomic_path

_Grid = tuple[list[str], list[tuple[str, list[str]]]]
"""Column heads, and rows of a name and cells."""


def write_tables(summary: Summary, folder: Path | str) -> None:
    """Write ``language.csv``, ``segmentation.csv`` and ``tables.md`` into a result folder."""
    with atomic_path(Path(folder) / "tables.md", overwrite=True) as partial:
        partial.write_text(markdown(summary), "utf-8")
    for name, rows in (
        ("language", [figures.language_cells(r) for r in summary.language]),
        ("segmentation", [figures.segmentation_cells(r) for r in summary.segmentation]),
    ):
        if rows:
            figures.write_csv(Path(folder) / f"{name}.csv", rows, overwrite=True)


def write_report(
    folder: Path | str,
    out: Path | str,
    *,
    pictures: Sequence[Picture] = (),
    overwrite: bool = False,
) -> Summary:
    """Write the page; it needs no network and no other file.

    Args:
        folder: Result folder of an evaluation.
        out: The ``.html`` file.
        pictures: Of the worst frames, shown at the end.
        overwrite: Replace `out`.

    Raises:
        OutputError: `folder` is no result folder, or `out` cannot be written.
    """
    summary = summarize(folder)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("semalign_ros.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        version=__version__,
        summary=summary,
        settings=summary.settings,
        paper=paper_tables(summary),
        more=further_measures(summary.language),
        omissions=omission_grid(folder),
        curves=Markup(plots.severity_curves(summary)),
        disconnect=Markup(plots.disconnect_plot(summary)),
        pictures=[(p.title, base64.b64encode(p.jpeg).decode()) for p in pictures],
        number=figures.number,
        short=shown_names(r.vlm for r in summary.language),
    )
    with atomic_path(out, overwrite=overwrite) as partial:
        partial.write_text(page, "utf-8")
    return summary


def paper_tables(summary: Summary) -> list[tuple[str, str, _Grid]]:
    """Tables 3 to 6 of the paper from these rows: title, what it shows, models by conditions.

    A star marks a cell that differs from clean by the exact McNemar test (p < .05).
    """
    tables = []
    if summary.segmentation:
        heads = _conditions(summary.segmentation)
        cells = {
            (r.segmenter, figures.condition_name(r.condition, r.severity)): figures.with_interval(
                r.mean_iou
            )
            for r in summary.segmentation
        }
        tables.append(("mIoU", "segmentation quality", _grid(heads, cells)))
    measures: tuple[tuple[str, str, str, Callable[[LanguageSummary], float] | None], ...] = (
        ("HR", "share of the claims that is not there", "hr", None),
        ("COR", "frames with a critical class left out", "cor", lambda r: r.omission_p),
        ("SMR", "frames with a wrong safety judgment", "smr", lambda r: r.misinterpretation_p),
    )
    for title, text, name, p_value in measures if summary.language else ():
        heads = _conditions(summary.language)
        cells = {}
        for r in summary.language:
            star = "*" if p_value is not None and r.severity and p_value(r) < 0.05 else ""
            key = r.vlm, figures.condition_name(r.condition, r.severity)
            cells[key] = figures.with_interval(getattr(r, name)) + star
        tables.append((title, text, _grid(heads, cells)))
    return tables


def markdown(summary: Summary) -> str:
    """The paper's tables for a page of documentation, conditions down, models across."""
    parts = [f"- {note}\n" for note in summary.notes]
    for title, text, (heads, rows) in paper_tables(summary):
        names = [name for name, _ in rows]
        lines = [f"| {title} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
        lines += [
            f"| {head} | {' | '.join(cells[i] for _, cells in rows)} |"
            for i, head in enumerate(heads)
        ]
        parts.append(f"{title}: {text}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def further_measures(rows: Sequence[LanguageSummary]) -> _Grid:
    """Everything the three rates do not say, a row per model and condition."""
    columns: tuple[tuple[str, Callable[[LanguageSummary], str]], ...] = (
        ("COR given critical", lambda r: figures.with_interval(r.cor_conditional)),
        ("COR visible", lambda r: figures.with_interval(r.cor_visible)),
        ("omitted objects", lambda r: figures.number(r.object_omission)),
        ("CHAIR_i", lambda r: figures.number(r.chair_i)),
        ("coverage", lambda r: figures.number(r.coverage)),
        ("SMR parsed", lambda r: figures.number(r.smr_parsed)),
        ("safety bal. acc.", lambda r: figures.number(r.safety_balanced_accuracy)),
        ("false safe", lambda r: figures.with_interval(r.false_safe)),
        ("over-cautious", lambda r: figures.with_interval(r.over_cautious)),
        ("flips", lambda r: figures.with_interval(r.flips) if r.severity else "-"),
        ("kappa", lambda r: figures.number(r.kappa) if r.severity else "-"),
        ("paraphrase", lambda r: figures.number(r.paraphrase_agreement)),
        ("contradiction", lambda r: figures.number(r.polarity_contradiction)),
        ("presence F1", lambda r: figures.number(r.presence_f1)),
        ("presence bal. acc.", lambda r: figures.number(r.presence_balanced_accuracy)),
        ("p50 / p99 ms", lambda r: f"{1e3 * r.latency_p50_s:.0f} / {1e3 * r.latency_p99_s:.0f}"),
    )
    shown = shown_names(r.vlm for r in rows)
    return [name for name, _ in columns], [
        (
            f"{shown[r.vlm]}, {figures.condition_name(r.condition, r.severity)}",
            [cell(r) for _, cell in columns],
        )
        for r in rows
    ]


def omission_grid(folder: Path | str) -> list[tuple[str, _Grid]]:
    """Per model: the share of frames with a critical class in which it is left out."""
    rows = read_table(folder, "verdicts").to_pylist()
    grids = []
    for vlm, shown in shown_names(r["vlm"] for r in rows).items():
        there: dict[tuple[str, str], list[bool]] = {}
        for r in rows:
            if r["vlm"] == vlm:
                head = figures.condition_name(r["condition"], r["severity"])
                for name in r["critical"]:
                    there.setdefault((name, head), []).append(name in r["omitted"])
        heads = list(
            dict.fromkeys(head for _, head in sorted(there, key=lambda k: (k[1] != "clean", k[1])))
        )
        cells = {key: figures.number(sum(v) / len(v), 2) for key, v in there.items()}
        grids.append((shown, _grid(heads, dict(sorted(cells.items())))))
    return grids


def _conditions(rows: Sequence[LanguageSummary] | Sequence[SegmentationSummary]) -> list[str]:
    return list(dict.fromkeys(figures.condition_name(r.condition, r.severity) for r in rows))


def _grid(heads: list[str], cells: dict[tuple[str, str], str]) -> _Grid:
    names = shown_names(name for name, _ in cells)
    return heads, [
        (shown, [cells.get((name, head), "-") for head in heads]) for name, shown in names.items()
    ]
