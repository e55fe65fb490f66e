"""Parameters, lifecycle, services, time: how a running monitor is controlled."""

from __future__ import annotations

import json
import os
import signal
from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters
from ros_kit import IMAGE, ORIGIN_NS, SAFE, STEP_NS, UNSAFE, paint, scene, stamp_of, values_of
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from semalign_ros.nodes.config import MonitorConfig
from semalign_ros.nodes.messages import time_message
from semalign_ros.nodes.schema import rows

pytestmark = pytest.mark.dds

JUDGMENT = "/monitor/output/judgment"
CLAIMS = ("car", "bus", "road", "sky")
CONDITIONS = [("motion_blur", 1.0), ("motion_blur", 2.0), ("boundary_jitter", 3.0)]


@pytest.fixture(scope="module")
def drive(tmp_path_factory, make_drive):
    folder = tmp_path_factory.mktemp("control")
    return make_drive(folder, [("car",)] * 40, lambda i, c: (CLAIMS, SAFE), CONDITIONS)


class Camera:
    """Sends frames one by one and waits for their verdicts."""

    def __init__(self, probe):
        self.probe = probe
        self.judged = probe.listen(DiagnosticArray, JUDGMENT)
        probe.listen(DiagnosticArray, "/diagnostics")
        self.publisher = probe.publisher(Image, IMAGE)

    def publish(self, stamp):
        image = paint(scene("car"))
        message = Image(height=image.shape[0], width=image.shape[1], encoding="rgb8")
        message.step = 3 * image.shape[1]
        message.data = array("B", image.tobytes())
        message.header.stamp = time_message(stamp)
        message.header.frame_id = "front_optical"
        self.publisher.publish(message)

    def judge(self, number):
        """Verdict of frame `number`."""
        stamp = ORIGIN_NS + number * STEP_NS
        count = len(self.judged)
        self.publish(stamp)
        self.probe.wait(lambda: len(self.judged) > count, f"verdict of frame {number}")
        assert stamp_of(self.judged[-1]) == stamp
        return values_of(self.judged[-1], "judgment")

    def windowed(self):
        """Frames in the window of the hallucination status."""
        self.probe.refreshed()
        status = self.probe.status("semalign_camera: hallucination")
        if status is None:
            return -1
        return float({p.key: p.value for p in status.values}["chair_s_frames"])


@pytest.fixture
def monitor(drive, start, probe, tmp_path):
    parameters = drive.parameters(snapshot_folder=str(tmp_path / "shots"))
    remap = {"~/input/image": IMAGE}
    return lambda **more: start("monitor_node", {**parameters, **more}, remap, name="monitor")


