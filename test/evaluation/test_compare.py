from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from scipy import stats

from semalign_ros.alignment.metrics import mean_iou
from semalign_ros.cli import main
from semalign_ros.errors import ConfigError, OutputError
from semalign_ros.evaluation.compare import (
    contrasts,
    estimate,
    load_drive,
    shared_classes,
    shifts,
)
from semalign_ros.evaluation.store import ResultStore
from semalign_ros.scene.taxonomy import NUM_CLASSES

FRAMES = 60
CONDITIONS = [("clean", 0.0), ("low_light", 1.0), ("low_light", 2.0), ("occlusion", 1.0)]


def verdict(index, condition, vlm, wrong):
    """A frame that is hallucinated and misjudged to the degree `wrong`, 0..1."""
    return {
        "index": index,
        "stamp_ns": index,
        "condition": condition[0],
        "severity": condition[1],
        "vlm": vlm,
        "omitted": ["person"] if wrong > 0.5 else [],
        "hallucination": wrong,
        "omission": 0.0,
        "misinterpretation": float(wrong > 0.8),
        "judgments": json.dumps({}),
    }


def confusion(rng, classes, hits):
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), np.int64)
    matrix[:classes, :classes] = rng.integers(0, 40, (classes, classes))
    matrix[np.arange(classes), np.arange(classes)] += hits
    return matrix


def write_drive(folder, seed, *, classes=5, models=("big@1", "small@2"), worse=0.0, frames=FRAMES):
    """Models that err alike frame by frame; each condition, and `small`, adds a constant."""
    rng = np.random.default_rng(seed)
    hard = rng.uniform(0, 0.5, frames)
    verdicts = [
        verdict(i, c, f"vlm_{m}", min(1.0, hard[i] + worse + 0.1 * k * (1 + n)))
        for i in range(frames)
        for k, c in enumerate(CONDITIONS)
        for n, m in enumerate(models)
    ]
    segmentation = [
        {
            "index": i,
            "stamp_ns": i,
            "condition": c[0],
            "severity": c[1],
            "segmenter": f"net_{m}",
            "confusion": confusion(rng, classes, 200 - 40 * k).ravel(),
        }
        for i in range(frames)
        for k, c in enumerate(CONDITIONS)
        for m in models
    ]
    store = ResultStore(folder, {"run": str(seed)})
    half = frames // 2
    for block, part in ((0, slice(None, half)), (1, slice(half, None))):
        kept = set(range(frames)[part])
        store.write(
            block,
            {
                "verdicts": [r for r in verdicts if r["index"] in kept],
                "segmentation": [r for r in segmentation if r["index"] in kept],
            },
        )
    return folder, segmentation, verdicts


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp("drives") / "day", 1)


@pytest.fixture(scope="module")
def dusk(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp("drives") / "dusk", 2, classes=4, worse=0.3)


def test_figures_are_those_of_the_metrics(day):
    folder, segmentation, verdicts = day
    drive = load_drive(folder)
    for condition in CONDITIONS:
        chosen = [
            np.reshape(r["confusion"], (NUM_CLASSES, NUM_CLASSES + 1))
            for r in segmentation
            if r["segmenter"] == "net_big@1" and (r["condition"], r["severity"]) == condition
        ]
        found = drive.figures["net_big@1"][condition]["mIoU"][0]
        assert found == pytest.approx(mean_iou(np.sum(chosen, axis=0)))
        rows = [
            r
            for r in verdicts
            if r["vlm"] == "vlm_small@2" and (r["condition"], r["severity"]) == condition
        ]
        found = drive.figures["vlm_small@2"][condition]
        assert found["HR"][0] == pytest.approx(np.mean([r["hallucination"] for r in rows]))
        assert found["COR"][0] == pytest.approx(np.mean([bool(r["omitted"]) for r in rows]))
        assert found["SMR"][0] == pytest.approx(np.mean([r["misinterpretation"] for r in rows]))


