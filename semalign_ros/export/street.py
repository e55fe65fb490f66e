"""Bundles of the language models that `semalign train` makes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.export.graph import bundle_files
from semalign_ros.export.language import (
    CachedDecoder,
    ImageFeatures,
    ImageScores,
    decoder_graph,
    embedding_graph,
    export_checked,
    image_features_graph,
    image_scores_graph,
    text_graph,
)
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.pixels import ImageRecipe, Pixels
from semalign_ros.export.precision import prepare
from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.manifest import (
    ContrastiveManifest,
    DecoderSpec,
    GenerativeManifest,
    GenerativePrompt,
)
from semalign_ros.train.checkpoints import Trained, load_language_model
from semalign_ros.train.models import IMAGE_TOKENS, Contrastive, Generative
from semalign_ros.train.questions import (
    EOS,
    IMAGE,
    NO,
    PAD,
    QUESTION_TEMPLATE,
    SCENE_TEXT_TEMPLATE,
    YES,
    encode,
    tokenizer_bytes,
)
from semalign_ros.train.segmenter import MEAN, STD


class _TextEncoder(nn.Module):
    def __init__(self, model: Contrastive) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.embed_texts(input_ids, attention_mask).float()


def export_contrastive(folder: Path, out: Path, options: ExportOptions) -> Bundle:
    """Export a dual encoder of `semalign train`.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or a graph differs.
        OutputError: `out` exists or cannot be written.
    """
    options.require_free(out)
    options.require_float()
    trained = _prepare(load_language_model(folder, "contrastive"), options)
    model = trained.model
    if not isinstance(model, Contrastive):
        raise BundleError(f"{folder}: no dual encoder")
    config = model.text.config
    scores = ImageScores(
        Pixels(_recipe(trained)),
        nn.Sequential(trained.tower, model.image),
        float(model.scale.detach().exp()),
    )
    graphs = {
        "vision": image_scores_graph(scores, config.projection_dim, options.frames),
        "text": text_graph(_TextEncoder(model), config.vocab_size, EOS, trained.context_length),
    }

    def write(files: dict[str, Path], differences: dict[str, float]) -> Bundle:
        manifest = ContrastiveManifest(
            **_common(trained, options, differences),
            context_length=trained.context_length,
            pad_token_id=PAD,
        )
        return _write(out, manifest, files, trained, options)

    return export_checked(graphs, options, write)


def export_generative(folder: Path, out: Path, options: ExportOptions) -> Bundle:
    """Export a generative model of `semalign train`.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or a graph differs.
        OutputError: `out` exists or cannot be written.
    """
    options.require_free(out)
    options.require_float()
    trained = _prepare(load_language_model(folder, "generative"), options)
    model = trained.model
    if not isinstance(model, Generative):
        raise BundleError(f"{folder}: no generative model")
    language = model.language
    config = language.config
    features = ImageFeatures(
        Pixels(_recipe(trained)), nn.Sequential(trained.tower, model.projector)
    )
    graphs = {
        "vision": image_features_graph(features, options.frames),
        "embed_tokens": embedding_graph(language.get_input_embeddings(), config.vocab_size),
        "decoder": decoder_graph(CachedDecoder(language)),
    }
    tokens = {text: encode(trained.tokenizer, text)[0] for text in (YES, NO)}

    def write(files: dict[str, Path], differences: dict[str, float]) -> Bundle:
        manifest = GenerativeManifest(
            **_common(trained, options, differences),
            decoder=DecoderSpec(
                num_layers=config.num_hidden_layers,
                num_kv_heads=config.num_key_value_heads,
                head_dim=config.head_dim,
                hidden_size=config.hidden_size,
                vocab_size=config.vocab_size,
                max_positions=config.max_position_embeddings,
            ),
            prompt=GenerativePrompt(
                prefix_ids=(IMAGE,),
                image_token_id=IMAGE,
                image_tokens=IMAGE_TOKENS,
                scene_text_template=SCENE_TEXT_TEMPLATE,
                question_template=QUESTION_TEMPLATE,
                yes_token_ids=(tokens[YES],),
                no_token_ids=(tokens[NO],),
                eos_token_ids=(EOS,),
            ),
        )
        return _write(out, manifest, files, trained, options)

    return export_checked(graphs, options, write)


def _prepare(trained: Trained, options: ExportOptions) -> Trained:
    tower, model = copy.deepcopy(trained.tower), copy.deepcopy(trained.model)
    prepare(tower, options)
    prepare(model, options)
    return Trained(tower, model, trained.tokenizer, trained.net_size, trained.context_length)


def _recipe(trained: Trained) -> ImageRecipe:
    return ImageRecipe((trained.net_size, trained.net_size), MEAN, STD, exact=False)


def _common(
    trained: Trained, options: ExportOptions, differences: Mapping[str, float]
) -> dict[str, Any]:
    return {
        **options.stated(_recipe(trained)),
        "metrics": {"parity": dict(differences)},
        "thresholds": dict(options.thresholds),
    }


def _write(
    out: Path,
    manifest: ContrastiveManifest | GenerativeManifest,
    files: Mapping[str, Path],
    trained: Trained,
    options: ExportOptions,
) -> Bundle:
    content: dict[str, Path | bytes] = dict(bundle_files(files.values()))
    content["tokenizer.json"] = tokenizer_bytes(trained.tokenizer)
    return write_bundle(out, manifest, content, overwrite=options.overwrite)
