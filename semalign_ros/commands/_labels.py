"""The option that says which classes the label maps of a bag tell apart."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semalign_ros.scene.vocabulary import Vocabulary


def add_label_map_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--label-map``."""
    parser.add_argument(
        "--label-map",
        metavar="NAME_OR_YAML",
        help="label map that the true labels were made by, which tells the classes they know; "
        "default: what `semalign convert` wrote into the bag, else all 19",
    )


def label_vocabulary(args: argparse.Namespace) -> Vocabulary:
    """Read the label map that is named, or else the bag.

    Raises:
        ConfigError: There is no such label map, or it is damaged.
        BagError: The bag cannot be read.
    """
    from semalign_ros.bags import read_vocabulary
    from semalign_ros.bags.labels import LabelMap

    if args.label_map is None:
        return read_vocabulary(args.bag)
    return LabelMap.load(args.label_map).vocabulary
