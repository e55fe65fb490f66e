from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from semalign_ros.alignment.consistency import PromptPairs, prompt_pairs
from semalign_ros.alignment.metrics import (
    agreement_table,
    cohen_kappa,
    flip_rate,
    flip_rate_to_first,
    paired_flip_rate,
    paraphrase_agreement,
    polarity_contradiction,
    temporal_flips,
)
from semalign_ros.errors import ConfigError
from semalign_ros.types import Judgment

POLARITIES = {"proceed": True, "clear": True, "stop": False}


def test_worked_values():
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)
    assert flip_rate([0, 1, 1, 1, 0]) == 0.5
    assert flip_rate_to_first([0, 1, 1, 1, 0]) == 0.75


def test_flips_of_judgments():
    series = ["safe", "unsafe", Judgment.UNSAFE, "unsafe", Judgment.SAFE]
    assert flip_rate(series) == 0.5
    assert flip_rate_to_first(series) == 0.75
    assert flip_rate(np.array([True, False])) == 1.0


def test_an_unparsed_answer_hides_no_flip():
    assert flip_rate(["safe", None, "unsafe"]) == 1.0
    assert flip_rate([None, "safe", None, "safe"]) == 0.0
    assert flip_rate_to_first([None, "safe", "unsafe"]) == 1.0


@pytest.mark.parametrize("series", [[], ["safe"], [None, "safe", None]])
def test_too_few_judgments_are_nan(series):
    assert math.isnan(flip_rate(series))
    assert math.isnan(flip_rate_to_first(series))


@pytest.mark.parametrize("bad", [[2, 0], ["yes", "no"], "safe"])
def test_what_is_no_judgment_is_refused(bad):
    with pytest.raises(ConfigError, match="found"):
        flip_rate(bad)


judgments = st.sampled_from(["safe", "unsafe"])


@given(st.lists(st.tuples(judgments, judgments), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_kappa_of_the_table_equals_scikit_learn(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    table = agreement_table(first, second)
    if len({*first, *second}) == 2:
        assert cohen_kappa(table) == pytest.approx(cohen_kappa_score(first, second))
    else:
        assert math.isnan(cohen_kappa(table))
    differ = np.mean([a != b for a, b in pairs])
    assert paired_flip_rate(first, second) == pytest.approx(differ)


def test_the_table_leaves_out_what_was_not_parsed():
    table = agreement_table(["safe", "safe", None, "unsafe"], ["safe", "unsafe", "safe", None])
    assert table.tolist() == [[1, 1], [0, 0]]
    assert paired_flip_rate(["safe", None], ["unsafe", "safe"]) == 1.0
    assert math.isnan(paired_flip_rate([None], ["safe"]))


@pytest.mark.parametrize("table", [[[1, 2, 3], [4, 5, 6]], [[1, -1], [0, 2]], [1, 2]])
def test_what_is_no_table_of_counts_is_refused(table):
    with pytest.raises(ConfigError, match="square table of counts"):
        cohen_kappa(table)
    assert math.isnan(cohen_kappa([[0, 0], [0, 0]]))


def test_yes_to_everything_contradicts_every_reversal():
    # "yes" to all three: safe, safe, and "should the vehicle stop?" -> unsafe
    said = {"proceed": "safe", "clear": "safe", "stop": "unsafe"}
    assert prompt_pairs(said, POLARITIES) == PromptPairs(1, 1, 2, 2)
    assert paraphrase_agreement([said], POLARITIES) == 1.0
    assert polarity_contradiction([said], POLARITIES) == 1.0
    assert prompt_pairs(said, POLARITIES).disagreeing == 2


def test_prompts_are_pooled_over_frames_and_unparsed_ones_left_out():
    frames = [
        {"proceed": "safe", "clear": "unsafe", "stop": None},
        {"proceed": "unsafe", "clear": "unsafe", "stop": "unsafe"},
        {"proceed": None, "clear": "safe", "stop": "unsafe"},
    ]
    assert paraphrase_agreement(frames, POLARITIES) == 0.5
    assert polarity_contradiction(frames, POLARITIES) == pytest.approx(1 / 3)


def test_one_prompt_has_nothing_to_agree_with():
    assert math.isnan(paraphrase_agreement([{"proceed": "safe"}], POLARITIES))
    assert math.isnan(polarity_contradiction([], POLARITIES))


def test_a_prompt_without_polarity_is_refused():
    with pytest.raises(ConfigError, match=r"unknown safety prompt 'procede'.*'proceed'"):
        prompt_pairs({"procede": "safe"}, POLARITIES)


def test_flips_that_follow_the_reference_are_explained():
    flips = temporal_flips(
        ["safe", "unsafe", None, "safe", "unsafe", "unsafe"],
        ["safe", "unsafe", "unsafe", "unsafe", "safe", "safe"],
    )
    # safe->unsafe with the reference; ->safe with none; ->unsafe while the reference went to safe
    assert flips.pairs == 4
    assert flips.rate == 0.75
    assert flips.explained == 0.25
    assert flips.unexplained == 0.5


def test_temporal_flips_without_pairs_are_nan():
    flips = temporal_flips([None, "safe"], ["safe", "safe"])
    assert flips.pairs == 0
    assert math.isnan(flips.rate)
    with pytest.raises(ConfigError, match="judgments 1, reference 2"):
        temporal_flips(["safe"], ["safe", "safe"])
