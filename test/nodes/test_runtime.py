"""Models in running nodes: loading is seen, failures cost the frame, times are told."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from onnx import TensorProto, helper, numpy_helper
from ros_kit import HEIGHT, IMAGE, ORIGIN_NS, SAFE, STEP_NS, WIDTH, paint, scene, values_of
from sensor_msgs.msg import Image

from semalign_ros.inference.bundle import write_bundle
from semalign_ros.inference.manifest import SegmenterManifest, Source
from semalign_ros.nodes.messages import time_message

pytestmark = pytest.mark.dds

PIPELINE = "semalign_camera: pipeline"
CODES = 200
"""Values that the brittle segmenter knows; the grey of the warm-up is below."""


def write_segmenter(folder: Path, nodes, weights) -> Path:
    graph = helper.make_graph(
        nodes,
        folder.name,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, ["N", "H", "W"])],
        [numpy_helper.from_array(np.asarray(w), n) for n, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    source = Source(checkpoint="none", licence="Apache-2.0")
    manifest = SegmenterManifest(name=folder.name, source=source, net_size=(HEIGHT, WIDTH))
    write_bundle(folder, manifest, {"segmenter.onnx": model.SerializeToString()})
    return folder


@pytest.fixture(scope="module")
def brittle(tmp_path_factory) -> Path:
    """Segmenter that fails on red above CODES, and asks for 2**44 bytes a row above HEIGHT."""
    n = helper.make_node
    nodes = [
        n("Gather", ["image", "red"], ["levels"], axis=3),
        n("Cast", ["levels"], ["codes"], to=TensorProto.INT64),
        n("Gather", ["table", "codes"], ["known"]),
        n("Shape", ["image"], ["shape"]),
        n("Gather", ["shape", "row"], ["rows"]),
        n("Sub", ["rows", "height"], ["over"]),
        n("Max", ["over", "zero"], ["above"]),
        n("Mul", ["above", "much"], ["size"]),
        n("ConstantOfShape", ["size"], ["filled"]),
        n("Size", ["filled"], ["count"]),
        n("Cast", ["count"], ["counted"], to=TensorProto.UINT8),
        n("Add", ["known", "counted"], ["labels"]),
    ]
    weights = {
        "red": np.array(0),
        "table": np.arange(CODES, dtype=np.uint8),
        "row": np.array([1]),
        "height": np.array([HEIGHT]),
        "zero": np.array([0]),
        "much": np.array([2**44]),
    }
    return write_segmenter(tmp_path_factory.mktemp("models") / "brittle", nodes, weights)


@pytest.fixture(scope="module")
def heavy(tmp_path_factory) -> Path:
    """Segmenter that takes seconds to load: ONNX Runtime computes its constants then."""
    n = helper.make_node
    chain = [n("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(20)]
    nodes = [
        *chain,
        n("ReduceMax", ["m20"], ["most"], keepdims=0),
        n("Cast", ["most"], ["nothing"], to=TensorProto.UINT8),
        n("Gather", ["image", "red"], ["levels"], axis=3),
        n("Add", ["levels", "nothing"], ["labels"]),
    ]
    weights = {"m0": np.full((1500, 1500), 1e-6, np.float32), "red": np.array(0)}
    return write_segmenter(tmp_path_factory.mktemp("models") / "heavy", nodes, weights)


class Camera:
    """Sends one frame at a time, and waits until it is counted."""

    def __init__(self, probe):
        self.probe = probe
        self.count = 0
        self.publisher = probe.publisher(Image, IMAGE)

    def send(self, picture=None):
        picture = paint(scene("car")) if picture is None else picture
        before = self.probe.counters()
        message = Image(height=picture.shape[0], width=picture.shape[1], encoding="rgb8")
        message.step, message.data = 3 * picture.shape[1], array("B", picture.tobytes())
        message.header.stamp = time_message(ORIGIN_NS + self.count * STEP_NS)
        self.count += 1
        self.publisher.publish(message)

        def changed():
            self.probe.refreshed()
            now = self.probe.counters()
            found = {k: now[k] - before[k] for k in now if now[k] != before[k]}
            return found if len(found) > 1 else None

        return self.probe.wait(changed, f"a count of frame {self.count - 1}")

    def status(self):
        status = self.probe.status(PIPELINE)
        return status, {pair.key: pair.value for pair in status.values}


RIGHT = (("car", "road", "sky"), SAFE)
UNKNOWN = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
HUGE = np.zeros((HEIGHT + 2, WIDTH, 3), np.uint8)


def test_a_graph_that_fails_costs_the_frame_and_not_the_node(
    tmp_path, make_drive, brittle, start, probe
):
    drive = make_drive(tmp_path, [("car",)] * 9, lambda i, c: RIGHT)
    probe.listen(DiagnosticArray, "/diagnostics")
    # The warm-up fails already, which is told and stops nothing.
    size = f"{WIDTH}x{HEIGHT + 1}"
    parameters = drive.parameters(**{"segmenter.bundle": str(brittle), "warm_up": size})
    node = start("monitor_node", parameters, {"~/input/image": IMAGE}, name="monitor")
    camera = Camera(probe)
    probe.wait(probe.counters, "the monitor")
    failed = {"received": 1, "dropped_inference_error": 1}

    assert camera.send() == {"received": 1, "done": 1}
    assert camera.send(UNKNOWN) == failed
    assert camera.send(UNKNOWN) == failed
    status, values = camera.status()
    assert (status.level, values["fault_code"]) == (b"\0", "OK")
    assert "out of data bounds" in values["last_failure"]

    # Another fault, but the third frame in a row.
    assert camera.send(HUGE) == failed
    status, values = camera.status()
    assert (status.level, values["fault_code"]) == (b"\2", "INFERENCE_FAILED")
    assert "frame 3" in status.message
    assert "out of memory" in status.message

    # The next good frame is judged, by the graph loaded anew, and all is well again.
    assert camera.send() == {"received": 1, "done": 1}
    status, values = camera.status()
    assert (status.level, values["fault_code"]) == (b"\0", "OK")
    assert node.poll() is None
    log = node.log.read_text()
    assert "segmenter.onnx: the run failed" in log
    assert "the run before the first frame failed" in log
    assert values["segmenter_warm_up"].startswith("failed: segmenter.onnx: out of memory")


def test_loading_is_seen_and_the_first_frame_finds_a_warm_model(
    tmp_path, make_drive, heavy, start, probe
):
    drive = make_drive(tmp_path, [("car",)] * 2, lambda i, c: RIGHT)
    heard = probe.listen(DiagnosticArray, "/diagnostics")
    changes = {"segmenter.bundle": str(heavy), "autostart": False, "warm_up": f"{WIDTH}x{HEIGHT}"}
    node = start(
        "monitor_node", drive.parameters(**changes), {"~/input/image": IMAGE}, name="monitor"
    )
    probe.wait(lambda: heard, "the node")
    assert values_of(heard[-1], "pipeline")["fault_code"] == "INACTIVE"
    heard.clear()

    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert probe.call(ChangeState, "/monitor/change_state", request, 120).success
    statuses = [message.status[-1] for message in heard]
    building = [s for s in statuses if "BUILDING" in {pair.value for pair in s.values}]
    assert len(building) > 1, "heard while the node was loading"
    assert {s.level for s in building} == {b"\1"}
    assert {s.name for s in building} == {PIPELINE}
    assert any(s.message.startswith("loading the segmenter, ") for s in building)
    assert "WARN, loading" not in node.log.read_text(), "no alarm"

    assert Camera(probe).send() == {"received": 1, "done": 1}
    values = {pair.key: pair.value for pair in probe.status(PIPELINE).values}
    assert values["segmenter_nodes"].startswith("segmenter: CPU ")
    assert values["segmenter_device"] == "cpu"
    assert "segmenter_on_cpu" not in values
    assert float(values["segmenter_warm_up_ms"]) > 0
    for stage in ("degrade", "segment", "vlm", "frame"):
        assert 0 < float(values[f"{stage}_ms_p50"]) <= float(values[f"{stage}_ms_p99"]), stage
