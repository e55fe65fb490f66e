from __future__ import annotations

import math
from itertools import pairwise

import pytest

from semalign_ros.alignment.health import DROP_REASONS, HealthTracker, Level, next_level
from semalign_ros.alignment.thresholds import HealthThresholds
from semalign_ros.errors import ConfigError

NAMES = (
    "hallucination",
    "critical omission",
    "safety misinterpretation",
    "judgment consistency",
    "segmentation",
    "pipeline",
)
POLARITIES = {"proceed": True, "clear": True, "stop": False}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tracker(clock):
    return HealthTracker("front", polarities=POLARITIES, clock=clock)


def feed(tracker, clock, verdicts, **options):
    for verdict in verdicts:
        clock.now += 0.1
        tracker.update(verdict, **options)


def raised(tracker):
    """Names and fault codes of everything that is not OK."""
    return {
        s.name.removeprefix("semalign_front: "): s.fault_code
        for s in tracker.statuses()
        if s.level is not Level.OK
    }


def status(tracker, name):
    return next(s for s in tracker.statuses() if s.name.endswith(f": {name}"))


def test_names_are_stable_and_no_data_is_ok(tracker):
    statuses = tracker.statuses()
    assert [s.name for s in statuses] == [f"semalign_front: {name}" for name in NAMES]
    assert {s.level for s in statuses} == {Level.OK}
    assert {s.fault_code for s in statuses} == {"NO_DATA"}
    assert status(tracker, "hallucination").message == "not enough data: 0 of 10 frames"
    assert status(tracker, "pipeline").message == "waiting for the first frame"


def test_a_faultless_model_raises_nothing(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i, miou=0.65, clean_miou=0.7) for i in range(40)], age_s=0.2)
    assert raised(tracker) == {}
    assert {s.fault_code for s in tracker.statuses()} == {"OK"}
    assert status(tracker, "pipeline").message == "40 frames judged, 0 dropped"


PROMPTS = {"proceed": "safe", "clear": "safe", "stop": "safe"}


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"claims": ("car", "person", "bus")}, {"hallucination": "HALLUCINATION"}),
        ({"claims": ("car",)}, {"critical omission": "CRITICAL_OMISSION"}),
        (
            {"said": "unsafe", "clean_said": "unsafe"},
            {"safety misinterpretation": "SAFETY_MISINTERPRETATION"},
        ),
        (
            {"said": "safe", "clean_said": "safe", "safety": "unsafe"},
            {"safety misinterpretation": "FALSE_SAFE"},
        ),
        ({"said": None, "clean_said": None}, {"safety misinterpretation": "UNPARSED"}),
        (
            {"said": "unsafe"},
            {
                "judgment consistency": "JUDGMENT_FLIP",
                "safety misinterpretation": "SAFETY_MISINTERPRETATION",
            },
        ),
        ({"clean_said": "unsafe"}, {"judgment consistency": "JUDGMENT_FLIP"}),
        (
            {"judgments": {**PROMPTS, "stop": "unsafe"}},
            {"judgment consistency": "PROMPT_DISAGREEMENT"},
        ),
        (
            {"judgments": {**PROMPTS, "clear": "unsafe"}},
            {"judgment consistency": "PROMPT_DISAGREEMENT"},
        ),
        ({"clean_miou": 0.7, "miou": 0.4}, {"segmentation": "SEGMENTATION_DEGRADED"}),
        ({"miou": 0.8}, {"segmentation": "SEGMENTATION_DEGRADED"}),
    ],
)
def test_a_planted_fault_raises_its_own_status_and_no_other(
    tracker, clock, verdict_of, planted, expected
):
    plain = {"miou": 0.65, "clean_miou": 0.7, "judgments": PROMPTS}
    planted = {**plain, **({"clean_miou": None} if "miou" in planted else {}), **planted}
    feed(tracker, clock, [verdict_of(i, **plain) for i in range(30)])
    assert raised(tracker) == {}
    feed(tracker, clock, [verdict_of(i, **planted) for i in range(30, 60)])
    assert raised(tracker) == expected


def test_flips_over_time_without_a_cause(tracker, clock, verdict_of):
    # The judgment alternates, clean and degraded alike; the reference follows half of the time.
    said = ["safe", "unsafe"] * 20
    feed(
        tracker,
        clock,
        [verdict_of(i, said=s, clean_said=s) for i, s in enumerate(said)],
    )
    assert raised(tracker)["judgment consistency"] == "TEMPORAL_FLIP"
    assert status(tracker, "judgment consistency").values["temporal_flip_rate"] == 1.0
    tracker.reset()
    feed(
        tracker,
        clock,
        [verdict_of(100 + i, said=s, clean_said=s, safety=s) for i, s in enumerate(said)],
    )
    assert raised(tracker) == {}
    assert status(tracker, "judgment consistency").values["temporal_flip_rate"] == 1.0


