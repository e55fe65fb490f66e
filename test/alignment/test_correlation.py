from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from semalign_ros.alignment import correlation
from semalign_ros.alignment.bootstrap import bootstrap
from semalign_ros.alignment.correlation import correlate
from semalign_ros.errors import ConfigError


def test_worked_values_of_the_paper(paper):
    quality = list(paper["mIoU DeepLabV3+"].values())
    found = correlate(quality, list(paper["SigLIP COR"].values()), resamples=10)
    assert found.pearson.value == pytest.approx(0.665544, abs=5e-7)
    assert found.spearman.value == pytest.approx(0.801954, abs=5e-7)
    assert found.kendall.value == pytest.approx(0.691260, abs=5e-7)
    assert (found.rows, found.clusters) == (10, 10)


@pytest.mark.parametrize(("model", "r"), [("CLIP", 0.06), ("SigLIP", 0.67), ("Qwen2-VL", -0.11)])
def test_the_paper_shows_no_negative_correlation_of_cor_with_miou(paper, model, r):
    quality = list(paper["mIoU DeepLabV3+"].values())
    found = correlate(quality, list(paper[f"{model} COR"].values()), resamples=1)
    assert found.pearson.value == pytest.approx(r, abs=0.005)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=40).filter(
        lambda rows: all(len(set(column)) > 1 for column in zip(*rows, strict=True))
    )
)
@settings(max_examples=40, deadline=None)
def test_coefficients_equal_scipy_with_ties(rows):
    x, y = np.array(rows, float).T
    found = correlate(x, y, resamples=1)
    values = [found.pearson.value, found.spearman.value, found.kendall.value]
    assert values == pytest.approx(by_scipy(x, y))


@pytest.mark.parametrize("largest", [0, 400_000])
def test_every_resample_is_correlated_as_by_scipy(monkeypatch, largest):
    """Values that a resample leaves out, and ties that it makes, shift the ranks."""
    monkeypatch.setattr(correlation, "_LARGEST_TABLE", largest)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=60), rng.integers(-1, 2, size=60).astype(float)
    found = correlate(x, y, resamples=50, seed=3)
    rows = list(range(60))
    expected = bootstrap(lambda drawn: by_scipy(x[drawn], y[drawn]), rows, resamples=50, seed=3)
    for ours, theirs in zip((found.pearson, found.spearman, found.kendall), expected, strict=True):
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def by_scipy(x, y):
    return [f(x, y).statistic for f in (stats.pearsonr, stats.spearmanr, stats.kendalltau)]


def test_the_interval_of_many_conditions_is_that_of_the_images():
    rng = np.random.default_rng(0)
    frames = np.repeat(np.arange(40), 9)
    x = rng.normal(size=40)[frames]
    y = 0.6 * x + rng.normal(size=40)[frames]
    clustered = correlate(x, y, frames.tolist(), resamples=200).pearson
    naive = correlate(x, y, resamples=200).pearson
    assert clustered.value == pytest.approx(naive.value)
    # Nine rows of one image taken for nine images make the interval three times too narrow.
    assert clustered.high - clustered.low > 2.5 * (naive.high - naive.low)
    assert clustered.low < clustered.value < clustered.high


def test_a_constant_side_has_no_correlation():
    found = correlate([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], resamples=5)
    assert math.isnan(found.pearson.value)
    assert math.isnan(found.kendall.low)


@pytest.mark.parametrize(
    ("x", "y", "clusters", "text"),
    [
        ([1.0, 2.0], [1.0], None, "x 2, y 1"),
        ([1.0, 2.0], [1.0, math.nan], None, "y: .*not finite"),
        ([1.0, 2.0], [1.0, 2.0], [1], "clusters 1"),
        ([], [], None, "found 0 rows"),
    ],
)
def test_bad_input_is_refused(x, y, clusters, text):
    with pytest.raises(ConfigError, match=text):
        correlate(x, y, clusters)
