"""Bad messages: each is counted for what it is, and the node lives."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_kit import HEIGHT, IMAGE, ORIGIN_NS, SAFE, SEGMENTATION, STEP_NS, WIDTH, paint, scene
from sensor_msgs.msg import Image

from semalign_ros.nodes.messages import time_message

pytestmark = pytest.mark.dds

RIGHT = ("car", "road", "sky")


class Bench:
    """A running monitor, and publishers that it listens to."""

    def __init__(self, probe, with_labels):
        self.probe = probe
        probe.listen(DiagnosticArray, "/diagnostics")
        self.image = probe.publisher(Image, IMAGE)
        self.labels = probe.publisher(Image, SEGMENTATION) if with_labels else None
        probe.wait(
            lambda: (
                self.probe.node.count_publishers("/monitor/output/judgment") and probe.counters()
            ),
            "the monitor",
        )
        self.count = 0

    def message(self, array_, encoding, **changes):
        message = Image(height=array_.shape[0], width=array_.shape[1], encoding=encoding)
        message.step = array_.shape[1] * (1 if array_.ndim == 2 else array_.shape[2])
        message.data = array("B", array_.tobytes())
        message.header.stamp = time_message(ORIGIN_NS + self.count * STEP_NS)
        message.header.frame_id = "front_optical"
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def send(self, change=None, labels_change=None, labels=None):
        """Send one frame; returns how the counters have changed."""
        before = self.probe.counters()
        frame = scene("car")
        message = self.message(paint(frame), "rgb8")
        for name, value in (change or {}).items():
            setattr(message, name, value)
        self.image.publish(message)
        if self.labels is not None:
            truth = self.message(frame if labels is None else labels, "mono8")
            for name, value in (labels_change or {}).items():
                setattr(truth, name, value)
            self.labels.publish(truth)
        self.count += 1

        def changed():
            self.probe.refreshed()
            now = self.probe.counters()
            difference = {k: now[k] - before[k] for k in now if now[k] != before[k]}
            return difference if len(difference) > 1 else None

        return self.probe.wait(changed, f"a count of {change or labels_change}")


@pytest.fixture(scope="module")
def drive(tmp_path_factory, make_drive):
    scenes = [("car",)] * 40
    return make_drive(tmp_path_factory.mktemp("bad"), scenes, lambda i, c: (RIGHT, SAFE))


ROW = 3 * WIDTH
BAD_IMAGES = [
    ("truncated", {"data": array("B", bytes(ROW * HEIGHT - 1))}, "bad_size"),
    ("empty", {"data": array("B")}, "bad_size"),
    ("surplus", {"data": array("B", bytes(ROW * HEIGHT + 7))}, "bad_size"),
    ("no height", {"height": 0, "data": array("B")}, "bad_size"),
    ("no width", {"width": 0, "step": 0, "data": array("B")}, "bad_size"),
    ("step too small", {"step": ROW - 1}, "bad_size"),
    ("step too large", {"step": ROW + 1}, "bad_size"),
    ("step absurd", {"step": 2**32 - 1}, "bad_size"),
    ("bayer", {"encoding": "bayer_rggb8"}, "bad_encoding"),
    ("yuv", {"encoding": "yuv422"}, "bad_encoding"),
    ("nonsense", {"encoding": "ROS says hello"}, "bad_encoding"),
    ("no encoding", {"encoding": ""}, "bad_encoding"),
]
UNKNOWN = np.full((HEIGHT, WIDTH), 33, np.uint8)
BAD_LABELS = [
    ("another size", {}, np.zeros((HEIGHT // 2, WIDTH), np.uint8), "bad_size"),
    ("unknown ids", {}, UNKNOWN, "bad_encoding"),
    ("colours", {"encoding": "rgb8", "step": 3 * WIDTH}, None, "bad_encoding"),
    ("truncated", {"data": array("B", bytes(10))}, None, "bad_size"),
]


def test_every_bad_image_is_counted_with_its_reason(drive, start, probe):
    node = start("monitor_node", drive.parameters(), {"~/input/image": IMAGE}, name="monitor")
    bench = Bench(probe, with_labels=False)
    assert bench.send() == {"received": 1, "done": 1}
    for name, change, reason in BAD_IMAGES:
        assert bench.send(change) == {"received": 1, f"dropped_{reason}": 1}, name
    # Rows may be padded: a step larger than the row is no fault by itself.
    padded = np.zeros((HEIGHT, ROW + 12), np.uint8)
    padded[:, :ROW] = paint(scene("car")).reshape(HEIGHT, ROW)
    good = {"step": ROW + 12, "data": array("B", padded.tobytes())}
    assert bench.send(good) == {"received": 1, "done": 1}
    assert "is truncated: found 13823 bytes, expected 13824" in node.log.read_text()
    assert node.poll() is None


def test_every_bad_label_map_is_counted_with_its_reason(drive, start, probe):
    remap = {"~/input/image": IMAGE, "~/input/segmentation": SEGMENTATION}
    node = start("monitor_node", drive.parameters(reference="topic"), remap, name="monitor")
    bench = Bench(probe, with_labels=True)
    assert bench.send() == {"received": 1, "done": 1}
    for name, change, labels, reason in BAD_LABELS:
        found = bench.send(labels_change=change, labels=labels)
        assert found == {"received": 1, f"dropped_{reason}": 1}, name
    # A frame whose label map never comes is given up when a later one is complete.
    bench.image.publish(bench.message(paint(scene("car")), "rgb8"))
    bench.count += 1
    probe.wait(lambda: probe.counters()["received"] == 6, "the lonely image")
    assert bench.send()["dropped_unmatched"] == 1
    assert node.poll() is None


def test_failing_inference_costs_the_frame_and_recovers(tmp_path, make_drive, start, probe):
    # The recorded answers lack the frames 2, 3 and 4 under the condition.
    drive = make_drive(tmp_path, [("car",)] * 12, lambda i, c: (RIGHT, SAFE))
    lines = drive.answers.read_text().splitlines(keepends=True)
    kept = [line for i, line in enumerate(lines) if not (i % 2 and i // 2 in (2, 3, 4))]
    drive.answers.write_text("".join(kept))
    node = start("monitor_node", drive.parameters(), {"~/input/image": IMAGE}, name="monitor")
    bench = Bench(probe, with_labels=False)

    def pipeline():
        probe.refreshed()
        status = probe.status("semalign_camera: pipeline")
        return {p.key: p.value for p in status.values}["fault_code"]

    results = [bench.send() for _ in range(4)]
    assert results[0] == results[1] == {"received": 1, "done": 1}
    assert results[2] == results[3] == {"received": 1, "dropped_inference_error": 1}
    assert pipeline() != "INFERENCE_FAILED"
    bench.send()
    probe.wait(lambda: pipeline() == "INFERENCE_FAILED", "an error after three failures")
    assert probe.status("semalign_camera: pipeline").level == b"\2"
    assert bench.send() == {"received": 1, "done": 1}
    probe.wait(lambda: pipeline() != "INFERENCE_FAILED", "recovery")
    assert "no answer for stamp_ns" in node.log.read_text()
