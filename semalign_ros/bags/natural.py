"""Natural order of names: ``frame_2`` before ``frame_10``."""

from __future__ import annotations

import re
from pathlib import Path


def natural_key(name: str | Path) -> tuple[tuple[int, int | str], ...]:
    """Sort key that compares runs of digits as numbers."""
    parts = re.split("([0-9]+)", str(name))
    return tuple((i % 2, int(p) if i % 2 else p) for i, p in enumerate(parts))
