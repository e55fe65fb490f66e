"""Checkpoints of public models at their published sizes, with random weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from semalign_ros.export.families import export_checkpoint
from semalign_ros.export.options import ExportOptions, Precision
from semalign_ros.export.random_weights import (
    class_names,
    enliven,
    make_answering,
    word_tokenizer,
)
from semalign_ros.inference.manifest import Source

_SMOL_TEXT = {
    "vocab_size": 49280,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
}
"""SmolLM2-135M."""

_VIT_BASE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}

Parts = tuple[Any, ...]
"""Model and what goes with it, each with ``save_pretrained``."""


def segformer(**sizes: Any) -> Parts:
    """SegFormer-B0 for Cityscapes, trained on 512x1024.

    Args:
        **sizes: Fields of the config to change.
    """
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessorPil,
    )

    config = SegformerConfig(
        **{
            "depths": [2, 2, 2, 2],
            "hidden_sizes": [32, 64, 160, 256],
            "num_attention_heads": [1, 2, 5, 8],
            "decoder_hidden_size": 256,
            **class_names(),
            **sizes,
        }
    )
    processor = SegformerImageProcessorPil(size={"height": 512, "width": 1024})
    return enliven(_new(SegformerForSemanticSegmentation, config)), processor


def clip(text: Mapping[str, Any] = {}, vision: Mapping[str, Any] = {}) -> Parts:
    """CLIP ViT-B/32.

    Args:
        text: Fields of the text tower to change.
        vision: Fields of the image tower to change.
    """
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    tower = {"num_hidden_layers": 12, "intermediate_size": 2048, "num_attention_heads": 8}
    text = {"vocab_size": 49408, "hidden_size": 512, **tower, **text}
    words = word_tokenizer(
        "<s> $A </s>", size=text["vocab_size"], bos_token="<s>", eos_token="</s>"
    )
    special = {name: getattr(words, name) for name in _SPECIAL}
    config = CLIPConfig(
        text_config={"max_position_embeddings": 77, **text, **special},
        vision_config={**_VIT_BASE, "image_size": 224, "patch_size": 32, **vision},
        projection_dim=512,
    )
    side = config.vision_config.image_size
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    return enliven(_new(CLIPModel, config)), processor, words


def llava(text: Mapping[str, Any] = {}, vision: Mapping[str, Any] = {}) -> Parts:
    """LLaVA from ViT-B/16 and SmolLM2-135M: of no published size, but of SmolVLM-256M's.

    Args:
        text: Fields of the language model to change.
        vision: Fields of the image tower to change.
    """
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    text = {**_SMOL_TEXT, **text}
    words = word_tokenizer(
        "<s> $A", "<image>", size=text["vocab_size"], bos_token="<s>", eos_token="</s>"
    )
    tower = CLIPVisionConfig(**{**_VIT_BASE, "image_size": 224, "patch_size": 16, **vision})
    config = LlavaConfig(
        vision_config=tower,
        text_config=LlamaConfig(**text, **{name: getattr(words, name) for name in _SPECIAL}),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(
            size={"shortest_edge": tower.image_size},
            crop_size={"height": tower.image_size, "width": tower.image_size},
        ),
        words,
        patch_size=tower.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=(
            "{% for message in messages %}USER: {% for part in message.content %}"
            "{% if part.type == 'image' %}<image>\n{% else %}{{ part.text }}{% endif %}"
            "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
        ),
    )
    return _answering(_new(LlavaForConditionalGeneration, config), words), processor


def smolvlm(text: Mapping[str, Any] = {}, vision: Mapping[str, Any] = {}) -> Parts:
    """SmolVLM-256M, one view of the image.

    The published checkpoint is of the family ``idefics3``; that of SmolVLM2, ``smolvlm``, has
    the same sizes and wants torchvision for its video processor.

    Args:
        text: Fields of the language model to change.
        vision: Fields of the image tower to change.
    """
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessorPil,
        Idefics3Processor,
        LlamaConfig,
    )

    text = {**_SMOL_TEXT, **text}
    marks = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    cells = tuple(f"<row_{i + 1}_col_{j + 1}>" for i in range(6) for j in range(6))
    words = word_tokenizer(
        "$A",
        *marks,
        *cells,
        size=text["vocab_size"],
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
    )
    special = {name: getattr(words, name) for name in _SPECIAL}
    config = Idefics3Config(
        vision_config={**_VIT_BASE, "image_size": 512, "patch_size": 16, **vision},
        text_config=LlamaConfig(**text, **special),
        scale_factor=4,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
    )
    side, patch = config.vision_config.image_size, config.vision_config.patch_size
    processor = Idefics3Processor(
        Idefics3ImageProcessorPil(
            size={"longest_edge": side},
            max_image_size={"longest_edge": side},
            do_image_splitting=False,
        ),
        words,
        image_seq_len=(side // patch // config.scale_factor) ** 2,
        chat_template=(
            "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:"
            "{% for part in message.content %}{% if part.type == 'image' %}<image>"
            "{% else %}{{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
            "{% if add_generation_prompt %}Assistant:{% endif %}"
        ),
    )
    return _answering(_new(Idefics3ForConditionalGeneration, config), words), processor


_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


def _new(kind: Any, config: Any) -> Any:
    """A model whose weights, also those that :func:`enliven` leaves, are the same every time."""
    torch.manual_seed(0)
    return kind(config)


def _answering(model: Any, words: Any) -> Any:
    yes, no = words.convert_tokens_to_ids(["yes", "no"])
    return make_answering(enliven(model), yes, no, words.eos_token_id)


FULL_SIZE: dict[str, Callable[[], Parts]] = {
    "segformer-b0": segformer,
    "clip-vit-b32": clip,
    "llava-256m": llava,
    "smolvlm-256m": smolvlm,
}
"""What `semalign bench models` makes, by name."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What the export of one model took and gave.

    Args:
        name: Of the model.
        parameters: Number of its weights.
        seconds: Of the export, the comparison with PyTorch included.
        bytes: Size of the bundle.
        parity: Largest difference by output, as the manifest has it.
    """

    name: str
    parameters: int
    seconds: float
    bytes: int
    parity: Mapping[str, float]


def export_full_size(
    name: str,
    checkpoints: Path,
    models: Path,
    *,
    precision: Precision = "float32",
    overwrite: bool = False,
) -> Exported:
    """Make a checkpoint, and a bundle of it as `semalign export` does.

    Args:
        name: One of :data:`FULL_SIZE`.
        checkpoints: Folder for the checkpoint, ``checkpoints/<name>``.
        models: Folder for the bundle, ``models/<name>``.
        precision: Of its weights and arithmetic.
        overwrite: Replace a bundle that is there.

    Raises:
        BundleError: The graph does not equal the checkpoint.
        OutputError: The bundle exists or cannot be written.
    """
    folder = checkpoints / name
    source = Source(checkpoint=f"{name} with random weights", licence="none: no trained weights")
    options = ExportOptions(name, source, precision=precision, overwrite=overwrite)
    options.require_free(models / name)
    parameters = save_checkpoint(FULL_SIZE[name](), folder)
    start = time.perf_counter()
    bundle = export_checkpoint(folder, models / name, options)
    seconds = time.perf_counter() - start
    size = sum(entry.size for entry in bundle.manifest.files.values())
    parity: Any = bundle.manifest.metrics["parity"]
    return Exported(name, parameters, seconds, size, parity)


def save_checkpoint(parts: Parts, folder: Path) -> int:
    """Write a checkpoint.

    Returns:
        Number of its parameters.
    """
    for part in parts:
        part.save_pretrained(folder)
    return sum(weight.numel() for weight in parts[0].parameters())


def export_table(exported: Sequence[Exported]) -> str:
    """Markdown table of exports."""
    lines = [
        "| model | parameters, M | export, s | bundle, MB | largest difference from PyTorch |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {e.name} | {e.parameters / 1e6:.1f} | {e.seconds:.0f} | {e.bytes / 1e6:.1f} | "
        f"{_whole(e.parity)} |"
        for e in exported
    ]
    return "\n".join(lines)


def _whole(parity: Mapping[str, float]) -> str:
    """Differences of whole models; those of single graphs, ``graph/output``, are left out."""
    return ", ".join(f"{n} {v:.1g}" for n, v in parity.items() if "/" not in n)
