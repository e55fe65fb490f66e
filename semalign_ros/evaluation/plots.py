"""The report's pictures, as SVG text that a page can hold."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from semalign_ros.alignment.bootstrap import Estimate
from semalign_ros.evaluation.summary import LanguageSummary, SegmentationSummary, Summary
from semalign_ros.evaluation.tables import shown_names

# Okabe and Ito's colours: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_Curve = tuple[str, list[tuple[float, Estimate]]]


def severity_curves(summary: Summary) -> str:
    """MIoU, HR, COR and SMR over severity, one column a corruption, bands the 95 % intervals."""
    families = list(
        dict.fromkeys(
            condition
            for condition, severity in (
                *((r.condition, r.severity) for r in summary.segmentation),
                *((r.condition, r.severity) for r in summary.language),
            )
            if severity
        )
    )
    measures: list[tuple[str, Callable[[str], list[_Curve]]]] = []
    if summary.segmentation:
        measures.append(("mIoU", lambda f: _segmentation_curves(summary.segmentation, f)))
    if summary.language:
        for title, name in (("HR", "hr"), ("COR", "cor"), ("SMR", "smr")):
            measures.append((title, _language_curves(summary.language, name)))
    if not families or not measures:
        return ""
    figure = Figure(figsize=(3.1 * len(families) + 1.2, 2.1 * len(measures)), layout="constrained")
    grid = figure.subplots(len(measures), len(families), sharex="col", sharey="row", squeeze=False)
    colours: dict[str, str] = {}
    for row, (title, curves) in zip(grid, measures, strict=True):
        row[0].set_ylabel(title)
        for axes, family in zip(row, families, strict=True):
            for name, points in curves(family):
                colour = colours.setdefault(name, _COLOURS[len(colours) % len(_COLOURS)])
                x = [severity for severity, _ in points]
                axes.plot(x, [e.value for _, e in points], "o-", color=colour, ms=3, lw=1.4)
                axes.fill_between(
                    x,
                    [e.low for _, e in points],
                    [e.high for _, e in points],
                    color=colour,
                    alpha=0.15,
                    lw=0,
                )
            axes.grid(alpha=0.3)
            axes.set_ylim(-0.03, 1.03)
    for axes, family in zip(grid[0], families, strict=True):
        axes.set_title(family.replace("_", " "), fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("severity (0 = clean)")
        axes.xaxis.get_major_locator().set_params(integer=True)
    handles = [
        mpl.lines.Line2D([], [], color=c, marker="o", ms=3, label=n) for n, c in colours.items()
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False
    )
    return _svg(figure)


def disconnect_plot(summary: Summary) -> str:
    """Spearman correlation of quality drop and language drop, with intervals."""
    vlms = shown_names(pair.vlm for pair in summary.disconnect)
    segmenters = shown_names(pair.segmenter for pair in summary.disconnect)
    rows = [
        (f"{vlms[pair.vlm]} vs {segmenters[pair.segmenter]}", item)
        for pair in summary.disconnect
        for item in pair.found
        if item.condition == "all"
    ]
    if not rows:
        return ""
    figure = Figure(figsize=(7.5, 0.32 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    for y, (_, item) in enumerate(rows):
        e = item.correlation.spearman
        axes.plot([e.low, e.high], [y, y], color=_COLOURS[0], lw=2)
        axes.plot([e.value], [y], "o", color=_COLOURS[0])
    axes.set_yticks(
        range(len(rows)), [f"{name}: {item.measure}" for name, item in rows], fontsize=8
    )
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlim(-1, 1)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("Spearman correlation over frames")
    axes.grid(axis="x", alpha=0.3)
    return _svg(figure)


def _segmentation_curves(rows: Sequence[SegmentationSummary], family: str) -> list[_Curve]:
    return [
        (
            name,
            [
                (r.severity, r.mean_iou)
                for r in rows
                if r.segmenter == model and r.condition in ("clean", family)
            ],
        )
        for model, name in shown_names(r.segmenter for r in rows).items()
    ]


def _language_curves(
    rows: Sequence[LanguageSummary], measure: str
) -> Callable[[str], list[_Curve]]:
    def curves(family: str) -> list[_Curve]:
        return [
            (
                name,
                [
                    (r.severity, getattr(r, measure))
                    for r in rows
                    if r.vlm == model and r.condition in ("clean", family)
                ],
            )
            for model, name in shown_names(r.vlm for r in rows).items()
        ]

    return curves


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # Text stays text: small, and found by a search. No date: equal input, equal page.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "semalign"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
