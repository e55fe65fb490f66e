from __future__ import annotations

import re
import shutil

import cv2
import numpy as np
import onnx
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError, OutputError  # noqa: E402
from semalign_ros.export import parity  # noqa: E402
from semalign_ros.export.options import ExportOptions  # noqa: E402
from semalign_ros.export.segmenter import (  # noqa: E402
    class_map,
    export_segmenter,
    load_checkpoint,
)
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.manifest import Source  # noqa: E402
from semalign_ros.inference.segmenter import open_segmenter  # noqa: E402

SOURCE = Source(checkpoint="random", licence="none")


@pytest.fixture(scope="module")
def checkpoint(checkpoints):
    return checkpoints("segformer")


@pytest.fixture(scope="module")
def bundle(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "segformer"
    arguments = [str(checkpoint), str(out), "--kind", "segmenter", "--licence", "none"]
    assert main(["export", *arguments, "--precision", "float16-weights"]) == 0
    return out


@pytest.mark.parametrize("family", ["segformer", "deeplab", "mask2former"])
def test_labels_are_those_of_the_processor_and_the_model(family, checkpoints, frame, tmp_path):
    from transformers import AutoImageProcessor

    folder, out = checkpoints(family), tmp_path / family
    cv2.imwrite(str(tmp_path / "frame.png"), frame)
    arguments = [str(folder), str(out), "--licence", "none", "--frames", str(tmp_path)]
    assert main(["export", *arguments]) == 0
    parity = load_bundle(out).manifest.metrics["parity"]
    assert parity["pixels"] < 0.05
    assert parity["labels"] <= 1e-4
    assert parity["confidence"] < 1e-3
    processor = AutoImageProcessor.from_pretrained(folder)
    model, segmenter = load_checkpoint(folder), open_segmenter(out, "cpu")
    rows, columns = load_bundle(out).manifest.net_size

    def original(image):
        seen = processor(images=image, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            outputs = model(pixel_values=seen)
        if family == "mask2former":
            labels = processor.post_process_semantic_segmentation(outputs, [(rows, columns)])[0]
        else:
            size = rows, columns
            logits = torch.nn.functional.interpolate(outputs.logits, size, mode="bilinear")
            labels = logits.argmax(dim=1)[0]
        return np.where(labels.numpy() < 19, labels.numpy(), 255)

    # At the net size nothing is resized: every pixel is the original's.
    small = np.ascontiguousarray(frame[:rows, :columns])
    expected = original(small)
    assert len(np.unique(expected)) > 1, "a model that says one thing shows nothing"
    wrong = (segmenter.segment(small).labels != expected).sum()
    assert wrong <= max(1, 1e-4 * expected.size), "one tie may fall the other way"
    # Else single levels of single pixels differ, which decides between equally likely classes.
    found, expected = segmenter.segment(frame), original(frame)
    height, width = frame.shape[:2]
    assert found.labels.shape == (height, width)
    scale_y, scale_x, top, left = height / rows, width / columns, 0.0, 0.0
    if family == "deeplab":  # it cuts a square out of the middle
        scale_x = scale_y
        left = (width - columns * scale_x) / 2
        assert (found.labels[:, : int(left) - 3] == 255).all()
        assert (found.confidence[:, : int(left) - 3] == 0).all()
    y = (top + (np.arange(rows) + 0.5) * scale_y).astype(int)
    x = (left + (np.arange(columns) + 0.5) * scale_x).astype(int)
    assert (found.labels[np.ix_(y, x)] == expected).mean() > 0.97


def test_half_weights_are_stored_as_such_and_batch_norms_are_gone(bundle):
    model = onnx.load(bundle / "segmenter.onnx")
    large = [t for t in model.graph.initializer if np.prod(t.dims) >= 1024]
    assert large
    assert {t.data_type for t in large} <= {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64}
    assert not [n for n in model.graph.node if n.op_type == "BatchNormalization"]
    text = (bundle / "segmenter.onnx").read_bytes()
    assert b"/site-packages/" not in text, "the graph names files of the machine that made it"


def test_a_graph_that_misses_the_tolerance_is_no_bundle(checkpoint, tmp_path):
    strict = ExportOptions("x", SOURCE, tolerance=parity.Tolerance(value=0.0, labels=0.0))
    with pytest.raises(BundleError, match=r"confidence differs by .* no bundle was written"):
        export_segmenter(checkpoint, tmp_path / "x", strict)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_without_some_of_its_weights_is_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "lost")
    weights = load_file(folder / "model.safetensors")
    del weights["decode_head.classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"1 weights .* such as decode_head\.classifier\.weight"):
        load_checkpoint(folder)
    counted = [name for name in weights if name.endswith("num_batches_tracked")]
    assert counted
    weights = load_file(checkpoint / "model.safetensors")
    for name in counted:
        del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    load_checkpoint(folder)


def test_a_model_that_gives_masks_in_another_way_is_refused(tmp_path):
    from transformers import EomtConfig

    EomtConfig().save_pretrained(tmp_path)
    with pytest.raises(BundleError, match=r"is 'eomt', expected .*segformer, .*mask2former"):
        load_checkpoint(tmp_path)


def test_an_existing_bundle_is_kept(checkpoint, bundle):
    with pytest.raises(OutputError, match="exists already"):
        export_segmenter(checkpoint, bundle, ExportOptions("x", SOURCE))


def test_differences_are_found_where_they_are(bundle):
    class Other(torch.nn.Module):
        def forward(self, image):
            shape = image.shape[:3]
            return torch.zeros(shape, dtype=torch.uint8), torch.full(shape, 0.5)

    feeds = [{"image": f[None]} for f in parity.sample_frames()]
    graph = bundle / "segmenter.onnx"
    found = parity.graph_differences(Other(), graph, feeds, ("labels", "confidence"))
    assert found["labels"] > 0.5
    assert found["confidence"] > 0.05


def test_what_differs_is_refused_with_advice():
    with pytest.raises(BundleError, match="logits differs by nan"):
        parity.require_parity({"logits": float("nan")}, parity.Tolerance())
    for differences, advice in (
        ({"logits": float("inf"), "tokens": 1}, "look at the checkpoint's weights"),
        ({"tokens": 0.5, "scores": 0}, "No option allows that"),
        ({"tokens": 0.5, "scores": 0.5}, "Raise --tolerance"),
        ({"labels": 0.5}, "Raise --tolerance"),
    ):
        with pytest.raises(BundleError, match=advice):
            parity.require_parity(differences, parity.Tolerance())


def test_class_map_by_name():
    assert class_map({0: "Road", 2: "traffic light"}) == ("road", "ignore", "traffic light")
    assert class_map({0: "traffic-Light", 1: "traffic_sign"}) == ("traffic light", "traffic sign")
    with pytest.raises(BundleError, match="none of Cityscapes'"):
        class_map({0: "cat", 1: "dog"})


def test_command_refuses_what_is_no_checkpoint(tmp_path, capsys):
    out = str(tmp_path / "out")
    common = ["--kind", "segmenter", "--licence", "none"]
    assert main(["export", str(tmp_path / "none"), out, *common]) == 1
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_processor_type": "SegformerImageProcessor", "size": 64}'
    )
    (tmp_path / "config.json").write_text("{}")
    assert main(["export", str(tmp_path), out, *common]) == 1
    assert "model_type is None, expected the name of a family" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"model_type": "internvl"}')
    assert main(["export", str(tmp_path), out, "--licence", "none"]) == 1
    assert re.search(
        "'internvl', expected one of: segmenter: .*segformer.*; contrastive: clip, .*; generative",
        capsys.readouterr().err,
    )
    assert main(["export", str(tmp_path), out, *common, "--tolerance", "nan"]) == 1
    assert "--tolerance nan: expected a number of at least 0" in capsys.readouterr().err
