from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.corruption import get_corruption, parse_profile
from semalign_ros.errors import ConfigError
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Frame

from .conftest import CAR, PERSON, ROAD

CONFUSION = get_corruption("class_confusion")


def plane(train_id: int, index: int = 0) -> Frame:
    labels = np.full((256, 512), train_id, np.uint8)
    return Frame(0, "c", index, np.zeros((256, 512, 3), np.uint8), labels)


def test_shares_are_those_of_the_matrix():
    matrix = {"car": {"truck": 0.2, "bus": 0.1, "car": 0.7}}
    found = CONFUSION.apply(plane(CAR), strength=1, confusion=matrix).labels
    share = np.bincount(found.ravel(), minlength=19) / found.size
    assert share[[CAR, 14, 15]] == pytest.approx([0.7, 0.2, 0.1], abs=0.01)
    half = CONFUSION.apply(plane(CAR), strength=0.5, confusion=matrix).labels
    assert (half == CAR).mean() == pytest.approx(0.85, abs=0.01)
    # More confusion keeps what was confused.
    assert (found[half != CAR] != CAR).all()


def test_other_classes_and_ignored_pixels_stay():
    matrix = {"car": {"truck": 1.0}}
    for train_id in (ROAD, PERSON, 255):
        frame = plane(train_id)
        assert np.array_equal(CONFUSION.apply(frame, 5, confusion=matrix).labels, frame.labels)


def test_patches_are_smooth_and_new_in_each_frame():
    matrix = {"car": {"truck": 0.5}}
    first, second = (
        CONFUSION.apply(plane(CAR, i), strength=1, confusion=matrix).labels for i in (0, 1)
    )
    assert not np.array_equal(first, second)
    assert (first[:, 1:] != first[:, :-1]).mean() < 0.05


def test_forms_of_a_matrix_are_one():
    rows = np.eye(19)
    rows[CAR, CAR], rows[CAR, 14] = 0.75, 0.25
    forms = ({"car": {"truck": 0.25}}, [["car", "truck", 0.25]], rows.tolist(), rows)
    assert {CONFUSION.resolve(confusion=form)["confusion"] for form in forms} == {
        (("car", "truck", 0.25),)
    }


def row(values, length=19):
    return [values, *[[0.0] * length] * 18]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"car": {"lorry": 0.2}}, "unknown class in confusion 'lorry'"),
        ({"car": {"truck": 1.2}}, "car as truck = 1.2, expected a share from 0 to 1"),
        ({"car": {"truck": 0.7, "bus": 0.7}}, "1.4 of car is given away"),
        ({"car": {"truck": "a lot"}}, "expected a share"),
        ({"car": 0.3}, "expected shares by class"),
        ("car", "expected shares by class"),
        (np.eye(18).tolist(), "found 18 rows of 18 values, expected .*19 rows of 19"),
        ((np.eye(19) * 0.5).tolist(), "row road adds up to 0.5, expected 1"),
        ([["car", "truck"]], "expected .*19 rows"),
    ],
)
def test_bad_matrices(bad, words):
    with pytest.raises(ConfigError, match=words):
        CONFUSION.resolve(confusion=bad)


def test_profiles_hold_a_matrix_and_read_back():
    step = {"corruption": "class_confusion", "params": {"confusion": {"car": {"bus": 0.5}}}}
    entry = {"name": "x", "severity": 5, "steps": [step]}
    profile = parse_profile({"schema_version": 1, "name": "t", "conditions": [entry]})
    again = parse_profile(profile.describe())
    assert again.describe() == profile.describe()
    one, two = (p.conditions[0].degrade_labels(plane(CAR), 0).labels for p in (profile, again))
    assert np.array_equal(one, two)
    assert (one != CAR).any()


def test_all_classes_have_a_name_in_the_default():
    for true, taken, share in CONFUSION.resolve()["confusion"]:
        assert {true, taken} <= set(CLASSES)
        assert 0.05 <= share < 1
