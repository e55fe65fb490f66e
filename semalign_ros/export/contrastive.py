"""Dual encoders of public families, CLIP, SigLIP and SigLIP 2, as bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.export.checkpoint import load_pretrained, load_weights, model_type
from semalign_ros.export.graph import bundle_files
from semalign_ros.export.image_side import ImageSide, naflex, vehicle_frames
from semalign_ros.export.language import Graph, ImageScores, export_checked, image_scores_graph
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import difference, require_parity, sample_frames
from semalign_ros.export.pixels import (
    Pixels,
    load_image_processor,
    read_recipe,
    require_equal_pixels,
)
from semalign_ros.export.precision import prepare
from semalign_ros.export.tokenizer import vehicle_tokenizer
from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.contrastive import embed_texts
from semalign_ros.inference.manifest import ContrastiveManifest
from semalign_ros.inference.runtime import OnnxSession
from semalign_ros.inference.tokens import load_tokenizer
from semalign_ros.language import PromptSet
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Image

FAMILIES = {"clip": False, "siglip": True, "siglip2": True}
"""Families by ``model_type``, and whether their texts are padded to the full length."""


Tokens: TypeAlias = dict[str, Tensor]
"""``input_ids`` and ``attention_mask``, i64[K, L]."""


class ImageEncoder(nn.Module):
    """Image side of a dual encoder: pixels to embeddings f32[N, D] of length 1.

    Args:
        model: Dual encoder.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return the embeddings."""
        embeds: Tensor = self.model.get_image_features(pixel_values=pixel_values).pooler_output
        return nn.functional.normalize(embeds.float(), dim=-1)


class TextEncoder(nn.Module):
    """Text side of a dual encoder: input_ids, attention_mask i64[K, L] -> f32[K, D].

    Args:
        model: Dual encoder.
        masked: Whether it heeds the mask.
    """

    def __init__(self, model: Any, masked: bool) -> None:
        super().__init__()
        self.model, self.masked = model, masked

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return embeddings of length 1."""
        # SigLIP was trained without a mask: its padding is part of the text.
        mask = {"attention_mask": attention_mask} if self.masked else {}
        embeds: Tensor = self.model.get_text_features(input_ids=input_ids, **mask).pooler_output
        return nn.functional.normalize(embeds.float(), dim=-1)


def export_public_contrastive(
    folder: Path, out: Path, options: ExportOptions, *, size: tuple[int, int] | None = None
) -> Bundle:
    """Export a checkpoint of :data:`FAMILIES`.

    Args:
        folder: ``config.json``, weights, image processor, tokenizer.
        out: Bundle to write.
        options: Name, licence, precision, parity.
        size: Height and width of the vehicle's frames, which decide the shape that SigLIP 2
            (NaFlex) keeps; None for those of ``options.frames``, or 1024 and 2048.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or its answers differ.
        OutputError: `out` exists or cannot be written.
    """
    from transformers import AutoModel, AutoTokenizer

    options.require_free(out)
    options.require_float()
    family = model_type(folder)
    if family not in FAMILIES:
        raise BundleError(
            f"{folder}: model_type is {family!r}, expected a contrastive model, one of "
            f"{', '.join(FAMILIES)}"
        )
    processor = load_image_processor(folder)
    model = load_weights(AutoModel, folder, "a dual encoder")
    prepare(model, options)
    frames = list(options.frames or sample_frames())
    if keeps_shape(processor):
        frames, size = vehicle_frames(options.frames, size)
    side = image_side(processor, model, size)
    off = require_equal_pixels(processor, side.pixels, frames)
    tokenizer = load_pretrained(AutoTokenizer, folder, "a tokenizer")
    if tokenizer.pad_token is None:
        raise BundleError(
            f"{folder}: the tokenizer has no pad_token, with which short texts are filled up; "
            "name one in tokenizer_config.json"
        )
    words = vehicle_tokenizer(tokenizer, prompt_texts())
    manifest = ContrastiveManifest(
        **options.stated(side.pixels.recipe),
        thresholds=dict(options.thresholds),
        context_length=model.config.text_config.max_position_embeddings,
        pad_to_context=FAMILIES[family],
        pad_token_id=tokenizer.pad_token_id,
        padding_side=tokenizer.padding_side,
    )
    tokens = _tokenize(tokenizer, manifest, prompt_texts())
    text = TextEncoder(model, masked=not manifest.pad_to_context).eval()
    with torch.no_grad():
        width = text(*(values[:1] for values in tokens.values())).shape[1]
    scores = scores_module(model, side)
    graphs = {
        "vision": image_scores_graph(scores, width, frames),
        "text": _text_graph(text, tokens, manifest),
    }

    def write(files: dict[str, Path], differences: dict[str, float]) -> Bundle:
        files["tokenizer"] = files["text"].with_name("tokenizer.json")
        words.save(str(files["tokenizer"]))
        options.say(f"the bundle: comparing with the checkpoint on {len(frames)} frames")
        found = _bundle_logits(files, manifest, frames)
        with torch.inference_mode():
            wanted = [
                model(**_asked(tokens, manifest), **processor(images=frame, return_tensors="pt"))
                for frame in frames
            ]
        whole = max(
            difference(w.logits_per_image.numpy(), f) for w, f in zip(wanted, found, strict=True)
        )
        require_parity({"logits": whole}, options.allowed)
        parity = {"pixels": off, "logits": whole, **differences}
        return write_bundle(
            out,
            manifest.model_copy(update={"metrics": {"parity": parity}}),
            bundle_files(files.values()),
            overwrite=options.overwrite,
        )

    return export_checked(graphs, options, write)