def test_no_flip_is_seen_between_conditions_nor_against_itself(tracker, clock, verdict_of):
    conditions = [("clean", 0.0, "safe"), ("fog", 2.0, "unsafe")] * 15
    feed(
        tracker,
        clock,
        [
            verdict_of(i, condition=c, severity=v, said=s, clean_said=s, safety=s)
            for i, (c, v, s) in enumerate(conditions)
        ],
    )
    values = status(tracker, "judgment consistency").values
    assert values["judgment_flip_rate_frames"] == 15  # the clean frames have no pair
    assert values["unexplained_flip_rate_frames"] == 0
    assert raised(tracker) == {}


def test_what_the_corruption_hides_is_no_omission(tracker, clock, verdict_of):
    hidden = {"visible": ("road", "car"), "claims": ("car",)}
    feed(tracker, clock, [verdict_of(i, **hidden) for i in range(30)])
    assert raised(tracker) == {}
    values = status(tracker, "critical omission").values
    assert values["critical_omission_rate"] == 1.0  # as the paper counts
    assert values["conditional_omission_rate"] == 0.0


def test_few_frames_raise_nothing_however_bad(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i, claims=("bus",)) for i in range(9)])
    assert raised(tracker) == {}
    assert status(tracker, "hallucination").message == "not enough data: 9 of 10 frames"
    feed(tracker, clock, [verdict_of(9, claims=("bus",))])
    assert set(raised(tracker)) == {"hallucination", "critical omission"}


def test_a_few_unlucky_frames_raise_nothing(tracker, clock, verdict_of):
    # 3 of 10 is above the warning threshold of 0.2; its lower bound, 0.11, is not.
    claims = [("car", "person", "bus")] * 3 + [("car", "person")] * 7
    feed(tracker, clock, [verdict_of(i, claims=c) for i, c in enumerate(claims)])
    assert raised(tracker) == {}


def test_values_are_bare_numbers_and_the_message_tells_them(tracker, clock, verdict_of):
    claims = [("car", "person", "bus"), ("car", "person")] * 20
    feed(tracker, clock, [verdict_of(i, claims=c) for i, c in enumerate(claims)], age_s=0.1)
    found = status(tracker, "hallucination")
    assert found.level is Level.WARN
    assert found.values["chair_s"] == 0.5
    assert found.values["chair_i"] == pytest.approx(20 / 100)
    assert found.values["hallucination_rate"] == pytest.approx(1 / 6)
    assert found.values["chair_s_frames"] == 40
    assert found.message == "20 of 40 frames with a class that is not there (35% to 65%)"
    for s in tracker.statuses():
        assert all(isinstance(v, float) for v in s.values.values())
    assert math.isnan(status(tracker, "segmentation").values["mean_iou"])


@pytest.mark.parametrize(
    ("level", "low", "expected"),
    [
        (Level.OK, 0.19, Level.OK),
        (Level.OK, 0.2, Level.WARN),
        (Level.OK, 0.5, Level.ERROR),
        (Level.WARN, 0.1, Level.WARN),
        (Level.WARN, 0.09, Level.OK),
        (Level.WARN, 0.3, Level.WARN),
        (Level.ERROR, 0.25, Level.ERROR),
        (Level.ERROR, 0.24, Level.WARN),
        (Level.ERROR, 0.09, Level.OK),
    ],
)
def test_levels_have_hysteresis(level, low, expected):
    assert next_level(level, low, warn=0.2, error=0.5, hysteresis=0.5) is expected


def test_a_rate_at_the_threshold_does_not_flutter(clock, verdict_of):
    tracker = HealthTracker("front", HealthThresholds(window_frames=20), clock=clock)
    levels = []
    for i in range(200):
        # 8 of 20 and 9 of 20 by turns: lower bounds 0.22 and 0.26 around a threshold of 0.24
        bad = i % 20 < 8 or i % 40 == 39
        feed(tracker, clock, [verdict_of(i, claims=("car", "person", *(["bus"] if bad else [])))])
        levels.append(status(tracker, "hallucination").level)
    assert sum(a is not b for a, b in pairwise(levels)) == 1


def test_a_level_is_left_when_the_fault_is_gone(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i, claims=("car",)) for i in range(50)])
    assert status(tracker, "critical omission").level is Level.ERROR
    feed(tracker, clock, [verdict_of(i) for i in range(50, 150)])
    assert raised(tracker) == {}


def test_frames_older_than_the_window_do_not_count(clock, verdict_of):
    tracker = HealthTracker("front", HealthThresholds(window_s=2.0), clock=clock)
    feed(tracker, clock, [verdict_of(i, claims=("car",)) for i in range(40)])
    assert status(tracker, "critical omission").values["conditional_omission_rate_frames"] == 21


