from __future__ import annotations

import errno
import os

import pytest

from semalign_ros import __version__
from semalign_ros.cli import COMMANDS, build_parser, main


def test_help_lists_every_command_with_a_line(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        (line,) = [text for text in listed if text.split()[:1] == [name]]
        assert len(line.split()) > 3


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_its_example(name, capsys):
    with pytest.raises(SystemExit) as status:
        build_parser(name).parse_args(["--help"])
    assert status.value.code == 0
    assert f"example:\n  semalign {name}" in capsys.readouterr().out


def test_no_command_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "usage: semalign" in capsys.readouterr().out


def test_an_unknown_command_gets_the_nearest_name(capsys):
    assert main(["evalute"]) == 2
    assert "did you mean 'evaluate'" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"semalign {__version__}\n"


def test_a_users_error_is_one_line_and_status_1(capsys, tmp_path):
    assert main(["report", str(tmp_path / "nothing")]) == 1
    error = capsys.readouterr().err
    assert "no evaluation there" in error
    assert "Traceback" not in error


def test_debug_shows_where_it_came_from(tmp_path):
    with pytest.raises(Exception, match="no evaluation there"):
        main(["--debug", "report", str(tmp_path / "nothing")])


def test_what_no_command_foresaw_is_one_line_too(monkeypatch, capsys):
    def run(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/out/page")

    monkeypatch.setattr("semalign_ros.commands.report.run", run)
    assert main(["report", "out"]) == 1
    assert capsys.readouterr().err == "semalign report: /out/page: No space left on device\n"
    with pytest.raises(OSError, match="No space"):
        main(["report", "out", "--debug"])
