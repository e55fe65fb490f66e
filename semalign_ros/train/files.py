"""Tensors on disk, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from semalign_ros.errors import OutputError
from semalign_ros.output import atomic_path


def save_tensors(path: Path, state: Any) -> None:
    """Write what ``torch.load(weights_only=True)`` reads.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    try:
        with atomic_path(path, overwrite=True) as partial:
            torch.save(state, partial)
    except RuntimeError as error:  # torch's own writer, on a full disk
        reason = str(error).partition("\n")[0]
        raise OutputError(f"{path}: cannot be written, is the disk full? ({reason})") from error
