from __future__ import annotations

import re

import pytest

from semalign_ros import progress


def test_without_a_terminal_a_line_comes_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with progress.frames_bar("judging", 5) as advance:
        advance(2)
        advance(3)
    said = capsys.readouterr()
    assert said.out == ""
    took = r"after \d+ s\n"
    wanted = (
        f"judging: 2 of 5 frames {took}judging: 5 of 5 frames {took}judging: 5 of 5 frames {took}"
    )
    assert re.fullmatch(wanted, said.err)


def test_short_work_is_one_line_and_an_error_none(capsys):
    with progress.frames_bar("drawing", None, "scenes") as advance:
        advance(4)
    assert re.fullmatch(r"drawing: 4 scenes after 0 s\n", capsys.readouterr().err)
    with pytest.raises(KeyError), progress.frames_bar("drawing", 4):
        {}["no such frame"]
    assert capsys.readouterr().err == ""


def test_stages_tell_their_figures(capsys, monkeypatch):
    with progress.StageBars() as bars:
        bars.show("segmenter", 10, 20, "loss 2.0")  # too early for a line
        monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
        bars.show("segmenter", 15, 20, "loss 1.5")
        monkeypatch.setattr(progress, "_LINE_EVERY_S", 60.0)
        bars.show("contrastive", 1, 3)
        bars.show("segmenter", 20, 20, "loss 1.0")
        bars.show("segmenter", 5, 5)
    said = capsys.readouterr().err
    wanted = (
        r"segmenter: 15 of 20 after \d+ s  loss 1\.5\nsegmenter: 20 of 20 after \d+ s  loss 1\.0\n"
        r"segmenter: 5 of 5 after \d+ s\n"
    )
    assert re.fullmatch(wanted, said)


def test_a_terminal_shows_a_bar_for_each_stage(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress.StageBars() as bars:
        bars.show("segmenter", 10, 20, "loss 2.0")
        bars.show("contrastive", 1, 3)
        bars.show("segmenter", 25, 25, "loss 1.0")
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    last = said[said.rindex("segmenter") :]
    assert re.search(r"segmenter .*25/25.*loss 1\.0", last)
    assert re.search(r"contrastive .*1/3", last)
