from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, recall_score

from semalign_ros.alignment.metrics import (
    false_safe_rate,
    judgment_margin,
    misinterpretation_given_parsed,
    over_cautious_rate,
    parse_coverage,
    safety_balanced_accuracy,
    safety_misinterpretation_rate,
)
from semalign_ros.errors import ConfigError
from semalign_ros.types import Judgment

SAID = ["safe", "unsafe", None, "unsafe"]
RIGHT = ["unsafe", "unsafe", "safe", "safe"]


def test_worked_values():
    assert safety_misinterpretation_rate(SAID, RIGHT) == 0.75
    assert parse_coverage(SAID) == 0.75
    assert misinterpretation_given_parsed(SAID, RIGHT) == pytest.approx(2 / 3)
    assert false_safe_rate(SAID, RIGHT) == 0.5
    assert over_cautious_rate(SAID, RIGHT) == 0.5


def test_enums_and_strings_are_the_same():
    said = [None if s is None else Judgment(s) for s in SAID]
    assert safety_misinterpretation_rate(said, [Judgment(r) for r in RIGHT]) == 0.75


@given(
    st.lists(
        st.tuples(st.sampled_from(["safe", "unsafe", None]), st.sampled_from(["safe", "unsafe"])),
        min_size=1,
    )
)
@settings(max_examples=40, deadline=None)
def test_recalls_equal_scikit_learn(pairs):
    said, right = [s or "none" for s, _ in pairs], [r for _, r in pairs]
    given_none = [s for s, _ in pairs]
    unsafe_missed = false_safe_rate(given_none, right)
    if set(right) == {"safe", "unsafe"}:
        # "none" occurs in the predictions only, which scikit-learn reports as a warning.
        with pytest.warns() if "none" in said else nullcontext():
            expected = balanced_accuracy_score(right, said)
        assert safety_balanced_accuracy(given_none, right) == pytest.approx(expected)
    else:
        assert math.isnan(safety_balanced_accuracy(given_none, right))
    if "unsafe" in right and "none" not in said:
        recall = recall_score(right, said, labels=["unsafe"], average=None, zero_division=0)[0]
        assert unsafe_missed == pytest.approx(1 - recall)


def test_a_constant_answer_gets_one_half():
    assert safety_balanced_accuracy(["safe"] * 4, RIGHT) == 0.5


@pytest.mark.parametrize(
    "rate",
    [
        safety_misinterpretation_rate,
        misinterpretation_given_parsed,
        false_safe_rate,
        over_cautious_rate,
        safety_balanced_accuracy,
        lambda said, right: parse_coverage(said),
    ],
)
def test_nothing_counted_is_nan(rate):
    assert math.isnan(rate([], []))


@pytest.mark.parametrize(
    ("said", "right", "text"),
    [
        (["save"], ["safe"], r"judgments\[0\]: found 'save', expected 'safe', 'unsafe'"),
        (["Safe"], ["safe"], "found 'Safe'"),
        ([True], ["safe"], "found True"),
        ([["safe"]], ["safe"], r"found \['safe'\]"),
        (["safe"], [None], r"reference\[0\]: found None.*leave out frames"),
        (["safe"], [], "judgments 1, reference 0"),
        ("safe", ["safe"] * 4, "found the string 'safe'"),
    ],
)
def test_bad_input_is_refused(said, right, text):
    with pytest.raises(ConfigError, match=text):
        safety_misinterpretation_rate(said, right)


@pytest.mark.parametrize(
    ("clean", "degraded", "margin"),
    [
        ("safe", {3: "unsafe", 1: "safe", 2: "unsafe"}, 2.0),
        ("safe", {1: "safe", 2: None}, 2.0),
        ("unsafe", {1: "unsafe"}, math.inf),
        (None, {1: "safe"}, math.nan),
        ("safe", {}, math.nan),
    ],
)
def test_margin_is_the_lowest_severity_that_differs(clean, degraded, margin):
    assert judgment_margin(clean, degraded) == pytest.approx(margin, nan_ok=True)
