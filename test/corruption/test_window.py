from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import Condition, Step, parse_profile
from semalign_ros.errors import ConfigError
from semalign_ros.types import Frame

from .conftest import drive


def fog(**window) -> Condition:
    return Condition("fog", 4, (Step("fog", 4, {"airlight": 190}, **window),))


def at(frame: Frame, seconds: float) -> Frame:
    return replace(frame, elapsed_s=seconds)


def damage(condition: Condition, frame: Frame, seconds: float) -> float:
    shown = condition.degrade_image(at(frame, seconds), 0)
    return float(np.abs(shown.image.astype(int) - frame.image).mean())


def test_nothing_happens_outside_the_window(frame: Frame):
    condition = fog(from_s=10, to_s=40)
    for seconds in (0, 9.99, 40.01, 100):
        outside = at(frame, seconds)
        assert condition.degrade_image(outside, 0) is outside
    full = damage(fog(), frame, 0)
    for seconds in (10, 25, 40):
        assert damage(condition, frame, seconds) == full


def test_it_grows_and_fades_over_the_ramps(frame: Frame):
    condition = fog(from_s=10, to_s=40, ramp_s=10)
    times = [10, 12, 15, 18, 20, 30, 33, 37, 40]
    found = [damage(condition, frame, t) for t in times]
    assert found[0] == found[-1] == 0
    assert found[:5] == sorted(found[:5])
    assert found[5:] == sorted(found[5:], reverse=True)
    assert found[4] == found[5] == damage(fog(), frame, 0)
    # Half way the extinction is half as high: 80 m becomes about 160 m.
    half = Condition.of("fog", 3, mor_m=1 / (0.5 / 80 + 0.5 / 100000))
    assert found[2] == pytest.approx(damage(half, frame, 0))


def test_given_values_fade_as_the_ladder_does():
    step = Step("fog", 5, {"mor_m": 100}, ramp_s=2)
    assert step.at(0.5)["mor_m"] == pytest.approx(1 / (0.5 / 100 + 0.5 / 100000))
    assert step.at(1) == step.resolve()
    faded = Step("occlusion", 5, {"gray": 90}).at(0.2)
    assert faded == {"area_percent": 5, "gray": 90, "persistent": True}


def test_what_looks_back_looks_at_the_same_frames_on_a_ramp():
    frame = at(drive(40), 1.0)
    ramp = Condition("late", 4, (Step("temporal_lag", 4, ramp_s=2),))
    assert ramp.recalls() == {7}
    assert ramp.degrade_labels(frame, 0).labels is frame.earlier[7].labels


def test_what_is_covered_and_noted_follows_the_window(frame: Frame):
    condition = Condition("cover", 3, (Step("occlusion", 3, from_s=5),))
    assert condition.hidden(at(frame, 4), 0) is None
    assert condition.hidden(at(frame, 6), 0).any()
    assert any("0% of its strength" in note for note in condition.notes(at(frame, 4)))
    assert condition.notes(at(frame, 6)) == ()


def test_profiles_hold_windows_and_read_back():
    text = {
        "schema_version": 1,
        "name": "t",
        "conditions": [
            {
                "name": "fog_bank",
                "severity": 3,
                "steps": [{"corruption": "fog", "from_s": 10, "to_s": 40.0, "ramp_s": 5}],
            }
        ],
    }
    profile = parse_profile(text)
    (step,) = profile.conditions[0].steps
    assert (step.from_s, step.to_s, step.ramp_s) == (10, 40, 5)
    again = parse_profile(profile.describe())
    assert again.describe() == profile.describe()
    frame = Frame(0, "c", 0, np.full((32, 64, 3), 40, np.uint8), elapsed_s=12.5)
    one, two = (p.conditions[0].degrade_image(frame, 0).image for p in (profile, again))
    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"from_s": 10, "to_s": 5}, "to_s = 5, expected more than from_s"),
        ({"to_s": 0}, "to_s = 0"),
        ({"from_s": 1, "to_s": 4, "ramp_s": 2}, "at least from_s \\+ 2 ramp_s, 5"),
        ({"from_s": -1}, "from_s"),
        ({"from_s": "10 s"}, "from_s"),
    ],
)
def test_bad_windows(window, words):
    step = {"corruption": "fog", **window}
    entry = {"name": "x", "severity": 3, "steps": [step]}
    with pytest.raises(ConfigError, match=words):
        parse_profile({"schema_version": 1, "name": "t", "conditions": [entry]})
