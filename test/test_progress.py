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
