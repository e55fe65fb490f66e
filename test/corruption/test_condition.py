from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import CLEAN, Condition, Step, get_corruption
from semalign_ros.errors import ConfigError
from semalign_ros.types import Frame

MIXED = Condition(
    "mixed",
    2,
    (
        Step("motion_blur", 2),
        Step("instance_dropout", 5),
        Step("occlusion", 1),
    ),
)


def test_clean_changes_nothing(frame: Frame) -> None:
    assert CLEAN.is_clean
    assert CLEAN.degrade_image(frame, 0) is frame
    assert CLEAN.degrade_labels(frame, 0) is frame
    assert CLEAN.hidden(frame, 0) is None
    assert CLEAN.notes(frame) == ()


def test_one_step_equals_the_corruption_itself(frame: Frame) -> None:
    op = get_corruption("occlusion")
    condition = Condition.of("occlusion", 2.37, gray=30)
    assert not condition.is_clean
    expected = op.apply(frame, 2.37, 9, gray=30).image
    assert np.array_equal(condition.degrade_image(frame, 9).image, expected)
    assert np.array_equal(condition.hidden(frame, 9), op.hidden(frame, 2.37, 9, gray=30))


def test_image_and_label_steps_keep_to_their_own(frame: Frame) -> None:
    assert MIXED.changes_image
    assert MIXED.changes_labels
    assert not Condition.of("motion_blur").changes_labels
    assert not Condition.of("boundary_jitter").changes_image
    shown = MIXED.degrade_image(frame, 0)
    assert shown.labels is frame.labels
    perceived = MIXED.degrade_labels(frame, 0)
    assert perceived.image is frame.image
    assert (perceived.labels != frame.labels).any()


def test_steps_apply_in_order(frame: Frame) -> None:
    blur, cover = Step("motion_blur", 5), Step("occlusion", 5)
    sharp_edge = Condition("a", 1, (blur, cover)).degrade_image(frame, 0).image
    soft_edge = Condition("b", 1, (cover, blur)).degrade_image(frame, 0).image
    assert (sharp_edge == 0).sum() > (soft_edge == 0).sum()


def test_two_steps_of_one_corruption_draw_apart(frame: Frame) -> None:
    twice = Condition("two", 1, (Step("occlusion", 1), Step("occlusion", 1)))
    hidden = twice.hidden(frame, 0)
    once = Condition.of("occlusion", 1).hidden(frame, 0)
    assert (hidden & once).sum() == once.sum()
    assert hidden.sum() > once.sum()
    assert np.array_equal(twice.degrade_image(frame, 0).image == 0, hidden[..., None].repeat(3, 2))


def test_probability_strikes_that_share_of_the_frames(frame: Frame) -> None:
    rare = Condition("rare", 3, (Step("occlusion", 3, probability=0.3),))
    struck = []
    for index in range(400):
        small = replace(frame, index=index, image=frame.image[:16, :16])
        changed = rare.degrade_image(small, 0) is not small
        assert changed == (rare.hidden(small, 0) is not None)
        struck.append(changed)
    assert np.mean(struck) == pytest.approx(0.3, abs=0.07)
    # Independent from frame to frame, not in runs.
    assert abs(np.corrcoef(struck[1:], struck[:-1])[0, 1]) < 0.15


def test_probabilities_of_two_steps_are_independent(frame: Frame) -> None:
    both = Condition(
        "both",
        3,
        (Step("motion_blur", 3, probability=0.5), Step("occlusion", 3, probability=0.5)),
    )
    outcomes = set()
    for index in range(60):
        one = replace(frame, index=index)
        shown = both.degrade_image(one, 0).image
        covered = (shown == 0).all(axis=2).any()
        blurred = not np.array_equal(np.where(shown == 0, 0, one.image), shown)
        outcomes.add((bool(covered), blurred))
    assert len(outcomes) == 4


@pytest.mark.parametrize("chance", [-0.1, 1.1, float("nan")])
def test_bad_probability(chance: float) -> None:
    with pytest.raises(ConfigError, match="probability"):
        Step("occlusion", 3, probability=chance)


def test_bad_steps_fail_when_made() -> None:
    with pytest.raises(ConfigError, match="did you mean 'occlusion'"):
        Condition.of("oclusion")
    with pytest.raises(ConfigError, match="severity = 6"):
        Condition.of("occlusion", 6)
    with pytest.raises(ConfigError, match="area_percent = 99"):
        Condition.of("occlusion", area_percent=99)


def test_notes_are_gathered_once(frame: Frame) -> None:
    twice = Condition("w", 1, (Step("motion_blur", 0.5), Step("motion_blur", 0.5)))
    assert len(twice.notes(replace(frame, image=frame.image[:, :64]))) == 1


def test_described_classes_draw_the_same(frame: Frame) -> None:
    # The resolved list stands beside the results: given back, it must lose the same instances.
    described = Condition.of("instance_dropout", 3).describe()["steps"][0]["params"]
    for seed in range(4):
        a = Condition.of("instance_dropout", 3).degrade_labels(frame, seed)
        b = Condition.of("instance_dropout", 3, **described).degrade_labels(frame, seed)
        assert np.array_equal(a.labels, b.labels)


def test_describe_resolves_every_parameter() -> None:
    step = MIXED.describe()["steps"][1]
    assert step["corruption"] == "instance_dropout"
    assert step["params"]["max_area_px"] == 60000
    assert "person" in step["params"]["classes"]
