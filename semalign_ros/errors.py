"""Errors that a user can act on.

Every error here says what was wrong, what was found, what was expected and the
way out; the command line prints it without a traceback, the nodes log it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SemalignError(Exception):
    """Base of every error that is the input's fault, not the program's."""


class ConfigError(SemalignError):
    """A parameter, profile, prompt file or option has a bad value."""


class BundleError(SemalignError):
    """A model bundle is missing, corrupt, unsafe or inconsistent."""


class DeviceError(SemalignError):
    """The inference device asked for is not the one that loaded."""


class InferenceError(SemalignError):
    """A model failed on one frame."""


class BagError(SemalignError):
    """A bag is missing, truncated, or lacks a topic."""


class DatasetError(SemalignError):
    """A data set does not have the layout that was expected."""


class ImageError(SemalignError):
    """An image message or file cannot be decoded.

    Args:
        reason: The counter it belongs to, ``bad_encoding`` or ``bad_size``.
        message: What was found and what was expected.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OutputError(SemalignError):
    """An output exists already, or cannot be written."""


class MissingDependencyError(SemalignError):
    """An optional package is needed and not installed."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """Say that `name` is no `kind`, with the nearest valid name and all of them."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {name!r};{hint} valid: {', '.join(names)}"
