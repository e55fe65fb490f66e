"""``semalign bench``: how long things take on this machine."""

from __future__ import annotations

import argparse

HELP = "measure how long things take on this machine"
EXAMPLE = "semalign bench corruption --peer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("what", choices=["corruption"], help="what to measure")
    parser.add_argument(
        "--corruption",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one; may be given again, wildcards are allowed (default: all)",
    )
    parser.add_argument(
        "--size", default="2048x1024", metavar="WxH", help="of the picture (default: %(default)s)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=9, metavar="N", help="the median of N (default: 9)"
    )
    parser.add_argument(
        "--peer", action="store_true", help="time the package imagecorruptions beside them"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print a table in Markdown."""
    import cv2
    import numpy as np

    from semalign_ros.benchmarks.corruption import (
        milliseconds,
        one_thread,
        processor,
        scene,
        table,
    )
    from semalign_ros.benchmarks.corruption import run as time_corruptions
    from semalign_ros.corruption import choose_corruptions
    from semalign_ros.errors import ConfigError
    from semalign_ros.progress import frames_bar

    width, _, height = args.size.partition("x")
    if not (width.isdigit() and height.isdigit() and 16 <= min(int(width), int(height)) <= 8192):
        raise ConfigError(f"--size: found {args.size!r}, expected WxH such as 2048x1024")
    if args.repetitions < 1:
        raise ConfigError(f"--repetitions: found {args.repetitions}, expected 1 or more")
    names = choose_corruptions(args.corruption)
    frame = scene(int(height), int(width))
    timings = []
    with frames_bar("timing", len(names), "corruptions") as advance:
        for timing in time_corruptions(names, frame, args.repetitions, peer=args.peer):
            timings.append(timing)
            advance(1)
    with one_thread():
        copy = milliseconds(frame.image.copy, 5 * args.repetitions)
    print(
        f"{processor()}, one core; NumPy {np.__version__}, OpenCV {cv2.__version__}; "
        f"{args.size} rgb8, CPU time in ms, median of {args.repetitions}\n"
    )
    print(table(timings, copy))
    return 0
