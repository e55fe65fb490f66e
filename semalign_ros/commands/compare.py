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
    import numpy as np
    from rich.console import Console

    from semalign_ros.errors import ConfigError
    from semalign_ros.evaluation import compare
    from semalign_ros.evaluation.figures import (
        condition_name,
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
    base = compare.load_drive(args.folder, args.condition or ())
    other = None if args.other is None else compare.load_drive(args.other, ["clean"])
    drives = [base] if other is None else [base, other]
    if other is not None:
        compare.require_comparable(base, other)
    classes = np.logical_and.reduce([d.shown for d in drives])
    figures = [compare.draw(d, classes, args.resamples, seed) for seed, d in enumerate(drives)]
    if args.models:
        first, second = (base.model(name) for name in args.models)
        contrasts = list(compare.contrasts(base, figures[0], first, second))
        tables = contrast_tables(first, second, contrasts)
        cells = [row for c in contrasts for row in contrast_cells(first, second, c)]
    else:
        shifts = list(compare.shifts(base, figures[0], other, figures[-1]))
        tables = shift_tables(shifts)
        cells = [row for s in shifts for row in shift_cells(s)]
    console = Console(markup=False)
    for table in tables:
        console.print(table)
    for drive in drives:
        left = f", {drive.left_out} not judged in every way left out" if drive.left_out else ""
        if drive.waiting:
            left += f", {drive.waiting} not evaluated yet: the same `semalign evaluate` goes on"
        console.print(f"{drive.name}: {drive.frames} frames{left}", highlight=False)
    if args.models:
        one, two = ({*base.conditions(model)} for model in (first, second))
        for condition in sorted(one ^ two):
            told = condition_name(*condition)
            console.print(f"{told}: one of the two failed on every frame", highlight=False)
    said = f"mIoU over {classes.sum()} classes; " if classes.any() else ""
    if args.models:
        said = f"in the row clean the figures, below it what they change from there; {said}"
    console.print(f"{said}95 % intervals resample frames", highlight=False)
    if args.csv is not None:
        write_csv(args.csv, cells, overwrite=args.overwrite)
    return 0
