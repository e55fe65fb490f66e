"""Three ways to have a generative model answer the same questions about one image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
        answers: By question id; None where an answer is neither yes nor no.
        tokens: Mean number of generated tokens an answer, its end not counted; 0 for scoring.
    """

    answers: Mapping[str, bool | None]
    tokens: float = 0.0

    def agreement(self, other: Said) -> float:
        """Share of the questions that have the same answer."""
        same = [self.answers[q] == other.answers[q] for q in self.answers]
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
        return Said(self._decide(self._ask(embeds))[1])

    def _scored_apart(self, embeds: Array, asked: Sequence[Array]) -> Said:
        rows = [self._prefill(whole).logits for whole in _sequences(embeds, asked)]
        return Said(self._decide(np.stack(rows))[1])

    def _generated(self, embeds: Array, asked: Sequence[Array]) -> Said:
        made = [
            self._continue(self._prefill(whole), MAX_TOKENS) for whole in _sequences(embeds, asked)
        ]
        answers = [parse_yes_no(self._words(tokens)) for tokens in made]
        return Said(
            dict(zip(self._question_ids, answers, strict=True)),
            sum(map(len, made)) / len(made),
        )


def _sequences(embeds: Array, asked: Sequence[Array]) -> list[Array]:
    """Image, preamble and one question, [1, P + S, D] each."""
    return [np.concatenate([embeds, question], axis=1) for question in asked]
