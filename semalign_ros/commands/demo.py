"""``semalign demo``: the main job on the sample bag, live and offline."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from semalign_ros.demo import LiveSummary
    from semalign_ros.evaluation.summary import Summary

HELP = "run the main job on the sample bag: live over DDS, then offline, with a report"
EXAMPLE = "semalign demo --out out/demo --overwrite"

_VLMS = {"contrastive": "street_contrastive", "generative": "street_generative"}
_SEGMENTER = "street_segmenter"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="default: %(default)s")
    parser.add_argument("--bag", default="street_demo", help="bag, name or path; with label maps")
    parser.add_argument("--profile", default="paper", help="corruption profile, name or path")
    parser.add_argument("--rate", type=float, default=1.0, help="of the live part, bag s per s")
    parser.add_argument("--overwrite", action="store_true", help="replace what OUT holds")


def run(args: argparse.Namespace) -> int:
    """Do it all."""
    from rich.console import Console

    from semalign_ros.bags import count_frames, read_vocabulary
    from semalign_ros.demo import run_live, summarize_live
    from semalign_ros.evaluation.figures import (
        LANGUAGE_LEGEND,
        language_tables,
        segmentation_tables,
    )
    from semalign_ros.evaluation.report import write_report, write_tables
    from semalign_ros.evaluation.summary import summarize
    from semalign_ros.evaluation.sweep import SweepSettings, sweep
    from semalign_ros.evaluation.worst import worst_pictures
    from semalign_ros.output import atomic_path
    from semalign_ros.progress import frames_bar
    from semalign_ros.resources import find_resource
    from semalign_ros.scene.reference import ReferenceRule

    console, log = Console(), Console(stderr=True)
    bag = find_resource(args.bag, "rosbags", "")
    frames = count_frames(bag)
    with atomic_path(args.out, overwrite=args.overwrite, marker="report.html") as folder:
        folder.mkdir()
        log.print(f"[bold]1/3 live[/]: {bag.name} over DDS, {len(_VLMS)} monitor nodes")
        recorded = run_live(
            bag,
            _VLMS,
            folder,
            segmenter=_SEGMENTER,
            profile=args.profile,
            rate=args.rate,
            progress=lambda text: log.print(f"  {text}", highlight=False),
        )
        live = summarize_live(recorded)
        log.print("[bold]2/3 offline[/]: every frame under every condition")
        settings = SweepSettings(
            str(bag),
            args.profile,
            (_SEGMENTER,),
            tuple(_VLMS.values()),
            device="cpu",
            rule=ReferenceRule(vocabulary=read_vocabulary(bag)),
        )
        with frames_bar("evaluating", frames) as advance:
            sweep(settings, folder / "evaluation", progress=advance)
        log.print("[bold]3/3 report[/]")
        summary = summarize(folder / "evaluation")
        write_tables(summary, folder)
        pictures = worst_pictures(folder / "evaluation")
        (folder / "pictures").mkdir()
        for i, picture in enumerate(pictures, 1):
            name = picture.title.replace(", ", "_").replace(" ", "_")
            (folder / "pictures" / f"{i}_{name}.jpg").write_bytes(picture.jpeg)
        write_report(folder / "evaluation", folder / "report.html", pictures=pictures)

    for details in (*segmentation_tables(summary), *language_tables(summary)):
        console.print(details)
    console.print(_table(bag.name, live, summary))
    console.print(LANGUAGE_LEGEND, highlight=False, markup=False)
    for item in live:
        raised = ", ".join(item.alarms) or "none"
        console.print(f"diagnostics raised by {item.monitor}: {raised}", highlight=False)
    console.print(f"open {args.out / 'report.html'}; pictures in {args.out / 'pictures'}")
    return 0


def _table(title: str, live: Sequence[LiveSummary], summary: Summary) -> Table:
    """The figures in 80 columns, one section a VLM: live, then offline by condition."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from semalign_ros.evaluation.figures import condition_name, number

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("", no_wrap=True)
    for name in ("HR", "COR", "SMR", "coverage", "flips", "mIoU", "judged"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("not judged", justify="right")
    table.add_column("p50/p99 ms", justify="right", no_wrap=True)
    miou = {(r.condition, r.severity): r.mean_iou.value for r in summary.segmentation}
    rows = {row.monitor.removeprefix("monitor_"): row for row in live}
    for name, bundle in _VLMS.items():
        table.add_row(f"[bold]{name}[/]")
        if name in rows:  # else it judged nothing in time
            row = rows[name]
            table.add_row(
                "live, in turn",
                *(number(value, 2) for value in row.means.values()),
                str(row.judged),
                _reasons(row.dropped),
                _times(row.latency_p50_s, row.latency_p99_s),
            )
        for said in summary.language:
            if said.vlm.split("@")[0] == bundle and said.severity in (0, 2):
                rates = (said.hr.value, said.cor.value, said.smr.value, said.coverage)
                table.add_row(
                    condition_name(said.condition, said.severity),
                    *(number(value, 2) for value in rates),
                    number(said.flips.value, 2) if said.severity else "-",
                    number(miou.get((said.condition, said.severity), float("nan")), 2),
                    str(said.frames),
                    _reasons(summary.failures),
                    _times(said.latency_p50_s, said.latency_p99_s),
                )
        table.add_section()
    return table


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "0"


def _times(p50_s: float, p99_s: float) -> str:
    return f"{1e3 * p50_s:.0f}/{1e3 * p99_s:.0f}"
