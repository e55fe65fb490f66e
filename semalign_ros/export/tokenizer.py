"""Tokenizers of checkpoints, as the ``tokenizer.json`` that a vehicle reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing

from semalign_ros.errors import BundleError


def vehicle_tokenizer(tokenizer: Any, texts: Sequence[str]) -> Tokenizer:
    """What a tokenizer of transformers is without transformers.

    SigLIP's is SentencePiece behind a cleaning of the text; all others of the families that
    are exported are ``tokenizers`` already.

    Args:
        tokenizer: Of ``AutoTokenizer``.
        texts: A translated tokenizer must make the same tokens of these.

    Raises:
        BundleError: It cannot be translated, or makes other tokens.
    """
    found: Tokenizer | None = getattr(tokenizer, "backend_tokenizer", None)
    if found is not None:
        return found
    name = type(tokenizer).__name__
    if name != "SiglipTokenizer":
        raise BundleError(
            f"{name} cannot be written as the tokenizer.json that a vehicle reads; expected a "
            "tokenizer of the library tokenizers, or SiglipTokenizer"
        )
    found = _siglip(tokenizer)
    wanted = tokenizer(list(texts))["input_ids"]
    for text, ids, encoding in zip(texts, wanted, found.encode_batch(list(texts)), strict=True):
        if encoding.ids != ids:
            raise BundleError(
                f"the tokenizer makes {ids} of {text!r}, its translation to tokenizer.json "
                f"{encoding.ids}"
            )
    return found


def inner_tokenizer(tokenizer: Any) -> Tokenizer:
    """Return :func:`vehicle_tokenizer` as it reads text in the middle of a sequence.

    Newer tokenizers of Llama put a space before the first word of a sequence, and before no other.
    """
    content = json.loads(vehicle_tokenizer(tokenizer, ()).to_str())
    steps = content["pre_tokenizer"] or {}
    for step in steps.get("pretokenizers", [steps]):
        if step.get("prepend_scheme") == "first":
            step["prepend_scheme"] = "never"
    return Tokenizer.from_str(json.dumps(content))


def _siglip(tokenizer: Any) -> Tokenizer:
    """Translate ``SiglipTokenizer``: lower case, no ASCII punctuation, then a unigram model."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString(Path(tokenizer.vocab_file).read_bytes())
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    made = Tokenizer(Unigram(pieces, unk_id=model.trainer_spec.unk_id))
    steps: list[Any] = [normalizers.Lowercase()] if tokenizer.do_lower_case else []
    steps.append(normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""))
    if table := model.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(table))
    steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    made.normalizer = normalizers.Sequence(steps)
    made.pre_tokenizer = Metaspace(prepend_scheme="always")
    end = tokenizer.eos_token
    made.post_processor = TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    return made
