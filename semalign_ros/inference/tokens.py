"""Tokenizers of language models, from ``tokenizer.json`` and without transformers."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from semalign_ros.errors import BundleError


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a ``tokenizer.json``; padding and truncation that it may ask for are off.

    Raises:
        BundleError: No such file, or no tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises plain Exception
        raise BundleError(f"{path}: no tokenizer.json: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
