"""``semalign gallery``: one frame under every corruption, to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from semalign_ros.commands._topics import add_topic_arguments

HELP = "draw one frame under every corruption and severity, to look at"
EXAMPLE = (
    "semalign gallery rosbags/street_demo --frame 10 --out out/gallery.png\n"
    "  semalign gallery picture.jpg --corruption fog --corruption 'lens_*' --out out/lens.png"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "source",
        metavar="BAG_OR_PICTURE",
        type=Path,
        help="a bag, which brings labels, depth and motion with it, or a .png or .jpg",
    )
    parser.add_argument("--out", required=True, type=Path, help="picture to write, .png or .jpg")
    parser.add_argument(
        "--frame", type=int, default=0, metavar="N", help="of the bag, from 0 (default: 0)"
    )
    parser.add_argument(
        "--corruption",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one; may be given again, wildcards are allowed (default: all)",
    )
    parser.add_argument(
        "--severities", default="1,2,3,4,5", help="from left to right (default: %(default)s)"
    )
    parser.add_argument(
        "--width", type=int, default=320, help="of one picture, pixels (default: 320)"
    )
    add_topic_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of every random draw (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")


def run(args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from semalign_ros.bags import BagTopics, count_frames, read_frames
    from semalign_ros.bags.recording import read_image
    from semalign_ros.corruption import Condition, choose_corruptions, recalls_of
    from semalign_ros.drawing import draw_gallery
    from semalign_ros.errors import ConfigError
    from semalign_ros.image_codec import JPEG, PNG, encode_file
    from semalign_ros.output import atomic_path, check_free
    from semalign_ros.types import Frame

    names = choose_corruptions(args.corruption)
    try:
        severities = [float(word) for word in args.severities.split(",")]
    except ValueError:
        raise ConfigError(
            f"--severities: found {args.severities!r}, expected numbers such as 1,3,5"
        ) from None
    formats = {".png": PNG, ".jpg": JPEG, ".jpeg": JPEG}
    if args.out.suffix.lower() not in formats:
        raise ConfigError(f"--out: found {args.out.name}, expected a name in .png or .jpg")
    if not 64 <= args.width <= 2048:
        raise ConfigError(f"--width: found {args.width}, expected 64 to 2048")
    check_free(args.out, overwrite=args.overwrite)
    if args.source.suffix.lower() in formats:
        frame = Frame(0, "camera", 0, read_image(args.source)[0])
    else:
        topics = BagTopics(image=args.image, segmentation=args.segmentation)
        count = count_frames(args.source, topics)
        if not 0 <= args.frame < count:
            raise ConfigError(f"--frame: found {args.frame}, the bag has 0 to {count - 1}")
        recalls = recalls_of(Condition.of(name, s) for name in names for s in severities)
        (frame,) = read_frames(args.source, topics, start=args.frame, limit=1, recalls=recalls)
    sheet = draw_gallery(frame, names, severities, seed=args.seed, tile_width=args.width)
    with atomic_path(args.out, overwrite=args.overwrite) as partial:
        partial.write_bytes(encode_file(sheet, formats[args.out.suffix.lower()], 88))
    print(f"{args.out}: {len(names)} corruptions, {sheet.shape[1]}x{sheet.shape[0]}")
    return 0
