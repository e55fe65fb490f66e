from __future__ import annotations

import math

import numpy as np
import pytest

from semalign_ros.alignment.metrics import (
    mean_corruption_error,
    mean_performance_under_corruption,
    relative_mean_corruption_error,
    relative_performance_under_corruption,
)
from semalign_ros.errors import ConfigError

F = [[0.2, 0.4, 0.6], [0.1, 0.1, 0.1]]
B = [[0.4, 0.6, 0.8], [0.3, 0.3, 0.3]]


def test_worked_values():
    assert mean_corruption_error(F, B) == pytest.approx(0.5)
    assert relative_mean_corruption_error(F, 0.1, B, 0.2) == pytest.approx(0.375)


def test_arrays_and_names_will_do():
    assert mean_corruption_error(np.asarray(F), np.asarray(B)) == pytest.approx(0.5)
    named = mean_corruption_error({"fog": F[0], "rain": F[1]}, {"rain": B[1], "fog": B[0]})
    assert named == pytest.approx(0.5)


def test_the_baseline_itself_is_1():
    assert mean_corruption_error(B, B) == 1.0
    assert relative_mean_corruption_error(B, 0.2, B, 0.2) == 1.0


def test_mpc_weighs_corruptions_alike_whatever_their_severities():
    performance = {"fog": [0.6, 0.4], "rain": [0.8]}
    assert mean_performance_under_corruption(performance) == pytest.approx(0.65)
    assert relative_performance_under_corruption(performance, 0.8) == pytest.approx(0.8125)


def test_undefined_is_nan():
    assert math.isnan(mean_corruption_error([[0.1]], [[0.0]]))
    assert math.isnan(relative_mean_corruption_error([[0.3]], 0.1, [[0.2]], 0.2))
    assert math.isnan(mean_corruption_error([], []))
    assert math.isnan(relative_performance_under_corruption([[0.5]], 0.0))


@pytest.mark.parametrize(
    ("errors", "baseline", "text"),
    [
        ({"fog": [0.1]}, {"rain": [0.1]}, "in one of errors and baseline only: fog, rain"),
        ({"fog": [0.1]}, [[0.1]], "found names in one only"),
        ([[0.1, 0.2]], [[0.1]], "errors 2, baseline 1"),
        ([[0.1]], [[0.1], [0.2]], "errors 1, baseline 2"),
    ],
)
def test_tables_that_do_not_match_are_refused(errors, baseline, text):
    with pytest.raises(ConfigError, match=text):
        mean_corruption_error(errors, baseline)


def test_severities_may_have_names_too():
    errors, baseline = {"fog": {1: 0.2, 3: 0.4}}, {"fog": {3: 0.8, 1: 0.4}}
    assert mean_corruption_error(errors, baseline) == pytest.approx(0.5)
    assert mean_performance_under_corruption(errors) == pytest.approx(0.3)
    with pytest.raises(ConfigError, match="severities in one of errors and baseline only: 2, 3"):
        mean_corruption_error(errors, {"fog": {1: 0.4, 2: 0.8}})
