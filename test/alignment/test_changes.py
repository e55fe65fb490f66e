from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.alignment.changes import ChangeDetector
from semalign_ros.errors import ConfigError


def stream(seed, *parts):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(n) < rate for rate, n in parts]).tolist()


def changes(events, **options):
    detector = ChangeDetector(**options)
    return [c for e in events if (c := detector.update(e)) is not None]


@pytest.mark.parametrize(("before", "after"), [(0.1, 0.5), (0.5, 0.1), (0.02, 0.3)])
def test_a_change_is_found_soon_with_its_onset(before, after):
    delays, onsets = [], []
    for seed in range(20):
        found = [c for c in changes(stream(seed, (before, 300), (after, 200))) if c.index >= 300]
        assert found
        assert found[0].rising is (after > before)
        delays.append(found[0].index - 300)
        onsets.append(found[0].onset - 300)
    assert np.median(delays) < 30
    assert abs(np.median(onsets)) < 10


def test_the_rates_before_and_after_are_reported():
    (change,) = changes([False] * 60 + [True] * 10)
    assert change.rising
    assert (change.onset, change.before, change.after) == (60, 0.0, 1.0)
    assert change.index < 70


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 0.5])
def test_a_constant_rate_is_seldom_reported(rate):
    reports = [len(changes(stream(seed, (rate, 1000)))) for seed in range(20)]
    assert np.mean([r > 0 for r in reports]) <= 0.3


def test_events_without_chance_are_never_reported():
    assert changes([True] * 500) == []
    assert changes([False] * 500) == []


def test_after_a_change_the_new_rate_is_the_norm():
    found = changes([False] * 100 + [True] * 300 + [False] * 100)
    assert [c.rising for c in found] == [True, False]
    assert [c.onset for c in found] == [100, 400]


def test_nothing_is_reported_before_the_rate_is_learnt():
    assert changes([False] * 20 + [True] * 20, warmup=50) == []
    assert changes([False] * 20 + [True] * 20, warmup=20) != []


@pytest.mark.parametrize("options", [{"odds_ratio": 1.0}, {"threshold": 0.0}, {"warmup": 0}])
def test_bad_parameters_are_refused(options):
    with pytest.raises(ConfigError, match="change detector"):
        ChangeDetector(**options)
