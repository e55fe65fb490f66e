"""The contact sheet shows what the corruptions do, and says what it means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from semalign_ros.bags import read_frames
from semalign_ros.cli import main
from semalign_ros.corruption import list_corruptions
from semalign_ros.drawing import draw_gallery
from semalign_ros.errors import ConfigError

DEMO = Path(__file__).parents[1] / "rosbags/street_demo"


@pytest.fixture(scope="module")
def frame():
    (frame,) = read_frames(DEMO, start=30, limit=1, recalls=range(1, 25))
    return frame


def tiles(sheet, columns, rows, width=96, height=48):
    """The pictures, [rows][columns], of a sheet without its words."""
    step = sheet.shape[0] // rows
    gap = (sheet.shape[1] - columns * width) // (columns + 1)
    top = step - gap - height
    return [
        [
            sheet[r * step + top :, gap + c * (width + gap) :][:height, :width].astype(int)
            for c in range(columns)
        ]
        for r in range(rows)
    ]


def test_rows_are_corruptions_and_columns_severities(frame):
    names = ["erode", "occlusion", "low_light_gamma"]
    sheet = draw_gallery(frame, names, (1, 5), tile_width=96)
    rows = tiles(sheet, 3, 3)
    clean = cv2.resize(frame.image, (96, 48), interpolation=cv2.INTER_AREA)
    occluded, dark, eroded = rows  # label maps come last
    assert np.abs(occluded[0] - clean).max() <= 1
    black = [(tile == 0).all(axis=2).mean() for tile in occluded]
    assert black[1] == pytest.approx(0.08, abs=0.03)
    assert black[2] == pytest.approx(0.25, abs=0.03)
    brightness = [tile.mean() for tile in dark]
    assert brightness[0] > brightness[1] > brightness[2]
    assert np.abs(eroded[0] - clean).mean() > 10  # coloured
    assert not np.array_equal(eroded[0], eroded[2])


def test_a_frame_without_labels_has_no_label_rows(frame):
    blind = replace(frame, labels=None)
    one = draw_gallery(blind, ["fog", "erode"], (3,), tile_width=96)
    assert one.shape == draw_gallery(blind, ["fog"], (3,), tile_width=96).shape
    with pytest.raises(ConfigError, match="erode: needs a frame with a label map"):
        draw_gallery(blind, ["erode"], (3,))


def test_the_command_draws_all_of_them(tmp_path, capsys):
    out = tmp_path / "sheet.jpg"
    arguments = ["--frame", "20", "--severities", "2,4.5", "--width", "96", "--out", str(out)]
    assert main(["gallery", str(DEMO), *arguments]) == 0
    assert f"{len(list_corruptions())} corruptions" in capsys.readouterr().out
    sheet = cv2.imread(str(out))
    assert sheet.shape[1] == pytest.approx(3 * 96, abs=16)
    assert main(["gallery", str(DEMO), *arguments]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_picture_will_do(tmp_path, frame):
    picture, out = tmp_path / "street.png", tmp_path / "fog.png"
    cv2.imwrite(str(picture), frame.image)
    assert main(["gallery", str(picture), "--corruption", "fog", "--out", str(out)]) == 0
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frame", "9999"], "found 9999, the bag has 0 to"),
        (["--severities", "1,x"], "expected numbers such as 1,3,5"),
        (["--severities", "1,9"], "severity = 9.0, expected a number from 0 to 5"),
        (["--corruption", "lens_durt"], "did you mean 'lens_dirt'"),
        (["--width", "5"], "expected 64 to 2048"),
    ],
)
def test_bad_wishes(arguments, words, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    assert main(["gallery", str(DEMO), "--out", str(out), *arguments]) == 1
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_an_unknown_format(tmp_path, capsys):
    assert main(["gallery", str(DEMO), "--out", str(tmp_path / "sheet.gif")]) == 1
    assert "expected a name in .png or .jpg" in capsys.readouterr().err
