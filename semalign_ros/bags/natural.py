"""Natural order of names: ``frame_2`` before ``frame_10``."""

from __future__ import annotations

import re
from pathlib import Path


def natural_key(name: str | Path) -> tuple[tuple[int, int | str], ...]:
    """Sort key that compares runs of digits as numbers."""
    parts = re.split(r"(\d+)", str(name))
    return tuple((1, int(p)) if p.isdigit() else (0, p) for p in parts)
