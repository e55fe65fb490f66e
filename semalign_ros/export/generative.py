"""Generative models of public families, LLaVA for now, as bundles."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.export.checkpoint import load_pretrained, load_weights, model_type
from semalign_ros.export.language import (
    CachedDecoder,
    ImageFeatures,
    decoder_graph,
    embedding_graph,
    export_checked,
    image_features_graph,
)
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import difference, require_parity, sample_frames
from semalign_ros.export.pixels import Pixels, read_recipe, require_equal_pixels, unresized
from semalign_ros.export.precision import prepare
from semalign_ros.inference.bundle import Bundle, load_bundle, write_bundle
from semalign_ros.inference.generative import GenerativeVlm, yes_log_odds
from semalign_ros.inference.manifest import (
    DecoderSpec,
    GenerativeManifest,
    GenerativePrompt,
)
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.tokens import load_tokenizer
from semalign_ros.language import PromptSet
from semalign_ros.types import Image

FAMILIES = ("llava",)
_YES, _NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")
_MARK = "QUESTION-GOES-HERE"


class _ImageEncoder(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        found = self.model.get_image_features(pixel_values=pixel_values).pooler_output
        return torch.cat([features.flatten(0, -2) for features in found]).unsqueeze(0)


class _Causal(nn.Module):
    """The language model inside of a vision-language model, as :class:`CachedDecoder` takes it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.model.language_model
        self.lm_head = model.lm_head
        self.config = model.config.text_config


@dataclass(frozen=True, slots=True)
class Chat:
    """How a checkpoint's processor puts an image and a question into one sequence.

    Args:
        prefix: Tokens to the end of the image, its placeholders included.
        template: Text with ``{question}`` from there to where the answer starts.
        image_token: Placeholder.
        image_tokens: How often it stands in `prefix`.
    """

    prefix: tuple[int, ...]
    template: str
    image_token: int
    image_tokens: int


def export_public_generative(folder: Path, out: Path, options: ExportOptions) -> Bundle:
    """Export a LLaVA checkpoint.

    Args:
        folder: ``config.json``, weights, processor with chat template, tokenizer.
        out: Bundle to write.
        options: Name, licence, precision, parity.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or its answers differ.
        OutputError: `out` exists or cannot be written.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    options.require_free(out)
    options.require_float()
    family = model_type(folder)
    if family not in FAMILIES:
        raise BundleError(
            f"{folder}: model_type is {family!r}, expected a generative model, one of "
            f"{', '.join(FAMILIES)}"
        )
    processor = load_pretrained(AutoProcessor, folder, "a processor of images and texts")
    recipe = read_recipe(processor.image_processor)
    frames = options.frames or sample_frames()
    off = require_equal_pixels(processor.image_processor, recipe, frames, opset=options.opset)
    frames = [unresized(frame, recipe) for frame in frames]
    model = load_weights(AutoModelForImageTextToText, folder, "a vision-language model")
    prepare(model, options)
    language = _Causal(model).eval()
    text = model.config.text_config
    chat = read_chat(processor, frames[0])
    embedding = model.get_input_embeddings()
    graphs = {
        "vision": image_features_graph(ImageFeatures(Pixels(recipe), _ImageEncoder(model)), frames),
        "embed_tokens": embedding_graph(embedding, embedding.num_embeddings),
        "decoder": decoder_graph(CachedDecoder(language)),
    }
    manifest = GenerativeManifest(
        **options.stated(recipe),
        thresholds=dict(options.thresholds),
        decoder=DecoderSpec(
            num_layers=text.num_hidden_layers,
            num_kv_heads=text.num_key_value_heads,
            head_dim=getattr(text, "head_dim", None)
            or text.hidden_size // text.num_attention_heads,
            hidden_size=text.hidden_size,
            vocab_size=model.lm_head.out_features,
            max_positions=text.max_position_embeddings,
        ),
        prompt=GenerativePrompt(
            prefix_ids=chat.prefix,
            image_token_id=chat.image_token,
            image_tokens=chat.image_tokens,
            scene_text_template="\n{text}",
            question_template=chat.template,
            **answer_tokens(processor.tokenizer),
            eos_token_ids=_ends(model, processor.tokenizer),
        ),
    )

    def write(files: dict[str, Path], differences: dict[str, float]) -> Bundle:
        files["tokenizer"] = files["decoder"].with_name("tokenizer.json")
        processor.tokenizer.backend_tokenizer.save(str(files["tokenizer"]))
        content = {path.name: path for path in files.values()}
        with tempfile.TemporaryDirectory() as scratch:
            draft = Path(scratch) / "draft"
            write_bundle(draft, manifest, content)
            whole = whole_difference(draft, model, processor, frames)
        require_parity(whole, options.allowed)
        parity = {"pixels": off, **whole, **differences}
        made = manifest.model_copy(update={"metrics": {"parity": parity}})
        return write_bundle(out, made, content, overwrite=options.overwrite)

    return export_checked(graphs, options, write)


def ask(processor: Any, image: Image, question: str) -> Any:
    """What a checkpoint's own processor makes of an image and a question."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    said = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    return processor(images=[image], text=[said], return_tensors="pt")


