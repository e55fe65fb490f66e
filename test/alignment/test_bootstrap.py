from __future__ import annotations

import math

import numpy as np
import pytest

from semalign_ros.alignment.bootstrap import bootstrap, mean_with_interval
from semalign_ros.alignment.statistics import clustered_standard_error
from semalign_ros.errors import ConfigError


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        clusters = np.repeat(np.arange(40), 4)
        values = rng.normal(size=40)[clusters] + 0.3 * rng.normal(size=160)
        found = mean_with_interval(values, clusters.tolist(), resamples=200, seed=trial)
        covered += found.low <= 0 <= found.high
    assert 86 <= covered <= 100  # binomial 95 % of 100, with room for percentile intervals


def test_rows_of_one_image_are_no_new_evidence():
    rng = np.random.default_rng(2)
    frames = rng.normal(size=30)
    once = mean_with_interval(frames, range(30))
    ninefold = mean_with_interval(np.repeat(frames, 9), np.repeat(np.arange(30), 9).tolist())
    assert ninefold.value == pytest.approx(once.value)
    assert (ninefold.low, ninefold.high) == pytest.approx((once.low, once.high))


def test_spread_matches_the_clustered_standard_error():
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 60, 400).tolist()
    values = rng.normal(size=60)[clusters] + rng.normal(size=400)
    found = mean_with_interval(values, clusters, resamples=2000)
    expected = 2 * 1.96 * clustered_standard_error(values, clusters)
    assert found.high - found.low == pytest.approx(expected, rel=0.1)


def test_a_seed_repeats_and_labels_may_be_anything():
    values = [0.13, 1.7, 0.9, 0.41, 1.1]
    labels = ["a", ("b", 1), 3, "a", None]
    first, again = (mean_with_interval(values, labels, seed=4) for _ in range(2))
    assert first == again
    assert first != mean_with_interval(values, labels, seed=5)


def test_every_resample_is_whole_clusters():
    clusters = [2, 0, 1, 0, 1, 1]
    seen = []

    def statistic(rows):
        seen.append(np.bincount(np.asarray(rows), minlength=6).tolist())
        return (0.0,)

    bootstrap(statistic, clusters, resamples=50)
    assert seen[0] == [1] * 6
    for count in seen[1:]:
        assert count[1] == count[3]
        assert count[2] == count[4] == count[5]
        assert count[0] + count[1] + count[2] == 3
    assert len({tuple(c) for c in seen}) > 5


def test_few_clusters_give_no_interval():
    found = mean_with_interval([1.0, 0.0, 1.0, 0.0], [0, 0, 1, 1])
    assert found.value == 0.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_resamples_without_a_value_do_not_count():
    found = bootstrap(lambda rows: (math.nan, float(len(rows))), range(4), resamples=10)
    assert math.isnan(found[0].low)
    assert found[1].low == 4.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mean_with_interval([], []), "found 0 rows"),
        (lambda: mean_with_interval([1.0], [1], resamples=0), "0 resamples"),
        (lambda: mean_with_interval([1.0], [1], confidence=1.0), "confidence: found 1.0"),
        (lambda: mean_with_interval([1.0, 2.0], [1]), "values 2, clusters 1"),
        (lambda: mean_with_interval([math.nan], [1]), "not finite"),
        (lambda: mean_with_interval([[1.0]], [1]), r"found shape \[1, 1\]"),
    ],
)
def test_bad_input_is_refused(call, text):
    with pytest.raises(ConfigError, match=text):
        call()
