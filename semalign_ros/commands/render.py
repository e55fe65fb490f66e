"""`semalign render`: synthetic street scenes in the layout of Cityscapes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from semalign_ros.commands._numbers import picture_size

HELP = "render synthetic street scenes with labels, depth and motion in the Cityscapes layout"
EXAMPLE = "semalign render out/scenes --scenes 3 --frames-per-scene 2 --size 512x256 --split train"


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number 1..100000")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number >= 0")
    return int(text)


def _city(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", text):
        raise argparse.ArgumentTypeError(
            f"found {text!r}, expected lower-case letters, digits and hyphens: the name's "
            "other parts are separated by underscores"
        )
    return text


def _quality(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a JPEG quality 1..100")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("out", type=Path, help="folder of the data set")
    parser.add_argument("--scenes", type=_count, help="number of scenes (default 10)")
    parser.add_argument(
        "--frames-per-scene", type=_count, metavar="M", help="frames of each scene (default 1)"
    )
    parser.add_argument(
        "--every",
        type=_count,
        metavar="N",
        help="render each N-th frame of a 17 Hz camera (default 1)",
    )
    parser.add_argument(
        "--light", choices=("day", "overcast", "dusk"), help="light of every scene (default: drawn)"
    )
    parser.add_argument(
        "--drive",
        metavar="NAME_OR_YAML",
        help="what each scene contains, such as demo; instead of the four options above",
    )
    parser.add_argument(
        "--size",
        type=picture_size(32, 4096),
        default=(512, 256),
        metavar="WxH",
        help="pixels; another aspect than 2:1 squashes the same view (default 512x256)",
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of every draw (default 0)")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        default="train",
        help="which split; no scene is in two of them (default train)",
    )
    parser.add_argument("--city", type=_city, default="synthville", help="first part of the names")
    parser.add_argument(
        "--jpg",
        type=_quality,
        nargs="?",
        const=92,
        metavar="QUALITY",
        help="JPEG pictures instead of PNG (quality 92 where none is given)",
    )
    parser.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="processes (default 1)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the split if it exists")


def run(args: argparse.Namespace) -> None:
    """Render and write."""
    from semalign_ros.errors import ConfigError
    from semalign_ros.progress import frames_bar
    from semalign_ros.train.scenes.dataset import Job, write_scenes
    from semalign_ros.train.scenes.layout import FIRST_SCENE, FrameWriter, split_folders
    from semalign_ros.train.scenes.script import Take, load_drive
    from semalign_ros.train.scenes.world import Script

    if args.drive is None:
        take = Take(Script(light=args.light), args.frames_per_scene or 1, args.every or 1)
        takes = (take,) * (args.scenes or 10)
    else:
        given = ("scenes", "frames_per_scene", "every", "light")
        twice = [f"--{name.replace('_', '-')}" for name in given if getattr(args, name) is not None]
        if twice:
            raise ConfigError(
                f"--drive says what {', '.join(twice)} would say; give one of the two"
            )
        takes = load_drive(args.drive)
    total = sum(take.frames for take in takes)
    jobs = [Job(number, take) for number, take in enumerate(takes, FIRST_SCENE[args.split])]
    with (
        split_folders(args.out, args.split, overwrite=args.overwrite) as folders,
        frames_bar("rendering", total) as advance,
    ):
        writer = FrameWriter(folders, args.city, args.jpg)
        for done in write_scenes(jobs, args.seed, args.size, writer, args.workers):
            advance(done)
    print(f"{total} frames of {len(takes)} scenes in {args.out} ({args.split})")
