from __future__ import annotations

import signal
import sys
import time

import pytest
import yaml

from semalign_ros.errors import SemalignError
from semalign_ros.nodes.environment import complete, settings
from semalign_ros.nodes.processes import NodeProcess, node_command, stop_all, yaml_value

WAIT = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.05)\n"
# A shell's background jobs inherit that SIGINT is ignored; rclpy listens anyway, Python does not.
LOOP = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n" + WAIT
DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WAIT


def begin(code, log):
    process = NodeProcess([sys.executable, "-S", "-c", code], log)
    deadline = time.monotonic() + 30
    while "ready" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(
    "value",
    ["front", "0123", "1e5", "yes", "a b: c", "", "ü", 3, 2.5, 1e-5, True, ["a", "no"], [1, 2]],
)
def test_a_parameter_value_arrives_with_its_type(value):
    assert yaml.safe_load(yaml_value(value)) == value
    assert type(yaml.safe_load(yaml_value(value))) is type(value)


def test_strings_are_always_quoted():
    # rcl takes 1e5 for a number, PyYAML does not.
    assert yaml_value("1e5") == '"1e5"'
    assert yaml_value(("1e5",)) == '["1e5"]'


def test_a_command_line_holds_all_that_is_given():
    command = node_command(
        "monitor_node",
        {"camera": "front", "corruption.severity": 3.0},
        params_files=["a.yaml"],
        remappings={"~/input/image": "/cam"},
        name="m",
        namespace="/car",
    )
    assert command[0] == sys.executable
    text = " ".join(command[1:])
    assert text == (
        "-m semalign_ros.nodes.monitor_node --ros-args --params-file a.yaml "
        "-r ~/input/image:=/cam -r __node:=m -r __ns:=/car "
        '-p camera:="front" -p corruption.severity:=3.0'
    )


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [
        ("humble", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("lyrical", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_each_distribution_gets_the_variable_that_it_reads(distribution, variable):
    fresh = settings({"ROS_DISTRO": distribution})
    assert fresh.pop(variable).endswith("config/fastdds/profile.xml")
    assert fresh == {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "536870912"}


def test_what_the_user_has_set_is_left_alone():
    own = {"FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml", "MALLOC_TRIM_THRESHOLD_": "1"}
    assert complete(own) == {**own, "MALLOC_MMAP_THRESHOLD_": "33554432"}


def test_a_profile_under_the_name_of_another_version_is_meant_too():
    own = {"FASTDDS_DEFAULT_PROFILES_FILE": "mine.xml", "FASTRTPS_DEFAULT_PROFILES_FILE": ""}
    assert settings({**own, "ROS_DISTRO": "jazzy"})["FASTRTPS_DEFAULT_PROFILES_FILE"] == "mine.xml"
    assert not {n for n in settings({**own, "ROS_DISTRO": "kilted"}) if "PROFILES" in n}


@pytest.mark.dds
def test_the_profile_gives_images_room(tmp_path):
    """A participant's shared-memory segment is 64 MB, as the profile says."""
    code = (
        "import os, pathlib, rclpy\n"
        "rclpy.init(); node = rclpy.create_node('room')\n"
        "mapped = [l.split()[-1] for l in open('/proc/self/maps') if '/dev/shm/fast' in l]\n"
        "print(max(os.path.getsize(f) for f in set(mapped) if os.path.exists(f)))\n"
        "node.destroy_node(); rclpy.shutdown()\n"
    )
    process = NodeProcess([sys.executable, "-c", code], tmp_path / "log")
    assert process.wait(60) == 0, process.log.read_text()
    assert int(process.log.read_text().split()[-1]) >= 64 << 20


def test_the_child_has_the_settings(tmp_path):
    code = "import os; print(os.environ['MALLOC_TRIM_THRESHOLD_'])"
    process = NodeProcess([sys.executable, "-S", "-c", code], tmp_path / "log")
    assert process.wait(30) == 0
    assert (tmp_path / "log").read_text().strip() == "536870912"


def test_a_process_is_ended_as_by_ctrl_c(tmp_path):
    process = begin(LOOP, tmp_path / "log")
    assert process.stop() in (-signal.SIGINT, 1)  # KeyboardInterrupt, not caught there
    assert "KeyboardInterrupt" in (tmp_path / "log").read_text()


def test_what_does_not_hear_is_ended_harder(tmp_path, monkeypatch):
    monkeypatch.setattr("semalign_ros.nodes.processes._TERMINATE_AFTER_S", 0.2)
    assert begin(DEAF, tmp_path / "log").stop() == -signal.SIGTERM


def test_the_last_words_of_a_dead_process_are_told(tmp_path):
    process = NodeProcess(
        [sys.executable, "-S", "-c", "raise SystemExit('no such model')"], tmp_path / "log"
    )
    process.wait(30)
    with pytest.raises(SemalignError, match=r"(?s)ended with status 1.*no such model"):
        process.check_alive()


def test_waiting_is_limited(tmp_path):
    process = begin(LOOP, tmp_path / "log")
    with pytest.raises(SemalignError, match=r"did not end within 0\.1 s"):
        process.wait(0.1)
    assert stop_all([process])[0] != 0
