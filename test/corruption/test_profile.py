from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from semalign_ros.corruption import (
    Condition,
    get_corruption,
    list_corruptions,
    load_profile,
    parse_profile,
)
from semalign_ros.errors import ConfigError
from semalign_ros.types import Frame

VALID = """
schema_version: 1
name: mine
conditions:
  - name: blur
    severities: [1, 2.5]
    steps: [{corruption: motion_blur}]
  - name: night
    severity: 3
    steps:
      - {corruption: low_light_gamma, params: {sigma: "12 levels"}}
      - {corruption: occlusion, severity: 1, probability: 0.5}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_paper_profile_has_table_1() -> None:
    paper = load_profile("paper")
    rows = {
        (c.name, c.severity): c.describe()["steps"][0]["params"]  # type: ignore[index]
        for c in paper.conditions
    }
    assert len(rows) == 9
    assert [rows["motion_blur", s]["length_px"] for s in (1, 2, 3)] == [7, 15, 25]
    assert [rows["low_light", s]["gamma"] for s in (1, 2, 3)] == [1.6, 2.2, 3.0]
    assert [rows["occlusion", s]["area_percent"] for s in (1, 2, 3)] == [8, 15, 25]
    sigmas = [rows["low_light", s]["sigma"] for s in (1, 2, 3)]
    assert sigmas == sorted(set(sigmas))
    assert all(len(c.steps) == 1 for c in paper.conditions)


def test_paper_severities_are_steps_of_the_ladder(frame: Frame) -> None:
    # Severity k of the paper is severity 2k - 1 of the ladder: the documentation says so.
    for condition in load_profile("paper").conditions:
        (step,) = condition.steps
        params = {"persistent": False} if step.corruption == "occlusion" else {}
        same = Condition.of(step.corruption, 2 * condition.severity - 1, **params)
        assert np.array_equal(
            condition.degrade_image(frame, 4).image, same.degrade_image(frame, 4).image
        )


@pytest.mark.parametrize("name", ["paper", "paper.yaml"])
def test_shipped_profiles_by_name(name: str) -> None:
    assert load_profile(name).name == "paper"


def test_conditions_are_expanded_in_order(tmp_path: Path) -> None:
    profile = load_profile(write(tmp_path / "p.yaml", VALID))
    assert [(c.name, c.severity) for c in profile.conditions] == [
        ("blur", 1),
        ("blur", 2.5),
        ("night", 3),
    ]
    night = profile.conditions[2]
    assert night.steps[0].params == {"sigma": 12.0}
    assert (night.steps[1].severity, night.steps[1].probability) == (1, 0.5)


def test_description_is_plain_and_reads_back(tmp_path: Path, frame: Frame) -> None:
    profile = load_profile(write(tmp_path / "p.yaml", VALID))
    plain = json.loads(json.dumps(profile.describe()))
    again = parse_profile(yaml.safe_load(yaml.safe_dump(plain)))
    assert again.describe() == plain
    for a, b in zip(profile.conditions, again.conditions, strict=True):
        assert np.array_equal(a.degrade_image(frame, 1).image, b.degrade_image(frame, 1).image)


def test_every_problem_is_listed_with_its_place(tmp_path: Path) -> None:
    text = """
schema_version: 2
name: has space
conditons: []
conditions:
  - name: clean
    severity: 1
    steps: [{corruption: motion_blur}]
  - name: a
    steps: [{corruption: motion_blurr}]
    severity: 9
  - name: b
    severity: 1
    steps:
      - {corruption: motion_blur, params: {length_px: 900, lenght: 3}, probabilty: 1}
      - {corruption: occlusion, severity: "3", probability: 2}
  - name: c
    severity: 1
    steps: []
  - name: d
    steps: [{corruption: occlusion}]
"""
    path = write(tmp_path / "p.yaml", text)
    with pytest.raises(ConfigError) as info:
        load_profile(path)
    message = str(info.value)
    assert message.startswith(str(path))
    for part in (
        "schema_version: Input should be 1, found 2",
        "name: String should match pattern",
        "conditons: unknown field 'conditons'; did you mean 'conditions'?",
        "conditions[0].name: the clean condition is always evaluated",
        "conditions[1].steps[0].corruption: unknown corruption 'motion_blurr'; did you mean",
        "conditions[1].severity: Input should be less than or equal to 5, found 9",
        "length_px = 900, expected a number from 1 to 301 px",
        "unknown parameter of motion_blur 'lenght'; did you mean 'length_px'?",
        "steps[0].probabilty: unknown field 'probabilty'; did you mean 'probability'?",
        "conditions[2].steps[1].probability: Input should be less than or equal to 1, found 2",
        "conditions[2].steps[1].severity: Input should be a valid number, found '3'",
        "conditions[3].steps: List should have at least 1 item",
        "conditions[4]: give either severity (one condition) or severities",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("- 1\n- 2\n", "Expected a mapping of fields"),
        ("name: [unclosed", "no YAML"),
        ("a: \x00", "no YAML"),
        ("schema_version: 1\nname: x\n", "conditions: Field required"),
        ("schema_version: 1\nname: x\nconditions: 3\n", "conditions: Input should be a valid list"),
        ("schema_version: 1\nname: x\nconditions: [3]\n", r"conditions\[0\]: Expected a mapping"),
        ("? [1, 2]\n: 3\n", "found"),
    ],
)
def test_files_that_are_no_profile(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        load_profile(write(tmp_path / "p.yaml", text))


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="no YAML"):
        load_profile(path)


def test_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_profile(tmp_path)
    with pytest.raises(ConfigError, match=r"shipped: .*paper\.yaml"):
        load_profile("papr")


def test_same_name_and_severity_twice() -> None:
    step = {"corruption": "occlusion"}
    data = {
        "schema_version": 1,
        "name": "x",
        "conditions": [{"name": "a", "severities": [1, 2, 1.0], "steps": [step]}],
    }
    with pytest.raises(ConfigError, match="given twice: a at severity 1"):
        parse_profile(data)


def test_the_shipped_profile_of_equal_damage_holds_what_it_says():
    profile = load_profile("iso_miou_05")
    measured = profile.calibration["measured"]
    left_out = profile.calibration["left_out"]
    assert {c.name for c in profile.conditions} == set(measured)
    assert set(measured) | set(left_out) == set(list_corruptions())
    for condition in profile.conditions:
        (step,) = condition.steps
        assert step.corruption == condition.name
        assert step.severity == condition.severity
        ladder = get_corruption(condition.name).resolve(condition.severity)
        for name, value in step.resolve().items():
            assert value == ladder[name] or value == pytest.approx(ladder[name], rel=1e-5)
        found = measured[condition.name]
        assert found["miou_drop"] == pytest.approx(0.05, abs=0.0126)
        assert found["interval"][0] < found["miou_drop"] < found["interval"][1]


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "twice.yaml", VALID + "conditions: []\n")
    with pytest.raises(ConfigError, match=r"line 13, column 1: key 'conditions' is there twice"):
        load_profile(path)


def test_a_severity_among_the_parameters_is_told(tmp_path: Path) -> None:
    text = VALID.replace("{corruption: motion_blur}", "{corruption: fog, params: {severity: 4}}")
    with pytest.raises(ConfigError, match="severity is no parameter; it stands beside corruption"):
        load_profile(write(tmp_path / "p.yaml", text))
