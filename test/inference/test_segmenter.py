from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from semalign_ros.alignment.metrics import confusion_matrix, mean_iou
from semalign_ros.errors import BundleError, DeviceError, InferenceError
from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.segmenter import (
    label_table,
    map_channels,
    open_segmenter,
    preprocess,
)
from semalign_ros.scene.taxonomy import CLASSES, LABEL_ID_TO_TRAIN_ID

F32, U8, I64 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64


def identity(writer: Callable[..., Path], folder: Path, dtype: int, shape: list[Any]) -> Path:
    """A graph that gives back what it gets: what left preprocess is what segment decodes."""
    return writer(
        folder / "identity.onnx",
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": (dtype, shape)},
        {"y": (dtype, shape)},
        {},
    )


@pytest.fixture
def foreign(
    tmp_path: Path,
    graph_writer: Callable[..., Path],
    manifest_of_segmenter: Callable[..., Any],
) -> Callable[..., Bundle]:
    def make(dtype: int, shape: list[Any], **changes: Any) -> Bundle:
        graph = identity(graph_writer, tmp_path, dtype, shape)
        manifest = manifest_of_segmenter(graphs={"segmenter": {"file": "m.onnx"}}, **changes)
        return write_bundle(tmp_path / "foreign", manifest, {"m.onnx": graph})

    return make


def test_own_graph_takes_any_size(own_segmenter: Bundle) -> None:
    segmenter = open_segmenter(own_segmenter.folder, "cpu")
    image = np.zeros((5, 7, 3), np.uint8)
    image[2:, :, 0] = 200
    found = segmenter.segment(image)
    assert found.labels.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, np.where(image[..., 0] < 128, 0, 10))
    assert found.confidence is None


def test_confidence_is_given_where_the_manifest_names_it(
    tmp_path: Path, own_segmenter: Bundle, manifest_of_segmenter: Callable[..., Any]
) -> None:
    manifest = manifest_of_segmenter(output={"confidence": "confidence"})
    graph = own_segmenter.path("segmenter.onnx")
    write_bundle(tmp_path / "sure", manifest, {"segmenter.onnx": graph})
    image = np.full((4, 4, 3), 51, np.uint8)
    found = open_segmenter(tmp_path / "sure", "cpu").segment(image)
    assert found.confidence is not None
    np.testing.assert_allclose(found.confidence, 0.2, atol=1e-6)


def test_the_image_is_not_copied_for_an_own_graph(manifest_of_segmenter: Any) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    assert np.shares_memory(preprocess(image, manifest_of_segmenter()), image)


def test_preprocessing_by_manifest(manifest_of_segmenter: Callable[..., Any]) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    manifest = manifest_of_segmenter(
        net_size=(4, 6),
        input={"layout": "NCHW", "dtype": "float32", "channel_order": "BGR", "resize": "area"},
        normalisation={"scale": 1 / 255, "mean": mean, "std": std, "inside_graph": False},
    )
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    feed = preprocess(image, manifest)
    # Area by a factor of two is the mean of 2x2 pixels, rounded.
    mean_of_four = image.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    expected = (np.floor(mean_of_four + 0.5)[..., ::-1] / 255 - mean) / std
    assert feed.dtype == np.float32
    assert feed.flags.c_contiguous
    # Rounding of halves may differ by one grey value.
    np.testing.assert_allclose(feed[0], expected.transpose(2, 0, 1), atol=1.01 / 255 / 0.1)


def test_normalisation_inside_the_graph_is_not_done_twice(manifest_of_segmenter: Any) -> None:
    manifest = manifest_of_segmenter(normalisation={"scale": 1 / 255, "mean": (0.5, 0.5, 0.5)})
    image = np.full((2, 2, 3), 7, np.uint8)
    np.testing.assert_array_equal(preprocess(image, manifest)[0], image)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_logits_become_labels(foreign: Callable[..., Bundle], layout: str) -> None:
    shape = [1, 8, 8, 3] if layout == "NHWC" else [1, 3, 8, 8]
    bundle = foreign(
        F32,
        shape,
        input={"name": "x", "dtype": "float32", "layout": layout, "resize": "nearest"},
        output={"name": "y", "content": "logits", "layout": layout, "confidence": "softmax"},
        class_map=["car", "ignore", "sky"],
    )
    image = np.zeros((8, 8, 3), np.uint8)
    image[:3, :, 0], image[3:5, :, 1], image[5:, :, 2] = 2, 3, 4
    found = open_segmenter(bundle.folder, "cpu").segment(image)
    assert found.labels[:, 0].tolist() == [13] * 3 + [255] * 2 + [10] * 3
    peak = np.array([2.0] * 3 + [3.0] * 2 + [4.0] * 3)
    assert found.confidence is not None
    np.testing.assert_allclose(found.confidence[:, 0], np.exp(peak) / (np.exp(peak) + 2), rtol=1e-5)


