"""``semalign play``: a bag to DDS."""

from __future__ import annotations

import argparse

HELP = "play a bag over DDS: the recorded bytes, at their time, with the QoS they had"
EXAMPLE = "semalign play rosbags/street_demo --clock --loop --rate 0.5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bag", metavar="BAG", help="folder, or a single .mcap or .db3 file")
    parser.add_argument(
        "--rate", type=float, default=1.0, help="bag seconds per second (default: %(default)s)"
    )
    parser.add_argument("--loop", action="store_true", help="begin again at the end, for ever")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="skip S seconds")
    parser.add_argument("--duration", type=float, default=0.0, metavar="S", help="play S seconds")
    parser.add_argument(
        "--clock",
        type=float,
        nargs="?",
        const=100.0,
        default=0.0,
        metavar="HZ",
        help="publish /clock at HZ (default %(const)s), for nodes with use_sim_time",
    )
    parser.add_argument(
        "--topics", nargs="+", default=["*"], metavar="NAME", help="only these; * and ? match"
    )
    parser.add_argument(
        "--wait-for",
        nargs="+",
        default=[""],
        metavar="TOPIC",
        help="begin when each of these topics has a subscriber",
    )


def run(args: argparse.Namespace) -> int:
    """Become the player node."""
    from semalign_ros.nodes.config import PlayerConfig
    from semalign_ros.nodes.processes import node_command, replace_process, require_ros
    from semalign_ros.nodes.schema import build

    parameters = {
        "bag": args.bag,
        "rate": args.rate,
        "loop": args.loop,
        "start": args.start,
        "duration": args.duration,
        "clock": args.clock,
        "topics": tuple(args.topics),
        "wait_for": tuple(args.wait_for),
    }
    build(PlayerConfig, parameters)
    require_ros()
    replace_process(node_command("player_node", parameters))
