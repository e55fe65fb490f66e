"""`semalign compare`: two drives, or two models on one, with intervals of the differences."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "tell what differs between two drives, or between two models under the same damage"
EXAMPLE = (
    "semalign compare out/day out/dusk --condition low_light\n"
    "  semalign compare out/paper --models street_segformer street_segformer_base"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="result folder of an evaluation")
    parser.add_argument(
        "other",
        type=Path,
        nargs="?",
        metavar="OTHER",
        help="result folder of another drive, judged by the same models: its clean frames stand "
        "beside the conditions of DIR",
    )
    parser.add_argument(
        "--models",
        nargs=2,
        metavar=("A", "B"),
        help="two models of DIR: what each condition costs A, costs B, and the difference",
    )
    parser.add_argument(
        "--condition", action="append", metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument("--resamples", type=int, default=1000, help="of the frames (default 1000)")
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")


def run(args: argparse.Namespace) -> int:
    """Compare, print, write."""
    from rich.console import Console

    from semalign_ros.errors import ConfigError
    from semalign_ros.evaluation.compare import contrasts, load_drive, shared_classes, shifts
    from semalign_ros.evaluation.figures import (
        contrast_cells,
        contrast_tables,
        shift_cells,
        shift_tables,
        write_csv,
    )
    from semalign_ros.output import check_free

    if args.models and args.other:
        raise ConfigError("found OTHER and --models, expected one of the two")
    if args.resamples < 100:
        raise ConfigError(f"--resamples {args.resamples}: expected at least 100")
    if args.csv is not None:
        check_free(args.csv, overwrite=args.overwrite)
    folders = [args.folder] if args.other is None else [args.folder, args.other]
    classes = shared_classes(folders)
    drives = [load_drive(f, classes, args.resamples, seed) for seed, f in enumerate(folders)]
    kept = {"clean", *(args.condition or ())}
    if args.condition:
        known = {c for figures in drives[0].figures.values() for c, _ in figures}
        if unknown := sorted(kept - known):
            raise ConfigError(
                f"--condition {unknown[0]}: {args.folder} has {', '.join(sorted(known))}"
            )
    console = Console()
    if args.models:
        first, second = (drives[0].model(name) for name in args.models)
        contrast = [
            c for c in contrasts(drives[0], first, second) if not args.condition or c.what in kept
        ]
        for table in contrast_tables(first, second, contrast):
            console.print(table)
        cells = [row for c in contrast for row in contrast_cells(first, second, c)]
    else:
        other = drives[1] if args.other else None
        kept.add(other.name if other else "")
        shift = [s for s in shifts(drives[0], other) if not args.condition or s.what in kept]
        for table in shift_tables(shift):
            console.print(table)
        cells = [row for s in shift for row in shift_cells(s)]
    console.print(
        ", ".join(f"{d.name}: {d.frames} frames" for d in drives)
        + f"; {int(classes.sum())} classes in mIoU; 95 % intervals",
        highlight=False,
    )
    if args.csv is not None:
        write_csv(args.csv, cells, overwrite=args.overwrite)
    return 0
