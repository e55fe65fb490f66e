from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from scipy import stats

from semalign_ros.alignment.metrics import iou_per_class
from semalign_ros.cli import main
from semalign_ros.errors import ConfigError, OutputError
from semalign_ros.evaluation.compare import (
    contrasts,
    draw,
    estimate,
    load_drive,
    require_comparable,
    shifts,
)
from semalign_ros.evaluation.figures import contrast_tables
from semalign_ros.evaluation.store import ResultStore
from semalign_ros.evaluation.tables import shown_names
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


def write_drive(
    folder,
    seed,
    *,
    classes=5,
    models=("big@1", "small@2"),
    worse=0.0,
    frames=FRAMES,
    settings=None,
    drop=lambda row: False,
):
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
    store = ResultStore(folder, {"run": str(seed), **(settings or {})})
    half = frames // 2
    for block, part in ((0, slice(None, half)), (1, slice(half, None))):
        kept = set(range(frames)[part])
        store.write(
            block,
            {
                "verdicts": [r for r in verdicts if r["index"] in kept and not drop(r)],
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


ALL = np.ones(NUM_CLASSES, np.bool_)


def pooled(segmentation, model, condition):
    return np.sum(
        [
            np.reshape(r["confusion"], (NUM_CLASSES, NUM_CLASSES + 1))
            for r in segmentation
            if r["segmenter"] == model and (r["condition"], r["severity"]) == condition
        ],
        axis=0,
    )


def test_figures_are_those_of_the_metrics(day):
    folder, segmentation, verdicts = day
    drive = load_drive(folder)
    figures = draw(drive, drive.shown)
    for condition in CONDITIONS:
        expected = iou_per_class(pooled(segmentation, "net_big@1", condition))[:5].mean()
        assert figures["net_big@1", condition]["mIoU"][0] == pytest.approx(expected)
        rows = [
            r
            for r in verdicts
            if r["vlm"] == "vlm_small@2" and (r["condition"], r["severity"]) == condition
        ]
        found = figures["vlm_small@2", condition]
        assert found["HR"][0] == pytest.approx(np.mean([r["hallucination"] for r in rows]))
        assert found["COR"][0] == pytest.approx(np.mean([bool(r["omitted"]) for r in rows]))
        assert found["SMR"][0] == pytest.approx(np.mean([r["misinterpretation"] for r in rows]))


def test_what_all_frames_share_cancels_out(day):
    """Conditions and models differ by a constant: on the same frames that is certain."""
    drive = load_drive(day[0], ["low_light"])
    clean, first, second = contrasts(drive, draw(drive, ALL), "vlm_big@1", "vlm_small@2")
    assert clean.changes["HR"][0].high - clean.changes["HR"][0].low > 0.05
    for number, row in ((1, first), (2, second)):
        big, small, difference = row.changes["HR"]
        assert big.value == pytest.approx(0.1 * number)
        assert (big.low, big.high) == pytest.approx((big.value, big.value))
        assert small.value == pytest.approx(0.2 * number)
        assert (difference.low, difference.high) == pytest.approx((0.1 * number, 0.1 * number))


def test_a_rare_class_does_not_come_and_go_with_the_condition(tmp_path):
    """Damage adds one false pixel of a class that 2 of 60 frames show: a small change."""
    frames = 60
    rows = []
    for i in range(frames):
        matrix = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), np.int64)
        matrix[range(4), range(4)] = 500
        matrix[0, 1] = 1  # else it would pass for a drive without ground truth
        if i < 2:
            matrix[4, 4] = 300
        for k, (name, severity) in enumerate(CONDITIONS[:2]):
            matrix[0, 4] += k
            rows.append(
                {
                    "index": i,
                    "stamp_ns": i,
                    "condition": name,
                    "severity": severity,
                    "segmenter": "net",
                    "confusion": matrix.ravel().copy(),
                }
            )
    ResultStore(tmp_path / "rare", {"run": 1}).write(0, {"segmentation": rows})
    drive = load_drive(tmp_path / "rare")
    _, damaged = shifts(drive, draw(drive, drive.shown))
    change = damaged.changes["mIoU"][1]
    assert change.low > -0.06  # a fifth of the mean, .2, would be gone with the class
    assert change.value < 0


