"""Reading Hugging Face checkpoints from disk, never from the network."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from semalign_ros.errors import BundleError


def model_type(folder: Path) -> str:
    """Family of a checkpoint, as its ``config.json`` says.

    Raises:
        BundleError: The file is missing or no JSON, or names no family.
    """
    path = folder / "config.json"
    if not path.exists():
        below = sorted(p.parent.name for p in folder.glob("*/config.json"))
        hint = f"; those below it have: {', '.join(below[:8])}" if below else ""
        raise BundleError(f"{folder}: no config.json in it, expected that of a checkpoint{hint}")
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, str):
        raise BundleError(f"{path}: model_type is {found!r}, expected the name of a family")
    return found


def load_pretrained(loader: Any, folder: Path, what: str, **options: Any) -> Any:
    """Load a part of a checkpoint with one of transformers' classes.

    Args:
        loader: The class, such as ``AutoModel``.
        folder: Checkpoint.
        what: What it is to be, for the message.
        **options: For ``from_pretrained``.

    Raises:
        BundleError: It cannot be loaded, with transformers' reason.
    """
    try:
        return loader.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **options
        )
    except Exception as error:  # transformers raises many types
        raise BundleError(f"{folder}: not loadable as {what}: {reason_of(error)}") from error


def load_weights(loader: Any, folder: Path, what: str) -> Any:
    """Load a model in float32, ready to run.

    Raises:
        BundleError: It cannot be loaded, with transformers' reason, or weights are missing,
            which transformers would draw at random.
    """
    model, found = load_pretrained(loader, folder, what, dtype="float32", output_loading_info=True)
    # Not buffers, such as the batches that a norm has counted: transformers makes them anew.
    missing = sorted({name for name, _ in model.named_parameters()} & set(found["missing_keys"]))
    if missing:
        raise BundleError(
            f"{folder}: {len(missing)} weights of {type(model).__name__} are not in the "
            f"checkpoint, such as {missing[0]}; is it of another task, or are files missing?"
        )
    return model.eval()


def reason_of(error: Exception) -> str:
    """What an error says, on one line, or its type where it says nothing."""
    return textwrap.shorten(str(error), 400) or type(error).__name__
