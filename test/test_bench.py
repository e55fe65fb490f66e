from __future__ import annotations

import importlib.util

import pytest

from semalign_ros.benchmarks.corruption import Timing, scene, table
from semalign_ros.cli import main
from semalign_ros.corruption import list_corruptions


def test_the_table_names_machine_floor_and_every_corruption(capsys):
    assert main(["bench", "corruption", "--size", "128x64", "--repetitions", "1"]) == 0
    out = capsys.readouterr().out
    assert "128x64 rgb8" in out
    assert "| memory copy | |" in out
    for name in list_corruptions():
        (line,) = (row for row in out.splitlines() if row.startswith(f"| {name} |"))
        times = [float(cell) for cell in line.split("|")[2:5]]
        assert all(t >= 0 for t in times)


def test_speedups_are_means_of_ratios():
    shared = Timing("fog", (10.0, 20.0, 40.0), (20.0, 80.0, 320.0))
    alone = Timing("occlusion", (1.0, 1.0, 1.0), None)
    assert shared.speedup == pytest.approx(4.0)
    assert alone.speedup is None
    text = table([shared, alone, Timing("jpeg", (1.0,) * 3, (1.0,) * 3)], 0.5)
    assert "| fog | 10.0 | 20.0 | 40.0 | 80 | 20 | 80 | 320 | 4.0 |" in text
    assert "over the 2 shared ones: 2.0" in text


def test_the_scene_has_all_that_a_corruption_may_use():
    frame = scene(64, 128)
    assert frame.labels is not None
    assert frame.depth is not None
    assert frame.speed is not None
    assert len(frame.earlier) == 60
    assert frame.image.std() > 20


@pytest.mark.skipif(
    importlib.util.find_spec("imagecorruptions") is not None, reason="imagecorruptions is installed"
)
def test_a_missing_peer_is_named(capsys):
    assert main(["bench", "corruption", "--peer", "--size", "64x32"]) == 1
    assert "pip install imagecorruptions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "big"], "expected WIDTHxHEIGHT"),
        (["--size", "8x512"], "16..8192 pixels a side, found '8x512'"),
        (["--repetitions", "0"], "expected a whole number above 0"),
    ],
)
def test_wrong_usage(arguments, words, capsys):
    with pytest.raises(SystemExit) as status:
        main(["bench", "corruption", *arguments])
    assert status.value.code == 2
    assert words in capsys.readouterr().err


def test_an_unknown_corruption_is_told(capsys):
    assert main(["bench", "corruption", "--corruption", "hail"]) == 1
    assert "unknown corruption 'hail'" in capsys.readouterr().err
