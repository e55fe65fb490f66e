"""From answers to single questions to claims about the scene."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.language.prompts import PromptSet, Question
from semalign_ros.types import Judgment, SceneClaims

Answer = bool | Judgment | None
"""Yes or no; for a safety prompt also the judgment itself; None where nothing could be parsed."""


def claims_from_answers(prompts: PromptSet, answers: Mapping[str, Answer]) -> SceneClaims:
    """Join the answers to the questions of one image.

    Args:
        prompts: The set that was asked; resolves the polarity of safety prompts.
        answers: By question id, as :meth:`PromptSet.questions` names them. A question
            that was not asked is left out; one that could not be parsed is None.

    Returns:
        Classes answered yes are present, those answered no are denied. The judgment
        is that of the primary safety prompt. Coverage is the share of `answers`
        that could be parsed, 0 where there is none.

    Raises:
        ConfigError: An id names no question of `prompts`.
    """
    presence: dict[str, Answer] = {}
    known = _questions(prompts)
    for question_id, answer in answers.items():
        question = known.get(question_id)
        if question is None:
            raise ConfigError(unknown_name("question", question_id, known))
        if question.kind == "presence":
            if isinstance(answer, Judgment):
                raise ConfigError(f"{question_id}: found {answer}, expected yes, no or None")
            presence[question.subject] = answer
    parsed = sum(answer is not None for answer in answers.values())
    return SceneClaims(
        present=frozenset(name for name, answer in presence.items() if answer is True),
        denied=frozenset(name for name, answer in presence.items() if answer is False),
        judgment=judgments_from_answers(prompts, answers).get(prompts.primary.id),
        coverage=parsed / len(answers) if answers else 0.0,
    )


@functools.lru_cache(maxsize=8)
def _questions(prompts: PromptSet) -> dict[str, Question]:
    """By id; made once a set, not once a frame."""
    return {question.id: question for question in prompts.questions()}


def judgments_from_answers(
    prompts: PromptSet, answers: Mapping[str, Answer]
) -> dict[str, Judgment | None]:
    """Resolve the polarity of every safety prompt that was asked.

    Returns:
        By the id of the safety prompt: "yes" to "should the vehicle stop?" is UNSAFE.
    """
    judgments: dict[str, Judgment | None] = {}
    for prompt in prompts.safety:
        question_id = f"safety/{prompt.id}"
        if question_id in answers:
            answer = answers[question_id]
            judgments[prompt.id] = (
                judgment_of(answer, prompt.safe_when_yes) if isinstance(answer, bool) else answer
            )
    return judgments


def judgment_of(yes: bool, safe_when_yes: bool) -> Judgment:
    """Turn yes or no into a judgment, given the polarity of the question."""
    return Judgment.SAFE if yes == safe_when_yes else Judgment.UNSAFE