def test_ignored_channels_may_be_kept_out_of_the_maximum(foreign: Callable[..., Bundle]) -> None:
    bundle = foreign(
        F32,
        [1, 8, 8, 3],
        input={"name": "x", "dtype": "float32", "resize": "nearest"},
        output={"name": "y", "content": "logits", "layout": "NHWC", "argmax_over": "mapped"},
        class_map=["car", "ignore", "sky"],
    )
    image = np.broadcast_to(np.array([1, 9, 5], np.uint8), (8, 8, 3)).copy()
    assert (open_segmenter(bundle.folder, "cpu").segment(image).labels == 10).all()


def test_masks_are_resized_back_with_nearest(foreign: Callable[..., Bundle]) -> None:
    bundle = foreign(
        F32,
        [1, 8, 8, 3],
        input={"name": "x", "dtype": "float32", "resize": "nearest"},
        output={"name": "y", "content": "logits", "layout": "NHWC"},
        class_map=["road", "car", "sky"],
    )
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, :24, 0], image[:, 24:, 2] = 9, 9
    labels = open_segmenter(bundle.folder, "cpu").segment(image).labels
    assert labels.shape == (32, 48)
    assert set(np.unique(labels)) == {0, 10}
    assert (labels[:, :24] == 0).all()
    assert (labels[:, 24:] == 10).all()


def test_upsampled_logits_have_a_smooth_border(
    tmp_path: Path,
    graph_writer: Callable[..., Path],
    manifest_of_segmenter: Callable[..., Any],
) -> None:
    # A graph that ends at 1/4 resolution; the diagonal between two classes must not be 4 px steps.
    graph = graph_writer(
        tmp_path / "quarter.onnx",
        [helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])],
        {"x": (F32, [1, 3, 32, 32])},
        {"y": (F32, [1, 3, 8, 8])},
        {},
    )
    rows, columns = np.mgrid[:32, :32]
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0], image[..., 1] = (
        np.where(rows > columns, 200, 0),
        np.where(rows > columns, 0, 200),
    )
    wrong = {}
    for upsample in (False, True):
        manifest = manifest_of_segmenter(
            graphs={"segmenter": {"file": "m.onnx"}},
            net_size=(32, 32),
            input={"name": "x", "dtype": "float32", "layout": "NCHW", "resize": "nearest"},
            output={"name": "y", "content": "logits", "layout": "NCHW", "upsample": upsample},
            class_map=["road", "car", "sky"],
        )
        bundle = write_bundle(tmp_path / f"q{upsample}", manifest, {"m.onnx": graph})
        labels = open_segmenter(bundle.folder, "cpu").segment(image).labels
        wrong[upsample] = int((labels != np.where(rows > columns, 0, 13)).sum())
    assert wrong[True] < wrong[False] / 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float32, np.float64])
@settings(max_examples=25, deadline=None)
@given(numbers=st.lists(st.integers(-3, 300), min_size=1, max_size=20))
def test_channel_numbers_of_any_dtype(dtype: type, numbers: list[int]) -> None:
    class_map = ("sky", "ignore", "car")
    values = np.array([numbers], np.int64)
    if dtype == np.uint8:
        values = np.clip(values, 0, 255)
    expected = [{0: 10, 2: 13}.get(int(n), 255) for n in values[0]]
    found = map_channels(values.astype(dtype), label_table(class_map))
    assert found.dtype == np.uint8
    assert found[0].tolist() == expected


def test_channels_that_are_train_ids_already_are_not_copied() -> None:
    table = label_table(CLASSES)
    values = np.array([[0, 18, 5]], np.uint8)
    assert map_channels(values, table) is values
    assert map_channels(np.array([[0, 19, 255]], np.uint8), table).tolist() == [[0, 255, 255]]


