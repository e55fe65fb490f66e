from __future__ import annotations

import gc
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.language import parse_safety, parse_scene_text, parse_yes_no
from semalign_ros.language.text import sentences
from semalign_ros.types import Judgment, SceneClaims


def names(text: str) -> tuple[str, str, str]:
    found = parse_scene_text(text)
    return tuple(", ".join(sorted(s)) for s in (found.present, found.denied, found.hypothetical))


@pytest.mark.real
def test_on_real_annotated_answers_the_bounds_hold(vlm_answers, scorer):
    lines = (vlm_answers / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    scores = scorer(json.loads(line) for line in lines if line)
    assert scores.f1["present"] >= 0.97
    assert scores.f1["denied"] >= 0.9
    assert scores.f1["hypothetical"] >= 0.9
    assert scores.leak <= 0.02
    assert scores.safety >= 0.85


def test_on_sentences_of_our_own_the_bounds_hold(own_claims, scorer):
    scores = scorer(own_claims)
    assert len(own_claims) > 300
    assert scores.f1["present"] >= 0.97
    assert scores.f1["denied"] >= 0.95
    assert scores.f1["hypothetical"] >= 0.95
    assert scores.leak <= 0.02
    assert scores.safety >= 0.95


def test_on_longer_answers_of_our_own_the_bounds_hold(own_segments, scorer):
    scores = scorer(own_segments)
    assert len(own_segments) > 1900
    assert scores.f1["present"] >= 0.97
    assert scores.f1["denied"] >= 0.97
    assert scores.f1["hypothetical"] >= 0.9
    assert scores.leak <= 0.02
    assert scores.safety >= 0.9


def test_present_wins_over_denied_and_denied_over_hypothetical():
    assert names("There is no car. A car is ahead.") == ("car", "", "")
    assert names("No car is visible. Watch for cars.") == ("", "car", "")


def test_coverage_is_the_share_of_sentences_that_say_something():
    assert parse_scene_text("A car. It is late. A bus. Hm.").coverage == 0.5
    assert parse_scene_text("It is safe to proceed.").coverage == 1.0
    assert parse_scene_text("") == SceneClaims()
    assert parse_scene_text("  \n ") == SceneClaims()


def test_markdown_case_and_typographic_quotes_do_not_matter():
    plain = names("There isn't a car. A bus is here.")
    assert names("**THERE ISN\u2019T A CAR.**\n\n* A _bus_ is here.") == plain


def test_endless_sentences_are_cut_and_no_word_is_lost():
    pieces = sentences("car " * 1000)
    assert max(len(piece.tokens) for piece in pieces) <= 200
    assert sum(len(piece.tokens) for piece in pieces) == 1000


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_raises(text):
    found = parse_scene_text(text)
    assert 0 <= found.coverage <= 1
    assert not found.present & (found.denied | found.hypothetical)
    parse_yes_no(text)
    parse_safety(text)


WORDS = st.sampled_from(
    sorted(
        {"no", "not", "the", "a", "any", "if", "that", ",", ".", ";", ":", "(", "'", '"', "car"}
        | {"cars", "person", "sign", "lights", "is", "are", "may", "should", "stop", "proceed"}
        | {"safe", "such", "as", "of", "without", "and", "or", "green", "which", "there", "I"}
        | {"to", "3", "?", "-", "visible", "way", "\n"}
    )
)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=60))
def test_no_order_of_the_words_that_rules_look_for_raises(words):
    text = " ".join(words)
    assert parse_scene_text(text) == parse_scene_text(text)
    parse_safety(text)
    parse_yes_no(text)


@pytest.mark.parametrize(
    "unit",
    ["cars ", "no cars and ", "and ", "(", '" ', "a'", "1,", ".", "\n", "- ", " ", "*", "x",
     "if the car, ", "the driver should stop, ", "such as cars ", "the road is clear ", "not ",
     "yes and ", "answer ", "trucks need "],
)  # fmt: skip
def test_time_is_linear_in_the_length(unit):
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        begin = time.process_time()
        parse_scene_text(text)
        parse_safety(text)
        parse_yes_no(text)
        return time.process_time() - begin

    # Collections of what other tests left behind are not the parser's time.
    gc.disable()
    try:
        small, large = seconds(3_000), min(seconds(30_000) for _ in range(2))
    finally:
        gc.enable()
    # Quadratic would be 100 times; the sum covers what a first call and a busy machine cost.
    assert large < 30 * small + 0.3


SAFE, UNSAFE = Judgment.SAFE, Judgment.UNSAFE


def test_yes_to_a_reversed_prompt_means_unsafe():
    assert parse_safety("Yes.", safe_when_yes=False) is UNSAFE
    assert parse_safety("No, it is safe to go.", safe_when_yes=False) is SAFE
    assert parse_safety("Yes, it is safe to go.", safe_when_yes=False) is None


def test_judgments_of_our_own_are_read(own_judgments):
    right = sum(
        (found.value if (found := parse_scene_text(item["text"]).judgment) else "none")
        == item["safety"]
        for item in own_judgments
    )
    assert right / len(own_judgments) >= 0.95
