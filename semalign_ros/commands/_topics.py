"""The options that name the topics of a bag."""

from __future__ import annotations

import argparse

from semalign_ros.bags.topics import IMAGE_TOPIC, SEGMENTATION_TOPIC


def add_topic_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--image`` and ``--segmentation``."""
    add_image_argument(parser)
    parser.add_argument(
        "--segmentation",
        default=SEGMENTATION_TOPIC,
        metavar="TOPIC",
        help="true label maps in the bag (default: %(default)s)",
    )


def add_image_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--image``."""
    parser.add_argument(
        "--image", default=IMAGE_TOPIC, metavar="TOPIC", help="in the bag (default: %(default)s)"
    )
