"""Real nodes as processes, in a ROS domain of their own, on scenes whose labels are known.

The test segmenter is a real ONNX graph that reads the class of a pixel from its red
channel, so that a scene is painted by painting class ids.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from semalign_ros.bags.messages import image_message
from semalign_ros.bags.writer import BagWriter
from semalign_ros.inference.bundle import write_bundle
from semalign_ros.inference.manifest import SegmenterManifest, Source
from semalign_ros.nodes.processes import NodeProcess, node_command

sys.path.insert(0, str(Path(__file__).parent))
from ros_kit import (  # beside this file
    DOMAIN,
    HEIGHT,
    IMAGE,
    ORIGIN_NS,
    SEGMENTATION,
    STEP_NS,
    WIDTH,
    Drive,
    Probe,
    paint,
    record,
    scene,
)


@pytest.fixture(scope="session")
def red_segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle of a segmenter whose label map is the red channel."""
    folder = tmp_path_factory.mktemp("models")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["image", "red"], ["labels"], axis=3)],
        "red",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, ["N", "H", "W"])],
        [numpy_helper.from_array(np.array(0), "red")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "segmenter.onnx")
    manifest = SegmenterManifest(
        name="red",
        source=Source(checkpoint="none", licence="Apache-2.0"),
        net_size=(HEIGHT, WIDTH),
    )
    write_bundle(folder / "red", manifest, {"segmenter.onnx": folder / "segmenter.onnx"})
    return folder / "red"


@pytest.fixture(scope="session")
def make_drive(red_segmenter: Path) -> Callable[..., Drive]:
    """Write a drive.

    Takes per frame the classes in the scene, and per condition (name, severity) and frame
    what the VLM claims and judges.
    """

    def build(
        folder: Path,
        scenes: list[tuple[str, ...]],
        said: Callable[[int, str], tuple[Iterable[str], str]],
        conditions: Iterable[tuple[str, float]] = (("motion_blur", 2.0),),
        step_ns: int = STEP_NS,
        truth: bool = False,
    ) -> Drive:
        folder.mkdir(parents=True, exist_ok=True)
        stamps = [ORIGIN_NS + i * step_ns for i in range(len(scenes))]
        with BagWriter(folder / "bag") as bag:
            for i, (stamp, classes) in enumerate(zip(stamps, scenes, strict=True)):
                labels = scene(*classes)
                bag.write(IMAGE, image_message(stamp, "front_optical", paint(labels, i)), stamp)
                if truth:
                    message = image_message(stamp, "front_optical", labels, "mono8")
                    bag.write(SEGMENTATION, message, stamp)
        lines = [
            record(i, *said(i, condition), condition, severity)
            for i in range(len(scenes))
            for condition, severity in (("clean", 0.0), *conditions)
        ]
        answers = folder / "answers.jsonl"
        answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Drive(folder / "bag", answers, red_segmenter, stamps)

    return build


@pytest.fixture
def probe(ros_log: Path) -> Iterator[Probe]:
    """A node in the tests' domain."""
    rclpy = pytest.importorskip("rclpy")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    probe = Probe(context)
    yield probe
    probe.close()
    context.try_shutdown()


@pytest.fixture(scope="session")
def ros_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ros_log")
    os.environ["ROS_LOG_DIR"] = str(folder)
    return folder


@pytest.fixture
def start(tmp_path: Path, ros_log: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start a node as a process; it must end with status 0 when the test is over."""
    started: list[tuple[NodeProcess, bool]] = []

    def begin(
        node: str,
        parameters: Mapping[str, Any] | None = None,
        remap: Mapping[str, str] | None = None,
        name: str | None = None,
        clean: bool = True,
        **environment: str,
    ) -> NodeProcess:
        log = tmp_path / f"{name or node}.log"
        command = node_command(node, parameters, remappings=remap, name=name)
        process = NodeProcess(command, log, environment)
        started.append((process, clean))
        return process

    yield begin
    statuses = [(p.command[2], p.stop(), p.log.read_text()) for p, c in reversed(started) if c]
    for process, _ in started:
        process.stop()
    for node, status, text in statuses:
        assert status == 0, f"{node} ended with status {status}:\n{text}"
        assert "Traceback" not in text, f"{node}:\n{text}"
