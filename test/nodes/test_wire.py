"""What nodes tell each other comes out as it went in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semalign_ros.corruption import CLEAN, Condition, Step, load_profile
from semalign_ros.errors import ConfigError
from semalign_ros.nodes.answers import decode_answer, encode_answer
from semalign_ros.nodes.conditions import (
    Treatment,
    choose,
    decode_treatment,
    encode_treatment,
)
from semalign_ros.nodes.config import CorruptionConfig
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Frame, Judgment, SceneClaims, VlmAnswer

JUDGMENTS = st.sampled_from([None, *Judgment])
NAMES = st.frozensets(st.sampled_from(CLASSES))
KEYS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


@given(
    st.builds(
        VlmAnswer,
        claims=st.builds(
            SceneClaims,
            present=NAMES,
            denied=NAMES,
            hypothetical=NAMES,
            judgment=JUDGMENTS,
            coverage=st.floats(0, 1),
        ),
        scores=st.dictionaries(KEYS, st.floats(allow_nan=False)),
        judgments=st.dictionaries(KEYS, JUDGMENTS),
        raw_text=st.text(),
        latency_s=st.floats(0, 1e3),
        bundle_id=st.text(),
    )
)
def test_an_answer_survives_exactly(answer):
    assert decode_answer(encode_answer(answer)) == answer


def test_an_undefined_score_survives():
    decoded = decode_answer(encode_answer(VlmAnswer(SceneClaims(), {"q": math.nan})))
    assert math.isnan(decoded.scores["q"])


@pytest.mark.parametrize("key", ["present", "judgment", "coverage", "bundle_id"])
def test_an_answer_without_a_part_is_refused(key):
    values = encode_answer(VlmAnswer(SceneClaims()))
    del values[key]
    with pytest.raises(ConfigError, match=f"answer message: KeyError: '{key}'"):
        decode_answer(values)


def frame(index=7):
    labels = np.zeros((40, 60), np.uint8)
    for position, train_id in enumerate((13, 6, 11, 7, 18)):  # several critical classes
        labels[10:20, 10 * position : 10 * position + 8] = train_id
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    return Frame(1, "cam", index, image, labels)


@pytest.mark.parametrize(
    "condition",
    [
        CLEAN,
        *load_profile("paper").conditions,
        Condition.of("boundary_jitter", 2.5),
        Condition(
            "mixed",
            3.0,
            (
                Step("occlusion", 1.5, {"area_percent": 12.5}, 0.5),
                Step("occlusion", 3.0),
                Step("instance_dropout", 2.0, probability=0.7),
            ),
        ),
    ],
    ids=lambda c: f"{c.name}-{c.severity:g}",
)
def test_a_condition_does_the_same_after_the_journey(condition):
    source = frame()
    sent = Treatment(7, 11, condition, 3.5, None)
    received = decode_treatment(encode_treatment(sent, source))
    assert (received.index, received.seed, received.speed, received.yaw_rate) == (7, 11, 3.5, None)
    twin = received.condition
    assert (twin.name, twin.severity, twin.is_clean) == (
        condition.name,
        condition.severity,
        condition.is_clean,
    )
    assert twin.notes(source) == condition.notes(source)
    for index in range(7, 12):
        source = frame(index)
        np.testing.assert_array_equal(
            twin.degrade_image(source, 11).image, condition.degrade_image(source, 11).image
        )
        np.testing.assert_array_equal(
            twin.degrade_labels(source, 11).labels, condition.degrade_labels(source, 11).labels
        )
        hidden, expected = twin.hidden(source, 11), condition.hidden(source, 11)
        assert (hidden is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(hidden, expected)


def test_a_message_that_is_no_condition_is_refused():
    with pytest.raises(ConfigError, match="condition message: KeyError"):
        decode_treatment({"index": "1"})


def test_conditions_are_found_in_the_profile_and_among_the_corruptions():
    paper = choose(CorruptionConfig(condition="motion_blur", severity=2.0)).conditions
    assert paper == (next(c for c in load_profile("paper").conditions if c.severity == 2),)
    single = choose(CorruptionConfig(condition="boundary_jitter", severity=1.5)).conditions
    assert single == (Condition.of("boundary_jitter", 1.5),)
    assert choose(CorruptionConfig(condition="clean")).at(5) is CLEAN
    assert choose(CorruptionConfig(severity=0.0)).at(5) is CLEAN


def test_a_cycle_takes_the_profile_in_turn():
    choice = choose(CorruptionConfig(condition="cycle"))
    profile = load_profile("paper").conditions
    assert [choice.at(i) for i in range(len(profile) + 2)] == [*profile, *profile[:2]]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (CorruptionConfig(condition="motion_blurr"), "did you mean 'motion_blur'"),
        (CorruptionConfig(condition="motion_blur", severity=2.5), "has motion_blur at 1, 2, 3"),
        (CorruptionConfig(profile="nowhere"), "nowhere: no such file"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(config, text):
    with pytest.raises(ConfigError, match=text):
        choose(config)
