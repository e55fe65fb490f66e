"""What a user of `semalign evaluate` and `report` runs into."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml

from semalign_ros.cli import main
from semalign_ros.evaluation import worst
from semalign_ros.evaluation.store import read_table, sole_writer
from semalign_ros.evaluation.summary import summarize
from semalign_ros.resources import resource
from semalign_ros.scene import Vocabulary

from .conftest import write_bag

SEGMENTER = "street_segmenter"


def evaluate(bag, out, *options):
    return main(["evaluate", str(bag), "--profile", "clean", "--out", str(out), *options])


@pytest.fixture
def out(bag, recorded, tmp_path, capsys):
    assert evaluate(bag, tmp_path / "out", "--vlm", str(recorded)) == 0
    assert "20 frames, all judged" in capsys.readouterr().out
    return tmp_path / "out"


def test_overwrite_starts_anew_and_leaves_nothing_old(bag, recorded, out):
    (out / "report.html").write_text("of the first run")
    (out / "notes.txt").write_text("mine")
    assert evaluate(bag, out, "--vlm", str(recorded), "--limit", "9", "--overwrite") == 0
    names = {"blocks", "language.csv", "notes.txt", "run.yaml", "tables.md"}
    assert {path.name for path in out.iterdir()} == names
    assert read_table(out, "verdicts").num_rows == 9


def test_two_at_a_time_do_not_write_into_one_folder(bag, recorded, out, capsys):
    with sole_writer(out):
        assert evaluate(bag, out, "--vlm", str(recorded), "--overwrite") == 1
    assert "another evaluation is writing there" in capsys.readouterr().err
    assert read_table(out, "verdicts").num_rows == 20
    assert evaluate(bag, out, "--vlm", str(recorded)) == 0


def test_a_block_that_has_lost_a_table_is_judged_again(bag, recorded, out):
    (out / "blocks" / "000001" / "verdicts.parquet").unlink()
    assert evaluate(bag, out, "--vlm", str(recorded)) == 0
    assert read_table(out, "verdicts").num_rows == 20


def test_a_report_of_an_unfinished_evaluation_says_so(out, capsys):
    shutil.rmtree(out / "blocks" / "000001")
    assert main(["report", str(out), "--pictures", "0"]) == 0
    assert "Unfinished: 12 of 20 frames" in (out / "report.html").read_text()
    assert "unfinished: 12 of 20 frames" in (out / "tables.md").read_text()


def test_a_bag_or_answers_that_have_changed_are_refused(recorded, tmp_path, capsys):
    answers = tmp_path / "answers.jsonl"
    shutil.copy(recorded, answers)
    bag = write_bag(tmp_path / "street", 4)
    assert evaluate(bag, tmp_path / "out", "--vlm", str(answers)) == 0
    shutil.rmtree(bag)
    write_bag(bag, 4, light=11)
    assert evaluate(bag, tmp_path / "out", "--vlm", str(answers)) == 1
    assert "holds results of another run; bag_digest: found" in capsys.readouterr().err
    shutil.rmtree(bag)
    write_bag(bag, 4)
    assert evaluate(bag, tmp_path / "out", "--vlm", str(answers)) == 0
    answers.write_text(answers.read_text().replace("true", "false", 1))
    assert evaluate(bag, tmp_path / "out", "--vlm", str(answers)) == 1
    assert "models: found" in capsys.readouterr().err


def test_what_the_labels_do_not_tell_is_no_mistake(tmp_path, capsys, monkeypatch):
    # Right, but of a data set that calls lorries and buses cars and knows no fences.
    answer = {f"presence/{name}": True for name in ("truck", "bus", "fence", "sky", "road")}
    told = {**answer, "presence/person": True, "presence/car": False}
    blinder = {**told, "presence/truck": False, "presence/bus": False}
    recorded = tmp_path / "answers.jsonl"
    lines = [
        {"index": i, "answers": said, **more}
        for i in range(4)
        for said, more in (
            (told, {}),
            (blinder, {"condition": "motion_blur", "severity": 1}),
        )
    ]
    recorded.write_text("".join(json.dumps(line) + "\n" for line in lines))
    profile = tmp_path / "blur.yaml"
    profile.write_text(
        "{schema_version: 1, name: blur, conditions: [{name: motion_blur, severity: 1, "
        "steps: [{corruption: motion_blur}]}]}"
    )
    words = Vocabulary.of({"road": (), "sky": (), "person": (), "car": ("truck", "bus")})
    bag = write_bag(tmp_path / "street", 4, vocabulary=words)
    options = ("--vlm", str(recorded), "--segmenter", SEGMENTER, "--profile", str(profile))
    out = tmp_path / "out"
    assert evaluate(bag, out, *options) == 0
    note = "tell 4 classes; what is said of others counts: truck, bus as car; what is said of"
    assert note in capsys.readouterr().out
    rows = read_table(out, "verdicts").to_pylist()
    clean, blurred = (
        [row for row in rows if row["condition"] == name] for name in ("clean", "motion_blur")
    )
    assert [row["claims"] for row in clean] == [["car", "person", "road", "sky"]] * 4
    assert [row["hallucinated"] for row in clean] == [[], *[["person"]] * 3]
    assert [row["omitted"] for row in (*clean, *blurred)] == [*[[]] * 4, *[["car"]] * 4]
    summary = summarize(out)
    assert summary.settings["critical"] == ["car", "person"]
    assert summary.baselines["always-yes"]["F1"] == pytest.approx(2 * 5 / (2 * 5 + 3))
    # Pixels found as a lorry's count as a car's.
    found = read_table(out, "segmentation").column("confusion").to_numpy()
    assert not np.stack(found).reshape(-1, 19, 20)[:, :, [14, 15]].any()

    # The pictures of the report are judged by the same labels.
    drawn = []
    draw = worst.draw_overlay
    monkeypatch.setattr(
        worst, "draw_overlay", lambda judged, **k: drawn.append(judged.verdict) or draw(judged, **k)
    )
    assert main(["report", str(out), "--pictures", "1"]) == 0
    assert [(v.hallucinated, v.omitted) for v in drawn] == [({"person"}, {"car"})]

    named = ("--label-map", "cityscapes_train_ids", "--overwrite")
    assert evaluate(bag, out, *options, *named) == 0
    assert read_table(out, "verdicts")["hallucinated"][0].as_py() == ["bus", "fence", "truck"]

    # Labels that tell more are brought to the same words.
    (tmp_path / "few.yaml").write_text("classes: {0: road, 10: sky}\nholds: {road: [car, truck]}")
    named = ("--label-map", str(tmp_path / "few.yaml"), "--overwrite")
    assert evaluate(bag, out, *options, *named) == 0
    found = read_table(out, "segmentation").column("confusion").to_numpy()
    rows = np.stack(found).reshape(-1, 19, 20).sum(axis=(0, 2))
    assert set(np.flatnonzero(rows)) == {0, 10}
    assert read_table(out, "verdicts")["present"][0].as_py() == ["road", "sky"]
    # None of them is critical: rates over none are empty, and the page is there.
    assert main(["report", str(out), "--pictures", "0"]) == 0


def test_a_misspelt_topic_is_no_bag_without_labels(bag, tmp_path, capsys):
    options = ("--segmenter", SEGMENTER, "--limit", "2")
    assert evaluate(bag, tmp_path / "out", *options, "--segmentation", "/labels") == 1
    assert "no message on topic /labels for the segmentation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert evaluate(bag, tmp_path / "out", *options, "--image", "/cam") == 1
    assert capsys.readouterr().err.rstrip().endswith("for instance /camera/front/image_raw")


def test_a_bag_without_labels_is_measured_against_its_clean_segmentation(tmp_path, capsys):
    bag = write_bag(tmp_path / "street", 2, unlabelled=range(2))
    assert evaluate(bag, tmp_path / "out", "--segmenter", SEGMENTER) == 0
    assert "no label maps on /ground_truth/segmentation" in capsys.readouterr().out


def test_a_bag_without_labels_needs_a_segmenter(recorded, tmp_path, capsys):
    bag = write_bag(tmp_path / "street", 2, unlabelled=range(2))
    assert evaluate(bag, tmp_path / "out", "--vlm", str(recorded)) == 1
    assert "and no --segmenter to find any" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_frame_without_its_label_map_is_counted_and_costs_no_other(tmp_path, recorded, capsys):
    bag = write_bag(tmp_path / "street", 4, unlabelled=[1])
    options = ("--vlm", str(recorded), "--segmenter", SEGMENTER)
    assert evaluate(bag, tmp_path / "out", *options) == 0
    said = capsys.readouterr().out
    assert "not judged: 1 unmatched, the first one: the bag has label maps, but none" in said
    assert read_table(tmp_path / "out", "segmentation")["index"].to_pylist() == [0, 2, 3]


def test_answers_to_other_frames_are_an_error_that_tells_the_key(bag, tmp_path, capsys):
    answers = tmp_path / "far.jsonl"
    answers.write_text('{"index": 900, "answers": {"presence/car": true}}\n')
    assert evaluate(bag, tmp_path / "out", "--vlm", str(answers)) == 1
    said = capsys.readouterr()
    assert "not judged: 20 inference_error, the first one: " in said.out
    assert "no frame was judged" in said.err


def test_a_report_finds_a_prompt_file_from_any_folder(tmp_path, monkeypatch, capsys):
    prompts = yaml.safe_load(resource("config", "prompts", "default.yaml").read_text())
    prompts["name"] = "mine"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(prompts))
    monkeypatch.chdir(tmp_path)
    options = ("--vlm", "street_contrastive", "--limit", "2", "--prompts", "mine.yaml")
    bag = resource("rosbags", "street_demo")
    assert main(["evaluate", str(bag), "--out", "out", *options]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["report", "../out"]) == 0
    assert "0 pictures" not in capsys.readouterr().out
    prompts["version"] = "99"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(prompts))
    assert main(["report", "../out", "--overwrite"]) == 1
    assert "the prompt set mine has changed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["run:1", "x[/]y", "[bold]x"])
def test_any_name_of_a_folder_will_do(bag, recorded, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert evaluate(bag, name, "--vlm", str(recorded), "--limit", "1") == 0
    assert f"results in {name};" in capsys.readouterr().out
    assert main(["report", name, "--pictures", "0"]) == 0


def test_a_severity_that_no_short_float_holds_is_found_again(tmp_path, recorded, capsys):
    (tmp_path / "mine.yaml").write_text(
        "schema_version: 1\nname: mine\nconditions:\n"
        "  - {name: dark, severity: 3.438, steps: [{corruption: low_light, severity: 5}]}\n"
    )
    bag = resource("rosbags", "street_demo")
    options = ("--vlm", "street_contrastive", "--limit", "3", "--out", str(tmp_path / "out"))
    assert main(["evaluate", str(bag), "--profile", str(tmp_path / "mine.yaml"), *options]) == 0
    severities = set(read_table(tmp_path / "out", "verdicts")["severity"].to_pylist())
    assert severities == {0.0, 3.438}
    capsys.readouterr()
    assert main(["report", str(tmp_path / "out")]) == 0
    assert " 0 pictures" not in capsys.readouterr().out


def test_every_segmenter_is_measured_under_a_label_condition(bag, tmp_path):
    shutil.copytree(resource("models", SEGMENTER), tmp_path / "twin")
    manifest = yaml.safe_load((tmp_path / "twin" / "bundle.yaml").read_text())
    manifest["name"] = "twin"
    (tmp_path / "twin" / "bundle.yaml").write_text(yaml.safe_dump(manifest))
    (tmp_path / "mine.yaml").write_text(
        "schema_version: 1\nname: mine\nconditions:\n"
        "  - {name: confused, severity: 5, steps: [{corruption: class_confusion, severity: 5}]}\n"
    )
    command = ["evaluate", str(bag), "--profile", str(tmp_path / "mine.yaml"), "--limit", "2"]
    models = ["--segmenter", SEGMENTER, "--segmenter", str(tmp_path / "twin")]
    assert main([*command, *models, "--out", str(tmp_path / "out")]) == 0
    rows = read_table(tmp_path / "out", "segmentation").to_pylist()
    by_model = {}
    for row in rows:
        by_model.setdefault(row["segmenter"], []).append((row["severity"], row["confusion"]))
    first, second = by_model.values()
    assert first == second
    assert first[0][1] != first[1][1]
