"""`semalign convert`: real data sets and videos become bags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semalign_ros.commands._numbers import picture_size, positive_float, positive_int

if TYPE_CHECKING:
    from semalign_ros.bags.recording import Recording

HELP = "make a bag of a data set, a folder of images or a video"
EXAMPLE = "semalign convert cityscapes /data/cityscapes out/val --split val --limit 100"
_SIZE = picture_size(1, 16384)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one sub-command a source."""
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    city = _source(
        sources,
        "cityscapes",
        "a data set in the Cityscapes layout, with whatever of it is there",
        "semalign convert cityscapes /data/cityscapes out/val --split val --image-format png",
    )
    city.add_argument("root", type=Path, metavar="ROOT", help="folder that holds leftImg8bit")
    city.add_argument("--split", default="val", help="train, val, test, ... (default: %(default)s)")
    city.add_argument(
        "--city",
        action="append",
        default=[],
        metavar="NAME",
        help="only this city; may be repeated",
    )
    city.add_argument(
        "--rate",
        type=positive_float,
        metavar="HZ",
        help="even stamps; default: by the frame numbers at 17 Hz, cuts between recordings 1 s",
    )
    city.add_argument(
        "--camera-size",
        type=_SIZE,
        metavar="WxH",
        help="image size that the camera files refer to (default: that of the images)",
    )
    city.add_argument(
        "--images",
        choices=("leftImg8bit", "leftImg8bit_sequence"),
        help="which image folder (default: the first that has the split)",
    )
    folder = _source(
        sources,
        "folder",
        "a folder of images, with or without label maps",
        "semalign convert folder --images camvid/val --labels camvid/valannot --label-map camvid "
        "--rate 7.5 out/camvid",
    )
    folder.add_argument("--images", type=Path, required=True, metavar="DIR")
    folder.add_argument("--labels", type=Path, metavar="DIR", help="8-bit PNG maps of class ids")
    folder.add_argument(
        "--label-map",
        metavar="NAME_OR_YAML",
        help="what the ids mean: camvid, cityscapes_train_ids, ... or a file; needed with --labels",
    )
    folder.add_argument(
        "--rate", type=positive_float, default=10.0, metavar="HZ", help="default: %(default)s"
    )
    video = _source(
        sources,
        "video",
        "a video file; its own times are kept",
        "semalign convert video drive.mp4 out/drive --every 2",
    )
    video.add_argument("file", type=Path, metavar="FILE")
    video.add_argument(
        "--every", type=positive_int, default=1, metavar="N", help="take each N-th frame"
    )
    for source in (city, folder, video):
        _common(source)


def run(args: argparse.Namespace) -> None:
    """Convert and print what the bag holds."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table

    from semalign_ros.bags.convert import BagOptions, write_bag
    from semalign_ros.progress import frames_bar

    recording = _open(args)
    options = BagOptions(args.image_format, args.storage, args.compression, args.overwrite)
    with frames_bar("converting", len(recording) or None) as advance:
        topics = write_bag(recording, args.out, options, lambda: advance(1), recording.vocabulary)
    # A compressed topic and its type fill a line of 80 columns.
    columns = Column("messages", justify="right"), Column("topic", overflow="fold"), "type"
    table = Table(*columns, title=str(args.out), title_justify="left", box=SIMPLE_HEAD, padding=0)
    for name, topic in sorted(topics.items()):
        table.add_row(str(topic.count), name, topic.msgtype)
    Console(markup=False).print(table)


def _open(args: argparse.Namespace) -> Recording:
    if args.source == "cityscapes":
        from semalign_ros.bags.cityscapes import CityscapesOptions, CityscapesRecording

        return CityscapesRecording(
            args.root,
            CityscapesOptions(
                split=args.split,
                cities=tuple(args.city),
                limit=args.limit,
                rate_hz=args.rate,
                size=args.size,
                camera_size=args.camera_size,
                images=args.images,
            ),
        )
    if args.source == "folder":
        from semalign_ros.bags.folder import FolderRecording
        from semalign_ros.bags.labels import LabelMap

        return FolderRecording(
            args.images,
            args.labels,
            None if args.label_map is None else LabelMap.load(args.label_map),
            rate_hz=args.rate,
            limit=args.limit,
            size=args.size,
        )
    from semalign_ros.bags.video import VideoRecording

    return VideoRecording(args.file, every=args.every, limit=args.limit, size=args.size)


def _source(
    sources: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    what: str,
    example: str,
) -> argparse.ArgumentParser:
    return sources.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the bag")
    parser.add_argument("--limit", type=positive_int, metavar="N", help="at most N frames")
    parser.add_argument(
        "--size",
        type=_SIZE,
        metavar="WxH",
        help="resize frames and maps; 512x256 restores 256x256 copies of Cityscapes",
    )
    parser.add_argument(
        "--image-format",
        choices=("raw", "png", "jpg"),
        default="raw",
        help="raw images, or compressed ones on .../compressed (default: %(default)s)",
    )
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap")
    parser.add_argument(
        "--compression",
        choices=("none", "zstd", "zstd-chunk"),
        default="none",
        help="zstd per message, or inside the MCAP chunks (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bag")
