"""Trained models on disk: what `semalign export` reads, and training resumes behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel

from semalign_ros.errors import BundleError
from semalign_ros.output import atomic_path
from semalign_ros.train.models import Contrastive, Generative, Tower
from semalign_ros.train.networks import build_upernet
from semalign_ros.train.questions import EOS, tokenizer_bytes
from semalign_ros.train.segmenter import MEAN, STD
from semalign_ros.train.settings import (
    ContrastiveSettings,
    GenerativeSettings,
    SegmenterSettings,
)

Kind = Literal["contrastive", "generative"]

_CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class Trained:
    """A language model with the tower that it sees through.

    Args:
        tower: In evaluation mode.
        model: In evaluation mode.
        tokenizer: Its tokenizer.
        net_size: Pixels of the tower's input, both sides.
        context_length: Most tokens of a text, for a dual encoder.
    """

    tower: Tower
    model: Contrastive | Generative
    tokenizer: Tokenizer
    net_size: int
    context_length: int


def save_segmenter(folder: Path, model: PreTrainedModel, settings: SegmenterSettings) -> None:
    """Write a segmenter as a Hugging Face checkpoint, replacing what is there."""
    size = {"height": settings.net_size, "width": settings.net_size}
    processor = {
        "image_processor_type": "SegformerImageProcessor",
        "image_mean": MEAN,
        "image_std": STD,
        "size": size,
    }
    with atomic_path(folder, overwrite=True, marker=_CONFIG) as partial:
        model.save_pretrained(partial)
        (partial / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


def save_language_model(
    folder: Path,
    tower: Tower,
    model: Contrastive | Generative,
    tokenizer: Tokenizer,
    segmenter: SegmenterSettings,
    settings: ContrastiveSettings | GenerativeSettings,
) -> None:
    """Write a language model with its tower, replacing what is there."""
    kind: Kind = "contrastive" if isinstance(model, Contrastive) else "generative"
    config = {
        "model_type": f"semalign_{kind}",
        "vocab_size": tokenizer.get_vocab_size(),
        "segmenter": segmenter.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
    }
    tensors = {f"tower.{k}": v for k, v in tower.state_dict().items()}
    tensors |= {f"model.{k}": v for k, v in model.state_dict().items()}
    with atomic_path(folder, overwrite=True, marker=_CONFIG) as partial:
        partial.mkdir()
        # Tied weights are one tensor under two names; the file holds each on its own.
        save_file(
            {k: v.detach().clone().contiguous() for k, v in tensors.items()},
            partial / "model.safetensors",
        )
        (partial / _CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
        (partial / "tokenizer.json").write_bytes(tokenizer_bytes(tokenizer))


def load_language_model(folder: Path, kind: Kind) -> Trained:
    """Read what :func:`save_language_model` wrote.

    Raises:
        BundleError: It is missing, damaged, or of another kind.
    """
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder}: no readable config.json ({error})") from error
    found = config.get("model_type")
    if found != f"semalign_{kind}":
        raise BundleError(
            f"{folder}: model_type is {found!r}, expected 'semalign_{kind}': of language models "
            "this version exports those that `semalign train` writes"
        )
    try:
        segmenter = SegmenterSettings.model_validate(config["segmenter"])
        tower = Tower(build_upernet(segmenter.networks.upernet))
        model: Contrastive | Generative
        if kind == "contrastive":
            chosen = ContrastiveSettings.model_validate(config["settings"])
            model = Contrastive(tower.width, chosen, config["vocab_size"], EOS)
            length = chosen.context_length
        else:
            wanted = GenerativeSettings.model_validate(config["settings"])
            model = Generative(tower.width, wanted, config["vocab_size"], EOS)
            length = 0
        tensors = load_file(folder / "model.safetensors")
        for part, module in (("tower.", tower), ("model.", model)):
            _load(
                module, {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
            )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # pydantic, safetensors, tokenizers and torch each have their own
        raise BundleError(f"{folder}: damaged checkpoint: {error}") from error
    return Trained(tower.eval(), model.eval(), tokenizer, segmenter.net_size, length)


def _load(module: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    module.load_state_dict(tensors, strict=True)
