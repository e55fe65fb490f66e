"""``semalign evaluate``: a profile over a bag, offline; every frame counts."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from semalign_ros.bags.topics import SEGMENTATION_TOPIC
from semalign_ros.commands._device import add_device_arguments, gpu_options
from semalign_ros.commands._labels import add_label_map_argument, label_vocabulary
from semalign_ros.commands._topics import add_image_argument

HELP = "judge every frame of a bag under every condition of a profile, offline"
EXAMPLE = (
    "semalign evaluate rosbags/street_demo --profile paper --segmenter street_segmenter "
    "--vlm street_contrastive --vlm street_generative --out out/paper"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("bag", metavar="BAG", help="bag folder, or one .mcap or .db3 file")
    parser.add_argument("--out", required=True, type=Path, help="result folder")
    add_image_argument(parser)
    parser.add_argument(
        "--segmentation",
        metavar="TOPIC",
        help=f"true label maps; default: {SEGMENTATION_TOPIC}, where the bag has it",
    )
    add_label_map_argument(parser)
    parser.add_argument(
        "--profile", default="paper", help="corruption profile, name or path; default: %(default)s"
    )
    parser.add_argument(
        "--segmenter",
        action="append",
        default=[],
        metavar="BUNDLE",
        help="segmenter bundle, name or path; may be given again, the first one perceives",
    )
    parser.add_argument(
        "--vlm",
        action="append",
        default=[],
        metavar="BUNDLE",
        help="VLM bundle, name or path, or recorded answers (.jsonl); may be given again",
    )
    parser.add_argument(
        "--vlm-input",
        default="image",
        help="what the VLM is shown: image, overlay, mask or scene_text (default: image)",
    )
    parser.add_argument(
        "--prompts", default="default", help="prompt set, name or path; default: %(default)s"
    )
    parser.add_argument(
        "--protocol",
        help="how the VLMs are asked: questions, top_k (contrastive), description (generative, "
        "recorded); default: questions",
    )
    parser.add_argument(
        "--top-k",
        type=int,
        metavar="K",
        help="classes that --protocol top_k claims of every frame; default: the bundle's",
    )
    add_device_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of every random draw (default: 0)")
    parser.add_argument("--limit", type=int, help="only the first frames")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--overwrite", action="store_true", help="throw away what OUT holds")


def run(args: argparse.Namespace) -> int:
    """Evaluate, show the tables, write CSV."""
    from rich.console import Console

    from semalign_ros.bags import BagTopics, count_frames
    from semalign_ros.errors import OutputError
    from semalign_ros.evaluation.figures import (
        LANGUAGE_LEGEND,
        language_tables,
        segmentation_tables,
    )
    from semalign_ros.evaluation.report import write_tables
    from semalign_ros.evaluation.summary import summarize
    from semalign_ros.evaluation.sweep import SweepSettings, sweep
    from semalign_ros.progress import frames_bar
    from semalign_ros.scene.reference import ReferenceRule

    settings = SweepSettings(
        bag=args.bag,
        profile=args.profile,
        segmenters=tuple(args.segmenter),
        vlms=tuple(args.vlm),
        vlm_input=args.vlm_input,
        prompts=args.prompts,
        protocol=args.protocol,
        top_k=args.top_k,
        device=args.device,
        gpu=gpu_options(args),
        seed=args.seed,
        limit=args.limit,
        rule=ReferenceRule(vocabulary=label_vocabulary(args)),
        topics=BagTopics(image=args.image, segmentation=args.segmentation or SEGMENTATION_TOPIC),
    )
    named = () if args.segmentation is None else ("segmentation",)
    total = count_frames(args.bag, settings.topics, require=("image", *named))
    total = total if args.limit is None else min(total, args.limit)
    with frames_bar("evaluating", total) as advance:
        sweep(settings, args.out, workers=args.workers, overwrite=args.overwrite, progress=advance)
    summary = summarize(args.out)
    write_tables(summary, args.out)
    console = Console(markup=False)  # names of models are the users'
    for table in (*segmentation_tables(summary), *language_tables(summary)):
        console.print(table)
    if args.vlm:
        console.print(LANGUAGE_LEGEND, highlight=False)
    for note in summary.notes:
        print(note)
    devices = ", ".join(sorted(set(summary.settings["models"].values())))
    print(f"{summary.frames} frames{'' if summary.failures else ', all judged'}, on {devices}")
    if not summary.judged:
        raise OutputError(f"{args.out}: no frame was judged, see above")
    print(f"results in {args.out}; next: semalign report {shlex.quote(str(args.out))}")
    return 0