def test_frames_that_failed_under_one_condition_count_under_none(day, tmp_path):
    hard = set(range(40, 60))
    folder, *_ = write_drive(
        tmp_path / "gaps", 1, drop=lambda r: r["condition"] == "occlusion" and r["index"] in hard
    )
    drive = load_drive(folder)
    assert (drive.frames, drive.left_out) == (40, 20)
    assert load_drive(folder, ["low_light"]).frames == 60


def test_two_drives_are_drawn_apart_as_scipy_does(day, dusk):
    drives = [load_drive(folder) for folder, *_ in (day, dusk)]
    figures = [draw(d, ALL, 4000, seed) for seed, d in enumerate(drives)]
    found = list(shifts(drives[0], figures[0], drives[1], figures[1]))
    (*_, other) = [s for s in found if s.model == "vlm_big@1"]
    assert (other.what, other.severity) == ("dusk", None)
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
    change = other.changes["HR"][1]
    assert change.value == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert (change.low, change.high) == pytest.approx(tuple(expected), abs=0.006)


def test_only_classes_of_both_drives_count(day, dusk):
    drives = [load_drive(folder) for folder, *_ in (day, dusk)]
    classes = drives[0].shown & drives[1].shown
    assert classes.tolist() == [True] * 4 + [False] * 15
    clean = ("clean", 0.0)
    expected = iou_per_class(pooled(day[1], "net_big@1", clean))[:4].mean()
    assert draw(drives[0], classes)["net_big@1", clean]["mIoU"][0] == pytest.approx(expected)


def test_without_ground_truth_there_is_no_quality_to_compare(tmp_path):
    folder, segmentation, verdicts = write_drive(tmp_path / "whole", 1)
    for row in segmentation:
        if row["condition"] == "clean":
            row["confusion"] = np.eye(NUM_CLASSES, NUM_CLASSES + 1, dtype=np.int64).ravel()
    store = ResultStore(tmp_path / "own", {"run": 2})
    store.write(0, {"segmentation": segmentation, "verdicts": verdicts})
    assert load_drive(tmp_path / "own").models == ["vlm_big@1", "vlm_small@2"]
    assert len(load_drive(folder).models) == 4


def test_what_cannot_be_compared_is_named(day, tmp_path):
    drive = load_drive(day[0])
    figures = draw(drive, ALL)
    assert drive.model("net_big") == "net_big@1"
    with pytest.raises(ConfigError, match="0 models are called 'tiny', expected one of net_big@1"):
        drive.model("tiny")
    with pytest.raises(ConfigError, match="expected two of a kind"):
        list(contrasts(drive, figures, "net_big@1", "vlm_big@1"))
    others = load_drive(write_drive(tmp_path / "others", 3, models=("x", "y"))[0])
    with pytest.raises(ConfigError, match="day and others have no model in common"):
        list(shifts(drive, figures, others, draw(others, ALL)))
    short = write_drive(tmp_path / "short", 3, frames=2)[0]
    with pytest.raises(OutputError, match=r"2 of 2 frames .* expected at least 3"):
        load_drive(short)


@pytest.mark.parametrize(
    ("base", "other", "differing"),
    [
        ({"labelled": True}, {"labelled": False}, "labelled"),
        ({"labelled": False}, {"labelled": False}, None),
        ({"labelled": True, "models": ["net@2"]}, {"labelled": True, "models": ["net@1"]}, None),
        (
            {"labelled": False, "models": ["net@2"]},
            {"labelled": False, "models": ["net@1"]},
            "segmenter of the reference",
        ),
        ({"prompts": "a"}, {"prompts": "b"}, "prompts"),
        ({"protocol": None}, {"protocol": "top_k"}, "protocol"),
        ({"top_k": 3}, {"top_k": 5}, "top_k"),
        ({"fp16": False}, {"fp16": True}, "fp16"),
        ({"rule": {"near": 1}}, {"rule": {"near": 2}}, "rule"),
        ({"critical": ["car"]}, {"critical": ["car", "bus"]}, "critical"),
    ],
)
def test_drives_of_different_references_are_not_compared(tmp_path, base, other, differing):
    drives = [
        load_drive(write_drive(tmp_path / name, 1, frames=6, settings=settings)[0])
        for name, settings in (("base", base), ("other", other))
    ]
    if differing is None:
        require_comparable(*drives)
    else:
        with pytest.raises(ConfigError, match=f"not judged alike, {differing} differ"):
            require_comparable(*drives)


