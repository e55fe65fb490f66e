"""Checkpoints of the Hugging Face hub, as folders of its cache."""

from __future__ import annotations

import re
from pathlib import Path

from semalign_ros.errors import BundleError
from semalign_ros.export.checkpoint import reason_of

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_WORDS = ["*.json", "*.jinja", "*.txt", "*.model"]
_WEIGHTS = ["*.safetensors", "*.safetensors.index.json"], ["*.bin", "*.bin.index.json"]
"""The newer format first: where a checkpoint has both, one of them is downloaded."""


def is_hub_name(checkpoint: str) -> bool:
    """Whether something can only be meant as ``owner/name``, and not as a folder on disk."""
    return _NAME.fullmatch(checkpoint) is not None and not Path(checkpoint).parent.is_dir()


def download(name: str, revision: str | None = None) -> tuple[Path, str]:
    """Bring a checkpoint into the hub's cache, or find it there.

    Args:
        name: ``owner/name``.
        revision: Branch, tag or commit; None for the newest.

    Returns:
        Its folder and its commit.

    Raises:
        BundleError: There is no such checkpoint, or it is out of reach and not in the cache.
    """
    from huggingface_hub import snapshot_download

    try:
        for weights in _WEIGHTS:
            # Only what lies at the top: below are the same weights in other formats.
            folder = Path(
                snapshot_download(
                    name,
                    revision=revision,
                    allow_patterns=[*_WORDS, *weights],
                    ignore_patterns=["*/*"],
                )
            )
            if any(next(folder.glob(pattern), None) for pattern in weights):
                break
    except Exception as error:  # the hub's client raises many types
        raise BundleError(
            f"{name}: no such folder, and not to be had from the Hugging Face hub. Is the name "
            f"right? Where no network is, give the folder of a copy. (The hub: {reason_of(error)})"
        ) from error
    return folder, folder.name
