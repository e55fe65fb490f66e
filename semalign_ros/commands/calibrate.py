"""``semalign calibrate``: severities of equal pixel damage, or the confusion of a segmenter."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semalign_ros.commands._device import add_device_arguments, gpu_options
from semalign_ros.commands._labels import add_label_map_argument, label_vocabulary
from semalign_ros.commands._topics import add_topic_arguments

if TYPE_CHECKING:  # a command loads the library when it runs
    from semalign_ros.corruption import Profile
    from semalign_ros.evaluation.calibrate import DamageMeter
    from semalign_ros.types import Frame

HELP = "find the severities that cost a segmenter the same mIoU, and write a profile"
EXAMPLE = (
    "semalign calibrate rosbags/street_demo --segmenter street_segmenter "
    "--target-miou-drop 0.05 --out out/iso_miou_05.yaml\n"
    "  semalign calibrate rosbags/street_demo --segmenter street_segmenter --confusion "
    "--corruption fog --severity 3 --out out/confused_in_fog.yaml"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("bag", metavar="BAG", help="bag with images and true label maps")
    parser.add_argument("--segmenter", required=True, metavar="BUNDLE", help="name or path")
    parser.add_argument("--out", required=True, type=Path, metavar="YAML", help="profile to write")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument(
        "--target-miou-drop",
        type=float,
        default=0.05,
        metavar="D",
        help="wanted fall of the mIoU, 0.05 is five points (default: %(default)s)",
    )
    goal.add_argument(
        "--confusion",
        action="store_true",
        help="instead: measure what the segmenter takes for what under one corruption, and write "
        "a profile with a class_confusion of that matrix",
    )
    parser.add_argument(
        "--corruption",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one; may be given again, wildcards are allowed (default: all)",
    )
    parser.add_argument(
        "--severity", type=float, default=3.0, help="with --confusion, 0 for clean (default: 3)"
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=40,
        metavar="N",
        help="use N frames at most, evenly spread over the bag; they are kept in memory "
        "(default: %(default)s)",
    )
    add_topic_arguments(parser)
    add_label_map_argument(parser)
    add_device_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of every random draw (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace YAML")


def run(args: argparse.Namespace) -> int:
    """Calibrate."""
    import re

    from semalign_ros.corruption import choose_corruptions
    from semalign_ros.corruption.parameters import check_severity
    from semalign_ros.errors import ConfigError
    from semalign_ros.evaluation.calibrate import DamageMeter
    from semalign_ros.inference import open_segmenter
    from semalign_ros.output import check_free, make_folder
    from semalign_ros.resources import find_resource

    if not 0 < args.target_miou_drop < 1:
        raise ConfigError(
            f"--target-miou-drop: found {args.target_miou_drop:g}, expected a share of 1, such as "
            "0.05 for five points"
        )
    check_severity(args.severity)
    if not re.fullmatch(r"[\w.+-]+", args.out.stem):
        raise ConfigError(
            f"--out: {args.out.stem!r} names the profile; expected letters, digits, . _ + and -"
        )
    if args.frames < 1:
        raise ConfigError(f"--frames: found {args.frames}, expected 1 or more")
    names = choose_corruptions(args.corruption)
    if args.confusion and len(names) != 1:
        raise ConfigError("--confusion: name one --corruption, whose confusion is measured")
    check_free(args.out, overwrite=args.overwrite)
    make_folder(args.out.parent)  # now, and not after minutes of measuring
    segmenter = open_segmenter(
        find_resource(args.segmenter, "models", ""), args.device, gpu=gpu_options(args)
    )
    frames = _FramesOf(args)
    meter = DamageMeter(frames, segmenter, args.seed, label_vocabulary(args))
    about = {
        "bag": Path(args.bag).name,
        "frames": len(frames.chosen),
        "segmenter": segmenter.bundle_id,
        "clean_miou": round(meter.clean_miou, 4),
        "seed": args.seed,
    }
    if args.confusion:
        _write_confusion(args, meter, names[0], about)
    else:
        _write_severities(args, meter, names, about)
    return 0


class _FramesOf:
    """The chosen frames of a bag, kept in memory; read again with those before them."""

    def __init__(self, args: argparse.Namespace) -> None:
        from semalign_ros.bags import BagTopics, count_frames
        from semalign_ros.errors import BagError

        self._bag = args.bag
        self._topics = BagTopics(image=args.image, segmentation=args.segmentation)
        total = count_frames(self._bag, self._topics)
        if not total:
            raise BagError(f"{self._bag}: has no frame on {args.image}")
        count = min(total, args.frames)
        self.chosen = {i * total // count for i in range(count)}
        self._alone: list[Frame] = []

    def __call__(self, recalls: Collection[int]) -> Iterable[Frame]:
        if recalls:
            return self._read(recalls)
        self._alone = self._alone or list(self._read(()))
        return self._alone

    def _read(self, recalls: Collection[int]) -> Iterator[Frame]:
        from semalign_ros.bags import read_frames

        for frame in read_frames(
            self._bag,
            self._topics,
            limit=max(self.chosen) + 1,
            require=("image", "segmentation"),
            recalls=recalls,
        ):
            if frame.index in self.chosen:
                yield frame


def _write_severities(
    args: argparse.Namespace, meter: DamageMeter, names: list[str], about: dict[str, Any]
) -> None:
    from rich.console import Console
    from rich.table import Table

    from semalign_ros.evaluation.calibrate import calibrated_profile, find_severity
    from semalign_ros.progress import frames_bar

    target = args.target_miou_drop
    found = []
    with frames_bar("calibrating", len(names), "corruptions") as advance:
        for name in names:
            found.append(find_severity(name, target, meter.measure))
            advance(1)
    _write(args, calibrated_profile(args.out.stem, found, target, about))
    table = Table("corruption", "severity", "fall of mIoU, 95 %", "", box=None)
    for c in found:
        remarks = [c.problem] if c.problem else []
        if not c.monotone:
            remarks.append(f"mIoU rises by {c.largest_rise:.3f} on the way")
        fall = f"{c.drop.value:.3f}  {c.drop.low:.3f} .. {c.drop.high:.3f}"
        table.add_row(c.corruption, f"{c.severity:.3g}", fall, ", ".join(remarks))
    console = Console(markup=False)
    console.print(table)
    console.print(
        f"clean mIoU {meter.clean_miou:.3f} on {about['frames']} frames; profile in {args.out}",
        highlight=False,
    )


def _write_confusion(
    args: argparse.Namespace, meter: DamageMeter, name: str, about: dict[str, Any]
) -> None:
    from semalign_ros.corruption import CLEAN, Condition, Profile, Step
    from semalign_ros.evaluation.calibrate import measured_shares

    condition = Condition.of(name, args.severity) if args.severity else CLEAN
    shares = measured_shares(meter.confusions(condition).sum(axis=0))
    step = Step("class_confusion", 5, {"strength": 1, "confusion": shares})
    about = {**about, "under": condition.describe()}
    _write(
        args,
        Profile(
            args.out.stem,
            (Condition("class_confusion", 5, (step,)),),
            f"What {about['segmenter']} takes for what under {condition.name} "
            f"{condition.severity:g}, shares from 3 % on.",
            about,
        ),
    )
    for true, taken, share in shares:
        print(f"{share:5.0%} of {true} taken for {taken}")
    print(f"profile in {args.out}")


def _write(args: argparse.Namespace, profile: Profile) -> None:
    from semalign_ros.evaluation.calibrate import profile_text
    from semalign_ros.output import atomic_path

    with atomic_path(args.out, overwrite=args.overwrite) as partial:
        partial.write_text(
            profile_text(profile, "Written by `semalign calibrate`."), encoding="utf-8"
        )
