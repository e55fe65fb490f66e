"""``semalign record``: DDS topics to a bag."""

from __future__ import annotations

import argparse

HELP = "record topics into a bag until interrupted"
EXAMPLE = "semalign record out/drive --topics /camera/front/image_raw /diagnostics '/monitor/*'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("output", metavar="OUT", help="folder of the bag; must not exist")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--topics", nargs="+", metavar="NAME", help="only these; * and ? match")
    which.add_argument("--all", action="store_true", help="every topic")
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="default: %(default)s"
    )
    parser.add_argument(
        "--compression",
        choices=("none", "zstd", "zstd-chunk"),
        default="none",
        help="default: %(default)s",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is at OUT")
    parser.add_argument("--sim-time", action="store_true", help="take the time from /clock")


def run(args: argparse.Namespace) -> int:
    """Become the recorder node."""
    from semalign_ros.nodes.config import RecorderConfig
    from semalign_ros.nodes.processes import node_command, replace_process, require_ros
    from semalign_ros.nodes.schema import build

    parameters: dict[str, object] = {
        "output": args.output,
        "topics": ("*",) if args.all else tuple(args.topics),
        "storage": args.storage,
        "compression": args.compression,
        "overwrite": args.overwrite,
    }
    build(RecorderConfig, parameters)
    require_ros()
    if args.sim_time:
        parameters["use_sim_time"] = True
    replace_process(node_command("recorder_node", parameters))
