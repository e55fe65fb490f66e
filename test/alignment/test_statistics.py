from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from semalign_ros.alignment.statistics import (
    clustered_standard_error,
    holm,
    mcnemar_exact,
    wilson_interval,
)
from semalign_ros.errors import ConfigError


def test_worked_values():
    assert wilson_interval(46, 50) == pytest.approx((0.8116, 0.9685), abs=5e-5)
    assert wilson_interval(50, 50) == pytest.approx((0.9287, 1.0), abs=5e-5)
    assert mcnemar_exact(4, 12) == pytest.approx(0.076813, abs=5e-7)
    values, clusters = [1, 1, 0, 0], ["a", "a", "b", "b"]
    assert clustered_standard_error(values, clusters) == pytest.approx(0.381881, abs=5e-7)
    assert clustered_standard_error(values, range(4)) == pytest.approx(0.288675, abs=5e-7)


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 0.999))
@settings(max_examples=50, deadline=None)
def test_wilson_equals_statsmodels(n, part, confidence):
    k = round(part * n)
    expected = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    low, high = wilson_interval(k, n, confidence)
    assert (low, high) == pytest.approx(expected, abs=1e-9)
    assert 0 <= low <= k / n <= high <= 1


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_mcnemar_equals_statsmodels(b, c):
    expected = mcnemar([[7, b], [c, 9]], exact=True).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected)


def test_mcnemar_is_exact_where_probabilities_underflow():
    assert mcnemar_exact(2400, 2600) == pytest.approx(stats.binomtest(2400, 5000).pvalue)
    assert 0 < mcnemar_exact(0, 1000) < 1e-300


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=4, max_size=30))
@settings(max_examples=30, deadline=None)
def test_clustered_error_is_naive_variance_plus_covariance(rows):
    values, clusters = np.array([v for v, _ in rows]), np.array([c for _, c in rows])
    n = len(values)
    naive = values.var(ddof=1) / n
    residual = values - values.mean()
    between = sum(
        residual[i] * residual[j]
        for i in range(n)
        for j in range(n)
        if i != j and clusters[i] == clusters[j]
    )
    expected = math.sqrt(max(naive + between / n**2, 0.0))
    assert clustered_standard_error(values, clusters.tolist()) == pytest.approx(expected, abs=1e-7)


def test_clustered_error_nears_that_of_a_clustered_regression():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(200), 5)
    values = rng.normal(size=200)[clusters] + rng.normal(size=1000)
    fit = sm.OLS(values, np.ones(1000)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    ours = clustered_standard_error(values, clusters.tolist())
    assert ours == pytest.approx(fit.bse[0], rel=0.001)
    assert ours > 1.5 * clustered_standard_error(values, range(1000))


@pytest.mark.parametrize(
    "p_values", [[0.01, 0.04, 0.03, 0.005], [0.2], [0.5, 0.5, 0.9, 1.0, 0.0], [0.02, 0.02, 0.01]]
)
def test_holm_equals_statsmodels(p_values):
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_holm_passes_over_cells_without_a_test():
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(adjusted[1])


def test_nothing_counted_is_nan():
    assert all(map(math.isnan, wilson_interval(0, 0)))
    assert mcnemar_exact(0, 0) == 1.0
    assert math.isnan(clustered_standard_error([], []))
    assert math.isnan(clustered_standard_error([1.0], ["a"]))
    assert holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: wilson_interval(5, 4), "found 5 of 4"),
        (lambda: wilson_interval(-1, 4), "found -1 of 4"),
        (lambda: wilson_interval(1, 4, 95), "confidence: found 95"),
        (lambda: mcnemar_exact(-1, 4), "found -1 and 4"),
        (lambda: mcnemar_exact(1.5, 4), "found 1.5 and 4"),
        (lambda: clustered_standard_error([1, 2], ["a"]), "values 2, clusters 1"),
        (lambda: clustered_standard_error([1, math.nan], "ab"), "not finite"),
        (lambda: holm([1.2]), "outside 0..1"),
    ],
)
def test_bad_input_is_refused(call, text):
    with pytest.raises(ConfigError, match=text):
        call()


def test_no_cor_cell_of_the_paper_differs_from_clean_and_smr_only_improves(paper):
    """What docs/metrics.md says of Tables 3 to 6, taking N = 50 and Fisher's exact test."""

    def p_value(row, condition):
        a, b = round(50 * row["C"]), round(50 * row[condition])
        return stats.fisher_exact([[a, 50 - a], [b, 50 - b]]).pvalue

    for name in ("CLIP", "SigLIP", "Qwen2-VL"):
        assert all(p_value(paper[f"{name} COR"], c) > 0.05 for c in paper[f"{name} COR"])
    changed = {
        (name, c): paper[f"{name} SMR"][c] - paper[f"{name} SMR"]["C"]
        for name in ("CLIP", "SigLIP", "Qwen2-VL")
        for c in paper["CLIP SMR"]
        if p_value(paper[f"{name} SMR"], c) < 0.05
    }
    assert set(changed) == {("CLIP", "M2"), ("CLIP", "M3"), ("CLIP", "O3")}
    assert max(changed.values()) < 0


def test_mcnemar_takes_numpy_counts_and_refuses_what_is_no_count():
    assert mcnemar_exact(np.uint8(200), np.uint8(100)) == mcnemar_exact(200, 100)
    for count in (math.nan, math.inf, 1.5, -1):
        with pytest.raises(ConfigError, match="expected counts of pairs"):
            mcnemar_exact(count, 2)
