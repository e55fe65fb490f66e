"""Whether a bag is still the same, without reading all of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_EDGE = 1 << 16


def bag_digest(path: Path | str) -> str:
    """Digest of the sizes, heads and tails of a bag's files.

    An MCAP file ends in checksums and counts of what it holds and an SQLite file begins with
    a counter of its changes, so that a bag written anew has another digest at any size.

    Args:
        path: Folder of a bag, or one file.

    Returns:
        16 hexadecimal digits; names and times of the files do not matter.

    Raises:
        OSError: A file cannot be read.
    """
    path = Path(path).expanduser()
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        with file.open("rb") as stream:
            digest.update(size.to_bytes(8, "big") + stream.read(_EDGE))
            stream.seek(-min(size, _EDGE), os.SEEK_END)
            digest.update(stream.read())
    return digest.hexdigest()[:16]
