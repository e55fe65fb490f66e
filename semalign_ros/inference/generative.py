"""Generative VLMs: yes/no by scoring on a shared prefix, and a free description.

Image and preamble are read once; all questions then go through the decoder as one
batch on that cache. The score of a question is the log-odds of a yes against a no as
the first token of the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import BundleError, ConfigError, InferenceError
from semalign_ros.inference.bundle import Bundle
from semalign_ros.inference.decoder import Decoder, Prefix, mrope_positions
from semalign_ros.inference.manifest import GenerativeManifest
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.runtime import Array, GpuOptions, OnnxSession, check_image
from semalign_ros.inference.tokens import load_tokenizer
from semalign_ros.inference.vlm import make_answer
from semalign_ros.language import PromptSet, parse_scene_text
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Image, VlmAnswer


class GenerativeVlm:
    """A generative model, loaded, with the questions tokenized and embedded.

    Args:
        bundle: A verified bundle of kind ``generative``.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        prompts: What to ask.
        classes: Classes whose presence is asked for.
        protocol: ``questions``, or ``description`` to take presence from a free text.
        describe: Add a free description to the answer's text also with ``questions``.
        threads: Threads of one run on the CPU; None for as many as there are cores.
        gpu: How the graphs run on a GPU; None for the defaults.
        batch: Most questions in one run of the decoder.

    Raises:
        BundleError: Another kind, a bad tokenizer, or graphs that do not fit.
        DeviceError: `device` was named and did not load.
    """

    accepts_text = True
    claim_limit: int | None = None

    def __init__(
        self,
        bundle: Bundle,
        device: str = "auto",
        *,
        prompts: PromptSet,
        classes: Iterable[str] = CLASSES,
        protocol: str = "questions",
        describe: bool = False,
        threads: int | None = None,
        gpu: GpuOptions | None = None,
        batch: int = 32,
    ) -> None:
        manifest = bundle.manifest
        if not isinstance(manifest, GenerativeManifest):
            raise BundleError(
                f"{bundle.folder}: a bundle of kind {manifest.kind}, expected generative"
            )
        self.bundle_id = bundle.bundle_id
        self.net_size: tuple[int, int] | None = manifest.net_size
        self.prompts = prompts
        self._manifest = manifest
        self._batch = batch
        self._from_description = protocol == "description"
        self._describe = describe or self._from_description
        self._tokenizer = load_tokenizer(bundle.path(manifest.tokenizer))
        graphs = manifest.graphs
        gpu = gpu or GpuOptions()
        load = partial(
            OnnxSession,
            device=device,
            threads=threads,
            content=bundle.digest,
            recheck=bundle.require_unaltered,
        )
        # Only the image tower sees arrays of one size in every run.
        varying = replace(gpu, cuda_graph=False)
        self._vision = load(bundle.path(graphs.vision.file), gpu=gpu)
        self._vision.require(["image"], ["image_features"])
        self._embed = load(bundle.path(graphs.embed_tokens.file), gpu=varying)
        self._embed.require(["input_ids"], ["inputs_embeds"])
        session = load(bundle.path(graphs.decoder.file), gpu=varying)
        self.sessions: Mapping[str, OnnxSession] = {
            "vision": self._vision,
            "embed_tokens": self._embed,
            "decoder": session,
        }
        self.device, self.fallback = session.device, session.fallback
        self._decoder = Decoder(session, manifest)
        self._ids, self._image_start = prefix_ids(manifest)
        self._prefix = self._embed_ids(self._ids[None])
        questions = [
            q
            for q in prompts.questions(classes)
            if q.kind == "safety" or not self._from_description
        ]
        self._question_ids = [q.id for q in questions]
        self._questions, self._lengths = self._embed_questions([q.text for q in questions])
        self._request, _ = self._embed_questions([prompts.description])

    def answer(self, query: VlmQuery) -> VlmAnswer:
        """Answer all questions about one image.

        Raises:
            InferenceError: The model failed on this image.
        """
        start = time.perf_counter()
        prefix = self._read(query.image, query.text)
        logits = self._decoder.ask(prefix, self._questions, self._lengths, self._batch)
        scores, answers = self._decide(logits)
        text = self._generate(prefix) if self._describe else ""
        return make_answer(
            self.prompts,
            answers,
            scores=scores,
            description=parse_scene_text(text) if self._from_description else None,
            raw_text=text,
            latency_s=time.perf_counter() - start,
            bundle_id=self.bundle_id,
        )

    def _decide(
        self, logits: NDArray[np.float32]
    ) -> tuple[dict[str, float], dict[str, bool | None]]:
        """Scores and answers by question id, from the logits f32[K, V] of all questions."""
        manifest = self._manifest
        odds, mass = yes_log_odds(
            logits, manifest.prompt.yes_token_ids, manifest.prompt.no_token_ids
        )
        scores = dict(zip(self._question_ids, odds.tolist(), strict=True))
        answers = {
            q: s > manifest.thresholds.get(q, 0.0) if m >= manifest.min_answer_mass else None
            for (q, s), m in zip(scores.items(), mass.tolist(), strict=True)
        }
        return scores, answers

    def describe(self, image: Image, text: str | None = None) -> str:
        """Describe an image in the model's own words.

        Args:
            image: u8[H, W, 3].
            text: Sentence that is read beside it.

        Raises:
            InferenceError: The model failed on this image.
        """
        return self._generate(self._read(image, text))

    def _read(self, image: Image, text: str | None) -> Prefix:
        """Read image, preamble and the sentence beside the image."""
        prefix = self._prefill(self._look(image))
        if text is None:
            return prefix
        said = self._manifest.prompt.scene_text_template.replace("{text}", text)
        return self._decoder.extend(prefix, self._embed_ids(self._tokenize(said)[None]))

    def _look(self, image: Image) -> Array:
        """Run the image tower.

        Returns:
            [1, P, D], image and preamble as the decoder reads them.
        """
        check_image(image)
        features = self._vision.run({"image": image[None]}, ["image_features"])[0]
        expected = (1, self._manifest.prompt.image_tokens, self._manifest.decoder.hidden_size)
        if features.shape != expected:
            raise InferenceError(
                f"{self._vision.path.name}: image_features have shape {list(features.shape)}, "
                f"expected {list(expected)}"
            )
        embeds = self._prefix.copy()
        embeds[0, self._ids == self._manifest.prompt.image_token_id] = features[0]
        return embeds

    def _prefill(self, embeds: Array) -> Prefix:
        """Read image and preamble, and what may follow them in the same run."""
        grid = self._manifest.decoder.image_grid
        positions = None
        if self._manifest.decoder.position_ids == "mrope" and grid is not None:
            positions = mrope_positions(embeds.shape[1], self._image_start, grid)
        return self._decoder.extend(self._decoder.empty(), embeds, positions)

    def _generate(self, prefix: Prefix) -> str:
        """Describe the scene, always taking the likeliest token."""
        prefix = self._decoder.extend(prefix, self._request)
        return self._words(self._continue(prefix, self._manifest.max_new_tokens))

    def _continue(self, prefix: Prefix, limit: int) -> list[int]:
        """Likeliest tokens after a prefix, to the end of the text or `limit` of them."""
        if self._manifest.decoder.max_positions is not None:
            limit = min(limit, self._manifest.decoder.max_positions - prefix.length)
        tokens: list[int] = []
        while (token := int(prefix.logits.argmax())) not in self._manifest.prompt.eos_token_ids:
            tokens.append(token)
            if len(tokens) >= limit:
                break
            prefix = self._decoder.extend(prefix, self._embed_ids(np.asarray([[token]])))
        return tokens

    def _words(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _tokenize(self, text: str) -> NDArray[np.int64]:
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return np.asarray(ids, np.int64)

    def _embed_ids(self, ids: NDArray[np.int64]) -> Array:
        """Embed tokens; image tokens, which may lie outside the table, get any row.

        Args:
            ids: i64[B, S].

        Returns:
            [B, S, D] in the decoder's dtype.
        """
        safe = np.where(ids == self._manifest.prompt.image_token_id, 0, ids)
        embeds = self._embed.run({"input_ids": safe}, ["inputs_embeds"])[0]
        expected = (*ids.shape, self._manifest.decoder.hidden_size)
        if embeds.shape != expected:
            raise BundleError(
                f"{self._embed.path}: inputs_embeds have shape {list(embeds.shape)}, expected "
                f"{list(expected)}"
            )
        return np.ascontiguousarray(embeds, self._decoder.dtype)

    def _embed_questions(self, texts: Sequence[str]) -> tuple[Array, list[int]]:
        """Embed questions, padded on the left so that every answer starts at the right end.

        Returns:
            [K, S, D], and the number of tokens of each question.
        """
        template = self._manifest.prompt.question_template
        tokens = [self._tokenize(template.replace("{question}", text)) for text in texts]
        for text, ids in zip(texts, tokens, strict=True):
            if not ids.size:
                raise ConfigError(
                    f"prompt {text!r}: the tokenizer of {self.bundle_id} gives no token"
                )
        lengths = [len(ids) for ids in tokens]
        width = max(lengths)
        rows = np.zeros((len(tokens), width), np.int64)
        for row, ids in zip(rows, tokens, strict=True):
            row[width - len(ids) :] = ids
        return self._embed_ids(rows), lengths


def prefix_ids(manifest: GenerativeManifest) -> tuple[NDArray[np.int64], int]:
    """Tokens of the prefix with one placeholder for each image feature.

    Returns:
        i64[P], and the index of the first placeholder.

    Raises:
        BundleError: ``mrope`` and the placeholders are not in one piece.
    """
    prompt = manifest.prompt
    ids: list[int] = list(prompt.prefix_ids)
    start = ids.index(prompt.image_token_id)
    if ids.count(prompt.image_token_id) == 1:
        ids[start : start + 1] = [prompt.image_token_id] * prompt.image_tokens
    block = ids[start : start + prompt.image_tokens]
    if manifest.decoder.position_ids == "mrope" and set(block) != {prompt.image_token_id}:
        raise BundleError(
            f"{manifest.name}: mrope needs the image tokens of prefix_ids in one piece"
        )
    return np.asarray(ids, np.int64), start


def yes_log_odds(
    logits: NDArray[np.float32], yes: Sequence[int], no: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-odds of yes against no, and the probability of either.

    Args:
        logits: f32[K, V].
        yes: Tokens that mean yes ("Yes", " yes", ...); their probabilities are added.
        no: Tokens that mean no.

    Returns:
        f64[K], log P(yes) - log P(no), and f64[K], P(yes) + P(no) in 0..1.
    """
    said_yes, said_no = (
        _log_sum_exp(np.asarray(logits[:, list(dict.fromkeys(ids))], np.float64))
        for ids in (yes, no)
    )
    mass = np.exp(np.logaddexp(said_yes, said_no) - _log_sum_exp(logits))
    return np.asarray(said_yes - said_no), np.asarray(mass)


def _log_sum_exp(values: NDArray[np.floating]) -> NDArray[np.float64]:
    # In the dtype of the values, and not by np.logaddexp.reduce, which takes 80 ms for 24
    # questions over a vocabulary of 49,280.
    top = values.max(axis=1, keepdims=True)
    total = np.exp(values - top).sum(axis=1, dtype=np.float64)
    return np.asarray(np.log(total) + top[:, 0], np.float64)