def test_what_all_frames_share_cancels_out(day):
    """Conditions and models differ by a constant: on the same frames that is certain."""
    drive = load_drive(day[0])
    clean, first, second, third = contrasts(drive, "vlm_big@1", "vlm_small@2")
    assert clean.changes["HR"][0].high - clean.changes["HR"][0].low > 0.05
    for number, row in ((1, first), (2, second), (3, third)):
        big, small, difference = row.changes["HR"]
        # The last one meets the upper end of the scale.
        if number < 3:
            assert big.value == pytest.approx(0.1 * number)
            assert (big.low, big.high) == pytest.approx((big.value, big.value))
            assert small.value == pytest.approx(0.2 * number)
            assert (difference.low, difference.high) == pytest.approx((0.1 * number, 0.1 * number))


def test_two_drives_are_drawn_apart_as_scipy_does(day, dusk):
    drives = [load_drive(folder, None, 4000, seed) for seed, (folder, *_) in enumerate((day, dusk))]
    (*_, other) = [s for s in shifts(*drives) if s.model == "vlm_big@1"]
    assert other.what == "dusk"
    values = [
        [
            r["hallucination"]
            for r in verdicts
            if r["vlm"] == "vlm_big@1" and r["condition"] == "clean"
        ]
        for _, _, verdicts in (dusk, day)
    ]
    expected = stats.bootstrap(
        values,
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        method="percentile",
        n_resamples=4000,
        rng=0,
    ).confidence_interval
    found = other.changes["HR"][1]
    assert found.value == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.006)


def test_only_classes_of_both_drives_count(day, dusk):
    classes = shared_classes([day[0], dusk[0]])
    assert classes.tolist() == [True] * 4 + [False] * 15
    clean = ("clean", 0.0)
    five = load_drive(day[0]).figures["net_big@1"][clean]["mIoU"][0]
    four = load_drive(day[0], classes).figures["net_big@1"][clean]["mIoU"][0]
    assert four != five


def test_what_cannot_be_compared_is_named(day, tmp_path):
    drive = load_drive(day[0])
    assert drive.model("net_big") == "net_big@1"
    with pytest.raises(ConfigError, match="0 models are called 'tiny', expected one of net_big@1"):
        drive.model("tiny")
    with pytest.raises(ConfigError, match="expected two of a kind"):
        list(contrasts(drive, "net_big@1", "vlm_big@1"))
    others = load_drive(write_drive(tmp_path / "others", 3, models=("x", "y"))[0])
    with pytest.raises(ConfigError, match="day and others have no model in common"):
        list(shifts(drive, others))
    short = write_drive(tmp_path / "short", 3, frames=2)[0]
    with pytest.raises(OutputError, match="2 judged frames, expected at least 3"):
        load_drive(short)


def test_undefined_resamples_do_not_count():
    assert estimate(np.array([0.5, np.nan, 0.4, 0.6])).low >= 0.4


def test_prints_tables_and_writes_csv(day, dusk, tmp_path, capsys):
    table = tmp_path / "shift.csv"
    given = ["compare", str(day[0]), str(dusk[0]), "--condition", "low_light", "--csv", str(table)]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "vlm_big" in said
    assert "low_light 2" in said
    assert "occlusion" not in said
    assert "day: 60 frames, dusk: 60 frames; 4 classes in mIoU" in said
    assert max(map(len, said.splitlines())) <= 80
    rows = list(csv.DictReader(table.read_text().splitlines()))
    (hr,) = [
        r for r in rows if (r["model"], r["what"], r["measure"]) == ("vlm_big@1", "dusk", "HR")
    ]
    assert float(hr["change"]) == pytest.approx(0.3, abs=0.08)
    assert float(hr["change_low"]) < float(hr["change"]) < float(hr["change_high"])
    assert main(given) == 1
    assert "exists" in capsys.readouterr().err

    assert main(["compare", str(day[0]), "--models", "net_big", "net_small"]) == 0
    assert "difference" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{day}", "{day}", "--models", "a", "b"], "expected one of the two"),
        (["{day}", "--condition", "fog"], "--condition fog: .*has clean, low_light, occlusion"),
        (["{day}", "--resamples", "3"], "--resamples 3: expected at least 100"),
        (["nowhere"], "nowhere"),
    ],
)
def test_bad_arguments(day, capsys, arguments, message):
    given = [a.replace("{day}", str(day[0])) for a in arguments]
    assert main(["compare", *given]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
