"""Bags as written, read back by rosbags' own reader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability

from semalign_ros.bags.camera import CameraModel, mounting
from semalign_ros.bags.messages import (
    camera_info_message,
    compressed_message,
    image_message,
    serialize,
    tf_message,
    twist_message,
)
from semalign_ros.bags.reader import read_raw
from semalign_ros.bags.topics import LATCHED, Qos
from semalign_ros.bags.writer import BagWriter
from semalign_ros.errors import BagError, ConfigError, OutputError

STAMP = 12_345_678_901_234_567
IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
CAMERA = CameraModel(6, 4, 5.0, 5.5, 2.5, 1.5, 0.2, (1.7, 0.1, 1.2), 0.3, 0.2, 0.1)
ALL_MESSAGES = {
    "/image": image_message(STAMP, "cam", IMAGE),
    "/png": compressed_message(STAMP, "cam", b"not empty", "png"),
    "/info": camera_info_message(STAMP, "cam", CAMERA),
    "/twist": twist_message(STAMP, "base_link", 3.5, -0.5),
    "/tf_static": tf_message(STAMP, mounting(CAMERA)),
}


def write_all(path, **options):
    with BagWriter(path, **options) as bag:
        for topic, message in ALL_MESSAGES.items():
            bag.write(topic, message, STAMP, LATCHED if topic == "/tf_static" else None)


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", "none"),
        ("mcap", "zstd"),
        ("mcap", "zstd-chunk"),
        ("sqlite3", "none"),
        ("sqlite3", "zstd"),
    ],
)
def test_another_reader_gets_every_message(tmp_path, storage, compression):
    path = tmp_path / "my.v1"
    write_all(path, storage=storage, compression=compression)
    assert sorted(p.suffix for p in path.iterdir()) == sorted(
        [".yaml", ".mcap" if storage == "mcap" else ".db3"]
    )
    with AnyReader([path]) as reader:
        read = {
            c.topic: (t, reader.deserialize(data, c.msgtype)) for c, t, data in reader.messages()
        }
        qos = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
    assert read.keys() == ALL_MESSAGES.keys()
    assert {time for time, _ in read.values()} == {STAMP}
    image = read["/image"][1]
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (12_345_678, 901_234_567)
    assert image.header.frame_id == "cam"
    np.testing.assert_array_equal(image.data.reshape(4, 6, 3), IMAGE)
    assert read["/png"][1].data.tobytes() == b"not empty"
    info = read["/info"][1]
    assert info.k.tolist() == [5, 0, 2.5, 0, 5.5, 1.5, 0, 0, 1]
    assert info.p.tolist() == [5, 0, 2.5, 0, 0, 5.5, 1.5, 0, 0, 0, 1, 0]
    assert (info.width, info.height) == (6, 4)
    twist = read["/twist"][1].twist
    assert (twist.linear.x, twist.angular.z) == (3.5, -0.5)
    assert [t.child_frame_id for t in read["/tf_static"][1].transforms] == [
        "camera_front",
        "camera_front_optical",
    ]
    assert qos["/image"][0].reliability == QosReliability.RELIABLE
    assert qos["/image"][0].durability == QosDurability.VOLATILE
    assert qos["/tf_static"][0].durability == QosDurability.TRANSIENT_LOCAL


def test_type_hashes_are_those_of_the_installed_jazzy(tmp_path):
    sensor_msgs = pytest.importorskip("sensor_msgs", exc_type=ImportError)
    prefixes = [Path(p, "share") for p in (sys.prefix, *Path(sensor_msgs.__file__).parents)]
    share = next((p for p in prefixes if (p / "sensor_msgs/msg/Image.json").exists()), None)
    if share is None:
        pytest.skip("this installation of sensor_msgs brings no type descriptions")
    write_all(tmp_path / "bag")
    with AnyReader([tmp_path / "bag"]) as reader:
        digests = {c.msgtype: c.digest for c in reader.connections}
    checked = 0
    for msgtype, digest in digests.items():
        description = share / f"{msgtype}.json"
        if description.exists():  # the wheels have no tf2_msgs
            hashes = json.loads(description.read_text())["type_hashes"]
            assert {h["type_name"]: h["hash_string"] for h in hashes}[msgtype] == digest
            checked += 1
    assert checked >= 4


@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")  # lark, under rosidl
def test_bytes_that_rclpy_serialized_are_kept(tmp_path):
    sensor_msgs = pytest.importorskip("sensor_msgs.msg", exc_type=ImportError)
    serialization = pytest.importorskip("rclpy.serialization", exc_type=ImportError)
    message = sensor_msgs.CompressedImage(format="jpeg", data=b"\x01\x02\x03")
    message.header.frame_id = "cam"
    data = serialization.serialize_message(message)
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic(
            "/in", "sensor_msgs/msg/CompressedImage", Qos(reliability="best_effort", depth=1)
        )
        bag.add_topic("/in", "sensor_msgs/msg/CompressedImage")
        bag.write_raw("/in", data, 7)
        assert bag.topics["/in"].count == 1
    with AnyReader([tmp_path / "bag"]) as reader:
        ((connection, time, read),) = reader.messages()
        assert (time, bytes(read)) == (7, data)
        assert reader.deserialize(read, connection.msgtype).header.frame_id == "cam"
    # And the other way round: what we serialize, ROS reads.
    ours = serialize(ALL_MESSAGES["/image"])
    back = serialization.deserialize_message(bytes(ours), sensor_msgs.Image)
    assert bytes(back.data) == IMAGE.tobytes()


def test_an_existing_bag_is_kept_unless_told(tmp_path):
    path = tmp_path / "bag"
    write_all(path)
    before = (path / "bag.mcap").read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        write_all(path)
    assert (path / "bag.mcap").read_bytes() == before
    write_all(path, overwrite=True, storage="sqlite3")
    assert not (path / "bag.mcap").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_an_error_leaves_nothing(tmp_path, storage):
    def fail():
        with BagWriter(tmp_path / "bag", storage=storage) as bag:
            bag.write("/image", ALL_MESSAGES["/image"], 1)
            assert not (tmp_path / "bag").exists()
            raise KeyError("the source broke")

    with pytest.raises(KeyError, match="the source broke"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_unwritable_places(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_all(tmp_path / "file" / "bag")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_full_disk(tmp_path, storage):
    code = f"""
