"""Label maps of other data sets."""

from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.bags.labels import LabelMap, cityscapes_label_ids, train_ids
from semalign_ros.errors import ConfigError, DatasetError
from semalign_ros.scene import CLASSES
from semalign_ros.scene.vocabulary import CITYSCAPES


def test_camvid():
    ids = np.arange(12, dtype=np.uint8)[None]
    labels = LabelMap.load("camvid").apply(ids, "x.png")
    names = [CLASSES[i] if i != 255 else "-" for i in labels[0]]
    assert names[:5] == ["sky", "building", "pole", "road", "sidewalk"]
    assert names[5:8] == ["vegetation", "traffic sign", "fence"]
    assert names[8:] == ["car", "person", "rider", "-"]
    assert labels.dtype == np.uint8


def test_shipped_maps_equal_the_built_in_ones():
    np.testing.assert_array_equal(
        LabelMap.load("cityscapes_label_ids").table, cityscapes_label_ids().table
    )
    np.testing.assert_array_equal(LabelMap.load("cityscapes_train_ids").table, train_ids().table)
    # Label ids of labels.py: road 7, ego vehicle 1, bicycle 33.
    assert cityscapes_label_ids().apply(np.array([[7, 1, 33]], np.uint8), "").tolist() == [
        [0, 255, 18]
    ]


def test_what_a_label_map_does_not_tell():
    camvid = LabelMap.load("camvid").vocabulary
    assert camvid.untold == ()
    assert camvid.translate({"traffic light", "bus", "motorcycle"}) == {
        "traffic sign",
        "car",
        "rider",
    }
    assert LabelMap.load("cityscapes_label_ids").vocabulary == CITYSCAPES
    assert train_ids().vocabulary == CITYSCAPES


def test_unknown_ids_are_listed_with_their_pixels():
    ids = np.array([[0, 12, 12, 200]], np.uint8)
    with pytest.raises(DatasetError, match=r"a/x\.png: label map camvid .*12 \(2 px\), 200 \(1 px"):
        LabelMap.load("camvid").apply(ids, "a/x.png")
    with pytest.raises(DatasetError, match="found uint16"):
        train_ids().apply(ids.astype(np.uint16), "x.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: {0: raod}", "id 0: unknown class 'raod'; did you mean 'road'"),
        ("classes: {zero: road}", "found the id 'zero', expected a number 0..255"),
        ("classes: {256: road}", "found the id 256"),
        ("classes: {true: road}", "found the id True"),
        ("[1, 2]", "found list"),
        ("classes: 3", "expected a mapping"),
        ("classes: {0: road}\nclases: {}", "unknown key 'clases'"),
        ("classes: {0: road", "no YAML at line"),
        ("classes: {0: [road]}", "id 0: unknown class"),
        ("classes: {0: car}\nholds: {bus: [truck]}", "holds: unknown label 'bus'; valid: car"),
        ("classes: {0: car}\nholds: {car: [lorry]}", "holds: unknown class held by car 'lorry'"),
        ("classes: {0: car, 1: bus}\nholds: {car: [bus]}", "bus: found it under bus and under car"),
        ("classes: {0: car}\nholds: {car: bus}", "holds: found {'car': 'bus'}, expected lists"),
        ("classes: {0: car}\nholds: [car]", r"holds: found \['car'\], expected lists"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        LabelMap.load(str(path))


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"camvid\.yaml"):
        LabelMap.load("kitty")