def test_what_is_missing_is_told(tmp_path, capsys):
    # small never answered under low_light 2; frame 1 failed in every way; two are still to come.
    def drop(row):
        lost = (
            row["vlm"].endswith("small@2")
            and row["condition"] == "low_light"
            and row["severity"] == 2
        )
        return lost or row["index"] == 1

    folder, *_ = write_drive(tmp_path / "day", 1, settings={"frames": FRAMES + 2}, drop=drop)
    assert main(["compare", str(folder), "--models", "vlm_big", "vlm_small"]) == 0
    said = capsys.readouterr().out
    assert f"day: {FRAMES - 1} frames, 1 not judged in every way left out, 2 not evaluated" in said
    assert "low_light 2: one of the two failed on every frame" in said


def test_frames_on_which_everything_failed_are_left_out_frames(tmp_path):
    folder, *_ = write_drive(tmp_path / "day", 1, frames=6)
    store = ResultStore(folder, {"run": "1"})
    failure = {"index": 8, "stamp_ns": 8, "condition": "clean", "severity": 0.0}
    failure |= {"model": "vlm_big@1", "reason": "inference", "message": "no memory"}
    store.write(2, {"failures": [failure]})
    assert (load_drive(folder).frames, load_drive(folder).left_out) == (6, 1)


def test_models_of_one_name_are_told_apart():
    assert shown_names(["net@abcdef", "net@123456", "other@9999"]) == {
        "net@abcdef": "net@abcd",
        "net@123456": "net@1234",
        "other@9999": "other",
    }


def test_a_model_is_found_by_the_beginning_of_its_id(tmp_path):
    models = ("big@1234", "big@1299")
    drive = load_drive(write_drive(tmp_path / "two", 1, frames=6, models=models)[0])
    assert drive.model("vlm_big@123") == "vlm_big@1234"
    for name in ("vlm_big", "vlm_big@12", "vlm_bi"):
        with pytest.raises(ConfigError, match=f"models are called '{name}'"):
            drive.model(name)
    vlms = drive.models[2:]
    tables = contrast_tables(*vlms, list(contrasts(drive, draw(drive, ALL), *vlms)))
    assert [str(c.header) for c in tables[0].columns][1:3] == ["vlm_big@1234", "vlm_big@1299"]


def test_undefined_resamples_do_not_count():
    assert estimate(np.array([0.5, np.nan, 0.4, 0.6])).low >= 0.4
    nothing = estimate(np.full(5, np.nan))
    assert np.isnan(nothing.low)


def test_prints_tables_and_writes_csv(day, tmp_path, capsys):
    name = "a_drive_with_a_long_name"
    dusk, *_ = write_drive(tmp_path / name, 2, classes=4, worse=-0.3)
    table = tmp_path / "shift.csv"
    given = ["compare", str(day[0]), str(dusk), "--condition", "low_light", "--csv", str(table)]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "vlm_big" in said
    assert "low_light 2" in said
    assert "occlusion" not in said
    assert "-.2" in said
    assert "…" not in said  # a figure that is cut off cannot be read
    assert "4 classes" in said
    rows = list(csv.DictReader(table.read_text().splitlines()))
    (hr,) = [r for r in rows if (r["model"], r["what"], r["measure"]) == ("vlm_big@1", name, "HR")]
    assert float(hr["change"]) < 0
    assert float(hr["change_low"]) < float(hr["change"]) < float(hr["change_high"])
    assert main(given) == 1
    assert "exists" in capsys.readouterr().err

    assert main(["compare", str(day[0]), "--models", "net_big", "net_small"]) == 0
    assert "difference" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{day}", "{day}", "--models", "a", "b"], "expected one of the two"),
        (["{day}", "--condition", "fog"], "condition fog: .*has clean, low_light, occlusion"),
        (["{day}", "--resamples", "3"], "--resamples 3: expected at least 100"),
        (["nowhere"], "nowhere: no evaluation there"),
        (["{day}", "{masked}"], "day and masked were not judged alike, vlm_input differ"),
    ],
)
def test_bad_arguments(day, tmp_path, capsys, arguments, message):
    masked, *_ = write_drive(tmp_path / "masked", 1, settings={"vlm_input": "mask"})
    names = {"{day}": str(day[0]), "{masked}": str(masked)}
    assert main(["compare", *(names.get(a, a) for a in arguments)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
