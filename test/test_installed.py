"""The package finds its files wherever it is installed; `colcon test` runs this too."""

from __future__ import annotations

import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.resources import find_resource, resource, share_folder


@pytest.mark.parametrize(
    "name",
    [
        "package.xml",
        "config/corruptions/paper.yaml",
        "config/prompts/default.yaml",
        "launch/monitor.launch.py",
        "launch/pipeline.launch.py",
        "launch/replay.launch.py",
        "rosbags/street_demo/metadata.yaml",
        "models/street_segmenter/bundle.yaml",
        "models/street_contrastive/bundle.yaml",
        "models/street_generative/bundle.yaml",
    ],
)
def test_shipped_files_are_installed(name):
    assert (share_folder() / name).is_file()


def test_a_shipped_name_needs_no_path_and_no_suffix():
    expected = resource("config", "corruptions", "paper.yaml")
    assert find_resource("paper", "config/corruptions") == expected
    assert find_resource("paper.yaml", "config/corruptions") == expected


def test_a_path_wins(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("x")
    assert find_resource(str(path), "config/corruptions") == path


def test_an_unknown_name_lists_what_ships():
    with pytest.raises(ConfigError, match=r"papr: no such file.*shipped: .*paper\.yaml"):
        find_resource("papr", "config/corruptions")


def test_a_folder_does_not_hide_a_shipped_file_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "paper").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_resource("paper", "config/corruptions").is_file()
    # One that is meant is left to the reader, who says that it is a folder.
    (tmp_path / "mine").mkdir()
    assert find_resource("mine", "config/corruptions").is_dir()
