from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.nodes.config import (
    AlignmentNodeConfig,
    CorruptionNodeConfig,
    MonitorConfig,
    PlayerConfig,
    RecorderConfig,
    SegmenterNodeConfig,
    VlmNodeConfig,
)
from semalign_ros.nodes.schema import build, flatten, group, parameter, rows

TABLES = (
    MonitorConfig,
    CorruptionNodeConfig,
    SegmenterNodeConfig,
    VlmNodeConfig,
    AlignmentNodeConfig,
    PlayerConfig,
    RecorderConfig,
)


@dataclass(frozen=True)
class Inner:
    gain: float = parameter(1.0, "Gain.", minimum=0.0, maximum=2.0)


@dataclass(frozen=True)
class Outer:
    mode: str = parameter("a", "Mode.", choices=("a", "b"), read_only=True)
    names: tuple[str, ...] = parameter(("x",), "Names.")
    count: int = parameter(3, "Count.", minimum=1)
    on: bool = parameter(True, "Switch.")
    inner: Inner = group(Inner)


def test_groups_are_joined_with_dots_in_the_order_of_the_class():
    assert [row.name for row in rows(Outer)] == ["mode", "names", "count", "on", "inner.gain"]
    assert [row.kind for row in rows(Outer)] == [
        "string",
        "string array",
        "integer",
        "bool",
        "double",
    ]
    assert rows(Outer)[0].read_only


def test_values_reach_the_typed_configuration_and_come_back():
    values = {"mode": "b", "names": ["y", "z"], "count": 1, "on": False, "inner.gain": 2}
    config = build(Outer, values)
    assert config == Outer("b", ("y", "z"), 1, False, Inner(2.0))
    assert isinstance(config.inner.gain, float)
    assert flatten(config) == {**values, "names": ("y", "z"), "inner.gain": 2.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"mode": "c"}, "mode: unknown value 'c'.*valid: a, b"),
        ({"inner.gain": 2.5}, r"inner.gain: found 2.5, expected 0..2"),
        ({"inner.gain": float("nan")}, "inner.gain: found nan, expected a double"),
        ({"inner.gain": True}, "inner.gain: found True, expected a double"),
        ({"count": 0}, "count: found 0, expected 1.."),
        ({"count": 1.5}, "count: found 1.5, expected a integer"),
        ({"on": 1}, "on: found 1, expected a bool"),
        ({"names": "xyz"}, "names: found 'xyz', expected a string array"),
        ({"names": [1]}, "names: found"),
        ({"count": None}, "count: found None"),
        ({"inner.gian": 1.0}, "unknown parameter 'inner.gian'; did you mean 'inner.gain'"),
    ],
)
def test_bad_values_are_refused_with_the_reason(value, text):
    with pytest.raises(ConfigError, match=text):
        build(Outer, value)


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError, match=r"mode.*count.*inner\.gain"):
        build(Outer, {"mode": "c", "count": 0, "inner.gain": 9.0})


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_valid_defaults_and_descriptions(table):
    assert flatten(build(table, {})) == {row.name: row.default for row in rows(table)}
    for row in rows(table):
        assert row.read(row.default) == row.default
        assert row.description.strip(), row.name
        assert row.default != (), f"{row.name}: ROS cannot tell the type of an empty array"


def test_models_are_fixed_and_severities_and_thresholds_are_not():
    fixed = {row.name: row.read_only for row in rows(MonitorConfig)}
    assert fixed["vlm.bundle"]
    assert fixed["segmenter.device"]
    assert not fixed["corruption.severity"]
    assert not fixed["thresholds.hallucination_warn"]
    assert not fixed["rule.min_fraction"]


def test_a_warning_above_its_error_is_refused():
    with pytest.raises(ConfigError, match="hallucination_warn"):
        build(MonitorConfig, {"thresholds.hallucination_warn": 0.9})


def documented(config):
    """A node's parameter table as docs/ros.md shows it: what monitor_node has is not repeated."""
    known = () if config is MonitorConfig else rows(MonitorConfig)
    lines = []
    for row in rows(config):
        if row not in known:
            value = ", ".join(row.default) if isinstance(row.default, tuple) else row.default
            shown = f"{value:g}" if row.kind == "double" else str(value)
            shown = f"`{shown.lower() if row.kind == 'bool' else shown}`" if shown else ""
            star = " *" if row.read_only else ""
            words = row.description.replace("|", "\\|").replace("<topic>", "`<topic>`")
            lines.append(f"| `{row.name}`{star} | {shown} | {row.constraints} | {words} |")
    return "\n".join(lines)


@pytest.mark.parametrize("config", TABLES)
def test_the_documentation_lists_every_parameter_as_it_is(config):
    page = (Path(__file__).parents[2] / "docs" / "ros.md").read_text()
    node = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub("(Node)?Config$", "", config.__name__))
    _, _, section = page.partition(f"\n### `{node.lower()}_node`")
    table = "\n".join(
        line for line in section.partition("\n### ")[0].splitlines() if line.startswith("| `")
    )
    expected = documented(config)
    assert table == expected, f"the table of {config.__name__} should be:\n{expected}"
