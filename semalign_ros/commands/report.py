"""``semalign report``: one page and CSV tables of an evaluation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "write one self-contained page, and CSV tables, of an evaluation"
EXAMPLE = "semalign report out/paper"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="result folder of an evaluation")
    parser.add_argument("--out", type=Path, help="the page (default: DIR/report.html)")
    parser.add_argument(
        "--pictures",
        type=int,
        default=6,
        help="pictures of the worst frames, drawn again from the bag (default: 6; 0 for none)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the page")


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from semalign_ros.evaluation.report import write_report, write_tables
    from semalign_ros.evaluation.worst import worst_pictures
    from semalign_ros.output import check_free
    from semalign_ros.progress import frames_bar

    out = args.out or args.folder / "report.html"
    check_free(out, overwrite=args.overwrite)
    pictures = []
    if args.pictures:
        with frames_bar("drawing", None, "pictures") as advance:
            pictures = worst_pictures(args.folder, args.pictures, advance)
    print("figures and intervals ...", file=sys.stderr)
    summary = write_report(args.folder, out, pictures=pictures, overwrite=args.overwrite)
    write_tables(summary, args.folder)
    print(f"{out}: {summary.frames} frames, {len(pictures)} pictures")
    return 0