def test_parameters_change_while_it_runs_or_are_refused_with_the_reason(monitor, probe):
    monitor()
    camera = Camera(probe)
    assert camera.judge(0)["condition"] == "motion_blur"
    asked = DescribeParameters.Request(names=[row.name for row in rows(MonitorConfig)])
    described = probe.call(DescribeParameters, "/monitor/describe_parameters", asked).descriptors
    for row, descriptor in zip(rows(MonitorConfig), described, strict=True):
        assert descriptor.description == row.description
        assert descriptor.read_only == row.read_only
    ranges = {d.name: d.floating_point_range for d in described}
    assert ranges["corruption.severity"][0].to_value == 5.0

    refused = {
        "corruption__severity": (9.0, "out of range"),
        "corruption__condition": ("fogg", "unknown condition 'fogg'; did you mean"),
        "corruption__profile": ("nowhere", "nowhere: no such file"),
        "rule__critical": (["lorry"], "unknown critical class 'lorry'"),
        "rule__corridor_top": (0.9, "corridor_top"),
        "rule__label_map": ("camvit", "did you mean 'camvid'"),
        "rule.label_map": ("camvid", "set reference to topic"),
        "thresholds__hallucination_warn": (0.95, "must come before its error"),
        "thresholds__window_frames": (2.5, "expected a integer"),
        "max_age": ("soon", "max_age: found 'soon', expected a double"),
        "thresholds__min_samples": (200, "min_samples 200 is above window_frames"),
        "vlm__bundle": ("other", "read-only"),
        "vlm__nonsense": (1, "undeclared parameter"),
    }
    for name, (value, reason) in refused.items():
        (result,) = probe.set_parameters("/monitor", **{name: value})
        assert not result.successful, name
        assert reason in result.reason, result.reason
    for unreadable in ("~nobody_of_that_name/p.yaml", "x" * 300):
        (result,) = probe.set_parameters("/monitor", corruption__profile=unreadable)
        assert not result.successful
        assert "cannot be read" in result.reason
    assert camera.judge(1)["severity"] == "2"

    assert all(
        r.successful for r in probe.set_parameters("/monitor", corruption__severity=1)
    )  # a whole number for a double
    assert camera.judge(2)["severity"] == "1"
    probe.set_parameters("/monitor", corruption__condition="clean")
    values = camera.judge(3)
    assert (values["condition"], values["severity"]) == ("clean", "0")
    probe.set_parameters("/monitor", rule__min_fraction=0.9)
    assert camera.judge(4)["present/car"] == "0"


def test_a_node_that_cannot_start_says_why_and_fails(drive, start, tmp_path):
    bad = (
        ({"corruption.severity": 9.0}, "corruption.severity"),
        ({"vlm.bundle": "/nowhere"}, "/nowhere: no such file"),
        ({"segmenter.bundle": ""}, "the reference shall come from the segmenter"),
        ({"segmenter.device": "cuda"}, "cuda"),
        ({"corruption.condition": "fogg", "max_age": -1.0}, "max_age"),
    )
    nodes = [
        start("monitor_node", drive.parameters(**change), name=f"bad{i}", clean=False)
        for i, (change, _) in enumerate(bad)
    ]
    alone = {"reference": "segmenter", "segmentation": False}
    nodes.append(start("alignment_node", alone, clean=False))
    bad = (*bad, (alone, "reference segmenter needs the label maps"))
    for node, (_, text) in zip(nodes, bad, strict=True):
        assert node.wait(60) == 1, text
        log = node.log.read_text()
        assert text in log
        assert "Traceback" not in log


def test_lifecycle(monitor, probe):
    monitor(autostart=False)
    probe.listen(DiagnosticArray, "/diagnostics")

    def state():
        return probe.call(GetState, "/monitor/get_state", GetState.Request()).current_state.label

    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return probe.call(ChangeState, "/monitor/change_state", request).success

    assert state() == "unconfigured"
    assert not probe.node.count_subscribers(IMAGE)
    assert change(Transition.TRANSITION_CONFIGURE)
    assert state() == "inactive"
    # A manager that has lost patience asks again.
    assert not change(Transition.TRANSITION_CONFIGURE)
    assert not change(99)
    assert change(Transition.TRANSITION_ACTIVATE)
    assert not change(Transition.TRANSITION_ACTIVATE)
    assert state() == "active"
    camera = Camera(probe)
    camera.judge(0)
    assert change(Transition.TRANSITION_DEACTIVATE)
    probe.wait(lambda: not camera.publisher.get_subscription_count(), "the end of subscription")
    assert change(Transition.TRANSITION_ACTIVATE)
    probe.wait(camera.publisher.get_subscription_count, "a new subscription")
    camera.judge(1)
    assert change(Transition.TRANSITION_DEACTIVATE)
    assert change(Transition.TRANSITION_CLEANUP)
    assert state() == "unconfigured"
    assert change(Transition.TRANSITION_CONFIGURE)
    assert change(Transition.TRANSITION_INACTIVE_SHUTDOWN)
    assert state() == "finalized"


