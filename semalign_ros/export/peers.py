"""The checkpoints of bundles in PyTorch, as the benchmark times them beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.export import contrastive
from semalign_ros.export.checkpoint import load_pretrained, load_weights, model_type, reason_of
from semalign_ros.export.families import OWN, kind_of
from semalign_ros.export.generative import Original, load_chat_tokenizer
from semalign_ros.export.image_side import READERS
from semalign_ros.export.pixels import load_image_processor, read_recipe
from semalign_ros.export.precision import in_half
from semalign_ros.export.segmenter import labels_module, load_checkpoint
from semalign_ros.inference.contrastive import pair_weights
from semalign_ros.language import PromptSet, parse_yes_no
from semalign_ros.types import Image, Labels

Result = Labels | Mapping[str, bool | None]
"""Labels u8[H, W] of a segmenter, or answers by question id."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to run a checkpoint in PyTorch.

    Args:
        name: Of the way.
        run: From a frame u8[H, W, 3] to the result, both in the memory of the host.
    """

    name: str
    run: Callable[[Image], Result]


def open_peers(
    folder: Path,
    device: str,
    prompts: PromptSet,
    max_tokens: int,
    half: bool = False,
    net_size: tuple[int, int] | None = None,
) -> list[Peer]:
    """Load a checkpoint in PyTorch, as it is and compiled.

    Args:
        folder: Checkpoint of a public family.
        device: ``cpu`` or ``cuda``.
        prompts: What vision-language models are asked.
        max_tokens: Longest generated answer.
        half: Compute in float16, as a bundle of that precision does.
        net_size: Height and width that the bundle brings frames to; None for the checkpoint's own.

    Raises:
        BundleError: It cannot be loaded, or is of a family that is ours alone.
    """
    family = model_type(folder)
    if family.startswith(OWN):
        raise BundleError(f"{folder}: of the family {family}, which PyTorch alone does not know")
    if device == "cuda":
        # ONNX Runtime multiplies in TF32 there too.
        torch.set_float32_matmul_precision("high")
    kind = kind_of(family)
    if kind == "segmenter":
        return _segmenters(folder, device, half, net_size)
    if kind == "contrastive":
        return _contrastive(folder, device, prompts, half, net_size)
    return _generative(folder, device, prompts, max_tokens, half)


def _segmenters(
    folder: Path, device: str, half: bool, net_size: tuple[int, int] | None
) -> list[Peer]:
    processor = load_image_processor(folder)
    own = net_size is None or _states(processor, net_size)  # else it was exported with --size
    recipe = read_recipe(processor, None if own else net_size)
    module = labels_module(load_checkpoint(folder), recipe)
    module = (in_half(module) if half else module).to(device)

    def labels(run: Any, frame: Image) -> Labels:
        found, _ = run(torch.from_numpy(frame[None]).to(device))
        return np.asarray(found[0].cpu().numpy(), np.uint8)

    return _eager_and_compiled(module, labels)


def _states(processor: Any, size: tuple[int, int]) -> bool:
    try:
        return read_recipe(processor).size == size
    except BundleError:  # it states none
        return False


def _contrastive(
    folder: Path,
    device: str,
    prompts: PromptSet,
    half: bool,
    net_size: tuple[int, int] | None,
) -> list[Peer]:
    from transformers import AutoModel, AutoTokenizer

    processor = load_image_processor(folder)
    model = load_weights(AutoModel, folder, "a dual encoder")
    tokenizer = load_pretrained(AutoTokenizer, folder, "a tokenizer")
    pairs = prompts.pairs()
    texts = list(dict.fromkeys(t for pair in pairs for t in (pair.positive, pair.negative)))
    questions = list(dict.fromkeys(pair.question for pair in pairs))
    weights = pair_weights(questions, pairs, texts)
    masked = not contrastive.FAMILIES[model_type(folder)]
    length = model.config.text_config.max_position_embeddings
    padding = {"padding": True} if masked else {"padding": "max_length", "max_length": length}
    tokens = tokenizer(texts, return_attention_mask=True, return_tensors="pt", **padding)
    with torch.inference_mode():
        embeds = contrastive.TextEncoder(model, masked)(
            tokens["input_ids"], tokens["attention_mask"]
        ).to(device)
    side = contrastive.image_side(processor, model, net_size)
    scores: nn.Module = contrastive.scores_module(model, side)
    module = (in_half(scores) if half else scores).to(device)

    def answers(run: Any, frame: Image) -> Mapping[str, bool | None]:
        logits = run(torch.from_numpy(frame[None]).to(device), embeds)[0].cpu().numpy()
        margins = weights[0] @ logits - weights[1] @ logits
        return {q: bool(m > 0) for q, m in zip(questions, margins, strict=True)}

    return _eager_and_compiled(module, answers)


def _eager_and_compiled(module: Any, use: Callable[[Any, Image], Result]) -> list[Peer]:
    compiled = torch.compile(module, dynamic=False)  # a camera's frames are of one size

    def peer(name: str, run: Any) -> Peer:
        def call(frame: Image) -> Result:
            with torch.inference_mode():
                return use(run, frame)

        return Peer(name, call)

    return [peer("PyTorch", module), peer("PyTorch, torch.compile", compiled)]


def _generative(
    folder: Path, device: str, prompts: PromptSet, max_tokens: int, half: bool
) -> list[Peer]:
    from transformers import AutoModelForImageTextToText

    image_processor, tokenizer = load_image_processor(folder), load_chat_tokenizer(folder)
    model = load_weights(AutoModelForImageTextToText, folder, "a vision-language model")
    questions = prompts.questions()

    @lru_cache(maxsize=1)
    def original(height: int, width: int) -> Original:
        model.float().cpu()
        side = READERS[model_type(folder)](image_processor, model, (height, width))
        frame = np.zeros((height, width, 3), np.uint8)
        made = Original.of_parts(model, image_processor, tokenizer, side, frame)
        (model.half() if half else model).to(device)
        return made

    def generate(frame: Image, texts: list[str]) -> list[bool | None]:
        asking = original(*frame.shape[:2])
        asked = _batch([asking.asked(frame, text) for text in texts], tokenizer.pad_token_id or 0)
        given = {
            # Floats alone change their type.
            n: t.to(device, model.dtype) if t.is_floating_point() else t.to(device)
            for n, t in asked.items()
        }
        with torch.inference_mode():
            made = model.generate(**given, max_new_tokens=max_tokens, do_sample=False)
        words = tokenizer.batch_decode(
            made[:, given["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return [parse_yes_no(text) for text in words]

    def by_question(answers: list[bool | None]) -> Mapping[str, bool | None]:
        return {q.id: answer for q, answer in zip(questions, answers, strict=True)}

    said = [question.text for question in questions]
    return [
        Peer(
            "transformers generate, question by question",
            lambda frame: by_question([generate(frame, [text])[0] for text in said]),
        ),
        Peer("transformers generate, one batch", lambda frame: by_question(generate(frame, said))),
    ]


def _batch(parts: Sequence[Mapping[str, Tensor]], pad: int) -> dict[str, Tensor]:
    """Join what a model is given for single questions, padded on the left."""
    width = max(part["input_ids"].shape[1] for part in parts)
    padding = {"input_ids": pad, "attention_mask": 0, "mm_token_type_ids": 0}

    def padded(name: str, value: Tensor) -> Tensor:
        if name not in padding:
            return value
        return nn.functional.pad(value, (width - value.shape[1], 0), value=padding[name])

    return {name: torch.cat([padded(name, p[name]) for p in parts]) for name in parts[0]}


def failure_of(error: Exception) -> str:
    """Reason, for a table, that PyTorch could not run something."""
    return f"{type(error).__name__}: {reason_of(error)}"[:120].replace("|", "/")
