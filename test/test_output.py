from __future__ import annotations

from pathlib import Path

import pytest

from semalign_ros.errors import OutputError
from semalign_ros.output import atomic_path, make_folder


def test_a_file_gets_its_name_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "bag.txt"
    with atomic_path(target) as partial:
        partial.write_text("half")
        assert not target.exists()
        assert partial.suffix == ".txt"
    assert target.read_text() == "half"
    assert [p.name for p in target.parent.iterdir()] == ["bag.txt"]


def test_an_error_leaves_nothing_and_keeps_what_was_there(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("precious")
    with pytest.raises(ZeroDivisionError):
        _half_write(target)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (target / "old").read_text() == "precious"


def test_overwrite_replaces_a_folder_as_a_whole(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("x")
    with atomic_path(target, overwrite=True) as partial:
        partial.mkdir()
        (partial / "new").write_text("y")
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_exists_is_refused_before_any_work(tmp_path):
    (tmp_path / "out").write_text("x")
    with (
        pytest.raises(OutputError, match=r"exists already.*--overwrite"),
        atomic_path(tmp_path / "out"),
    ):
        pytest.fail("the work began")


def test_a_parent_that_is_a_file_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match="cannot be written"),
        atomic_path(tmp_path / "file" / "out"),
    ):
        pytest.fail("the work began")


def test_a_vanished_parent_is_a_clear_error(tmp_path):
    target = tmp_path / "folder" / "out.txt"
    with pytest.raises(OutputError, match="cannot be written"):
        _lose_the_parent(target)


def test_other_os_errors_keep_their_meaning(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(tmp_path / "out"):
        Path("/elsewhere/input").read_text()


def _half_write(target):
    with atomic_path(target, overwrite=True) as partial:
        partial.mkdir()
        (partial / "new").write_text(str(1 / 0))


def _lose_the_parent(target):
    with atomic_path(target) as partial:
        partial.parent.rmdir()
        partial.write_text("x")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("kept")
    for folder in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        with pytest.raises(OutputError, match=r"cannot be written \(.*/file is no folder\)"):
            make_folder(folder)
    assert (tmp_path / "file").read_text() == "kept"
    make_folder(tmp_path / "new" / "folder")
    make_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()