def test_a_topic_that_nobody_publishes_is_named(drive, start, probe):
    probe.listen(DiagnosticArray, "/diagnostics")
    remap = {"~/input/image": IMAGE, "~/input/segmentation": "/front/segmentaton"}
    start("monitor_node", drive.parameters(reference="topic"), remap, name="monitor")

    def message():
        status = probe.status("semalign_camera: pipeline")
        return "" if status is None else status.message

    both = f"; nobody publishes {IMAGE}, /front/segmentaton"
    probe.wait(lambda: message().endswith(both), message)
    camera = Camera(probe)
    probe.wait(camera.publisher.get_subscription_count, "a subscription")
    camera.publish(ORIGIN_NS)
    probe.wait(lambda: message().endswith("; nobody publishes /front/segmentaton"), message)


def test_services_and_debug_outputs(monitor, probe, tmp_path):
    monitor()
    camera = Camera(probe)
    shot = probe.call(Trigger, "/monitor/snapshot", Trigger.Request())
    assert not shot.success
    assert "no frame" in shot.message
    overlays = probe.listen(Image, "/monitor/debug/overlay")
    markers = probe.listen(MarkerArray, "/monitor/debug/markers")
    degraded = probe.listen(Image, "/monitor/output/corrupted/image")
    maps = probe.listen(Image, "/monitor/output/segmentation/degraded")
    colours = probe.listen(Image, "/monitor/output/segmentation/clean/color")
    topics = ("output/corrupted/image", "debug/overlay", "debug/markers")
    probe.wait(
        lambda: all(probe.node.count_publishers(f"/monitor/{t}") for t in topics), "the outputs"
    )

    def all_delivered():
        return overlays and markers and degraded and maps and colours

    number = 0
    while not all_delivered():  # lazy: the first frames may come before the subscriptions match
        camera.judge(number)
        number += 1
        assert number < 30
    stamps = {stamp_of(m) for m in camera.judged}
    for messages in (overlays, degraded, maps, colours):
        assert stamp_of(messages[-1]) in stamps
        assert messages[-1].header.frame_id == "front_optical"
    np.testing.assert_array_equal(
        np.frombuffer(degraded[-1].data, np.uint8).shape, paint(scene()).size
    )
    assert maps[-1].encoding == "mono8"
    texts = [m.text for m in markers[-1].markers]
    assert "SAFE (reference SAFE)" in texts
    assert "hallucinated: bus" in texts

    probe.wait(lambda: camera.windowed() == number, "the window")
    assert probe.call(Trigger, "/monitor/reset", Trigger.Request()).success
    probe.wait(lambda: camera.windowed() == 0, "an empty window")

    off = probe.call(SetBool, "/monitor/set_enabled", SetBool.Request(data=False))
    assert (off.success, off.message) == (True, "disabled")
    received = probe.counters()["received"]
    camera.publish(ORIGIN_NS + 50 * STEP_NS)
    probe.wait(
        lambda: probe.status("semalign_camera: pipeline").message == "disabled", "the status"
    )
    for skipped in range(51, 60):
        camera.publish(ORIGIN_NS + skipped * STEP_NS)
    assert probe.counters()["received"] == received
    probe.call(SetBool, "/monitor/set_enabled", SetBool.Request(data=True))
    stamp = ORIGIN_NS + 60 * STEP_NS
    camera.publish(stamp)
    probe.wait(lambda: stamp_of(camera.judged[-1]) == stamp, "a verdict after it was enabled")
    # What was published meanwhile is not lost: nobody listened.
    assert probe.counters()["dropped_lost"] == 0

    shot = probe.call(Trigger, "/monitor/snapshot", Trigger.Request())
    assert shot.success, shot.message
    folder = Path(shot.message)
    assert folder.parent == tmp_path / "shots"
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["hallucinated"] == ["bus"]
    assert verdict["degraded"]["claims"]["present"] == sorted(CLAIMS)
    assert yaml.safe_load((folder / "parameters.yaml").read_text())["corruption.severity"] == 2.0
    labels = cv2.imread(str(folder / "reference_labels.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, scene("car"))
    image = cv2.imread(str(folder / "image.png"))[..., ::-1]
    np.testing.assert_array_equal(image, paint(scene("car")))
    assert {f.name for f in folder.iterdir()} >= {"overlay.png", "image_degraded.png"}
    again = probe.call(Trigger, "/monitor/snapshot", Trigger.Request())
    assert Path(again.message) != folder  # nothing is overwritten


def test_an_external_safety_label_replaces_the_rule(monitor, probe):
    monitor(safety_label=True)
    camera = Camera(probe)
    assert camera.judge(0)["safe_reference"] == "1"
    label = probe.publisher(String, "/monitor/input/safety_label")
    number = 1
    for word, expected in ((UNSAFE, "0"), ("Safe ", "1"), (UNSAFE, "0"), ("maybe", "1")):
        label.publish(String(data=word))
        while camera.judge(number)["safe_reference"] != expected:
            number += 1
            assert number < 35, word
        number += 1


def test_a_jump_back_of_simulated_time_empties_the_windows(monitor, probe):
    monitor(use_sim_time=True, max_age=1.0)
    clock = probe.publisher(Clock, "/clock")
    camera = Camera(probe)

    def tick(number):
        clock.publish(Clock(clock=time_message(ORIGIN_NS + number * STEP_NS + 1000)))

    def judged_at(number):
        tick(number)
        # The tick and the image are not ordered; an image before its tick is just young.
        return camera.judge(number)

    assert [judged_at(n)["index"] for n in range(4)] == ["0", "1", "2", "3"]
    probe.wait(lambda: camera.windowed() == 4, "four frames in the window")
    age = probe.listen(DiagnosticArray, "/monitor/metrics")
    tick(0)
    probe.wait(lambda: camera.windowed() == 0, "an empty window")
    # A bag that loops: index and stamps begin anew, and the answers are found again.
    assert [judged_at(n)["index"] for n in range(3)] == ["0", "1", "2"]
    probe.wait(lambda: camera.windowed() == 3, "three frames in the window")
    assert all(0 <= float(values_of(m, "metrics")["pipeline_latency_ms"]) < 1000 for m in age)
    # A frame much older than the clock is stale.
    tick(40)
    stale = probe.counters()["dropped_stale"]
    count = 3

    def becomes_stale():
        nonlocal count
        camera.publish(ORIGIN_NS + count * STEP_NS)
        count += 1
        return probe.counters()["dropped_stale"] > stale

    probe.wait(becomes_stale, "a stale frame")


def test_stamps_that_jump_back_without_a_clock_empty_the_windows_too(monitor, probe):
    monitor()
    camera = Camera(probe)
    assert [camera.judge(n)["index"] for n in (5, 6, 7)] == ["0", "1", "2"]
    probe.wait(lambda: camera.windowed() == 3, "three frames in the window")
    assert camera.judge(0)["index"] == "0"
    probe.wait(lambda: camera.windowed() == 1, "a new window")


def test_a_second_publisher_of_the_frames_is_told_by_its_name(monitor, probe):
    node = monitor()
    cameras = [Camera(probe)]
    cameras[0].judge(0)
    assert "publishers" not in node.log.read_text()
    cameras.append(Camera(probe))
    probe.wait(lambda: "/camera/front/image_raw has 2 publishers (/" in node.log.read_text(), "it")


def test_an_impatient_ctrl_c_ends_it_cleanly(monitor, probe):
    # A terminal sends SIGINT to the whole group, and ros2 launch once more.
    node = monitor()
    camera = Camera(probe)
    camera.judge(0)
    for _ in range(5):
        os.kill(node.pid, signal.SIGINT)
    assert node.wait(30) == 0, node.log.read_text()
    assert "Traceback" not in node.log.read_text()
