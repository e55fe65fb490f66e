from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.corruption.parameters import (
    ClassNames,
    Flag,
    Number,
    check_severity,
    resolve,
)
from semalign_ros.errors import ConfigError

LENGTH = Number("length_px", "px", 1, 100, "Length.", neutral=1, ladder=(5, 10, 20, 40, 80))
SWITCH = Flag("persistent", "Stays.", default=True)
NAMES = ClassNames("classes", "Which.", default=("car", "person"))


@pytest.mark.parametrize(
    ("severity", "value"), [(0, 1), (1, 5), (2.5, 15), (5, 80), (0.5, 3), (4.25, 50)]
)
def test_ladder_is_interpolated(severity: float, value: float) -> None:
    assert LENGTH.at(severity) == pytest.approx(value)


@settings(deadline=None)
@given(st.floats(0, 5), st.floats(0, 5))
def test_ladder_is_monotone(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert LENGTH.at(low) <= LENGTH.at(high)


@pytest.mark.parametrize("value", [15, 15.0, np.float32(15), np.int64(15), "15 px", "15", " 15 px"])
def test_numbers_in_any_guise(value: object) -> None:
    found = LENGTH.check(value)
    assert found == 15
    assert type(found) is float


@pytest.mark.parametrize(
    "value",
    [0.5, 101, -3, math.nan, math.inf, "15 m", "px", "", "15px wide", None, True, [15], [1, 2, 3]],
)
def test_bad_numbers_name_range_and_unit(value: object) -> None:
    with pytest.raises(ConfigError, match=r"length_px = .*expected a number from 1 to 100 px$"):
        LENGTH.check(value)


@pytest.mark.parametrize("value", [1, "true", None, 0.0])
def test_bad_flags(value: object) -> None:
    with pytest.raises(ConfigError, match=r"persistent = .*expected true or false"):
        SWITCH.check(value)


def test_class_names_come_out_in_the_order_of_ids() -> None:
    assert NAMES.check(["car", "person", "car"]) == ("person", "car")


@pytest.mark.parametrize("value", ["car", [], [3], 5])
def test_bad_class_lists(value: object) -> None:
    with pytest.raises(ConfigError, match="expected a non-empty list of class names"):
        NAMES.check(value)


def test_unknown_class_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'person'"):
        NAMES.check(["persn"])


@pytest.mark.parametrize("severity", [-0.1, 5.1, math.nan, "3", None, True])
def test_bad_severities(severity: object) -> None:
    with pytest.raises(ConfigError, match="expected a number from 0 to 5"):
        check_severity(severity)


def test_resolve_fills_in_what_was_not_given() -> None:
    assert resolve("op", (LENGTH, SWITCH, NAMES), 2, {"persistent": False}) == {
        "length_px": 10.0,
        "persistent": False,
        "classes": ("person", "car"),
    }


def test_resolve_lists_every_problem() -> None:
    with pytest.raises(ConfigError) as info:
        resolve("op", (LENGTH, SWITCH), 2, {"lenght_px": 4, "persistent": 3, "length_px": 1000})
    text = str(info.value)
    assert "unknown parameter of op 'lenght_px'; did you mean 'length_px'?" in text
    assert "op: persistent = 3, expected true or false" in text
    assert "op: length_px = 1000, expected a number from 1 to 100 px" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"ladder": (1, 2), "neutral": 1},
        {"ladder": (1, 2, 3, 4, 5)},
        {"ladder": (1, 2, 3, 4, 5), "neutral": 1, "default": 3},
        {"default": 11},
        {"ladder": (1, 2, 3, 4, 50), "neutral": 1},
    ],
)
def test_declarations_that_contradict_themselves(wrong: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Number("n", "px", 0, 10, "Doc.", **wrong)  # type: ignore[arg-type]
