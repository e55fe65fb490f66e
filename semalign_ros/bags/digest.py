"""Whether a bag is still the same."""

from __future__ import annotations

import hashlib
from pathlib import Path


def bag_digest(path: Path | str) -> str:
    """Digest of what a bag's files hold, in their order.

    All of it is read: bags whose label maps differ in one class can have equal sizes, indices
    and even checksums (the writer that we use leaves those out).

    Args:
        path: Folder of a bag, or one file.

    Returns:
        16 hexadecimal digits; times of the files do not matter.

    Raises:
        OSError: A file cannot be read.
    """
    path = Path(path).expanduser()
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.blake2b(digest_size=8)
    block = bytearray(1 << 20)
    for file in files:
        with file.open("rb", buffering=0) as stream:
            while count := stream.readinto(block):
                digest.update(memoryview(block)[:count])
    return digest.hexdigest()
