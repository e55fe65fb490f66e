from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from onnx import numpy_helper  # noqa: E402

from semalign_ros.bags.reader import count_frames, read_frames  # noqa: E402
from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError, ConfigError  # noqa: E402
from semalign_ros.export.frames import Recording, spread_frames  # noqa: E402
from semalign_ros.export.options import TOLERANCES  # noqa: E402
from semalign_ros.export.parity import require_parity  # noqa: E402
from semalign_ros.export.quantise import METHOD, quantise, read_calibration  # noqa: E402
from semalign_ros.export.segmenter import load_checkpoint  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.segmenter import open_segmenter  # noqa: E402

BAG = Path(__file__).parents[2] / "rosbags" / "street_demo"


@pytest.fixture
def export(checkpoints, tmp_path):
    def run(family, *arguments, precision="int8"):
        out = tmp_path / family
        common = [str(checkpoints(family)), str(out), "--licence", "none"]
        return main(["export", *common, "--precision", precision, *arguments]), out

    return run


@pytest.mark.parametrize("family", ["segformer", "deeplab"])
def test_all_layers_with_weights_and_nothing_else(family, export, checkpoints, frame):
    # Random weights put most pixels between two classes.
    arguments = "--calibration", str(BAG), "--calibration-frames", "6", "--tolerance", "0.4"
    code, out = export(family, *arguments)
    assert code == 0
    manifest = load_bundle(out).manifest
    assert manifest.precision == "int8"
    assert manifest.opset == 20
    told = {"source": "street_demo", "frames": 6, "method": METHOD}
    assert manifest.metrics["calibration"] == told
    parity = manifest.metrics["parity"]
    assert 1e-3 < parity["labels"] < 0.4
    with pytest.raises(BundleError, match="labels differs by"):
        require_parity(parity, TOLERANCES["float16"])
    assert open_segmenter(out, "cpu").segment(frame).labels.shape == frame.shape[:2]

    graph = onnx.load(out / "segmenter.onnx").graph
    made = {o: n for n in graph.node for o in n.output}
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    modules = load_checkpoint(checkpoints(family)).modules()
    layers = sum(isinstance(m, torch.nn.Linear | torch.nn.Conv2d) for m in modules)
    rounded = sum(n.op_type == "QuantizeLinear" for n in graph.node)
    assert rounded <= layers, "only inputs of layers"
    found = 0
    for node in graph.node:
        inputs = [made[i].op_type if i in made else None for i in node.input]
        if node.op_type in ("Conv", "Gemm", "MatMul") and "DequantizeLinear" in inputs:
            found += 1
            assert inputs[:2] == ["DequantizeLinear"] * 2
            stored, scale, zero = (weights[name] for name in made[node.input[1]].input)
            assert stored.dtype == np.int8
            axis = 0 if node.op_type == "Conv" else 1
            assert scale.shape == (stored.shape[axis],), "a scale a channel"
            assert not zero.any()
            assert not weights[made[node.input[0]].input[2]].any(), "symmetric, for TensorRT"
        if node.op_type in ("Conv", "Gemm"):
            assert inputs[1] == "DequantizeLinear", "a layer left out"
    assert found == layers - (family == "deeplab"), "its backbone's last layer is not used"


def test_frames_are_evenly_spread_and_some_held_out():
    count = count_frames(BAG)
    frames = [f.image for f in read_frames(BAG)]

    def numbers(some):
        return [next(i for i, f in enumerate(frames) if np.array_equal(f, s)) for s in some]

    found = numbers(spread_frames(Recording(BAG), 10))
    assert (found[0], found[-1], len(found)) == (0, count - 1, 10)
    assert np.ptp(np.diff(found)) <= 1
    calibration = read_calibration(Recording(BAG), 24)
    measured, held_out = numbers(calibration.frames), numbers(calibration.held_out)
    assert (len(measured), len(held_out)) == (24, 4)
    assert not set(measured) & set(held_out)
    assert min(np.diff(held_out)) >= count // 6
    # More than there are.
    calibration = read_calibration(Recording(BAG), 10 * count)
    assert len(calibration.frames) + len(calibration.held_out) == count


def test_pictures_take_the_place_of_a_bag(tmp_path):
    with pytest.raises(ConfigError, match=r"neither a bag \(metadata.yaml, .mcap, .db3\) nor"):
        spread_frames(Recording(tmp_path), 9)
    for i in range(5):
        folder = tmp_path / "city" if i % 2 else tmp_path
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{i}.png"), np.full((4, 6, 3), (0, 0, i), np.uint8))
    found = spread_frames(Recording(tmp_path), 9)
    assert sorted(int(f[0, 0, 0]) for f in found) == [0, 1, 2, 3, 4], "red comes first"
    one = tmp_path / "one"
    one.mkdir()
    cv2.imwrite(str(one / "a.png"), np.zeros((4, 6, 3), np.uint8))
    calibration = read_calibration(Recording(one), 64)
    assert (len(calibration.frames), len(calibration.held_out)) == (1, 1)


@pytest.mark.parametrize(
    ("family", "precision", "arguments", "message"),
    [
        (
            "segformer",
            "int8",
            [],
            "no frames to calibrate on, expected some of the camera",
        ),
        ("clip", "int8", [], "precision int8: for segmenters only, clip"),
        ("llava", "int8", [], "is a language model; choose float16"),
        (
            "segformer",
            "float16",
            ["--calibration", BAG],
            "only for a segmenter with --precision",
        ),
        ("segformer", "int8", ["--calibration", "none.mcap"], "none.mcap: there is no such bag"),
        (
            "segformer",
            "int8",
            ["--calibration", BAG, "--image", "/rear"],
            "no message on topic /rear for the image; the bag has",
        ),
        (
            "segformer",
            "int8",
            ["--calibration", BAG, "--calibration-frames", "0"],
            "--calibration-frames 0: expected 1 or more",
        ),
    ],
)
def test_what_cannot_be(family, precision, arguments, message, export, capsys):
    code, out = export(family, *map(str, arguments), precision=precision)
    assert code == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_graph_without_layers(tmp_path):
    value = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.UINT8, [1]) for n in ("image", "y")
    ]
    node = onnx.helper.make_node("Identity", ["image"], ["y"])
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    onnx.save(model, tmp_path / "g.onnx")
    with pytest.raises(BundleError, match="nothing to quantise"):
        quantise(tmp_path / "g.onnx", [])


def test_calibration_on_no_frame():
    with pytest.raises(ConfigError, match="expected 1 or more"):
        read_calibration(Recording(BAG), 0)
