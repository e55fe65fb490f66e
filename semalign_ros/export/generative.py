"""Generative models of public families as bundles."""

from __future__ import annotations

import json
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
from semalign_ros.export.graph import bundle_files
from semalign_ros.export.image_side import READERS, ImageSide, vehicle_frames
from semalign_ros.export.language import (
    CachedDecoder,
    ImageFeatures,
    decoder_graph,
    embedding_graph,
    export_checked,
    head_dim,
    image_features_graph,
    kv_heads,
)
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import difference, require_parity
from semalign_ros.export.pixels import load_image_processor, require_equal_pixels
from semalign_ros.export.precision import prepare
from semalign_ros.export.tokenizer import inner_tokenizer
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

FAMILIES = tuple(READERS)
_YES, _NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")
_MARK = "QUESTION-GOES-HERE"


class _Causal(nn.Module):
    """The language model inside of a vision-language model, as :class:`CachedDecoder` takes it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        inner = model.model
        self.model = inner.text_model if hasattr(inner, "text_model") else inner.language_model
        self.lm_head = model.lm_head
        self.config = model.config.text_config


@dataclass(frozen=True, slots=True)
class Chat:
    """How a checkpoint puts an image and a question into one sequence.

    Args:
        prefix: Tokens to the end of the image, its placeholders included.
        template: Text with ``{question}`` from there to where the answer starts.
        image_token: Placeholder.
        image_tokens: How often it stands in `prefix`.
        longest: Tokens of an image and the longest of the default questions.
    """

    prefix: tuple[int, ...]
    template: str
    image_token: int
    image_tokens: int
    longest: int


@dataclass(frozen=True, slots=True)
class Original:
    """A checkpoint as its makers mean it to be asked: what a bundle is compared with.

    transformers' own processor classes also prepare videos, and cannot be loaded without
    torchvision; here their parts are put together: image processor, tokenizer, chat template.

    Args:
        model: The model.
        image_processor: Its image processor.
        tokenizer: Its tokenizer, which knows the chat template.
        side: How it looks at an image.
        image_tokens: Features of an image.
    """

    model: Any
    image_processor: Any
    tokenizer: Any
    side: ImageSide
    image_tokens: int

    @classmethod
    def of_parts(
        cls, model: Any, image_processor: Any, tokenizer: Any, side: ImageSide, frame: Image
    ) -> Original:
        """Count the features of a frame u8[H, W, 3], which others of its size have too."""
        with torch.inference_mode():
            features = side.encoder(side.pixels(torch.from_numpy(frame)[None]))
        return cls(model, image_processor, tokenizer, side, features.shape[1])

    @property
    def mark(self) -> str:
        """What stands for the image in a text."""
        return str(self.tokenizer.convert_ids_to_tokens(self.model.config.image_token_id))

    def says(self, question: str) -> str:
        """The text of a question about an image.

        Raises:
            BundleError: There is no chat template, or it cannot be used.
        """
        content = [{"type": "image"}, {"type": "text", "text": question}]
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    [{"role": "user", "content": content}],
                    add_generation_prompt=True,
                    tokenize=False,
                )
            )
        except Exception as error:  # jinja2 and transformers raise many types
            raise BundleError(f"the chat template cannot be used: {error}") from error

    def tokens(self, question: str) -> Tensor:
        """Token ids of a question about an image, i64[1, S]."""
        said = self.says(question).replace(
            self.mark, self.side.layout(self.mark, self.image_tokens), 1
        )
        # Templates of some families write the token of the beginning themselves.
        begun = bool(self.tokenizer.bos_token) and said.startswith(self.tokenizer.bos_token)
        ids: Tensor = self.tokenizer(said, return_tensors="pt", add_special_tokens=not begun)[
            "input_ids"
        ]
        return ids

    def asked(self, image: Image, question: str) -> dict[str, Tensor]:
        """What the model is given for a question about an image u8[H, W, 3]."""
        ids = self.tokens(question)
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if self.side.grid is not None:
            given["mm_token_type_ids"] = (ids == self.model.config.image_token_id).int()
        return given | dict(self.image_processor(images=[image], return_tensors="pt"))


def export_public_generative(
    folder: Path, out: Path, options: ExportOptions, *, size: tuple[int, int] | None = None
) -> Bundle:
    """Export a generative checkpoint of :data:`FAMILIES`.

    Args:
        folder: ``config.json``, weights, processor with chat template, tokenizer.
        out: Bundle to write.
        options: Name, licence, precision, parity.
        size: Height and width of the vehicle's frames, which the number of image tokens may
            depend on; None for those of ``options.frames``, or 1024 and 2048.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or its answers differ.
        OutputError: `out` exists or cannot be written.
    """
    from transformers import AutoModelForImageTextToText, GenerationConfig

    options.require_free(out)
    options.require_float()
    family = model_type(folder)
    if family not in READERS:
        raise BundleError(
            f"{folder}: model_type is {family!r}, expected a generative model, one of "
            f"{', '.join(READERS)}"
        )
    image_processor = load_image_processor(folder)
    tokenizer = load_chat_tokenizer(folder)
    frames, frame_size = vehicle_frames(options.frames, size)
    model = load_weights(AutoModelForImageTextToText, folder, "a vision-language model")
    prepare(model, options)
    ends = _ends(model, tokenizer)
    # Greedy, and nothing that a checkpoint may ask for beside that (beams, a repetition penalty,
    # suppressed tokens): a vehicle does none of it.
    model.generation_config = GenerationConfig(
        eos_token_id=list(ends) or None, pad_token_id=tokenizer.pad_token_id
    )
    side = READERS[family](image_processor, model, frame_size)
    off = require_equal_pixels(image_processor, side.pixels, frames)
    original = Original.of_parts(model, image_processor, tokenizer, side, frames[0])
    chat = read_chat(original)
    language = _Causal(model).eval()
    text = model.config.text_config
    if chat.longest > full_attention(text):
        raise BundleError(
            f"{folder}: an image and the longest question are {chat.longest} tokens, and this "
            f"decoder looks at {full_attention(text)} at the most (its sliding window or its "
            "positions); with some families a smaller --size gives fewer tokens"
        )
    embedding = model.get_input_embeddings()
    graphs = {
        "vision": image_features_graph(ImageFeatures(side.pixels, side.encoder).eval(), frames),
        "embed_tokens": embedding_graph(embedding, embedding.num_embeddings),
        "decoder": decoder_graph(CachedDecoder(language), axes=3 if side.grid else 1),
    }
    manifest = GenerativeManifest(
        **options.stated(side.pixels.recipe),
        thresholds=dict(options.thresholds),
        decoder=DecoderSpec(
            num_layers=text.num_hidden_layers,
            num_kv_heads=kv_heads(text),
            head_dim=head_dim(text),
            hidden_size=text.hidden_size,
            vocab_size=model.lm_head.out_features,
            max_positions=full_attention(text),
            position_ids="mrope" if side.grid else "sequential",
            image_grid=side.grid,
        ),
        prompt=GenerativePrompt(
            prefix_ids=chat.prefix,
            image_token_id=chat.image_token,
            image_tokens=chat.image_tokens,
            # Not "...and car.Is there": some templates put nothing before the question.
            scene_text_template="\n{text}" + "\n" * (not chat.template[:1].isspace()),
            question_template=chat.template,
            **answer_tokens(tokenizer),
            eos_token_ids=ends,
        ),
    )

    def write(files: dict[str, Path], differences: dict[str, float]) -> Bundle:
        files["tokenizer"] = files["decoder"].with_name("tokenizer.json")
        inner_tokenizer(tokenizer).save(str(files["tokenizer"]))
        content = bundle_files(files.values())
        with tempfile.TemporaryDirectory() as scratch:
            draft = Path(scratch) / "draft"
            write_bundle(draft, manifest, content)
            options.say(f"the bundle: asking it and the checkpoint about {len(frames)} frames")
            whole = whole_difference(draft, original, frames)
        require_parity(whole, options.allowed)
        parity = {"pixels": off, **whole, **differences}
        made = manifest.model_copy(update={"metrics": {"parity": parity}})
        return write_bundle(out, made, content, overwrite=options.overwrite)

    return export_checked(graphs, options, write)


def full_attention(text: Any) -> int:
    """Return how many tokens every one can look at: the exported decoder has no sliding window.

    Args:
        text: ``text_config`` of a checkpoint.
    """
    positions, window = int(text.max_position_embeddings), getattr(text, "sliding_window", None)
    kinds = getattr(text, "layer_types", None) or ["sliding_attention"]
    return min(positions, window) if window and "sliding_attention" in kinds else positions


def load_chat_tokenizer(folder: Path) -> Any:
    """Load a checkpoint's tokenizer with the chat template.

    Older checkpoints keep it in a file of the processor, where a tokenizer does not look.

    Raises:
        BundleError: There is no tokenizer, or the file of the template is damaged.
    """
    from transformers import AutoTokenizer

    tokenizer = load_pretrained(AutoTokenizer, folder, "a tokenizer")
    path = folder / "chat_template.json"
    # As transformers' processors do: a tokenizer's own template may know no images.
    if path.is_file() and not (folder / "chat_template.jinja").is_file():
        try:
            tokenizer.chat_template = json.loads(path.read_text(encoding="utf-8"))["chat_template"]
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path}: no chat_template in it ({error})") from error
    return tokenizer


def read_chat(original: Original) -> Chat:
    """Find out how a checkpoint is asked, and that two parts of that can be tokenized apart.

    Raises:
        BundleError: There is no chat template, the image does not come before the question, or
            the tokenizer joins the parts.
    """
    said, mark = original.says(_MARK), original.mark
    _, found, after = said.rpartition(mark)
    if not found or after.count(_MARK) != 1:
        raise BundleError(
            f"the chat template gives {said!r}, expected the image {mark!r} before the question"
        )
    # What closes the image belongs to it: a sentence about the scene comes after that.
    for token in original.tokenizer.get_added_vocab():
        if after.startswith(token) and ("vision" in token or "image" in token):
            after = after.removeprefix(token)
    template = after.replace(_MARK, "{question}")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.json"
        inner_tokenizer(original.tokenizer).save(str(path))
        alone = load_tokenizer(path)
    prefixes, longest = set(), 0
    for question in (q.text for q in PromptSet.load().questions()):
        whole = original.tokens(question)[0].tolist()
        tail = alone.encode(template.replace("{question}", question), add_special_tokens=False).ids
        if whole[len(whole) - len(tail) :] != tail:
            raise BundleError(
                f"the tokenizer reads {question!r} differently after the image than alone, so that "
                "image and question cannot be read apart"
            )
        prefixes.add(tuple(whole[: len(whole) - len(tail)]))
        longest = max(longest, len(whole))
    if len(prefixes) != 1:
        raise BundleError("the chat template puts something else before each question")
    (prefix,) = prefixes
    image_token = int(original.model.config.image_token_id)
    if prefix.count(image_token) != original.image_tokens:
        raise BundleError(
            f"the sequence has {prefix.count(image_token)} places for the image, "
            f"expected {original.image_tokens}"
        )
    return Chat(prefix, template, image_token, original.image_tokens, longest)


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
    folder: Path, original: Original, frames: Sequence[Image], tokens: int = 32
) -> dict[str, float]:
    """Compare a bundle, as a vehicle runs it, with the checkpoint as its makers run it.

    Args:
        folder: The bundle.
        original: The checkpoint.
        frames: u8[H, W, 3].
        tokens: Length of the compared descriptions.

    Returns:
        ``scores``, the largest difference of the log-odds of all questions, each asked of one
        of the frames, relative to their magnitude or 1, and ``tokens``, the share of
        descriptions that differ.
    """
    bundle, prompts = load_bundle(folder), PromptSet.load()
    manifest = bundle.manifest
    assert isinstance(manifest, GenerativeManifest)
    short = manifest.model_copy(update={"max_new_tokens": tokens})
    vlm = GenerativeVlm(Bundle(bundle.folder, short, bundle.digest), "cpu", prompts=prompts)
    scores, differing = 0.0, 0
    for i, frame in enumerate(frames):
        # The checkpoint reads the image anew for each question, which takes its time.
        questions = prompts.questions()[i :: len(frames)]
        answer = vlm.answer(VlmQuery(frame))
        found = np.array([answer.scores[q.id] for q in questions])
        with torch.inference_mode():
            wanted = [
                _log_odds(original.model, original.asked(frame, q.text), manifest)
                for q in questions
            ]
            asked = original.asked(frame, prompts.description)
            said = original.model.generate(**asked, max_new_tokens=tokens, do_sample=False)
        scores = max(scores, difference(np.array(wanted), found))
        text = original.tokenizer.decode(
            said[0, asked["input_ids"].shape[1] :], skip_special_tokens=True
        )
        differing += text.strip() != vlm.describe(frame)
    return {"scores": scores, "tokens": differing / len(frames)}


def _log_odds(model: Any, asked: dict[str, Tensor], manifest: GenerativeManifest) -> float:
    logits: NDArray[np.float32] = model(**asked).logits[:, -1].numpy()
    odds, _ = yes_log_odds(logits, manifest.prompt.yes_token_ids, manifest.prompt.no_token_ids)
    return float(odds[0])
