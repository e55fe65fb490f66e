from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from semalign_ros.bags.cityscapes import CityscapesOptions, CityscapesRecording
from semalign_ros.cli import main
from semalign_ros.train.scenes import render_sequence

SMALL = ("--size", "128x64")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes") / "city"
    command = ["render", str(root), "--scenes", "2", "--frames-per-scene", "2", "--every", "3"]
    assert main([*command, *SMALL, "--seed", "5", "--split", "train"]) == 0
    assert main(["render", str(root), "--scenes", "1", *SMALL, "--split", "val", "--jpg"]) == 0
    return root


def test_the_files_are_those_of_cityscapes(rendered):
    names = sorted(p.relative_to(rendered).as_posix() for p in rendered.rglob("*_000003_*"))
    stem = "train/synthville/synthville_00000{}_000003_"
    assert names == sorted(
        f"{package}/{stem.format(scene)}{suffix}"
        for scene in (0, 1)
        for package, suffix in (
            ("leftImg8bit", "leftImg8bit.png"),
            ("gtFine", "gtFine_labelIds.png"),
            ("gtFine", "gtFine_labelTrainIds.png"),
            ("gtFine", "gtFine_instanceIds.png"),
            ("disparity", "disparity.png"),
            ("camera", "camera.json"),
            ("vehicle", "vehicle.json"),
        )
    )


def test_they_hold_what_was_rendered(rendered):
    frame = list(render_sequence(5, 1, 2, (128, 64), every=3))[1]

    def read(package, suffix):
        path = rendered / package / f"train/synthville/synthville_000001_000003_{suffix}.png"
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)

    np.testing.assert_array_equal(read("leftImg8bit", "leftImg8bit")[..., ::-1], frame.image)
    np.testing.assert_array_equal(read("gtFine", "gtFine_instanceIds"), frame.instance_ids)
    np.testing.assert_array_equal(read("gtFine", "gtFine_labelTrainIds"), frame.train_ids)
    np.testing.assert_array_equal(read("disparity", "disparity"), frame.disparity)
    vehicle = rendered / "vehicle/train/synthville/synthville_000001_000003_vehicle.json"
    assert json.loads(vehicle.read_text()) == {
        "speed": frame.state.speed,
        "yawRate": frame.state.yaw_rate,
    }


def test_the_converter_reads_them(rendered):
    records = list(CityscapesRecording(rendered, CityscapesOptions(split="train")))
    assert len(records) == 4
    frame = next(iter(render_sequence(5, 0, 1, (128, 64))))
    first = records[0]
    np.testing.assert_array_equal(first.labels, frame.train_ids)
    known = np.isfinite(frame.depth) & (frame.depth < 50)
    np.testing.assert_allclose(first.depth[known], frame.depth[known], rtol=0.05)
    assert first.motion[0] == pytest.approx(frame.state.speed)
    # 3 frames of a 17 Hz camera.
    assert (records[1].stamp_ns - first.stamp_ns) / 1e9 == pytest.approx(3 / 17, abs=1e-6)


def test_splits_share_a_folder_and_no_scene(rendered):
    assert len(list(rendered.glob("leftImg8bit/val/synthville/*.jpg"))) == 1
    numbers = {
        split: {p.name.split("_")[1] for p in rendered.glob(f"leftImg8bit/{split}/*/*")}
        for split in ("train", "val")
    }
    assert not numbers["train"] & numbers["val"]


def test_an_existing_split_is_refused_and_kept(rendered, capsys):
    before = sorted(rendered.rglob("*"))
    assert main(["render", str(rendered), "--scenes", "1", *SMALL, "--split", "val"]) == 1
    error = capsys.readouterr().err
    assert "exists already" in error
    assert "--overwrite" in error
    assert sorted(rendered.rglob("*")) == before


def test_overwrite_replaces_the_split(tmp_path):
    root = tmp_path / "city"
    for extra in ((), ("--overwrite", "--city", "other")):
        assert main(["render", str(root), "--scenes", "1", *SMALL, *extra]) == 0
    assert [p.name for p in (root / "leftImg8bit/train").iterdir()] == ["other"]


def test_several_processes_write_the_same_files(rendered, tmp_path):
    command = ["render", str(tmp_path), "--scenes", "2", "--frames-per-scene", "2", "--every", "3"]
    assert main([*command, *SMALL, "--seed", "5", "--workers", "2"]) == 0
    found = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*.*")}
    assert len(found) == 28
    assert all((rendered / name).read_bytes() == data for name, data in found.items())


def test_a_failure_leaves_nothing_with_the_final_name(tmp_path, monkeypatch, capsys):
    """The disk is full after the first picture."""
    write = Path.write_bytes

    def full(self, data):
        if "leftImg8bit" in self.name:
            return write(self, data)
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["render", str(tmp_path / "city"), "--scenes", "1", *SMALL]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not [p for p in (tmp_path / "city").rglob("*") if p.is_file() or p.name == "train"]


def test_a_drive_names_its_scenes(tmp_path):
    drive = tmp_path / "drive.yaml"
    drive.write_text(
        "schema_version: 1\n"
        "scenes:\n"
        "  - {frames: 2, every: 4, street: canyon, light: dusk, speed: 5.0}\n"
        "  - {frames: 1, events: [{event: lead, distance: 12}]}\n"
    )
    assert main(["render", str(tmp_path / "city"), "--drive", str(drive), *SMALL]) == 0
    names = sorted(p.name for p in (tmp_path / "city").glob("leftImg8bit/train/*/*"))
    assert names == [
        "synthville_000000_000000_leftImg8bit.png",
        "synthville_000000_000004_leftImg8bit.png",
        "synthville_000001_000000_leftImg8bit.png",
    ]


def test_a_drive_excludes_what_it_says_itself(tmp_path, capsys):
    command = ["render", str(tmp_path / "city"), "--drive", "demo", "--light", "day"]
    assert main(command) == 1
    assert "--light" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--size", "512", "WIDTHxHEIGHT"),
        ("--size", "8x8", "32..4096 pixels"),
        ("--size", "4097x32", "32..4096 pixels"),
        ("--scenes", "0", "1..100000"),
        ("--seed", "-1", "a whole number"),
        ("--city", "Bad_Name", "lower-case"),
        ("--jpg", "101", "1..100"),
        ("--split", "trian", "train"),
    ],
)
def test_bad_options_are_wrong_usage(tmp_path, capsys, option, value, expected):
    with pytest.raises(SystemExit) as status:
        main(["render", str(tmp_path / "city"), f"{option}={value}"])
    assert status.value.code == 2
    assert expected in capsys.readouterr().err