def test_channels_that_are_not_numbers_are_ignored() -> None:
    table = label_table(("road",))
    assert map_channels(np.array([[np.nan, np.inf, -np.inf, 0.0]]), table).tolist() == [
        [255, 255, 255, 0]
    ]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_what_is_no_image_is_refused(own_segmenter: Bundle, image: Any) -> None:
    with pytest.raises(InferenceError, match=r"expected u8\[H, W, 3\]"):
        open_segmenter(own_segmenter.folder, "cpu").segment(image)


def test_an_image_that_is_not_contiguous(own_segmenter: Bundle) -> None:
    image = np.zeros((6, 8, 3), np.uint8)
    image[:, 4:, 0] = 255
    flipped = open_segmenter(own_segmenter.folder, "cpu").segment(image[:, ::-1])
    assert (flipped.labels[:, :4] == 10).all()
    assert (flipped.labels[:, 4:] == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output": {"name": "y", "content": "logits", "layout": "NHWC"}}, "has 3 channels, the"),
        ({"output": {"name": "y"}}, r"shape \[1, 8, 8, 3\], expected \[1, H, W\]"),
    ],
)
def test_an_output_that_the_manifest_describes_wrongly(
    foreign: Callable[..., Bundle], changes: dict[str, Any], message: str
) -> None:
    bundle = foreign(
        F32, [1, 8, 8, 3], input={"name": "x", "dtype": "float32", "resize": "area"}, **changes
    )
    with pytest.raises(InferenceError, match=message):
        open_segmenter(bundle.folder, "cpu").segment(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("confidence", [None, "softmax"])
def test_logits_that_are_no_numbers_are_not_road(
    tmp_path: Path,
    graph_writer: Callable[..., Path],
    manifest_of_segmenter: Callable[..., Any],
    confidence: str | None,
) -> None:
    graph = graph_writer(
        tmp_path / "root.onnx",
        [helper.make_node("Sub", ["x", "five"], ["d"]), helper.make_node("Sqrt", ["d"], ["y"])],
        {"x": (F32, [1, 8, 8, 3])},
        {"y": (F32, [1, 8, 8, 3])},
        {"five": np.float32(5)},
    )
    manifest = manifest_of_segmenter(
        graphs={"segmenter": {"file": "m.onnx"}},
        input={"name": "x", "dtype": "float32", "resize": "nearest"},
        output={"name": "y", "content": "logits", "layout": "NHWC", "confidence": confidence},
        class_map=["road", "car", "sky"],
    )
    bundle = write_bundle(tmp_path / "root", manifest, {"m.onnx": graph})
    segmenter = open_segmenter(bundle.folder, "cpu")
    image = np.full((8, 8, 3), 9, np.uint8)
    image[..., 2] = 30
    assert (segmenter.segment(image).labels == 10).all()
    image[3, 4, 1] = 0
    with pytest.raises(InferenceError, match=f"{bundle.bundle_id}: output 'y' is not finite"):
        segmenter.segment(image)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_confidence_that_is_no_number_costs_the_frame(
    tmp_path: Path,
    own_segmenter: Bundle,
    manifest_of_segmenter: Callable[..., Any],
    value: float,
) -> None:
    model = onnx.load(own_segmenter.path("segmenter.onnx"))
    (inverse,) = [i for i in model.graph.initializer if i.name == "inverse"]
    inverse.CopyFrom(onnx.numpy_helper.from_array(np.float32(value), "inverse"))
    manifest = manifest_of_segmenter(output={"confidence": "confidence"})
    bundle = write_bundle(tmp_path / "odd", manifest, {"segmenter.onnx": model.SerializeToString()})
    with pytest.raises(InferenceError, match="output 'confidence' is not finite"):
        open_segmenter(bundle.folder, "cpu").segment(np.full((4, 4, 3), 51, np.uint8))


def test_an_output_without_pixels(
    tmp_path: Path, graph_writer: Callable[..., Path], manifest_of_segmenter: Callable[..., Any]
) -> None:
    graph = graph_writer(
        tmp_path / "none.onnx",
        [helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["y"])],
        {"x": (F32, [1, 8, 8, 3])},
        {"y": (F32, [1, "H", 8, 1])},
        {"starts": np.array([0, 0]), "ends": np.array([0, 1]), "axes": np.array([1, 3])},
    )
    for content, layout in (("logits", "NHWC"), ("labels", "NHWC")):
        manifest = manifest_of_segmenter(
            graphs={"segmenter": {"file": "m.onnx"}},
            input={"name": "x", "dtype": "float32", "resize": "nearest"},
            output={"name": "y", "content": content, "layout": layout},
            class_map=["road", "car", "sky"],
        )
        bundle = write_bundle(tmp_path / content, manifest, {"m.onnx": graph})
        with pytest.raises(InferenceError, match=r"shape \[1, 0, 8, 1\], expected"):
            open_segmenter(bundle.folder, "cpu").segment(np.zeros((8, 8, 3), np.uint8))


