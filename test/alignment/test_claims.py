from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.alignment.metrics import (
    chair,
    conditional_omission_rate,
    critical_omission_rate,
    hallucination_rate,
    object_omission_rate,
    top_k_hallucination_floor,
    top_k_omission_floor,
)
from semalign_ros.errors import ConfigError

CLAIMS = [{"car", "person", "bus"}, set(), {"truck"}]
PRESENT = [{"car", "person"}, {"road", "car"}, {"car"}]
NEEDED = [{"person"}, {"person", "traffic sign"}, set()]
SAID = [{"person", "car"}, {"person"}, {"car"}]

names = st.sampled_from(["car", "bus", "person", "sky", "road"])
frames = st.lists(st.tuples(st.frozensets(names), st.frozensets(names)), max_size=8)


def test_worked_hallucination():
    assert hallucination_rate(CLAIMS, PRESENT) == pytest.approx(4 / 9)
    assert chair(CLAIMS, PRESENT) == pytest.approx((1 / 2, 2 / 3))


def test_worked_omission():
    assert critical_omission_rate(SAID, NEEDED) == pytest.approx(1 / 3)
    assert conditional_omission_rate(SAID, NEEDED) == pytest.approx(1 / 2)
    assert object_omission_rate(SAID, NEEDED) == pytest.approx(1 / 3)


@given(frames)
@settings(max_examples=50, deadline=None)
def test_rates_follow_their_definitions(pairs):
    claims, present = [v for v, _ in pairs], [g for _, g in pairs]
    n = len(pairs)
    if not n:
        return
    expected = sum(len(v - g) / len(v) for v, g in pairs if v) / n
    assert hallucination_rate(claims, present) == pytest.approx(expected)
    assert chair(claims, present)[1] == sum(not v <= g for v, g in pairs) / n
    assert critical_omission_rate(claims, present) == sum(not g <= v for v, g in pairs) / n
    with_objects = [(v, g) for v, g in pairs if g]
    conditional = conditional_omission_rate(claims, present)
    if with_objects:
        # A frame without a critical class cannot be an omission, so both count the same frames.
        assert conditional * len(with_objects) == pytest.approx(
            critical_omission_rate(claims, present) * n
        )
    else:
        assert math.isnan(conditional)


@pytest.mark.parametrize(
    "rate",
    [
        hallucination_rate,
        critical_omission_rate,
        conditional_omission_rate,
        object_omission_rate,
        lambda c, p: chair(c, p)[0],
        lambda c, p: chair(c, p)[1],
    ],
)
def test_nothing_counted_is_nan(rate):
    assert math.isnan(rate([], []))


def test_frames_without_claims_or_objects():
    assert hallucination_rate([set()], [{"car"}]) == 0.0
    assert math.isnan(chair([set()], [{"car"}])[0])
    assert critical_omission_rate([set()], [set()]) == 0.0
    assert math.isnan(object_omission_rate([{"car"}], [set()]))


def test_lists_and_generators_of_names_will_do():
    assert hallucination_rate((c for c in [["car", "bus"]]), [("car",)]) == 0.5


@pytest.mark.parametrize(
    ("claims", "present", "text"),
    [
        ([{"car"}], [], "claims 1, present 0"),
        (["car"], [{"car"}], r"claims\[0\]: found 'car', expected a set"),
        ("car", [{"car"}], "found the string 'car'"),
        ([{"car"}], [None], r"present\[0\]: found None"),
        ([{3}], [{"car"}], "found 3, expected class names as strings"),
    ],
)
def test_bad_input_is_refused(claims, present, text):
    with pytest.raises(ConfigError, match=text):
        hallucination_rate(claims, present)


def test_top_k_floor_is_reached_by_the_best_model_that_names_k():
    critical = [{"car", "person", "bus"}, {"car"}, set()]
    best = [{"car", "person"}, {"car", "sky"}, {"sky", "road"}]
    assert top_k_omission_floor(critical, 2) == critical_omission_rate(best, critical) == 1 / 3
    assert top_k_hallucination_floor(critical, 2) == hallucination_rate(best, critical) == 0.5
    with pytest.raises(ConfigError, match="k = 0"):
        top_k_omission_floor(critical, 0)
