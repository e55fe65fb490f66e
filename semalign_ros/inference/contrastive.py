"""Dual encoders (CLIP, SigLIP): yes or no by comparing the image with pairs of texts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from semalign_ros.errors import BundleError, ConfigError, InferenceError
from semalign_ros.inference.bundle import Bundle
from semalign_ros.inference.manifest import ContrastiveManifest
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.runtime import Array, GpuOptions, OnnxSession, check_image
from semalign_ros.inference.tokens import load_tokenizer
from semalign_ros.inference.vlm import make_answer
from semalign_ros.language import PromptPair, PromptSet
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import VlmAnswer

# Text embeddings by bundle digest and hash of the texts: a node that is reconfigured and
# an evaluation that opens a model again need not run the text tower again.
_EMBEDDINGS: dict[str, NDArray[np.float32]] = {}
_MAX_CACHED = 16
_TEXTS_PER_RUN = 64


class ContrastiveVlm:
    """A dual encoder, loaded, with the texts embedded.

    Args:
        bundle: A verified bundle of kind ``contrastive``.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        prompts: Gives the text pairs; the bundle's own replace them question by question.
        classes: Classes whose presence is asked for.
        protocol: ``questions`` or ``top_k``.
        top_k: Classes claimed with ``top_k``; None for the bundle's number.
        threads: Threads of one run on the CPU; None for as many as there are cores.
        gpu: How the graphs run on a GPU; None for the defaults.

    Raises:
        BundleError: Another kind, a bad tokenizer, or graphs that do not fit.
        ConfigError: A text is longer than the model reads.
        DeviceError: `device` was named and did not load.
    """

    accepts_text = False

    def __init__(
        self,
        bundle: Bundle,
        device: str = "auto",
        *,
        prompts: PromptSet,
        classes: Iterable[str] = CLASSES,
        protocol: str = "questions",
        top_k: int | None = None,
        threads: int | None = None,
        gpu: GpuOptions | None = None,
    ) -> None:
        manifest = bundle.manifest
        if not isinstance(manifest, ContrastiveManifest):
            raise BundleError(
                f"{bundle.folder}: a bundle of kind {manifest.kind}, expected contrastive"
            )
        self.bundle_id = bundle.bundle_id
        self.net_size: tuple[int, int] | None = manifest.net_size
        self.prompts = prompts
        self._thresholds = manifest.thresholds
        pairs = override_pairs(prompts.pairs(classes), manifest)
        texts = list(dict.fromkeys(t for p in pairs for t in (p.positive, p.negative)))
        # scores = weights @ logits: the mean over a question's pairs of positive - negative.
        self._questions = list(dict.fromkeys(p.question for p in pairs))
        self._weights = pair_weights(self._questions, pairs, texts)
        self.claim_limit: int | None = None
        if protocol == "top_k":
            self.claim_limit = manifest.top_k if top_k is None else top_k
        tokenizer = load_tokenizer(bundle.path(manifest.tokenizer))
        text_graph = bundle.path(manifest.graphs.text.file)
        gpu = gpu or GpuOptions()
        load = partial(OnnxSession, device=device, threads=threads, bundle=bundle)
        # The text tower runs once, on texts of any length.
        text_gpu = replace(gpu, cuda_graph=False)
        self._text_embeds = _cached(
            hashlib.sha256("\0".join([bundle.digest, *texts]).encode()).hexdigest(),
            lambda: embed_texts(load(text_graph, gpu=text_gpu), tokenizer, texts, manifest),
        )
        self._vision = load(bundle.path(manifest.graphs.vision.file), gpu=gpu)
        self._vision.require(["image", "text_embeds"], ["logits"])
        self.sessions: Mapping[str, OnnxSession] = {"vision": self._vision}
        self.device, self.fallback = self._vision.device, self._vision.fallback

    def answer(self, query: VlmQuery) -> VlmAnswer:
        """Answer all questions about one image in one run of the image tower.

        Raises:
            ConfigError: The query has a text.
            InferenceError: The model failed on this image.
        """
        start = time.perf_counter()
        if query.text is not None:
            raise ConfigError(
                f"{self.bundle_id}: a contrastive model reads no sentence beside the image; "
                "choose vlm_input image, overlay or mask, or a generative model"
            )
        check_image(query.image)
        feeds: dict[str, Array] = {"image": query.image[None], "text_embeds": self._text_embeds}
        found = self._vision.run(feeds, ["logits"])[0]
        if found.shape != (1, len(self._text_embeds)):
            raise InferenceError(
                f"{self.bundle_id}: logits have shape {list(found.shape)}, expected "
                f"[1, {len(self._text_embeds)}], one a text"
            )
        logits = np.asarray(found[0], np.float64)
        if not np.isfinite(logits).all():
            raise InferenceError(f"{self.bundle_id}: logits are not finite")
        margins = self._weights[0] @ logits - self._weights[1] @ logits
        scores = dict(zip(self._questions, margins.tolist(), strict=True))
        answers = {q: s > self._thresholds.get(q, 0.0) for q, s in scores.items()}
        if self.claim_limit is not None:
            fit = self._weights[0] @ logits
            presence = [i for i, q in enumerate(self._questions) if q.startswith("presence/")]
            best = sorted(presence, key=lambda i: -fit[i])[: self.claim_limit]
            for i in presence:
                answers[self._questions[i]] = i in best
                scores[self._questions[i]] = float(fit[i])
        return make_answer(
            self.prompts,
            answers,
            scores=scores,
            latency_s=time.perf_counter() - start,
            bundle_id=self.bundle_id,
        )


def override_pairs(
    pairs: Sequence[PromptPair], manifest: ContrastiveManifest
) -> tuple[PromptPair, ...]:
    """Put the bundle's own texts in place of the prompt set's, question by question.

    Texts that the bundle has for questions nobody asks are left out.
    """
    chosen: list[PromptPair] = []
    for question in dict.fromkeys(p.question for p in pairs):
        own = manifest.prompts.get(question)
        if own is None:
            chosen += [p for p in pairs if p.question == question]
        else:
            # Every text of a side against every text of the other has the same mean
            # difference as the two sides' means.
            chosen += [PromptPair(question, p, n) for p in own.positive for n in own.negative]
    return tuple(chosen)


def pair_weights(
    questions: Sequence[str], pairs: Sequence[PromptPair], texts: Sequence[str]
) -> NDArray[np.float64]:
    """Share of each text in the mean of each side of each question.

    Returns:
        f64[2, Q, T]: positive and negative side; each row sums to 1.
    """
    row = {question: i for i, question in enumerate(questions)}
    column = {text: i for i, text in enumerate(texts)}
    weights = np.zeros((2, len(questions), len(texts)))
    for pair in pairs:
        weights[0, row[pair.question], column[pair.positive]] += 1
        weights[1, row[pair.question], column[pair.negative]] += 1
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))


def embed_texts(
    session: OnnxSession, tokenizer: Tokenizer, texts: Sequence[str], manifest: ContrastiveManifest
) -> NDArray[np.float32]:
    """Run the text tower.

    Returns:
        f32[K, D], one row a text.

    Raises:
        ConfigError: A text has more tokens than the model reads.
        BundleError: The graph has other inputs or outputs.
    """
    session.require(["input_ids", "attention_mask"], ["text_embeds"])
    encoded = [tokenizer.encode(text).ids for text in texts]
    for text, tokens in zip(texts, encoded, strict=True):
        if len(tokens) > manifest.context_length:
            raise ConfigError(
                f"prompt {text!r} has {len(tokens)} tokens, {manifest.name} reads at most "
                f"{manifest.context_length}; shorten it"
            )
    width = manifest.context_length if manifest.pad_to_context else max(map(len, encoded))
    ids = np.full((len(texts), width), manifest.pad_token_id, np.int64)
    mask = np.zeros((len(texts), width), np.int64)
    for i, tokens in enumerate(encoded):
        first = 0 if manifest.padding_side == "right" else width - len(tokens)
        ids[i, first : first + len(tokens)] = tokens
        mask[i, first : first + len(tokens)] = 1
    rows = [
        session.run(
            {
                "input_ids": ids[i : i + _TEXTS_PER_RUN],
                "attention_mask": mask[i : i + _TEXTS_PER_RUN],
            },
            ["text_embeds"],
        )[0]
        for i in range(0, len(texts), _TEXTS_PER_RUN)
    ]
    if any(row.ndim != 2 for row in rows) or sum(map(len, rows)) != len(texts):
        raise BundleError(
            f"{session.path}: text_embeds have shape {list(rows[0].shape)}, expected one row a text"
        )
    return np.ascontiguousarray(np.concatenate(rows), np.float32)


def _cached(key: str, compute: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Embeddings of this process, computed where they are new."""
    found = _EMBEDDINGS.get(key)
    if found is None:
        found = compute()
    while len(_EMBEDDINGS) >= _MAX_CACHED:
        _EMBEDDINGS.pop(next(iter(_EMBEDDINGS)))
    _EMBEDDINGS[key] = found
    return found
