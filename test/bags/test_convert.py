"""`semalign convert` from files to frames."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from semalign_ros.bags.cityscapes import (
    CityscapesOptions,
    CityscapesRecording,
    FrameName,
    frame_name,
    stamps_from_names,
)
from semalign_ros.bags.folder import FolderRecording
from semalign_ros.bags.labels import LabelMap
from semalign_ros.bags.natural import natural_key
from semalign_ros.bags.reader import read_frames
from semalign_ros.bags.storage import bag_info
from semalign_ros.bags.vocabulary import find_vocabulary, read_vocabulary
from semalign_ros.bags.writer import BagWriter
from semalign_ros.cli import main
from semalign_ros.errors import ConfigError, DatasetError
from semalign_ros.scene import reference_from_labels
from semalign_ros.scene.vocabulary import CITYSCAPES

ORIGIN_S = 1_000_000_000
NAMES = [("ulm", 0, 9), ("ulm", 0, 10), ("ulm", 0, 300), ("ulm", 2, 0), ("bonn", 7, 1)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, layout):
    return layout(tmp_path_factory.mktemp("cityscapes"), NAMES)


def messages(bag):
    """All messages by topic, by another reader than ours."""
    found = {}
    with AnyReader([bag]) as reader:
        for connection, time, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((time, message))
    return found


def test_the_whole_layout(dataset, tmp_path, picture_of, capsys):
    bag = tmp_path / "bag"
    assert main(["convert", "cityscapes", str(dataset), str(bag)]) == 0
    assert "/camera/front/image_raw" in capsys.readouterr().out
    found = messages(bag)
    assert {topic: len(m) for topic, m in found.items()} == {
        "/camera/front/image_raw": 5,
        "/camera/front/camera_info": 5,
        "/camera/front/depth": 5,
        "/ground_truth/segmentation": 5,
        "/ground_truth/instances": 5,
        "/vehicle/twist": 5,
        "/tf_static": 1,
    }
    for topic, entries in found.items():
        if topic != "/tf_static":
            for time, message in entries:
                stamp = message.header.stamp
                assert stamp.sec * 10**9 + stamp.nanosec == time
    info = found["/camera/front/camera_info"][0][1]
    assert info.k.tolist() == [50, 0, 31, 0, 52, 15, 0, 0, 1]
    assert (info.width, info.height) == (64, 32)
    instances = found["/ground_truth/instances"][0][1]
    assert instances.encoding == "16UC1"
    assert np.unique(instances.data.view("<u2")).tolist() == [3, 7, 23, 26001]
    tf = found["/tf_static"][0][1].transforms
    assert [(t.header.frame_id, t.child_frame_id) for t in tf] == [
        ("base_link", "camera_front"),
        ("camera_front", "camera_front_optical"),
    ]
    assert found["/camera/front/image_raw"][0][1].header.frame_id == "camera_front_optical"
    assert bag_info(bag).topics["/tf_static"].qos.latched

    frames = list(read_frames(bag))
    # bonn comes first, and frame 9 before frame 10.
    order = [4, 0, 1, 2, 3]
    for frame, source in zip(frames, order, strict=True):
        np.testing.assert_array_equal(frame.image, picture_of(source))
        assert frame.speed == 10.0 + source
        assert frame.yaw_rate == 0.1
        # fx 50 px, baseline 0.2 m, 4 px of disparity.
        np.testing.assert_allclose(frame.depth[8:], 2.5, rtol=1e-6)
        assert np.isnan(frame.depth[:8]).all()
        assert frame.labels[0, 0] == 255
        assert reference_from_labels(frame.labels).entities == {"road", "sky", "car"}


def test_stamps_follow_the_frame_numbers_and_shorten_cuts(dataset, tmp_path):
    bag = tmp_path / "bag"
    main(["convert", "cityscapes", str(dataset), str(bag)])
    stamps = [f.stamp_ns / 1e9 - ORIGIN_S for f in read_frames(bag)]
    np.testing.assert_allclose(stamps, [0, 1, 1 + 1 / 17, 2 + 1 / 17, 3 + 1 / 17], atol=1e-6)
    main(["convert", "cityscapes", str(dataset), str(bag), "--rate", "8", "--overwrite"])
    stamps = [f.stamp_ns - ORIGIN_S * 10**9 for f in read_frames(bag)]
    assert stamps == [i * 125_000_000 for i in range(5)]


def test_thirty_frames_of_a_sequence_last_as_long_as_in_the_car():
    names = [FrameName("ulm", "000003", f"{i:06d}") for i in range(30)]
    stamps = stamps_from_names(names)
    assert stamps[-1] - stamps[0] == pytest.approx(29 / 17 * 1e9, abs=30)
    assert stamps_from_names([]) == []


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_compressed_images(dataset, tmp_path, form):
    bag = tmp_path / "bag"
    main(["convert", "cityscapes", str(dataset), str(bag), "--image-format", form, "--limit", "2"])
    sent = [m for _, m in messages(bag)["/camera/front/image_raw/compressed"]]
    source = dataset / "leftImg8bit/val/bonn/bonn_000007_000001_leftImg8bit.png"
    if form == "png":
        # The file itself, not a copy that was coded again.
        assert sent[0].data.tobytes() == source.read_bytes()
        assert sent[0].format == "rgb8; png compressed bgr8"
    else:
        assert sent[0].format == "rgb8; jpeg compressed bgr8"
        assert sent[0].data[:3].tobytes() == b"\xff\xd8\xff"
    assert len(list(read_frames(bag))) == 2


def test_options_choose_city_split_and_size(dataset, tmp_path, layout):
    bag = tmp_path / "bag"
    arguments = ["--city", "bonn", "--size", "128x32", "--storage", "sqlite3"]
    arguments += ["--compression", "zstd"]
    main(["convert", "cityscapes", str(dataset), str(bag), *arguments])
    (frame,) = read_frames(bag)
    assert frame.image.shape == (32, 128, 3)
    # Labels and depth are enlarged by repetition: no new value appears.
    assert np.unique(frame.labels).tolist() == [0, 10, 13, 255]
    assert np.unique(frame.depth[8:]).size == 1
    assert (frame.labels[10:20, 20:40] == 13).all()
    info = messages(bag)["/camera/front/camera_info"][0][1]
    assert (info.width, info.height) == (128, 32)
    assert info.k.tolist() == [100, 0, 62.5, 0, 52, 15, 0, 0, 1]
    assert next(iter(bag.glob("*.db3")))


def test_train_ids_and_a_squashed_copy(dataset, tmp_path):
    root = tmp_path / "squashed"
    shutil.copytree(dataset, root)
    for path in root.rglob("*.png"):
        array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), array[:, ::4])
    for path in root.rglob("*_labelIds.png"):
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        ids[:] = 13
        cv2.imwrite(str(path).replace("labelIds", "labelTrainIds"), ids)
        path.unlink()
    bag = tmp_path / "bag"
    with pytest.raises(DatasetError, match=r"outside the 16x32 image.*--camera-size"):
        list(CityscapesRecording(root))
    arguments = ["--camera-size", "64x32", "--size", "64x32", "--limit", "1"]
    assert main(["convert", "cityscapes", str(root), str(bag), *arguments]) == 0
    (frame,) = read_frames(bag)
    assert frame.image.shape == (32, 64, 3)
    assert (frame.labels == 13).all()
    # A resized map still counts pixels of the camera's image: what was 2.5 m away is so still.
    np.testing.assert_allclose(frame.depth[8:], 2.5, rtol=1e-6)
    info = messages(bag)["/camera/front/camera_info"][0][1]
    assert info.k[0] == pytest.approx(50)


def test_what_is_not_there_is_left_out(dataset, tmp_path):
    root = tmp_path / "images"
    shutil.copytree(dataset / "leftImg8bit", root / "leftImg8bit_sequence")
    shutil.copytree(dataset / "gtFine", root / "gtFine")
    shutil.copytree(dataset / "camera", root / "camera")
    for path in root.glob("gtFine/val/ulm/*"):
        path.unlink()
    # A calibration holds for its whole recording.
    (root / "camera/val/ulm/ulm_000000_000010_camera.json").unlink()
    records = list(CityscapesRecording(root))
    assert [r.labels is None for r in records] == [False, True, True, True, True]
    assert [r.camera is None for r in records] == [False] * 5
    assert all(r.depth is None and r.motion is None for r in records)


def broken(dataset, tmp_path, change):
    root = tmp_path / "broken"
    shutil.copytree(dataset, root)
    change(root)
    with pytest.raises(DatasetError) as caught:
        list(CityscapesRecording(root))
    return str(caught.value)


FIRST = "bonn/bonn_000007_000001"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda r: cut(r / f"leftImg8bit/val/{FIRST}_leftImg8bit.png"), "truncated"),
        (lambda r: cut(r / f"gtFine/val/{FIRST}_gtFine_labelIds.png"), "truncated"),
        (
            lambda r: paint(r / f"gtFine/val/{FIRST}_gtFine_labelIds.png", (16, 32), 7),
            "label map is 32x16, the image 64x32",
        ),
        (
            lambda r: paint(r / f"gtFine/val/{FIRST}_gtFine_labelIds.png", (32, 64), 77),
            "does not know the ids 77",
        ),
        (
            lambda r: paint(r / f"gtFine/val/{FIRST}_gtFine_labelIds.png", (32, 64, 3), 7),
            "found 3 channel",
        ),
        (
            lambda r: paint(r / f"disparity/val/{FIRST}_disparity.png", (32, 64), 7),
            "of uint8, expected one of uint16",
        ),
        (lambda r: (r / f"camera/val/{FIRST}_camera.json").write_text("{"), "is no JSON"),
        (
            lambda r: (r / f"camera/val/{FIRST}_camera.json").write_text('{"intrinsic": {}}'),
            "extrinsic baseline",
        ),
        (
            lambda r: (r / f"vehicle/val/{FIRST}_vehicle.json").write_text('{"speed": "fast"}'),
            "speed and yawRate",
        ),
        (
            lambda r: (r / f"leftImg8bit/val/{FIRST}_leftImg8bit.png").rename(
                r / "leftImg8bit/val/bonn/photo.png"
            ),
            "expected a name like frankfurt_000000",
        ),
        (lambda r: shutil.rmtree(r / "leftImg8bit"), "expected the Cityscapes layout"),
        (lambda r: (r / "leftImg8bit/val").rename(r / "leftImg8bit/test"), "found test"),
    ],
)
def test_broken_data_sets_name_the_file(dataset, tmp_path, change, text):
    assert text in broken(dataset, tmp_path, change)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def paint(path, shape, value):
    cv2.imwrite(str(path), np.full(shape, value, np.uint8))


def test_nothing_is_left_of_a_failed_conversion(dataset, tmp_path, capsys):
    root = tmp_path / "broken"
    shutil.copytree(dataset, root)
    cut(root / "leftImg8bit/val/ulm/ulm_000002_000000_leftImg8bit.png")
    out = tmp_path / "out"
    out.mkdir()
    assert main(["convert", "cityscapes", str(root), str(out / "bag")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("semalign convert: ")
    assert "ulm_000002_000000" in error
    assert list(out.iterdir()) == []


def test_an_unknown_city_lists_those_there(dataset):
    with pytest.raises(DatasetError, match="no city 'berlin'; found bonn, ulm"):
        CityscapesRecording(dataset, CityscapesOptions(cities=("berlin",)))


def test_names_sort_and_parse(tmp_path):
    names = ["a10_b", "a9_b", "a10_a", "b1", "a"]
    assert sorted(names, key=natural_key) == ["a", "a9_b", "a10_a", "a10_b", "b1"]
    name = frame_name(tmp_path / "bad-honnef_b_000001_000019_leftImg8bit.jpg")
    assert name == ("bad-honnef_b", "000001", "000019")


@pytest.fixture
def folders(tmp_path, picture_of):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for i in (1, 2, 10):
        cv2.imwrite(str(images / f"f{i}.png"), picture_of(i)[..., ::-1])
        paint(labels / f"f{i}_L.png", (32, 64), 3)
    paint(labels / "f1_L_colour.png", (32, 64, 3), 3)
    return images, labels


def test_a_folder_with_labels(folders, tmp_path, picture_of):
    images, labels = folders
    (labels / "f2_L.png").unlink()
    bag = tmp_path / "bag"
    arguments = ["--images", str(images), "--labels", str(labels), "--label-map", "camvid"]
    assert main(["convert", "folder", *arguments, "--rate", "4", str(bag)]) == 0
    frames = list(read_frames(bag))
    for frame, number in zip(frames, (1, 2, 10), strict=True):
        np.testing.assert_array_equal(frame.image, picture_of(number))
    assert [f.stamp_ns - ORIGIN_S * 10**9 for f in frames] == [0, 250_000_000, 500_000_000]
    assert [None if f.labels is None else int(f.labels[5, 5]) for f in frames] == [0, None, 0]
    assert read_vocabulary(bag) == LabelMap.load("camvid").vocabulary
    assert find_vocabulary(str(bag)) == read_vocabulary(bag)
    file = next(bag.glob("*.mcap"))
    assert read_vocabulary(file) == read_vocabulary(bag)
    # Taken out of its folder it does not tell.
    assert read_vocabulary(shutil.move(file, tmp_path)) == CITYSCAPES


@pytest.mark.parametrize("text", ["{", "[1]", '{"car": ["lorry"]}', '{"car": 3}'])
def test_a_bag_with_an_unreadable_vocabulary(tmp_path, text):
    with BagWriter(tmp_path / "bag", custom_data={"semalign_ros/labels": text}):
        pass
    with pytest.raises(ConfigError, match=r"custom_data: semalign_ros/labels: found .*expected t"):
        read_vocabulary(tmp_path / "bag")
    # A damaged metadata.yaml says nothing; whoever opens the bag says what is wrong.
    (tmp_path / "bag/metadata.yaml").write_text("rosbag2_bagfile_information: {")
    assert read_vocabulary(tmp_path / "bag") == CITYSCAPES


def test_folders_that_do_not_fit(folders, tmp_path):
    images, labels = folders
    camvid = LabelMap.load("camvid")
    with pytest.raises(ConfigError, match="--labels and --label-map go together"):
        FolderRecording(images, labels)
    with pytest.raises(ConfigError, match="go together"):
        FolderRecording(images, None, camvid)
    with pytest.raises(DatasetError, match="no such folder"):
        FolderRecording(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"no file ending in \.png, \.jpg"):
        FolderRecording(tmp_path)
    paint(labels / "f1_L.png", (16, 64), 3)
    with pytest.raises(DatasetError, match=r"f1_L\.png: the label map is 64x16"):
        list(FolderRecording(images, labels, camvid))
    paint(labels / "f1_L.png", (32, 64), 99)
    with pytest.raises(DatasetError, match=r"f1_L\.png: label map camvid .* 99 \(2048 px\)"):
        list(FolderRecording(images, labels, camvid))
    other = tmp_path / "other"
    other.mkdir()
    paint(other / "x.png", (32, 64), 3)
    with pytest.raises(DatasetError, match=r"no label map has the name.*expected f1\.png"):
        FolderRecording(images, other, camvid)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--limit", "-1"],
        ["--size", "512"],
        ["--size", "0x4"],
        ["--image-format", "gif"],
    ],
)
def test_wrong_usage_exits_with_2(tmp_path, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["convert", "cityscapes", str(tmp_path), str(tmp_path / "out"), *arguments])
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err or arguments[0] == "--image-format"


@pytest.mark.real
def test_real_cityscapes(cityscapes_sample, tmp_path):
    bag = tmp_path / "bag"
    arguments = ["--split", "train", "--city", "aachen", "--limit", "2"]
    assert main(["convert", "cityscapes", str(cityscapes_sample), str(bag), *arguments]) == 0
    first, second = read_frames(bag)
    stem = "train/aachen/aachen_00000{}_000019"
    for frame, number in ((first, 0), (second, 1)):
        path = cityscapes_sample / "leftImg8bit" / f"{stem.format(number)}_leftImg8bit.png"
        np.testing.assert_array_equal(frame.image[..., ::-1], cv2.imread(str(path)))
        assert reference_from_labels(frame.labels).entities >= {"road", "car", "building"}
    assert first.depth is None
    # The depth, computed pixel by pixel from the files.
    camera = json.loads((cityscapes_sample / f"camera/{stem.format(1)}_camera.json").read_text())
    path = cityscapes_sample / f"disparity/{stem.format(1)}_disparity.png"
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    focal, baseline = camera["intrinsic"]["fx"], camera["extrinsic"]["baseline"]
    for y, x in np.random.default_rng(0).integers(0, 1024, (200, 2)):
        p = int(stored[y, x])
        expected = focal * baseline / ((p - 1) / 256) if p > 1 else float("nan")
        np.testing.assert_allclose(second.depth[y, x], expected, rtol=1e-6)
    # The camera sees the road just in front of the bonnet at 5 to 15 m.
    road = second.depth[700:800, 900:1100][second.labels[700:800, 900:1100] == 0]
    assert 5 < np.nanmedian(road) < 15


@pytest.mark.real
def test_real_small_cityscapes(cityscapes_256, tmp_path):
    bag = tmp_path / "bag"
    arguments = ["--size", "512x256", "--limit", "4", "--image-format", "jpg"]
    assert main(["convert", "cityscapes", str(cityscapes_256), str(bag), *arguments]) == 0
    frames = list(read_frames(bag, require=("image", "segmentation")))
    assert [f.image.shape for f in frames] == [(256, 512, 3)] * 4
    assert all(reference_from_labels(f.labels).entities >= {"road", "building"} for f in frames)


@pytest.mark.real
def test_real_camvid(camvid, tmp_path):
    bag = tmp_path / "bag"
    arguments = ["--images", str(camvid / "val"), "--labels", str(camvid / "valannot")]
    arguments += ["--label-map", "camvid", "--rate", "7.5", "--limit", "5", str(bag)]
    assert main(["convert", "folder", *arguments]) == 0
    frames = list(read_frames(bag))
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    path = camvid / "val" / "0016E5_07959.png"
    np.testing.assert_array_equal(frames[0].image[..., ::-1], cv2.imread(str(path)))
    annotation = cv2.imread(str(camvid / "valannot/0016E5_07959.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(frames[0].labels == 0, annotation == 3)


def test_a_picture_is_stored_as_what_it_is_not_as_its_name_says(tmp_path):
    pixels = np.full((8, 12, 3), 90, np.uint8)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())
    (record,) = FolderRecording(tmp_path / "in")
    assert record.encoded is not None
    assert record.encoded[1] == "jpeg"


def test_sixteen_bits_a_channel_are_refused(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.full((8, 12), 4000, np.uint16))
    assert main(["convert", "folder", "--images", str(tmp_path / "in"), str(tmp_path / "o")]) == 1
    assert "a.png: PNG with 16 bits a channel" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_no_frame_comes_twice(dataset, tmp_path):
    root = shutil.copytree(dataset, tmp_path / "twice")
    picture = min(root.glob("leftImg8bit/*/*/*.png"))
    split, city = picture.parent.parent.name, picture.parent.name
    once = CityscapesRecording(root, CityscapesOptions(split=split, cities=(city,)))
    again = CityscapesRecording(root, CityscapesOptions(split=split, cities=(city, city)))
    assert len(again) == len(once)
    shutil.copy(picture, picture.with_suffix(".jpg"))
    with pytest.raises(DatasetError, match=r"is there as \.png and as \.jpg"):
        CityscapesRecording(root, CityscapesOptions(split=split))


@pytest.mark.parametrize("option", [("--rate", "1e-12"), ("--rate", "1e12")])
def test_rates_that_no_camera_has_are_refused(folders, tmp_path, option, capsys):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.zeros((8, 12, 3), np.uint8))
    command = ["convert", "folder", "--images", str(tmp_path / "in"), str(tmp_path / "o"), *option]
    assert main(command) == 1
    assert "expected a frame rate of 0.001 to 1e6 Hz" in capsys.readouterr().err


def test_digits_that_are_no_numbers_sort_as_letters():
    assert sorted(["1\u00b23.png", "10.png", "2.png"], key=natural_key)[0] == "1\u00b23.png"
