from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import Condition, Step, get_corruption
from semalign_ros.types import Frame

FREEZE, DROP, LAG = (get_corruption(n) for n in ("frame_freeze", "frame_drop", "exposure_lag"))


def numbered(index: int, known: int = 60) -> Frame:
    """A frame whose pixels say its index, and those before it."""

    def one(position: int) -> Frame:
        image = np.full((8, 16, 3), position, np.uint8)
        return Frame(59_000_000 * position, "c", position, image)

    earlier = {n: one(index - n) for n in range(1, min(known, index) + 1)}
    return replace(one(index), earlier=earlier)


def shown(op, **params) -> list[int]:
    return [int(op.apply(numbered(i), **params).image[0, 0, 0]) for i in range(1, 200)]


def test_a_frozen_stream_repeats_the_last_frame_that_came_through():
    seen = shown(FREEZE, probability=0.5, longest_frames=20)
    assert 0.4 < np.mean([s != i for i, s in enumerate(seen, 1)]) < 0.6
    for before, now, index in zip(seen, seen[1:], range(2, 200), strict=False):
        assert now in (before, index)
    assert any(a == b == c for a, b, c in zip(seen, seen[1:], seen[2:], strict=False))


def test_a_run_of_copies_ends():
    seen = shown(FREEZE, probability=1, longest_frames=3)[20:120]
    # A picture stands still for four frames, then the next one that came through does.
    lengths = [len(list(run)) for _, run in itertools.groupby(seen)]
    assert set(lengths[1:-1]) == {4}
    assert seen == sorted(seen)


def test_a_picture_never_jumps_back_in_time():
    steps = (
        Step("frame_freeze", 5, from_s=3.0),
        Step("frame_freeze", 4, probability=0.5),
        Step("frame_freeze", 5, ramp_s=4.0),
        Step("frame_freeze", 5),
    )
    for step in steps:
        condition = Condition("frozen", 5, (step,))
        frames = [replace(numbered(i), elapsed_s=0.059 * i) for i in range(1, 150)]
        frames = [
            replace(
                f, earlier={n: replace(e, elapsed_s=0.059 * e.index) for n, e in f.earlier.items()}
            )
            for f in frames
        ]
        seen = [int(condition.degrade_image(f, 3).image[0, 0, 0]) for f in frames]
        assert seen == sorted(seen), step
        assert len(set(seen)) < len(seen)


def test_a_time_before_the_first_frame_changes_nothing_without_a_window():
    frame = replace(numbered(5, 0), elapsed_s=-0.5)
    blur = Condition("dark", 5, (Step("low_light_gamma", 5),))
    assert not np.array_equal(blur.degrade_image(frame, 0).image, frame.image)


def test_without_earlier_frames_nothing_freezes():
    alone = replace(numbered(7), earlier={})
    assert FREEZE.apply(alone, probability=1).image is alone.image
    (note,) = FREEZE.notes(alone)
    assert "7 of 7 earlier frames that it may look at are missing" in note
    assert FREEZE.notes(numbered(7)) == ()


def test_lost_frames_are_black_and_hidden_and_the_others_untouched():
    lost = 0
    for index in range(300):
        frame = numbered(index % 200, 0)
        frame = replace(frame, index=index, image=frame.image + np.uint8(1))
        result = DROP.apply(frame, probability=0.3)
        black = not result.image.any()
        lost += black
        assert black or result.image is frame.image
        assert (DROP.hidden(frame, probability=0.3) == black).all()
    assert lost / 300 == pytest.approx(0.3, abs=0.07)


def test_exposure_makes_up_for_a_change_with_its_time_constant():
    from semalign_ros.corruption.tones import decode_srgb

    def frame(position: int) -> Frame:
        level = 60 if position < 30 else 120
        return Frame(50_000_000 * position, "c", position, np.full((64, 128, 3), level, np.uint8))

    gains = []
    for index in (30, 34, 38):
        now = replace(frame(index), earlier={n: frame(index - n) for n in range(1, 25)})
        light = decode_srgb(LAG.apply(now, time_constant_s=0.2).image[0, 0, :1] / 255)[0]
        gains.append(np.log(light / decode_srgb(np.array(120 / 255))))
    assert gains[0] > 0
    # Four frames are a time constant.
    assert gains[1] / gains[0] == pytest.approx(np.exp(-1), rel=0.15)
    assert gains[2] / gains[1] == pytest.approx(np.exp(-1), rel=0.15)
    steady = replace(frame(90), earlier={n: frame(90 - n) for n in range(1, 25)})
    assert np.array_equal(LAG.apply(steady, 5).image, steady.image)


def test_a_step_sees_earlier_frames_as_the_steps_before_left_them():
    both = Condition(
        "both",
        3,
        (
            Step("color_quantization", 3, {"bits": 1}),
            Step("frame_freeze", 3, {"probability": 1, "longest_frames": 2}),
        ),
    )
    assert both.recalls() == {1, 2}
    frame = numbered(130)  # the one two before it, 128, is the last that turns to white
    assert (both.degrade_image(frame, 0).image == 255).all()
    assert (both.degrade_image(numbered(129), 0).image == 0).all()


def test_earlier_frames_add_up_over_the_steps():
    twice = Step("frame_freeze", 3, {"probability": 1, "longest_frames": 2})
    chain = Condition("chain", 3, (twice, twice))
    assert chain.recalls() == {1, 2, 3, 4}
    seen = {50 - int(chain.degrade_image(numbered(50), s).image[0, 0, 0]) for s in range(40)}
    assert max(seen) == 4


def test_any_part_of_a_stream_gives_the_same_bytes():
    condition = Condition("both", 3, (Step("exposure_lag", 3), Step("frame_freeze", 4)))
    back = max(condition.recalls())
    for index in (70, 75):
        long, exact = (numbered(index, known) for known in (70, back))
        one, two = (condition.degrade_image(f, 5).image for f in (long, exact))
        assert np.array_equal(one, two)


@pytest.mark.parametrize("freeze", [0.7, 1.0])
def test_a_frozen_picture_hides_what_it_hid_when_it_was_taken(freeze):
    cover = Step("occlusion", 4, {"persistent": False, "gray": 255})
    frozen = Step("frame_freeze", 5, {"probability": freeze, "longest_frames": 3})
    for steps in ((cover, frozen), (cover, frozen, cover), (cover, frozen, frozen)):
        condition = Condition("frozen", 4, steps)
        for index in range(100, 112):
            frame = numbered(index)
            white = (condition.degrade_image(frame, 0).image == 255).all(axis=2)
            assert np.array_equal(condition.hidden(frame, 0), white), (steps, index)
