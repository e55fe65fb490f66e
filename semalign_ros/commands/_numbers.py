"""Numbers on the command line that must be above 0."""

from __future__ import annotations

import argparse


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
