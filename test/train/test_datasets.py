from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from semalign_ros.errors import DatasetError
from semalign_ros.scene.taxonomy import IGNORE, LABEL_ID, TRAIN_ID
from semalign_ros.train import datasets
from semalign_ros.train.datasets import FrameSet


def copy_of(data_set, tmp_path):
    return shutil.copytree(data_set, tmp_path / "copy")


def test_reads_every_frame_with_its_own_labels(data_set):
    frames = datasets.load_frames(data_set, "train", 128)
    assert len(frames) == 12
    assert frames.names == tuple(sorted(frames.names))
    for name, image, labels in zip(frames.names, frames.images, frames.labels, strict=True):
        folder = data_set / "leftImg8bit/train/town"
        on_disk = cv2.imread(str(folder / f"{name}_leftImg8bit.png"))[..., ::-1]
        assert np.array_equal(image, on_disk)
        # The picture is the coloured label map with noise: sky is bluer than the road.
        sky, road = (labels == TRAIN_ID[n] for n in ("sky", "road"))
        assert image[sky][:, 2].mean() > image[road][:, 2].mean()


def test_label_ids_become_train_ids(data_set, tmp_path):
    root = copy_of(data_set, tmp_path)
    expected = datasets.load_frames(root, "val", 128).labels
    to_label_id = np.zeros(256, np.uint8)
    for name, label_id in LABEL_ID.items():
        to_label_id[TRAIN_ID[name]] = label_id
    for path in sorted((root / "gtFine/val/town").iterdir()):
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        renamed = path.with_name(path.name.replace("labelTrainIds", "labelIds"))
        cv2.imwrite(str(renamed), to_label_id[labels])
        path.unlink()
    assert np.array_equal(datasets.load_frames(root, "val", 128).labels, expected)


def test_limit_takes_frames_from_all_over(data_set):
    names = datasets.load_frames(data_set, "train", 32, limit=3).names
    assert [n.split("_")[1] for n in names] == ["000000", "000004", "000008"]


def label_all(root, kind, value):
    """Give every frame one label, in maps of one kind."""
    for path in list((root / "gtFine/train/town").glob("*labelTrainIds.png")):
        shape = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape
        path.unlink()
        renamed = path.with_name(path.name.replace("labelTrainIds", kind))
        cv2.imwrite(str(renamed), np.full(shape, value, np.uint8))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "leftImg8bit/train"), "no folder leftImg8bit/train"),
        (
            lambda root: next((root / "gtFine/train/town").iterdir()).unlink(),
            "1 of 12 frames of train have no label map",
        ),
        (
            lambda root: next((root / "gtFine/train/town").iterdir()).write_bytes(b"no picture"),
            "expected an 8-bit grey label map",
        ),
        (
            lambda root: cv2.imwrite(
                str(next((root / "gtFine/train/town").iterdir())),
                np.full((128, 128), 77, np.uint8),
            ),
            "holds id 77",
        ),
        (
            lambda root: cv2.imwrite(
                str(next((root / "gtFine/train/town").iterdir())), np.zeros((64, 128), np.uint8)
            ),
            "128x64 pixels, its picture has 128x128",
        ),
        (
            lambda root: next((root / "leftImg8bit/train/town").iterdir()).write_bytes(b""),
            "cannot be decoded",
        ),
        (
            lambda root: shutil.copy(
                first := min((root / "leftImg8bit/train/town").iterdir()),
                first.with_suffix(".jpg"),
            ),
            "found as .png and as .jpg, expected one picture a frame",
        ),
        (lambda root: label_all(root, "labelTrainIds", 255), "no pixel of train has a class"),
        (lambda root: label_all(root, "labelIds", 0), "no pixel of train has a class"),
        (lambda root: label_all(root, "labelIds", 77), "holds id 77, expected the label ids of"),
    ],
)
def test_refuses_another_layout(data_set, tmp_path, damage, message):
    root = copy_of(data_set, tmp_path)
    damage(root)
    with pytest.raises(DatasetError, match=message):
        datasets.load_frames(root, "train", 64)


def test_only_labels_without_instance_ids_are_cleaned(data_set, tmp_path):
    root = copy_of(data_set, tmp_path)
    labels_of = {path: path for path in sorted((root / "gtFine/val/town").iterdir())}
    for path in labels_of:
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        labels[:, 60] = TRAIN_ID["pole"]  # a thin one, as a street has them
        cv2.imwrite(str(path), labels)
    recovered = datasets.load_frames(root, "val", 128, min_support=4)
    for path in labels_of:
        instances = path.with_name(path.name.replace("labelTrainIds", "instanceIds"))
        cv2.imwrite(str(instances), np.zeros((128, 128), np.uint16))
    annotated = datasets.load_frames(root, "val", 128, min_support=4)
    assert not recovered.is_annotated
    assert annotated.is_annotated
    assert (recovered.labels[:, :, 60] == IGNORE).all()
    assert (annotated.labels[:, :, 60] == TRAIN_ID["pole"]).all()


def test_frames_are_enlarged_smoothly(data_set):
    small, large = (datasets.load_frames(data_set, "val", side).images for side in (128, 256))
    with_pillow = np.asarray(
        Image.fromarray(small[0]).resize((256, 256), Image.Resampling.BILINEAR)
    )
    assert np.abs(large[0].astype(int) - with_pillow).max() <= 1


@pytest.mark.parametrize("support", [1, 4, 9])
def test_drop_unsupported_counts_the_neighbourhood(support):
    labels = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.uint8)
    counts = ndimage.generic_filter(
        labels, lambda w: (w == w[4]).sum(), size=3, mode="nearest", output=np.int64
    )
    expected = np.where(counts >= support, labels, IGNORE)
    assert np.array_equal(datasets.drop_unsupported(labels, support), expected)


def test_rare_classes_are_repeated_and_sets_weighted():
    labels = np.zeros((8, 10, 10), np.uint8)
    labels[0, :3, :3] = TRAIN_ID["train"]
    common = FrameSet(("",) * 8, np.zeros((8, 10, 10, 3), np.uint8), labels)
    other = FrameSet(("",) * 8, common.images, np.zeros_like(labels), weight=0.5)
    found = datasets.repeats([common, other], 0.0005, target=0.25)
    # "train" is in 1 of 16 frames: sqrt(0.25 / 0.0625) = 2.
    assert found.tolist() == [2.0] + [1.0] * 7 + [0.5] * 8
