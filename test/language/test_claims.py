from __future__ import annotations

import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.language import (
    PromptSet,
    claims_from_answers,
    judgments_from_answers,
    parse_answer,
)
from semalign_ros.types import Judgment


@pytest.fixture
def prompts() -> PromptSet:
    return PromptSet.load()


def test_answers_become_claims(prompts):
    claims = claims_from_answers(
        prompts,
        {
            "presence/car": True,
            "presence/bus": False,
            "presence/person": None,
            "safety/proceed": False,
        },
    )
    assert claims.present == {"car"}
    assert claims.denied == {"bus"}
    assert claims.judgment is Judgment.UNSAFE
    assert claims.coverage == 0.75


def test_yes_to_a_reversed_question_is_unsafe(prompts):
    judgments = judgments_from_answers(
        prompts, {"safety/proceed": True, "safety/stop": True, "safety/hazard": None}
    )
    assert judgments == {"proceed": Judgment.SAFE, "stop": Judgment.UNSAFE, "hazard": None}


def test_a_judgment_given_as_such_is_kept_whatever_the_polarity(prompts):
    answers = {"safety/stop": Judgment.SAFE}
    assert judgments_from_answers(prompts, answers) == {"stop": Judgment.SAFE}


def test_without_the_primary_prompt_there_is_no_judgment(prompts):
    claims = claims_from_answers(prompts, {"safety/stop": True})
    assert claims.judgment is None
    assert claims_from_answers(prompts, {}).coverage == 0.0


def test_an_unknown_question_is_refused(prompts):
    with pytest.raises(ConfigError, match="did you mean 'presence/car'"):
        claims_from_answers(prompts, {"presence/cars": True})


def test_a_presence_question_takes_no_judgment(prompts):
    with pytest.raises(ConfigError, match="expected yes, no or None"):
        claims_from_answers(prompts, {"presence/car": Judgment.SAFE})


def test_free_text_answers_are_parsed_by_the_kind_of_question(prompts):
    questions = {q.id: q for q in prompts.questions()}
    answer = parse_answer(questions["presence/car"], "Yes, there is one.", prompts)
    assert answer is True
    stop = questions["safety/stop"]
    assert parse_answer(stop, "Yes, the light is red.", prompts) is Judgment.UNSAFE
    assert parse_answer(stop, "No.", prompts) is Judgment.SAFE
    proceed = questions["safety/proceed"]
    assert parse_answer(proceed, "The vehicle should wait.", prompts) is Judgment.UNSAFE
