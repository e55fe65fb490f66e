from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from semalign_ros.alignment.bootstrap import Estimate
from semalign_ros.alignment.metrics import mean_iou
from semalign_ros.bags import count_frames, read_frames
from semalign_ros.cli import main
from semalign_ros.corruption import Condition, load_profile
from semalign_ros.errors import ConfigError
from semalign_ros.evaluation.calibrate import DamageMeter, find_severity, measured_shares
from semalign_ros.evaluation.store import read_table
from semalign_ros.evaluation.sweep import SweepSettings, sweep

DEMO = Path(__file__).parents[2] / "rosbags/street_demo"


def search(curve, target):
    tried = []

    def measure(condition):
        tried.append(condition.severity)
        return Estimate(curve(condition.severity), 0, 1)

    return find_severity("fog", target, measure), tried


@pytest.mark.parametrize("target", [0.005, 0.05, 0.199])
def test_the_severity_of_a_smooth_damage_is_found(target):
    found, tried = search(lambda s: 0.2 * (s / 5) ** 2, target)
    assert found.severity == pytest.approx(5 * (target / 0.2) ** 0.5, abs=0.03)
    assert found.drop.value == pytest.approx(target, abs=0.002)
    assert found.monotone
    assert len(tried) == len(set(tried)) <= 14


def test_a_target_out_of_reach_is_said_to_be():
    found, _ = search(lambda s: 0.01 * s, 0.2)
    assert found.problem == "not reached"
    assert (found.severity, found.drop.value) == (5, pytest.approx(0.05))


def test_a_damage_that_jumps_past_the_target_is_said_to():
    found, _ = search(lambda s: 0.16 if s >= 0.5 else 0.001, 0.05)
    assert found.problem == "jumps past"
    assert found.monotone


def test_the_nearest_of_all_tries_counts():
    steps = lambda s: np.floor(s * 3) / 3 * 0.04  # noqa: E731
    found, _ = search(steps, 0.05)
    assert found.problem == ""
    assert found.drop.value == pytest.approx(0.04 * 4 / 3)


def test_a_damage_that_shrinks_is_said_to():
    found, _ = search(lambda s: {1: 0.02, 2: 0.06, 3: 0.03}.get(s, 0.02 * s), 0.05)
    assert found.severity <= 2
    assert not found.monotone
    assert found.largest_rise == pytest.approx(0.03)


def test_what_a_profile_promises_is_what_an_evaluation_measures(tmp_path, capsys):
    profile = tmp_path / "iso.yaml"
    arguments = ["calibrate", str(DEMO), "--segmenter", "street_segmenter", "--device", "cpu"]
    chosen = ["--corruption", "fog", "--corruption", "rolling_*"]
    assert main([*arguments, *chosen, "--frames", "8", "--out", str(profile)]) == 0
    table = capsys.readouterr().out
    assert "clean mIoU" in table
    assert "not reached" in table
    loaded = load_profile(profile)
    measured = loaded.calibration["measured"]
    sweep(
        SweepSettings(str(DEMO), str(profile), segmenters=("street_segmenter",), device="cpu"),
        tmp_path / "out",
    )
    total = count_frames(DEMO)
    spread = {i * total // 8 for i in range(8)}
    table = read_table(tmp_path / "out", "segmentation").to_pylist()
    rows = [row for row in table if row["index"] in spread]

    def miou(name):
        total = sum(np.array(r["confusion"]) for r in rows if r["condition"] == name)
        return mean_iou(total.reshape(19, 20))

    assert miou("clean") == pytest.approx(loaded.calibration["clean_miou"], abs=1e-4)
    assert {c.name for c in loaded.conditions} == {"fog"}
    assert "rolling_shutter" in loaded.calibration["left_out"]
    for condition in loaded.conditions:
        fall = miou("clean") - miou(condition.name)
        assert fall == pytest.approx(measured[condition.name]["miou_drop"], abs=1e-4)
        assert fall == pytest.approx(0.05, abs=0.01)
        low, high = measured[condition.name]["interval"]
        assert low < fall < high


def test_a_measured_confusion_is_a_profile(tmp_path, capsys):
    out = tmp_path / "confused.yaml"
    arguments = ["--segmenter", "street_segmenter", "--frames", "4", "--out", str(out)]
    chosen = ["--confusion", "--corruption", "fog", "--severity", "4"]
    assert main(["calibrate", str(DEMO), *arguments, *chosen]) == 0
    assert "taken for" in capsys.readouterr().out
    (condition,) = load_profile(out).conditions
    (step,) = condition.steps
    assert step.corruption == "class_confusion"
    found = {into for _, into, _ in step.resolve()["confusion"]}
    assert "building" in found
    # By labels that call buildings vegetation, nothing is taken for a building.
    (tmp_path / "few.yaml").write_text(
        "classes: {0: road, 1: sidewalk, 8: vegetation, 10: sky, 13: car}\n"
        "holds: {vegetation: [building]}"
    )
    few = ["--label-map", str(tmp_path / "few.yaml"), "--overwrite"]
    assert main(["calibrate", str(DEMO), *arguments, *chosen, *few]) == 0
    (condition,) = load_profile(out).conditions
    fewer = {into for _, into, _ in condition.steps[0].resolve()["confusion"]}
    assert "building" not in fewer
    assert "vegetation" in fewer


def test_shares_are_those_of_the_rows():
    confusion = np.zeros((19, 20), np.int64)
    confusion[13, [13, 14, 15, 19]] = [70, 25, 5, 100]
    assert measured_shares(confusion, 0.1) == (("car", "truck", 0.25),)
    # Three rounded shares must not be more than all.
    confusion[16, [2, 13, 15]] = [1667, 1667, 6666]
    Condition.of("class_confusion", confusion=measured_shares(confusion))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target-miou-drop", "5"], "found 5, expected a share of 1"),
        (["--corruption", "fogg"], "unknown corruption 'fogg'; did you mean 'fog'"),
        (["--frames", "0"], "found 0, expected 1 or more"),
        (["--severity", "9"], "severity = 9.0"),
        (["--confusion"], "name one --corruption"),
        (["--segmentation", "/nowhere"], "/nowhere"),
    ],
)
def test_bad_wishes(arguments, words, tmp_path, capsys):
    out = tmp_path / "iso.yaml"
    fixed = ["calibrate", str(DEMO), "--segmenter", "street_segmenter", "--out", str(out)]
    assert main([*fixed, *arguments]) == 1
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_a_profile_is_not_overwritten_unasked(tmp_path, capsys):
    out = tmp_path / "iso.yaml"
    out.write_text("mine")
    fixed = ["calibrate", str(DEMO), "--segmenter", "street_segmenter", "--out", str(out)]
    assert main(fixed) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_frames_without_labels(tmp_path):
    from dataclasses import replace

    frame = replace(next(iter(read_frames(DEMO, limit=1))), labels=None)
    with pytest.raises(ConfigError, match="no label map"):
        DamageMeter(lambda _: [frame], None)