import resource, numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
from semalign_ros.bags.messages import image_message
from semalign_ros.bags.writer import BagWriter
from semalign_ros.errors import OutputError
message = image_message(1, "c", np.zeros((512, 1024, 3), np.uint8))
try:
    with BagWriter({str(tmp_path / "bag")!r}, storage={storage!r}) as bag:
        for i in range(4):
            bag.write("/image", message, i)
except OutputError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "cannot be written" in run.stdout, run.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_before_a_failure_can_be_kept(tmp_path):
    message = image_message(STAMP, "cam", np.zeros((512, 1024, 3), np.uint8))
    kept = []

    def fail():
        with BagWriter(tmp_path / "bag") as bag:
            bag.add_topic("/image", message.__msgtype__)
            for number in range(4):
                bag.write("/image", message, STAMP + number)
            kept.append(bag.rescue())
            raise OutputError("the disk is full")

    with pytest.raises(OutputError, match="the disk is full"):
        fail()
    assert list(tmp_path.iterdir()) == kept
    assert kept[0].name.startswith("bag.")
    (file,) = kept[0].glob("*.mcap")
    found = []
    with pytest.raises(BagError):  # it has no end
        found.extend(read_raw(file))
    assert len(found) >= 3


def test_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match="storage 'bag'"):
        BagWriter(tmp_path / "bag", storage="bag")
    with pytest.raises(ConfigError, match="compression 'gzip'"):
        BagWriter(tmp_path / "bag", compression="gzip")
    with pytest.raises(ConfigError, match="needs storage mcap"):
        BagWriter(tmp_path / "bag", storage="sqlite3", compression="zstd-chunk")
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/a", "sensor_msgs/msg/Image")
        with pytest.raises(BagError, match=r"/a has type sensor_msgs/msg/Image already"):
            bag.add_topic("/a", "sensor_msgs/msg/CompressedImage")
        with pytest.raises(BagError, match=r"no definition of my_msgs/msg/Odd"):
            bag.add_topic("/b", "my_msgs/msg/Odd")
        with pytest.raises(BagError, match="before it was announced"):
            bag.write_raw("/c", b"", 0)
    with pytest.raises(BagError, match="not open"):
        bag.write_raw("/a", b"", 0)
