from __future__ import annotations

import math

import numpy as np
import pytest

from semalign_ros.alignment.disconnect import DropTable, disconnect, drop_table
from semalign_ros.errors import ConfigError


def test_drops_of_verdicts(verdict_of):
    table = drop_table(
        [
            verdict_of(0, condition="clean", severity=0, miou=0.7, clean_miou=0.7),
            verdict_of(0, clean_miou=0.7, miou=0.5, claims={"car", "bus"}, said="unsafe"),
            verdict_of(1, clean_miou=0.7, miou=0.7, clean_claims=("bus",), clean_said=None),
        ]
    )
    assert table.frames == [0, 1]
    assert table.conditions == ["fog@2", "fog@2"]
    assert table.quality == pytest.approx([0.2, 0.0])
    assert table.language["hallucination"] == pytest.approx([0.5, -1.0])
    assert table.language["omission"] == pytest.approx([0.5, -1.0])
    assert table.language["misinterpretation"] == pytest.approx([1.0, -1.0])


def linked(seed=0, frames=60, conditions=3):
    """Language that fails with the pixels within each condition."""
    rng = np.random.default_rng(seed)
    index = np.tile(np.arange(frames), conditions)
    quality = rng.normal(size=frames * conditions)
    return DropTable(
        index.tolist(),
        np.repeat([f"fog@{s}" for s in range(conditions)], frames).tolist(),
        quality,
        {"omission": 0.8 * quality + 0.5 * rng.normal(size=frames * conditions)},
    )


def test_a_link_is_found_over_all_rows_and_in_each_condition():
    found = disconnect(linked(), resamples=100)
    assert [f.condition for f in found] == ["all", "fog@0", "fog@1", "fog@2"]
    assert (found[0].correlation.rows, found[0].correlation.clusters) == (180, 60)
    assert all(f.correlation.pearson.low > 0.5 for f in found)


def test_condition_averages_alone_do_not_make_a_link_within_conditions():
    """Strong and weak corruptions alone correlate; frames of one condition do not."""
    rng = np.random.default_rng(1)
    strength = np.repeat([0.0, 1.0, 2.0], 60)
    table = DropTable(
        np.tile(np.arange(60), 3).tolist(),
        np.repeat(["fog@1", "fog@2", "fog@3"], 60).tolist(),
        strength + 0.3 * rng.normal(size=180),
        {"omission": strength + 0.3 * rng.normal(size=180)},
    )
    pooled, *single = disconnect(table, resamples=100)
    assert pooled.correlation.pearson.low > 0.8
    assert all(f.correlation.pearson.low < 0 < f.correlation.pearson.high for f in single)


def test_rows_without_a_value_are_left_out():
    table = linked(conditions=1)
    table.quality[0] = math.nan
    table.language["omission"][1:3] = math.nan
    assert {f.correlation.rows for f in disconnect(table, resamples=5)} == {57}
    table.quality[:] = math.nan
    assert disconnect(table, resamples=5) == ()


def test_an_empty_table_has_no_link():
    assert disconnect(drop_table([])) == ()


def test_rows_must_be_frames():
    with pytest.raises(ConfigError, match="3 rows for 2 pairs of frame and condition"):
        DropTable([0, 0, 1], ["fog", "fog", "fog"], np.zeros(3), {})
    with pytest.raises(ConfigError, match="frames 1, conditions 2"):
        DropTable([0], ["a", "b"], np.zeros(1), {})
