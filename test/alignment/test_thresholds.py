from __future__ import annotations

from dataclasses import fields

import pytest

from semalign_ros.alignment.thresholds import HealthThresholds, threshold_parameters
from semalign_ros.errors import ConfigError


def test_every_threshold_is_declared_with_its_range():
    parameters = threshold_parameters()
    assert [p.name for p in parameters] == [f.name for f in fields(HealthThresholds)]
    defaults = HealthThresholds()
    for p in parameters:
        assert p.low <= p.default <= p.high
        assert p.default == getattr(defaults, p.name)
        assert len(p.description) > 8
    whole = {p.name for p in parameters if isinstance(p.default, int)}
    assert whole == {"window_frames", "min_samples"}


@pytest.mark.parametrize("end", ["low", "high"])
def test_each_end_of_a_range_is_allowed_and_beyond_is_not(end):
    for p in threshold_parameters():
        partner = (
            p.name.replace("_warn", "_error")
            if end == "high"
            else p.name.replace("_error", "_warn")
        )
        value = getattr(p, end)
        values = {p.name: value, partner: value}
        if p.name == "window_frames":
            values["min_samples"] = min(10, value)  # no more than fit
        if p.name == "min_samples":
            values["window_frames"] = 100_000
        HealthThresholds(**values)
        beyond = value + 1 if end == "high" else value - 1
        with pytest.raises(ConfigError, match=f"{p.name}: found"):
            HealthThresholds(**{p.name: beyond})


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"window_frames": 10.5}, "window_frames: found 10.5, expected a whole number"),
        ({"hysteresis": "half"}, "hysteresis: found 'half', expected a number in 0..1"),
        ({"hysteresis": True}, "hysteresis: found True"),
        ({"flip_warn": float("nan")}, "flip_warn: found nan"),
        ({"flip_warn": 0.5, "flip_error": 0.2}, "flip_warn 0.5 is above flip_error 0.2"),
        ({"stale_warn_s": 60.0}, "stale_warn_s 60.0 is above stale_error_s 15.0"),
    ],
)
def test_bad_values_are_refused(values, text):
    with pytest.raises(ConfigError, match=text):
        HealthThresholds(**values)


def test_all_bad_values_are_named_at_once():
    with pytest.raises(ConfigError, match=r"window_s.*confidence"):
        HealthThresholds(window_s=0.0, confidence=2.0)


def test_a_mapping_with_an_unknown_name_is_refused():
    assert HealthThresholds.from_mapping({"flip_warn": 0.2}).flip_warn == 0.2
    with pytest.raises(ConfigError, match="did you mean 'flip_warn'"):
        HealthThresholds.from_mapping({"flip_warm": 0.2})
