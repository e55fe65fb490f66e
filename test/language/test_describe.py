from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.errors import ConfigError
from semalign_ros.language import describe_scene, list_classes, parse_scene_text
from semalign_ros.language.describe import NUM_VARIANTS
from semalign_ros.language.grammar import CLASS_NOUNS
from semalign_ros.types import Judgment

CLASS_SETS = st.frozensets(st.sampled_from(sorted(CLASS_NOUNS)))
JUDGMENTS = st.sampled_from([None, *Judgment])


def claims(text: str) -> tuple:
    found = parse_scene_text(text)
    return found.present, found.denied, found.hypothetical, found.judgment


@settings(max_examples=150, deadline=None)
@given(CLASS_SETS, JUDGMENTS, st.integers(0, 2**32 - 1))
def test_what_is_described_at_random_is_read_back(present, judgment, seed):
    text = describe_scene(present, judgment, rng=np.random.default_rng(seed))
    assert claims(text) == (present, frozenset(), frozenset(), judgment), text


@settings(max_examples=60, deadline=None)
@given(CLASS_SETS, JUDGMENTS, st.integers(0, NUM_VARIANTS - 1))
def test_what_is_described_by_variant_is_read_back(present, judgment, variant):
    text = describe_scene(present, judgment, variant=variant)
    assert claims(text) == (present, frozenset(), frozenset(), judgment), text


@settings(max_examples=60, deadline=None)
@given(CLASS_SETS)
def test_the_plain_list_is_read_back(present):
    assert claims(list_classes(present)) == (present, frozenset(), frozenset(), None)


def test_the_plain_list_is_a_sentence():
    assert list_classes({"car", "person", "road"}) == (
        "The perception system reports: road, person and car."
    )
    assert list_classes([]) == "The perception system reports: nothing."


def test_sentences_are_grammatical():
    assert describe_scene({"car"}, variant=1) == "There is a car."
    assert describe_scene({"car", "person"}, variant=5) == "A person and a car are visible."
    assert describe_scene({"sky"}, Judgment.UNSAFE, variant=1) == (
        "There is sky. The path ahead is blocked, so it is not safe to proceed."
    )


def test_the_same_seed_gives_the_same_words_and_another_gives_others():
    def draw(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [describe_scene({"car", "road", "person"}, Judgment.SAFE, rng=rng) for _ in range(9)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert len(set(draw(1))) > 5


def test_a_cyclist_is_not_named_a_second_time():
    rng = np.random.default_rng(0)
    texts = [describe_scene({"rider", "bicycle"}, rng=rng) for _ in range(50)]
    joint = [text for text in texts if "cyclist" in text.lower() or "riding" in text]
    assert 5 < len(joint) < 45
    assert not any("rider" in text.lower() for text in joint)


def test_an_unknown_class_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'bus'"):
        describe_scene({"buss"})
    with pytest.raises(ConfigError, match="unknown class"):
        list_classes({"tree"})