def keeps_shape(processor: Any) -> bool:
    """Whether frames of another shape are brought to another net size, as by NaFlex."""
    return hasattr(processor, "max_num_patches")


def image_side(processor: Any, model: Any, size: tuple[int, int] | None) -> ImageSide:
    """What a dual encoder does to a frame; `size`, of the frames, is for one that keeps shapes."""
    if keeps_shape(processor):
        assert size is not None
        return naflex(processor, model, size)
    return ImageSide(Pixels(read_recipe(processor)), ImageEncoder(model))


def scores_module(model: Any, side: ImageSide) -> ImageScores:
    """What ``vision.onnx`` of a dual encoder computes."""
    bias = getattr(model, "logit_bias", None)
    return ImageScores(
        side.pixels,
        side.encoder,
        float(model.logit_scale.detach().exp()),
        0.0 if bias is None else float(bias.detach()),
    ).eval()


def prompt_texts() -> list[str]:
    """Every text of the default prompt set: what a model is compared on."""
    pairs = PromptSet.load().pairs(CLASSES)
    return list(dict.fromkeys(text for pair in pairs for text in (pair.positive, pair.negative)))


def _tokenize(tokenizer: Any, manifest: ContrastiveManifest, texts: Sequence[str]) -> Tokens:
    """What the checkpoint's own tokenizer makes of texts, i64[K, L] each.

    Raises:
        BundleError: It makes more tokens of one than the model reads.
    """
    longest = max(map(len, tokenizer(list(texts))["input_ids"]))
    if longest > manifest.context_length:
        raise BundleError(
            f"the tokenizer makes {longest} tokens of a prompt, the model reads at most "
            f"{manifest.context_length}; is the checkpoint's tokenizer.json missing?"
        )
    padding = (
        {"padding": "max_length", "max_length": manifest.context_length}
        if manifest.pad_to_context
        else {"padding": True}
    )
    made = tokenizer(list(texts), return_tensors="pt", return_attention_mask=True, **padding)
    return {name: made[name] for name in ("input_ids", "attention_mask")}


def _asked(tokens: Tokens, manifest: ContrastiveManifest) -> Tokens:
    """What of the tokens the model itself is given."""
    return {"input_ids": tokens["input_ids"]} if manifest.pad_to_context else tokens


def _text_graph(module: nn.Module, tokens: Tokens, manifest: ContrastiveManifest) -> Graph:
    """Describe ``text.onnx``, compared on all texts and on one."""
    feeds = [{n: v[:rows].numpy() for n, v in tokens.items()} for rows in (None, 1)]
    # torch finds the longest text by itself: the number of positions.
    axes: dict[int, str | None] = {0: "texts"} if manifest.pad_to_context else {0: "texts", 1: None}
    return Graph(
        module,
        {name: values[:3] for name, values in tokens.items()},
        ("text_embeds",),
        dict.fromkeys(tokens, axes),
        feeds,
    )


def _bundle_logits(
    files: Mapping[str, Path], manifest: ContrastiveManifest, frames: Sequence[Image]
) -> list[NDArray[np.float32]]:
    """Logits f32[1, K] of each frame and all texts, by what a vehicle runs."""
    tokenizer = load_tokenizer(files["tokenizer"])
    embeds = embed_texts(OnnxSession(files["text"], "cpu"), tokenizer, prompt_texts(), manifest)
    vision = OnnxSession(files["vision"], "cpu")

    def logits(frame: Image) -> NDArray[np.float32]:
        feed: dict[str, NDArray[Any]] = {"image": frame[None], "text_embeds": embeds}
        return np.asarray(vision.run(feed, ["logits"])[0], np.float32)

    return [logits(frame) for frame in frames]
