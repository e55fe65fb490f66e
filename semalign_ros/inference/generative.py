"""Generative VLMs: yes/no by scoring on a shared prefix, and a free description.

Image, preamble and all questions go through the decoder in one run. The questions are a
tree there: each sees the image and its own words, and what several begin with is read
once. The score of a question is the log-odds of a yes against a no as the first token of
the answer.
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
from semalign_ros.inference.token_tree import TokenTree, token_tree
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
        batch: Most questions in one run of the decoder, whose memory grows with the square
            of what it reads; with more of them the image is read in a run of its own.

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
        self._from_description = protocol == "description"
        self._describe = describe or self._from_description
        self._tokenizer = load_tokenizer(bundle.path(manifest.tokenizer))
        graphs = manifest.graphs
        gpu = gpu or GpuOptions()
        load = partial(OnnxSession, device=device, threads=threads, bundle=bundle)
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
        self._questions = [self._question_tokens(q.text) for q in questions]
        self._trees = [
            self._embedded_tree(self._questions[i : i + batch])
            for i in range(0, len(questions), batch)
        ]
        self._request = self._embed_ids(self._question_tokens(prompts.description)[None])

    def answer(self, query: VlmQuery) -> VlmAnswer:
        """Answer all questions about one image.

        Raises:
            InferenceError: The model failed on this image.
        """
        start = time.perf_counter()
        embeds = self._look(query.image, query.text)
        # The description, too, reads on from here.
        prefix = self._prefill(embeds) if self._describe else None
        scores, answers = self._decide(self._ask(embeds, prefix))
        text = "" if prefix is None else self._generate(prefix)
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
        return self._generate(self._prefill(self._look(image, text)))

    def _look(self, image: Image, text: str | None = None) -> Array:
        """Run the image tower.

        Returns:
            [1, P, D], image, preamble and the sentence beside the image as the decoder reads them.
        """
        check_image(image)
        features = self._vision.run({"image": image[None]}, ["image_features"])[0]
        expected = (1, self._manifest.prompt.image_tokens, self._manifest.decoder.hidden_size)
        if features.shape != expected:
            raise InferenceError(
                f"{self._vision.path.name}: image_features have shape {list(features.shape)}, "
                f"expected {list(expected)}"
            )
        if not np.isfinite(features).all():
            raise InferenceError(f"{self._vision.path.name}: image_features are not finite")
        embeds = self._prefix.copy()
        embeds[0, self._ids == self._manifest.prompt.image_token_id] = features[0]
        if text is None:
            return embeds
        said = self._manifest.prompt.scene_text_template.replace("{text}", text)
        return np.concatenate([embeds, self._embed_ids(self._tokenize(said)[None])], axis=1)

    def _ask(self, embeds: Array, prefix: Prefix | None = None) -> NDArray[np.float32]:
        """Ask all questions after what :meth:`_look` returned.

        Args:
            embeds: [1, P, D].
            prefix: What the decoder remembers of them, if it has read them.

        Returns:
            f32[K, V], logits of the answers' first tokens.
        """
        first, *others = self._trees
        # A long prefix is read alone on a CPU: in one run it is compared with all questions, in
        # vain. On a GPU a second run takes more.
        short = self.device != "cpu" or embeds.shape[1] <= len(first[0].ids)
        if prefix is None and not others and short:
            empty, positions = self._decoder.empty(), self._positions(embeds)
            return self._decoder.ask(empty, *first, embeds, positions)
        prefix = prefix or self._prefill(embeds)
        return np.concatenate([self._decoder.ask(prefix, *tree) for tree in self._trees])

    def _prefill(self, embeds: Array) -> Prefix:
        """Read image and preamble, and what may follow them in the same run."""
        return self._decoder.extend(self._decoder.empty(), embeds, self._positions(embeds))

    def _positions(self, embeds: Array) -> NDArray[np.int64] | None:
        """Positions of a sequence that begins with image and preamble; None where they count on."""
        grid = self._manifest.decoder.image_grid
        if self._manifest.decoder.position_ids != "mrope" or grid is None:
            return None
        return mrope_positions(embeds.shape[1], self._image_start, grid)

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

    def _question_tokens(self, text: str) -> NDArray[np.int64]:
        """Tokens of a question, to where its answer begins."""
        ids = self._tokenize(self._manifest.prompt.question_template.replace("{question}", text))
        if not ids.size:
            raise ConfigError(f"prompt {text!r}: the tokenizer of {self.bundle_id} gives no token")
        return ids

    def _embedded_tree(self, questions: Sequence[NDArray[np.int64]]) -> tuple[TokenTree, Array]:
        tree = token_tree([ids.tolist() for ids in questions])
        return tree, self._embed_ids(tree.ids[None])


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
