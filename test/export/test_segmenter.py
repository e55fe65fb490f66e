from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError, OutputError  # noqa: E402
from semalign_ros.export import parity  # noqa: E402
from semalign_ros.export.options import ExportOptions  # noqa: E402
from semalign_ros.export.segmenter import (  # noqa: E402
    class_map,
    export_segmenter,
    read_preprocessing,
)
from semalign_ros.inference.manifest import Source  # noqa: E402
from semalign_ros.inference.segmenter import open_segmenter  # noqa: E402
from semalign_ros.scene.taxonomy import CLASSES  # noqa: E402

SOURCE = Source(checkpoint="random", licence="none")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """SegFormer with random weights: a family that `semalign train` does not make."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    names = [c.title() for c in CLASSES] + ["dog"]
    model = SegformerForSemanticSegmentation(
        SegformerConfig(
            depths=[1, 1, 1, 1],
            hidden_sizes=[8, 8, 16, 16],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            id2label=dict(enumerate(names)),
            label2id={n: i for i, n in enumerate(names)},
        )
    )
    # Untrained batch norms and biases do nothing: give them something to do.
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.add_(torch.rand_like(tensor) * 0.5)
    folder = tmp_path_factory.mktemp("segformer")
    model.save_pretrained(folder)
    processor = {
        "size": {"height": 96, "width": 160},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.25, 0.3],
        "rescale_factor": 1 / 255,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture(scope="module")
def bundle(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "segformer"
    arguments = [str(checkpoint), str(out), "--kind", "segmenter", "--licence", "none"]
    assert main(["export", *arguments, "--half-weights"]) == 0
    return out


def test_equals_transformers_own_preprocessing_and_logits(checkpoint, bundle):
    from transformers import SegformerForSemanticSegmentation

    model = SegformerForSemanticSegmentation.from_pretrained(checkpoint).eval()
    # At the net size nothing is resized, so the whole path is plain arithmetic.
    image = np.asarray(np.random.default_rng(0).integers(0, 256, (96, 160, 3)), np.uint8)
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
    pixels = torch.from_numpy(((image / 255 - mean) / std).transpose(2, 0, 1)[None]).float()
    with torch.no_grad():
        logits = model(pixel_values=pixels).logits
        logits = torch.nn.functional.interpolate(logits, (96, 160), mode="bilinear")
    found = open_segmenter(bundle, "cpu").segment(image)
    probability, expected = logits.softmax(1)[0].max(0)
    # The bundle's large weights are rounded to float16.
    assert found.confidence == pytest.approx(probability.numpy(), abs=3e-3)
    mapped = np.where(expected.numpy() < 19, expected.numpy(), 255)
    assert (found.labels == mapped).mean() > 0.99


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
    found = parity.largest_differences(Other(), graph, feeds, ("labels", "confidence"))
    assert found["labels"] > 0.5
    assert found["confidence"] > 0.05


def test_a_nan_is_never_within_tolerance():
    with pytest.raises(BundleError, match="logits differs by nan"):
        parity.require_parity({"logits": float("nan")}, parity.Tolerance())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "cannot be read"),
        (
            '{"image_mean": [1, 1, 1], "image_std": [1, 1, 1], "size": {"shortest_edge": 512}}',
            "give --size HEIGHT WIDTH",
        ),
        ('{"image_mean": [1], "image_std": [1, 1, 1], "size": 64}', "expected three numbers"),
    ],
)
def test_refuses_preprocessing_that_it_cannot_follow(tmp_path, content, message):
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(BundleError, match=message):
        read_preprocessing(tmp_path)


def test_other_rescaling_is_folded_into_mean_and_std(tmp_path):
    values = {
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "size": 64,
        "rescale_factor": 2 / 255,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(values))
    found = read_preprocessing(tmp_path)
    pixel = 100.0
    expected = (pixel * 2 / 255 - 0.5) / 0.5
    assert (pixel / 255 - found.mean[0]) / found.std[0] == pytest.approx(expected)
    assert found.size == (64, 64)


def test_class_map_by_name():
    assert class_map({0: "Road", 2: "traffic light"}) == ("road", "ignore", "traffic light")
    with pytest.raises(BundleError, match="none of Cityscapes'"):
        class_map({0: "cat", 1: "dog"})


def test_command_refuses_what_is_no_checkpoint(tmp_path, capsys):
    out = str(tmp_path / "out")
    common = ["--kind", "segmenter", "--licence", "none"]
    assert main(["export", str(tmp_path / "none"), out, *common]) == 1
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_mean": [0, 0, 0], "image_std": [1, 1, 1], "size": 64}'
    )
    (tmp_path / "config.json").write_text("{}")
    assert main(["export", str(tmp_path), out, *common]) == 1
    assert "not loadable as a segmentation checkpoint" in capsys.readouterr().err