def read_chat(processor: Any, image: Image) -> Chat:
    """Find out how a processor asks, and that two parts of the sequence can be tokenized apart.

    Raises:
        BundleError: There is no chat template, the image does not come before the question, or
            the tokenizer joins the parts.
    """
    content = [{"type": "image"}, {"type": "text", "text": _MARK}]
    try:
        said = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
    except Exception as error:  # jinja2 and transformers raise many types
        raise BundleError(f"the processor's chat template cannot be used: {error}") from error
    mark = processor.image_token
    _, found, after = said.rpartition(mark)
    if not found or after.count(_MARK) != 1:
        raise BundleError(
            f"the chat template gives {said!r}, expected the image {mark!r} before the question"
        )
    template = after.replace(_MARK, "{question}")
    image_token = int(processor.tokenizer.convert_tokens_to_ids(mark))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.json"
        processor.tokenizer.backend_tokenizer.save(str(path))
        alone = load_tokenizer(path)
    prefixes = set()
    for question in (q.text for q in PromptSet.load().questions()):
        whole = ask(processor, image, question)["input_ids"][0].tolist()
        tail = alone.encode(template.replace("{question}", question), add_special_tokens=False).ids
        if whole[len(whole) - len(tail) :] != tail:
            raise BundleError(
                f"the tokenizer reads {question!r} differently after the image than alone, so that "
                "image and question cannot be read apart"
            )
        prefixes.add(tuple(whole[: len(whole) - len(tail)]))
    if len(prefixes) != 1:
        raise BundleError("the processor puts something else before each question")
    (prefix,) = prefixes
    return Chat(prefix, template, image_token, prefix.count(image_token))


def answer_tokens(tokenizer: Any) -> dict[str, tuple[int, ...]]:
    """First tokens of a yes and of a no, those of both left out.

    Raises:
        BundleError: The tokenizer has no token that begins one and not the other.
    """

    def first(words: Sequence[str]) -> dict[int, None]:
        ids = [tokenizer.encode(word, add_special_tokens=False)[:1] for word in words]
        return dict.fromkeys(i[0] for i in ids if i and i[0] != tokenizer.unk_token_id)

    yes, no = first(_YES), first(_NO)
    made = {
        "yes_token_ids": tuple(i for i in yes if i not in no),
        "no_token_ids": tuple(i for i in no if i not in yes),
    }
    if not all(made.values()):
        raise BundleError("the tokenizer has no first token that tells a yes from a no")
    return made


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    stated = getattr(model.generation_config, "eos_token_id", None)
    ids = [*(stated if isinstance(stated, list) else [stated]), tokenizer.eos_token_id]
    return tuple(dict.fromkeys(int(i) for i in ids if i is not None))


def whole_difference(
    folder: Path, model: Any, processor: Any, frames: Sequence[Image], tokens: int = 32
) -> dict[str, float]:
    """Compare a bundle, as a vehicle runs it, with the model through its own processor.

    Args:
        folder: The bundle.
        model: The checkpoint's model.
        processor: Its processor.
        frames: u8[H, W, 3].
        tokens: Length of the compared descriptions.

    Returns:
        ``scores``, the largest difference of the log-odds of all questions, relative to their
        magnitude or 1, and ``tokens``, the share of descriptions that differ.
    """
    bundle, prompts = load_bundle(folder), PromptSet.load()
    manifest = bundle.manifest
    assert isinstance(manifest, GenerativeManifest)
    short = manifest.model_copy(update={"max_new_tokens": tokens})
    vlm = GenerativeVlm(Bundle(bundle.folder, short, bundle.digest), "cpu", prompts=prompts)
    scores, differing = 0.0, 0
    for frame in frames:
        answer = vlm.answer(VlmQuery(frame))
        found = np.array([answer.scores[q.id] for q in prompts.questions()])
        with torch.inference_mode():
            wanted = [
                _log_odds(model, ask(processor, frame, q.text), manifest)
                for q in prompts.questions()
            ]
            asked = ask(processor, frame, prompts.description)
            said = model.generate(**asked, max_new_tokens=tokens, do_sample=False)
        scores = max(scores, difference(np.array(wanted), found))
        text = processor.tokenizer.decode(
            said[0, asked["input_ids"].shape[1] :], skip_special_tokens=True
        )
        differing += text.strip() != vlm.describe(frame)
    return {"scores": scores, "tokens": differing / len(frames)}


def _log_odds(model: Any, asked: Any, manifest: GenerativeManifest) -> float:
    logits: NDArray[np.float32] = model(**asked).logits[:, -1].numpy()
    odds, _ = yes_log_odds(logits, manifest.prompt.yes_token_ids, manifest.prompt.no_token_ids)
    return float(odds[0])
