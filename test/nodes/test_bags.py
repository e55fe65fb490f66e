"""A bag through DDS and back: player, recorder and their commands."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from geometry_msgs.msg import Twist
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy, qos_profile_sensor_data
from ros_kit import HEIGHT, WIDTH, paint, scene
from rosgraph_msgs.msg import Clock

from semalign_ros.bags.camera import CameraModel
from semalign_ros.bags.messages import (
    camera_info_message,
    deserialize,
    image_message,
    stamp_ns,
    tf_message,
    twist_message,
)
from semalign_ros.bags.storage import bag_info, read_raw
from semalign_ros.bags.topics import LATCHED, Qos
from semalign_ros.bags.writer import BagWriter
from semalign_ros.cli import main
from semalign_ros.nodes.environment import complete

pytestmark = pytest.mark.dds

NS = 10**9
START = 1_000 * NS
FRAMES = 12
CAMERA = CameraModel(WIDTH, HEIGHT, 50.0, 50.0, 48.0, 24.0)
TOPICS = {
    "/cam/image_raw": Qos("reliable", depth=5),
    "/cam/fast": Qos("best_effort", depth=7),
    "/cam/info": LATCHED,
    "/vehicle/twist": Qos(),
}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "source"
    with BagWriter(path) as writer:
        writer.write("/cam/info", camera_info_message(START, "cam", CAMERA), START, LATCHED)
        writer.write("/tf_static", tf_message(START, []), START, LATCHED)
        for i in range(FRAMES):
            stamp = START + i * NS // 10
            image = paint(scene("car"), i)
            for topic in ("/cam/image_raw", "/cam/fast"):
                writer.write(topic, image_message(stamp, "cam", image), stamp, TOPICS[topic])
            writer.write("/vehicle/twist", twist_message(stamp, "base", i, 0.0), stamp)
    return path


def payload(path, topic):
    """What a bag holds of a topic: CDR bytes without the padding that nobody defines."""
    found = []
    for raw in read_raw(path, [topic]):
        message = deserialize(raw.data, raw.msgtype)
        content = bytes(message.data) if hasattr(message, "data") else str(message)
        found.append((stamp_ns(message), content))
    return found


def test_a_played_and_recorded_bag_is_the_same_bag(bag, start, probe, tmp_path):
    copy = tmp_path / "copy"
    recorder = start("recorder_node", {"output": str(copy), "topics": ["/cam/*", "/vehicle/twist"]})
    player = start("player_node", {"bag": str(bag), "wait_for": list(TOPICS)})
    assert player.wait(60) == 0
    assert "/tf_static is left out: tf2_msgs/msg/TFMessage is not installed here" in (
        player.log.read_text()
    )
    assert not copy.exists()  # its name comes when it is whole
    assert recorder.stop() == 0
    info = bag_info(copy)
    assert {name: topic.msgtype for name, topic in info.topics.items()} == {
        name: topic.msgtype for name, topic in bag_info(bag).topics.items() if name != "/tf_static"
    }
    for name, qos in TOPICS.items():
        recorded = info.topics[name].qos
        assert (recorded.reliability, recorded.durability) == (qos.reliability, qos.durability)
        if qos.reliability == "reliable":
            assert payload(copy, name) == payload(bag, name), name
    assert set(payload(copy, "/cam/fast")) <= set(payload(bag, "/cam/fast"))


def test_the_player_offers_what_the_bag_says_and_keeps_the_time(bag, start, probe):
    ticks = probe.listen(Clock, "/clock")
    player = start(
        "player_node",
        {"bag": str(bag), "clock": 50.0, "rate": 2.0, "loop": True, "wait_for": ["/clock"]},
    )
    for name, qos in TOPICS.items():
        (publisher,) = probe.wait(
            lambda name=name: probe.node.get_publishers_info_by_topic(name), f"player of {name}"
        )
        profile = publisher.qos_profile
        best_effort = profile.reliability == ReliabilityPolicy.BEST_EFFORT
        assert best_effort == (qos.reliability == "best_effort")
        assert (profile.durability == DurabilityPolicy.TRANSIENT_LOCAL) == qos.latched

    def seconds():
        return [t.clock.sec + t.clock.nanosec / 1e9 for t in ticks]

    def loops():
        return sum(b < a for a, b in zip(seconds(), seconds()[1:], strict=False))

    probe.wait(lambda: loops() >= 2, "two loops")
    assert all(1000 <= s <= 1001.2 for s in seconds())
    assert player.poll() is None


def test_the_player_waits_for_its_readers_and_gives_up(bag, start):
    player = start(
        "player_node",
        {"bag": str(bag), "wait_for": ["/cam/image_raw"], "wait_timeout": 0.5},
        clean=False,
    )
    assert player.wait(60) == 1
    assert "nobody subscribed to /cam/image_raw within 0.5 s" in player.log.read_text()


def test_the_recorder_hears_a_second_publisher_and_takes_its_numbers_for_no_loss(
    start, tmp_path, probe
):
    def send(count):
        for _ in range(count):
            number.linear.x += 1.0
            turn = senders[int(number.linear.x) % len(senders)]
            turn.publish(number)
            time.sleep(0.02)

    number = Twist()
    senders = [probe.node.create_publisher(Twist, "/twist", 10)]
    copy = tmp_path / "copy"
    recorder = start("recorder_node", {"output": str(copy), "topics": ["/twist"]})
    probe.wait(senders[0].get_subscription_count, "the recorder")
    send(20)
    senders.append(probe.node.create_publisher(Twist, "/twist", qos_profile_sensor_data))
    probe.wait(senders[1].get_subscription_count, "the recorder again")
    probe.wait(senders[0].get_subscription_count, "the recorder again")
    send(20)
    time.sleep(0.5)
    assert recorder.stop() == 0
    recorded = [deserialize(raw.data, raw.msgtype).linear.x for raw in read_raw(copy)]
    assert recorded == [float(n) for n in range(1, 41)]
    assert "lost" not in recorder.log.read_text()


def test_the_recorder_keeps_the_time_of_a_simulation(bag, start, tmp_path, probe):
    copy = tmp_path / "sim"
    recorder = start(
        "recorder_node",
        {"output": str(copy), "topics": ["/cam/i*"], "use_sim_time": True},
    )
    player = start(
        "player_node",
        {"bag": str(bag), "clock": 100.0, "wait_for": ["/cam/image_raw", "/cam/info", "/clock"]},
    )
    assert player.wait(60) == 0
    assert recorder.stop() == 0
    times = [raw.log_time_ns for raw in read_raw(copy)]
    assert len(times) == FRAMES + 1
    assert all(START <= t <= START + 2 * NS for t in times)


def semalign(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "semalign_ros", *arguments],
        env=complete(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["play", "/nowhere"], "/nowhere: there is no such bag"),
        (["play", "BAG", "--topics", "/none"], "no topic matches /none; it has /cam/fast"),
        (["record", "BAG", "--all"], "exists already"),
    ],
)
def test_nodes_refuse_with_the_reason(bag, ros_log, arguments, text):
    done = semalign(*[str(bag) if a == "BAG" else a for a in arguments])
    assert (done.returncode, text in done.stderr) == (1, True), done.stderr
    assert done.stderr.startswith(
        {"play": "player", "record": "recorder"}[arguments[0]] + "_node: "
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["play", "BAG", "--rate", "0"], 1, "rate: found 0.0, expected 0.001..1000"),
        (["play"], 2, "the following arguments are required: BAG"),
        (["record", "OUT"], 2, "one of the arguments --topics --all is required"),
        (["live", "--set", "corruption.severity:=9"], 1, "corruption.severity: found 9"),
        (["live", "--set", "corruption.sevrity:=1"], 1, "did you mean 'corruption.severity'"),
        (["live", "--set", "severity=1"], 2, "expected NAME:=VALUE"),
        (
            ["live", "--params", "none.yaml"],
            1,
            "--params none.yaml: no such file; begin with a copy of",
        ),
        (
            ["live", "--image", "/front camera"],
            1,
            "live: --image: found '/front camera'. Invalid topic name",
        ),
        (["live", "--segmentation", "1/2"], 1, "live: --segmentation: found '1/2'. Invalid"),
    ],
)
def test_commands_refuse_before_they_start_anything(capsys, arguments, status, text):
    try:
        found = main(arguments)
    except SystemExit as exit_:
        found = exit_.code
    assert (found, text in (error := capsys.readouterr().err)) == (status, True), error


def test_play_and_record_as_commands(bag, ros_log, tmp_path):
    from semalign_ros.nodes.processes import NodeProcess

    recorder = NodeProcess(
        [
            sys.executable,
            "-m",
            "semalign_ros",
            "record",
            str(tmp_path / "out"),
            "--topics",
            "/cam/i*",
        ],
        tmp_path / "recorder.log",
    )
    with recorder:
        done = semalign("play", str(bag), "--wait-for", "/cam/image_raw", "--rate", "4")
        assert done.returncode == 0, done.stderr
        assert recorder.stop() == 0, recorder.log.read_text()
    assert bag_info(tmp_path / "out").topics["/cam/image_raw"].count == FRAMES
