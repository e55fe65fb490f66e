"""Numbers and sizes on the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable


def positive_int(text: str) -> int:
    """Read a whole number above 0, as argparse wants it."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """Read a finite number above 0, as argparse wants it."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


def picture_size(least: int, most: int) -> Callable[[str], tuple[int, int]]:
    """Make a reader of WIDTHxHEIGHT, as argparse wants it.

    Args:
        least: Pixels that a side has at least.
        most: And at most.

    Returns:
        A function from text to width and height.
    """

    def read(text: str) -> tuple[int, int]:
        match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
        if match is None or not all(least <= int(side) <= most for side in match.groups()):
            raise argparse.ArgumentTypeError(
                f"expected WIDTHxHEIGHT such as 512x256, {least}..{most} pixels a side, "
                f"found {text!r}"
            )
        return int(match[1]), int(match[2])

    return read
