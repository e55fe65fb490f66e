from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_recall_fscore_support

from semalign_ros.alignment.metrics import (
    PresenceScores,
    best_constant_claims,
    claim_baselines,
    judgment_baselines,
    presence_balanced_accuracy,
    presence_by_class,
    presence_scores,
)
from semalign_ros.alignment.presence import membership
from semalign_ros.errors import ConfigError

NAMES = ("car", "person", "bus", "sky")
frames = st.lists(
    st.tuples(st.frozensets(st.sampled_from(NAMES)), st.frozensets(st.sampled_from(NAMES))),
    min_size=1,
    max_size=10,
)


def test_worked_values():
    scores = PresenceScores(tp=3, fp=1, tn=4, fn=2)
    assert scores.accuracy == 0.7
    assert scores.precision == 0.75
    assert scores.recall == 0.6
    assert scores.f1 == pytest.approx(2 / 3)
    assert scores.yes_ratio == 0.4


@given(frames)
@settings(max_examples=30, deadline=None)
def test_pooled_scores_equal_scikit_learn(pairs):
    claims, present = [v for v, _ in pairs], [g for _, g in pairs]
    scores = presence_scores(claims, present, NAMES)
    said, there = membership(claims, NAMES).ravel(), membership(present, NAMES).ravel()
    precision, recall, f1, _ = precision_recall_fscore_support(
        there, said, average="binary", zero_division=math.nan
    )
    assert scores.precision == pytest.approx(precision, nan_ok=True)
    assert scores.recall == pytest.approx(recall, nan_ok=True)
    assert scores.f1 == pytest.approx(f1, nan_ok=True)
    assert scores.accuracy == pytest.approx(accuracy_score(there, said))
    assert scores.yes_ratio == pytest.approx(said.mean())
    for name, column, truth in zip(
        NAMES, membership(claims, NAMES).T, membership(present, NAMES).T, strict=True
    ):
        if 0 < truth.sum() < len(truth):
            expected = balanced_accuracy_score(truth, column)
            by_class = presence_by_class(claims, present, NAMES)
            assert by_class[name].balanced_accuracy == pytest.approx(expected)


def test_balanced_accuracy_counts_only_classes_with_enough_of_both():
    present = [{"car", "bus"}, {"car"}, {"car", "person"}, set()]
    claims = [{"car", "bus"}, {"car"}, {"car"}, {"car"}]
    # car: recall 1, specificity 0; bus 1 and 1; person 0 and 1; sky is never there.
    assert presence_balanced_accuracy(claims, present, NAMES) == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert math.isnan(presence_balanced_accuracy(claims, present, NAMES, minimum=2))


def test_constant_claims_get_one_half_in_balanced_accuracy():
    present = [{"car"}, {"car"}, {"car", "bus"}, {"person"}]
    assert presence_balanced_accuracy([{"car"}] * 4, present, NAMES) == 0.5


def test_names_that_were_not_asked_do_not_count():
    scores = presence_scores([{"car", "vehicle"}], [{"car", "train"}], ["car"])
    assert scores == PresenceScores(1, 0, 0, 0)


def test_undefined_is_nan():
    assert presence_scores([{"car"}], [{"car"}], []) == PresenceScores(0, 0, 0, 0)
    empty = presence_scores([], [])
    assert all(
        math.isnan(value) for value in (empty.precision, empty.recall, empty.f1, empty.accuracy)
    )
    assert math.isnan(presence_scores([set()], [{"car"}], ["car"]).precision)


def test_lengths_are_checked():
    with pytest.raises(ConfigError, match="claims 1, present 2"):
        presence_scores([{"car"}], [{"car"}, {"car"}])


@given(frames)
@settings(max_examples=30, deadline=None)
def test_no_constant_class_set_beats_the_best_one(pairs):
    present = [g for _, g in pairs]
    best = best_constant_claims(present, NAMES)

    def f1(claims):
        value = presence_scores([claims] * len(present), present, NAMES).f1
        return 0.0 if math.isnan(value) else value

    subsets = [{n for i, n in enumerate(NAMES) if mask >> i & 1} for mask in range(16)]
    assert f1(best) == pytest.approx(max(f1(s) for s in subsets))


def test_baselines_of_claims():
    present = [{"car", "sky"}, {"car"}, {"car", "person"}]
    critical = [{"car"}, {"car"}, {"car", "person"}]
    baselines = claim_baselines(present, critical, NAMES)
    assert baselines["always-no"].critical_omission_rate == 1.0
    assert baselines["always-no"].hallucination_rate == 0.0
    assert baselines["always-yes"].critical_omission_rate == 0.0
    assert baselines["always-yes"].hallucination_rate == pytest.approx((2 + 3 + 2) / 4 / 3)
    assert baselines["always-yes"].presence.recall == 1.0
    assert baselines["best-constant"].claims == {"car"}
    assert baselines["best-constant"].presence.f1 == pytest.approx(2 * 3 / (3 + 5))
    assert baselines["best-constant"].critical_omission_rate == pytest.approx(1 / 3)


def test_best_constant_of_empty_scenes_claims_nothing():
    assert best_constant_claims([set(), set()], NAMES) == frozenset()
    assert best_constant_claims([], NAMES) == frozenset()


def test_baselines_of_judgments():
    baselines = judgment_baselines(["safe", "safe", "safe", "unsafe"])
    assert baselines["always-safe"].safety_misinterpretation_rate == 0.25
    assert baselines["always-safe"].false_safe_rate == 1.0
    assert baselines["always-unsafe"].safety_misinterpretation_rate == 0.75
    assert baselines["always-unsafe"].over_cautious_rate == 1.0
    assert {b.balanced_accuracy for b in baselines.values()} == {0.5}


@pytest.mark.real
def test_a_constant_set_has_a_pooled_f1_near_08_on_frankfurt(cityscapes_256):
    import cv2

    from semalign_ros.scene import CRITICAL, reference_from_labels

    files = sorted((cityscapes_256 / "gtFine/val").glob("*/*_labelTrainIds.png"))
    critical = [
        reference_from_labels(cv2.imread(str(f), cv2.IMREAD_UNCHANGED)).critical for f in files
    ]
    best = claim_baselines(critical, critical, CRITICAL)["best-constant"]
    expected = {"car", "traffic sign", "person", "bicycle", "traffic light"}
    assert best.claims == expected
    assert best.presence.f1 == pytest.approx(0.8, abs=0.03)
