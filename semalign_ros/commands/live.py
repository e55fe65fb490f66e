"""``semalign live``: the monitor on a camera topic."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "monitor a camera topic: corrupt, segment, ask the VLM, publish diagnostics"
EXAMPLE = (
    "semalign live --image /camera/front/image_raw --set corruption.condition:=motion_blur "
    "--set corruption.severity:=3"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--params",
        action="append",
        default=[],
        metavar="FILE",
        help="ROS parameter file, may be repeated; default: the shipped config/monitor.yaml",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME:=VALUE",
        help="one parameter, may be repeated; docs/ros.md lists them",
    )
    parser.add_argument(
        "--image", default="/camera/front/image_raw", metavar="TOPIC", help="default: %(default)s"
    )
    parser.add_argument(
        "--segmentation",
        metavar="TOPIC",
        help="label maps (mono8 train ids) that are the reference, in place of our segmenter's",
    )
    parser.add_argument(
        "--sim-time", action="store_true", help="take the time from /clock, as for a played bag"
    )
    parser.add_argument("--name", default="monitor", help="name of the node; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Become the monitor node."""
    from semalign_ros.errors import ConfigError
    from semalign_ros.nodes.config import MonitorConfig
    from semalign_ros.nodes.processes import (
        check_topic,
        node_command,
        replace_process,
        require_ros,
    )
    from semalign_ros.nodes.schema import build
    from semalign_ros.resources import resource

    parameters: dict[str, object] = {}
    if args.segmentation is not None:
        parameters["reference"] = "topic"
    parameters.update(args.set)
    build(MonitorConfig, parameters)
    require_ros()
    shipped = resource("config", "monitor.yaml")
    files = [Path(name).expanduser() for name in args.params] or [shipped]
    for path in files:
        if not path.is_file():
            raise ConfigError(f"--params {path}: no such file; begin with a copy of {shipped}")
    if args.sim_time:
        parameters["use_sim_time"] = True
    remappings = {"~/input/image": check_topic("--image", args.image)}
    if args.segmentation is not None:
        remappings["~/input/segmentation"] = check_topic("--segmentation", args.segmentation)
    sys.stderr.write(
        f"node /{args.name}: waits for {args.image}; verdicts on /{args.name}/output/judgment, "
        "alarms on /diagnostics; Ctrl-C ends it\n"
    )
    replace_process(
        node_command(
            "monitor_node", parameters, params_files=files, remappings=remappings, name=args.name
        )
    )


def _assignment(text: str) -> tuple[str, object]:
    """Name and value of ``name:=value``, the value read as YAML as ROS does."""
    import yaml

    from semalign_ros.resources import parse_yaml

    name, mark, value = text.partition(":=")
    if not mark or not name:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME:=VALUE")
    try:
        return name, parse_yaml(value) if value else ""
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: no YAML value ({error})") from error
