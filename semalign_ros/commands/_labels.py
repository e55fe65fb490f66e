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
        metavar="NAME_OR_PATH",
        help="classes that the true labels tell apart: those of a label map, such as camvid, or of "
        "another bag; default: what `semalign convert` wrote into this one, else all 19. The ids "
        "in the bag are train ids in any case",
    )


def label_vocabulary(args: argparse.Namespace) -> Vocabulary:
    """Read the label map that is named, or else the bag.

    Raises:
        ConfigError: There is no such label map, or it is damaged, or what the bag says is.
    """
    from semalign_ros.bags.vocabulary import find_vocabulary, read_vocabulary

    return read_vocabulary(args.bag) if args.label_map is None else find_vocabulary(args.label_map)
