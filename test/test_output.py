from __future__ import annotations

import errno
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
    with atomic_path(target, overwrite=True, marker="old") as partial:
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
    with atomic_path(target, overwrite=True, marker="old") as partial:
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


@pytest.mark.parametrize(
    ("marker", "message"),
    [("", "is a folder, expected a file"), ("bundle.yaml", "has no bundle.yaml, so it is no")],
)
def test_overwrite_spares_what_is_no_earlier_output(tmp_path, marker, message):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match=message):
        _write_folder(tmp_path, marker)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_overwrite_spares_a_file_where_a_folder_is_written(tmp_path):
    (tmp_path / "out").write_text("precious")
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        _write_folder(tmp_path / "out", "old")
    assert (tmp_path / "out").read_text() == "precious"


def test_an_empty_folder_may_be_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    _write_folder(tmp_path / "out", "old")
    assert (tmp_path / "out" / "new").is_file()


def test_who_was_faster_is_not_overwritten(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(OutputError, match="exists already"):
        _write_slowly(target)
    assert target.read_text() == "fast"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "run1").mkdir()
    (tmp_path / "run1" / "old").write_text("x")
    (tmp_path / "latest").symlink_to("run1")
    _write_folder(tmp_path / "latest", "old")
    assert (tmp_path / "latest").is_symlink()
    assert [p.name for p in (tmp_path / "run1").iterdir()] == ["new"]


def test_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "old").write_text("x")
    monkeypatch.chdir(tmp_path / "here")
    _write_folder(Path(), "old")
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["new"]


def test_below_a_link_to_nowhere_nothing_can_be_made(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="link is no folder"):
        make_folder(tmp_path / "link")


def test_a_full_disk_is_told_with_the_output(tmp_path):
    with pytest.raises(OutputError, match=r"out: cannot be written \(No space left"):  # noqa: SIM117
        with atomic_path(tmp_path / "out"):
            raise OSError(errno.ENOSPC, "No space left on device")


def _write_slowly(target):
    with atomic_path(target) as partial:
        partial.write_text("slow")
        target.write_text("fast")


def _write_folder(target, marker):
    with atomic_path(target, overwrite=True, marker=marker) as partial:
        partial.mkdir()
        (partial / "new").write_text("y")