def test_a_backwards_jump_forgets_the_drive_before(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i, claims=("car",)) for i in range(100, 140)])
    assert "critical omission" in raised(tracker)
    feed(tracker, clock, [verdict_of(0, said="unsafe", clean_said="unsafe", safety="unsafe")])
    assert raised(tracker) == {}
    values = status(tracker, "judgment consistency").values
    assert values["unexplained_flip_rate_frames"] == 0  # none against the frame before the jump
    assert status(tracker, "pipeline").values["judged"] == 41


def test_faults_in_the_pipeline(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i) for i in range(10)])
    for _ in range(300):
        tracker.count_drop("superseded")  # a camera faster than the model is no fault
    assert raised(tracker) == {}
    tracker.count_drop("inference_error", 8)
    assert raised(tracker) == {"pipeline": "FRAMES_LOST"}
    values = status(tracker, "pipeline").values
    assert values["dropped_superseded"] == 300
    assert values["dropped_inference_error"] == 8
    assert values["fault_rate"] == pytest.approx(8 / 18)
    assert set(DROP_REASONS) == {
        k.removeprefix("dropped_") for k in values if k.startswith("dropped_")
    }


def test_late_verdicts(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i) for i in range(30)], age_s=11.0)
    assert raised(tracker) == {"pipeline": "LATE"}
    assert status(tracker, "pipeline").message.startswith("30 of 30 verdicts late")


def test_silence_is_an_error_that_says_where_frames_stop(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i) for i in range(20)])
    clock.now += 4.9
    assert raised(tracker) == {}
    clock.now += 0.2
    assert status(tracker, "pipeline").level is Level.WARN
    clock.now += 10
    assert raised(tracker) == {"pipeline": "NO_INPUT"}
    assert status(tracker, "pipeline").level is Level.ERROR
    assert status(tracker, "pipeline").message == "no frame has arrived for 15 s"
    assert status(tracker, "hallucination").message.endswith("; no frame judged for 15 s")
    tracker.count_drop("superseded")
    assert raised(tracker) == {"pipeline": "STALLED"}
    feed(tracker, clock, [verdict_of(20)])
    assert raised(tracker) == {}


def test_silence_from_the_start_is_reported_too(tracker, clock):
    clock.now += 16
    assert raised(tracker) == {"pipeline": "NO_INPUT"}


def test_disabled_is_stale_and_no_fault(tracker, clock, verdict_of):
    feed(tracker, clock, [verdict_of(i, claims=("car",)) for i in range(30)])
    tracker.set_enabled(False)
    clock.now += 60
    assert {(s.level, s.fault_code) for s in tracker.statuses()} == {(Level.STALE, "DISABLED")}
    tracker.set_enabled(True)
    assert raised(tracker) == {}


def test_new_thresholds_act_at_once_on_the_same_window(tracker, clock, verdict_of):
    claims = [("car", "person", "bus") if i % 5 == 0 else ("car", "person") for i in range(50)]
    feed(tracker, clock, [verdict_of(i, claims=c) for i, c in enumerate(claims)])
    assert raised(tracker) == {}
    tracker.set_thresholds(HealthThresholds(hallucination_warn=0.1))
    assert raised(tracker) == {"hallucination": "HALLUCINATION"}
    tracker.set_thresholds(HealthThresholds(window_frames=20))
    assert status(tracker, "hallucination").fault_code == "NO_DATA"


def test_a_change_below_all_thresholds_is_counted(tracker, clock, verdict_of):
    def frames(start, stop, every):
        for i in range(start, stop):
            bad = i % every == 0
            yield verdict_of(i, claims=("car", "person", *(["bus"] if bad else [])))

    feed(tracker, clock, frames(1, 300, 60))
    assert status(tracker, "hallucination").values["rises"] == 0
    feed(tracker, clock, frames(300, 420, 6))
    found = status(tracker, "hallucination")
    assert (found.level, found.values["rises"], found.values["falls"]) == (Level.OK, 1.0, 0.0)
    assert status(tracker, "critical omission").values["rises"] == 0


def test_memory_does_not_grow(verdict_of):
    import tracemalloc

    clock = Clock()
    tracker = HealthTracker("front", clock=clock)
    verdicts = [verdict_of(i, miou=0.6, clean_miou=0.7, judgments=PROMPTS) for i in range(2000)]
    feed(tracker, clock, verdicts[:300])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    feed(tracker, clock, verdicts[300:])
    tracker.statuses()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000  # one window of new entries, not 1,700 frames


def test_an_unknown_drop_reason_is_refused(tracker):
    with pytest.raises(ConfigError, match="did you mean 'superseded'"):
        tracker.count_drop("supersede")
