"""Three ways to have a generative model answer the same questions about one image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semalign_ros.inference.generative import GenerativeVlm
from semalign_ros.inference.runtime import Array
from semalign_ros.language import parse_yes_no
from semalign_ros.types import Image

MAX_TOKENS = 8
"""Longest generated answer, tokens: room for yes or no and what some models say around it."""


@dataclass(frozen=True, slots=True)
class Said:
    """Answers to all questions about one image.

    Args:
        first: By question id, the token that the answer begins with.
        answers: By question id; None where an answer is neither yes nor no.
        tokens: Mean number of generated tokens an answer, its end not counted; 0 for scoring.
    """

    first: Mapping[str, int]
    answers: Mapping[str, bool | None]
    tokens: float = 0.0

    def agreement(self, other: Said) -> float:
        """Share of the questions whose answers begin alike; of a model that talks nonsense, too."""
        same = [self.first[q] == other.first[q] for q in self.first]
        return sum(same) / len(same)


class AskingVlm(GenerativeVlm):
    """A generative VLM that also asks as others do."""

    def look(self, image: Image) -> Array:
        """Run the image tower, once for whatever way comes after.

        Returns:
            [1, P, D], image and preamble as the decoder reads them.
        """
        return self._look(image)

    def ways(self, embeds: Array) -> dict[str, Callable[[], Said]]:
        """Ways to answer all questions from what :meth:`look` returned, ours first."""
        asked = [self._embed_ids(ids[None]) for ids in self._questions]
        return {
            "scored on a shared prefix": lambda: self._shared(embeds),
            "scored, a full prefill each": lambda: self._scored_apart(embeds, asked),
            "generated, a full prefill each": lambda: self._generated(embeds, asked),
        }

    def _shared(self, embeds: Array) -> Said:
        return self._said(self._ask(embeds))

    def _scored_apart(self, embeds: Array, asked: Sequence[Array]) -> Said:
        rows = [self._prefill(whole).logits for whole in _sequences(embeds, asked)]
        return self._said(np.stack(rows))

    def _generated(self, embeds: Array, asked: Sequence[Array]) -> Said:
        first, made = [], []
        for whole in _sequences(embeds, asked):
            prefix = self._prefill(whole)
            first.append(int(prefix.logits.argmax()))
            made.append(self._continue(prefix, MAX_TOKENS))
        answers = [parse_yes_no(self._words(tokens)) for tokens in made]
        return Said(
            dict(zip(self._question_ids, first, strict=True)),
            dict(zip(self._question_ids, answers, strict=True)),
            sum(map(len, made)) / len(made),
        )

    def _said(self, logits: NDArray[np.float32]) -> Said:
        """What the logits f32[K, V] of the answers' first tokens say."""
        scores, answers = self._decide(logits)
        first = logits.argmax(axis=1).tolist()
        # Without the thresholds of a bundle, which a generated answer does not heed either.
        plain = {q: None if a is None else scores[q] > 0 for q, a in answers.items()}
        return Said(dict(zip(self._question_ids, first, strict=True)), plain)


def _sequences(embeds: Array, asked: Sequence[Array]) -> list[Array]:
    """Image, preamble and one question, [1, P + S, D] each."""
    return [np.concatenate([embeds, question], axis=1) for question in asked]
