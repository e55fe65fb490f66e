"""Memory of a live monitor does not grow with the frames."""

from __future__ import annotations

import json
import re
from array import array
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_kit import IMAGE, ORIGIN_NS, SAFE, paint, record, scene
from sensor_msgs.msg import Image

from semalign_ros.nodes.messages import time_message

pytestmark = pytest.mark.dds

FRAMES, WARM_UP, EVERY = 2000, 500, 50
STEP = 20_000_000


def resident_mb(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) / 1024


def test_memory_does_not_grow_over_2000_frames(tmp_path, make_drive, start, probe):
    drive = make_drive(tmp_path, [("car",)], lambda i, c: (("car", "road", "sky"), SAFE))
    right = ("car", "road", "sky"), SAFE
    drive.answers.write_text(
        "".join(
            json.dumps(record(i, *right, name, severity)) + "\n"
            for i in range(FRAMES)
            for name, severity in (("clean", 0.0), ("motion_blur", 2.0))
        )
    )
    judged = probe.listen(DiagnosticArray, "/monitor/metrics")
    node = start(
        "monitor_node",
        drive.parameters(**{"overlay.max_width": 320}),
        {"~/input/image": IMAGE},
        name="monitor",
    )
    probe.listen(Image, "/monitor/debug/overlay", depth=1)
    camera = probe.publisher(Image, IMAGE)
    picture = paint(scene("car"))
    message = Image(height=picture.shape[0], width=picture.shape[1], encoding="rgb8")
    message.step, message.data = 3 * picture.shape[1], array("B", picture.tobytes())
    sizes = []
    for number in range(FRAMES):
        message.header.stamp = time_message(ORIGIN_NS + number * STEP)
        count = len(judged)
        camera.publish(message)
        probe.wait(lambda count=count: len(judged) > count, f"frame {number}")
        probe.messages["/monitor/debug/overlay"].clear()
        if number >= WARM_UP and number % EVERY == 0:
            sizes.append(resident_mb(node.pid))
    slope, _ = np.polyfit(np.arange(len(sizes)) * EVERY, sizes, 1)
    assert slope * FRAMES < 8, f"grows by {slope * FRAMES:.1f} MB in {FRAMES} frames: {sizes}"
