"""The overlay: every colour says what it means, and nothing that is given is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ros_kit import paint, scene

from semalign_ros.corruption import CLEAN, Condition
from semalign_ros.drawing.lettering import Chip
from semalign_ros.drawing.overlay import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    claim_chips,
    draw_overlay,
    judgment_chip,
)
from semalign_ros.monitor import Observation, Perception, compare
from semalign_ros.types import Frame, Judgment, SceneClaims, Segmentation, VlmAnswer

SAFE, UNSAFE = Judgment.SAFE, Judgment.UNSAFE


def judged(present=("car", "bus", "road"), judgment=UNSAFE, condition=None, scale=4):
    labels = np.kron(scene("car", "person", "bicycle"), np.ones((scale, scale), np.uint8))
    frame = Frame(12_345_678_901, "cam", 7, paint(labels), labels)
    condition = condition or Condition.of("motion_blur", 3)

    def observe(source, claims):
        return Observation(Perception(source, Segmentation(labels), labels, {}), claims, {})

    right = VlmAnswer(SceneClaims(frozenset({"car", "person", "bicycle", "road"}), judgment=SAFE))
    wrong = VlmAnswer(SceneClaims(frozenset(present), judgment=judgment))
    clean = observe(frame, right)
    if condition.is_clean:
        return compare(frame, condition, clean, clean)
    return compare(frame, condition, clean, observe(condition.degrade_image(frame, 0), wrong))


def share(picture, colour):
    """Share of the pixels that have exactly this colour."""
    return float((picture == np.array(colour)).all(axis=-1).mean())


def test_claims_are_sorted_into_right_wrong_and_missing():
    result = judged()
    assert claim_chips(result.degraded, result.verdict.reference, result.verdict.visible) == (
        Chip("bus?", RED),
        Chip("no person", ORANGE),
        Chip("no bicycle", ORANGE),
        Chip("road", GREEN),
        Chip("car", GREEN),
        Chip("sky", GREY),
    )


def test_a_generic_vehicle_is_drawn_as_it_is_judged():
    result = judged(present=("vehicle", "road", "person"))
    chips = claim_chips(result.degraded, result.verdict.reference, result.verdict.visible)
    assert Chip("car", GREEN) in chips
    assert Chip("no bicycle", ORANGE) in chips
    assert not any(chip.colour == RED for chip in chips)


@pytest.mark.parametrize(
    ("said", "reference", "text", "colour"),
    [
        (SAFE, SAFE, "SAFE - right", GREEN),
        (UNSAFE, UNSAFE, "UNSAFE - right", GREEN),
        (UNSAFE, SAFE, "UNSAFE - over-cautious", RED),
        (SAFE, UNSAFE, "SAFE - wrong", RED),
        (None, SAFE, "UNPARSED - wrong", RED),
    ],
)
def test_a_judgment_is_green_only_where_it_is_right(said, reference, text, colour):
    assert judgment_chip(said, reference) == Chip(text, colour)


def test_a_misalignment_shows_and_an_aligned_frame_shows_none():
    wrong = draw_overlay(judged(), max_width=1200)
    right = draw_overlay(judged(condition=CLEAN), max_width=1200)
    legend = share(right, RED), share(right, ORANGE)  # the legend has one chip of each
    assert share(wrong, RED) > 1.5 * legend[0] > 0
    assert share(wrong, ORANGE) > 1.5 * legend[1] > 0
    assert share(right, GREEN) > share(wrong, GREEN)


def test_omitted_objects_are_outlined_where_they_were_omitted():
    picture = draw_overlay(judged(), max_width=1200)
    scene_rows = slice(100, 350)
    half = picture.shape[1] // 2
    assert share(picture[scene_rows, half:], ORANGE) > 10 * share(
        picture[scene_rows, :half], ORANGE
    )


def test_what_the_corruption_hides_is_no_fault_to_show():
    plain = judged()
    seen = replace(plain.verdict.visible, critical=plain.verdict.visible.critical - {"person"})
    hiding = replace(plain, verdict=replace(plain.verdict, visible=seen))
    chips = claim_chips(hiding.degraded, hiding.verdict.reference, seen)
    assert {Chip("person, hidden", GREY), Chip("no bicycle", ORANGE)} <= set(chips)
    assert Chip("no person", ORANGE) not in chips
    pictures = [draw_overlay(j, max_width=1200)[100:350] for j in (plain, hiding)]
    orange = [share(picture, ORANGE) for picture in pictures]
    assert orange[0] > 1.3 * orange[1] > 0
    # On the clean frame nothing is hidden.
    lost = replace(hiding, clean=replace(hiding.clean, answer=hiding.degraded.answer))
    shown = draw_overlay(lost, max_width=1200)[100:350, :600]
    assert share(shown, ORANGE) > 0.3 * orange[0]


def test_of_two_omitted_only_the_one_in_plain_sight_is_outlined():
    labels = np.zeros((400, 800), np.uint8)
    condition = Condition.of("occlusion", 5)
    hidden = condition.hidden(Frame(0, "cam", 7, paint(labels), labels), 0)
    middle = int(np.flatnonzero(hidden.any(axis=0)).mean())
    rows = np.flatnonzero(hidden.any(axis=1))
    top = int(rows.mean()) - 20
    beside = 100 if middle > 400 else 700
    for x in (middle, beside):
        labels[top : top + 40, x - 10 : x + 10] = 11
    frame = Frame(0, "cam", 7, paint(labels), labels)

    def observe(source, *present):
        claims = SceneClaims(frozenset({"road", *present}), judgment=UNSAFE)
        return Observation(
            Perception(source, Segmentation(labels), labels, {}), VlmAnswer(claims), {}
        )

    degraded = condition.degrade_image(frame, 0)
    result = compare(frame, condition, observe(frame, "person"), observe(degraded))
    panel = draw_overlay(result, max_width=1612)[:, 812:1604]  # as wide as the frame, about
    outlined = (panel[60:420] == np.array(ORANGE)).all(axis=-1).any(axis=0)
    assert outlined[beside - 30 : beside + 30].any()
    assert not outlined[middle - 30 : middle + 30].any()


@pytest.mark.parametrize("width", [100, 320, 641, 1600])
@pytest.mark.parametrize("scale", [1, 4])
def test_any_size_can_be_drawn(width, scale):
    picture = draw_overlay(judged(scale=scale), title="front", max_width=width)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == max(320, width)
    assert picture.flags.c_contiguous


def test_what_is_drawn_is_not_changed():
    result = judged()
    arrays = [
        result.reference_labels,
        *(o.perception.frame.image for o in (result.clean, result.degraded)),
        *(o.perception.labels for o in (result.clean, result.degraded)),
    ]
    for array in arrays:
        array.flags.writeable = False
    copies = [array.copy() for array in arrays]
    draw_overlay(result, title="Überraschung")
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