def test_more_channels_than_opencv_resizes_at_once(
    tmp_path: Path, graph_writer: Callable[..., Path], manifest_of_segmenter: Callable[..., Any]
) -> None:
    # 3 channels repeated to 1,200; only the last three have a class.
    graph = graph_writer(
        tmp_path / "wide.onnx",
        [helper.make_node("Tile", ["x", "times"], ["y"])],
        {"x": (F32, [1, 8, 8, 3])},
        {"y": (F32, [1, 8, 8, 1200])},
        {"times": np.array([1, 1, 1, 400])},
    )
    manifest = manifest_of_segmenter(
        graphs={"segmenter": {"file": "m.onnx"}},
        input={"name": "x", "dtype": "float32", "resize": "nearest"},
        output={
            "name": "y",
            "content": "logits",
            "layout": "NHWC",
            "upsample": True,
            "argmax_over": "mapped",
        },
        class_map={1197: "road", 1198: "car", 1199: "sky"},
    )
    bundle = write_bundle(tmp_path / "wide", manifest, {"m.onnx": graph})
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4, :, 1], image[4:, :, 2] = 9, 9
    labels = open_segmenter(bundle.folder, "cpu").segment(image).labels
    assert labels[:, 0].tolist() == [13] * 4 + [10] * 4


def test_a_manifest_with_another_input_name(foreign: Callable[..., Bundle]) -> None:
    bundle = foreign(F32, [1, 8, 8, 3])
    with pytest.raises(BundleError, match="no input 'image'; no output 'labels'"):
        open_segmenter(bundle.folder, "cpu")


def test_a_vlm_is_no_segmenter(tmp_path: Path, tiny_clip: Any) -> None:
    bundle = tiny_clip.write(tmp_path / "clip")
    with pytest.raises(BundleError, match="kind contrastive, expected a segmenter"):
        open_segmenter(bundle.folder, "cpu")


def test_the_device_is_asked_for_by_name(own_segmenter: Bundle) -> None:
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine has CUDA")
    with pytest.raises(DeviceError):
        open_segmenter(own_segmenter.folder, "cuda")


@pytest.mark.real
def test_a_real_foreign_segmenter_on_real_frames(
    tmp_path: Path,
    real_segmenter: Path,
    cityscapes_sample: Path,
    manifest_of_segmenter: Callable[..., Any],
) -> None:
    # As docs/bundles.md describes it: no code for this model, its manifest alone.
    manifest = manifest_of_segmenter(
        net_size=(513, 513),
        graphs={"segmenter": {"file": "model.onnx"}},
        input={"name": "MobilenetEdgeTPU/MobilenetEdgeTPU/input", "resize": "bilinear"},
        output={"name": "ArgMax"},
    )
    write_bundle(tmp_path / "deeplab", manifest, {"model.onnx": real_segmenter})
    segmenter = open_segmenter(tmp_path / "deeplab", "cpu")
    confusion = np.zeros((19, 19), np.int64)
    paths = sorted((cityscapes_sample / "leftImg8bit").rglob("*.png"))
    assert len(paths) == 11
    for path in paths:
        ids = str(path).replace("/leftImg8bit/", "/gtFine/")
        ids = ids.replace("_leftImg8bit.png", "_gtFine_labelIds.png")
        target = LABEL_ID_TO_TRAIN_ID[cv2.imread(ids, cv2.IMREAD_UNCHANGED)]
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        found = segmenter.segment(np.asarray(image, np.uint8))
        assert found.labels.shape == (1024, 2048)
        confusion += confusion_matrix(found.labels, target)
    assert mean_iou(confusion) == pytest.approx(0.522, abs=0.01)
    assert np.trace(confusion) / confusion.sum() == pytest.approx(0.931, abs=0.005)
