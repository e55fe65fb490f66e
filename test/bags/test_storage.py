"""Broken, cut and foreign bags: what can be read is read, the rest is said."""

from __future__ import annotations

import shutil

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from semalign_ros.bags.mcap_scan import McapScanner
from semalign_ros.bags.storage import bag_info, open_bag, read_raw
from semalign_ros.errors import BagError

FORMATS = [
    ("mcap", "none"),
    ("mcap", "zstd"),
    ("mcap", "zstd-chunk"),
    ("sqlite3", "none"),
    ("sqlite3", "zstd"),
]


def images(count, start=0):
    """Steps of a bag at 10 Hz with 6 kB a message, several chunks long for MCAP from 200 on."""
    return [("image", i / 10, i / 10, i) for i in range(start, count)]


@pytest.fixture(scope="module")
def long_bag(tmp_path_factory, make_bag):
    return make_bag(tmp_path_factory.mktemp("long") / "bag", images(600))


def storage_file(bag):
    (path,) = [p for p in bag.iterdir() if p.suffix in (".mcap", ".db3")]
    return path


@pytest.mark.parametrize(("storage", "compression"), FORMATS)
def test_info_and_messages(tmp_path, make_bag, storage, compression):
    steps = [("twist", 0.5, 0.5, 1.0), *images(12, 6), ("labels", 1.15, 1.15, 0)]
    bag = make_bag(tmp_path / "bag", steps, storage=storage, compression=compression)
    info = bag_info(bag)
    assert {t.name: t.count for t in info.topics.values()} == {
        "/vehicle/twist": 1,
        "/camera/front/image_raw": 6,
        "/ground_truth/segmentation": 1,
    }
    assert info.topics["/vehicle/twist"].msgtype == "geometry_msgs/msg/TwistStamped"
    assert (info.start_ns, info.duration_ns) == (500_000_000, 650_000_000)
    assert (info.message_count, info.damage) == (8, None)
    assert [m.log_time_ns for m in read_raw(bag)] == [round(t * 1e9) for _, _, t, _ in steps]
    assert [m.topic for m in read_raw(bag, ["/vehicle/twist"])] == ["/vehicle/twist"]
    # A storage file on its own, as people send it around.
    lone = shutil.copy(storage_file(bag), tmp_path)
    assert list(read_raw(lone)) == list(read_raw(bag))


def test_the_scanner_agrees_with_the_index(long_bag, tmp_path, make_bag):
    packed = make_bag(tmp_path / "packed", images(300), compression="zstd-chunk")
    for bag in (long_bag, packed):
        scanned = [(m.topic, m.log_time_ns, m.data) for m in McapScanner(storage_file(bag))]
        assert scanned == [(m.topic, m.log_time_ns, m.data) for m in read_raw(bag)]


@pytest.mark.parametrize("metadata", [True, False])
def test_a_killed_recorder(long_bag, tmp_path, metadata):
    bag = tmp_path / "bag"
    shutil.copytree(long_bag, bag)
    data = storage_file(bag).read_bytes()
    storage_file(bag).write_bytes(data[: len(data) * 2 // 3])
    if not metadata:
        (bag / "metadata.yaml").unlink()
    info = bag_info(bag)
    assert 200 < info.message_count < 400
    assert info.topics["/camera/front/image_raw"].qos.reliability == "reliable"
    read = []
    with pytest.raises(BagError, match=r"truncated after \d+ messages.*mcap recover"):
        read.extend(read_raw(bag))
    assert read == list(read_raw(long_bag))[: info.message_count]


def test_lost_metadata_cost_nothing(long_bag, tmp_path):
    bag = tmp_path / "bag"
    shutil.copytree(long_bag, bag)
    (bag / "metadata.yaml").unlink()
    assert "metadata" in bag_info(bag).damage
    assert list(read_raw(bag)) == list(read_raw(long_bag))


@pytest.mark.parametrize(("storage", "compression"), FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.9, 0.9999])
def test_any_cut_is_a_bag_error(tmp_path, make_bag, storage, compression, share):
    bag = make_bag(tmp_path / "bag", images(200), storage=storage, compression=compression)
    whole = list(read_raw(bag))
    file = storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    read = []
    if share == 0.9999 and storage == "mcap":
        # Only the index is lost: all messages are there, and are found.
        assert list(read_raw(bag)) == whole
        assert "cannot be read" in bag_info(bag).damage
        return
    with pytest.raises(BagError, match=str(bag)):
        read.extend(read_raw(bag))
    assert read == whole[: len(read)]


@pytest.mark.parametrize(("storage", "compression"), FORMATS)
def test_any_damage_is_a_bag_error(tmp_path, make_bag, storage, compression):
    """Bytes overwritten anywhere: either an error or messages, never another exception."""
    bag = make_bag(tmp_path / "bag", images(40), storage=storage, compression=compression)
    file = storage_file(bag)
    data = file.read_bytes()
    errors = 0
    for part in range(20):
        damaged = bytearray(data)
        position = len(data) * part // 20
        damaged[position : position + 64] = b"\xff" * len(damaged[position : position + 64])
        file.write_bytes(damaged)
        try:
            for _ in read_raw(bag):
                pass
        except BagError:
            errors += 1
    assert errors


def test_damage_in_the_middle_keeps_what_came_before(long_bag, tmp_path):
    bag = tmp_path / "bag"
    shutil.copytree(long_bag, bag)
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    file.write_bytes(data)
    read = []
    with pytest.raises(BagError, match="is damaged"):
        read.extend(read_raw(bag))
    whole = set(read_raw(long_bag))
    assert len(whole & set(read)) > 400


def test_what_is_no_bag(tmp_path):
    with pytest.raises(BagError, match="there is no such bag"):
        bag_info(tmp_path / "nothing")
    with pytest.raises(BagError, match="found neither metadata"):
        bag_info(tmp_path)
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(BagError, match="rosbags-convert"):
        bag_info(tmp_path / "old.bag")
    (tmp_path / "x.mcap").write_bytes(b"not at all")
    with pytest.raises(BagError, match="truncated or damaged"):
        bag_info(tmp_path / "x.mcap")
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: [1, 2]")
    with pytest.raises(BagError, match="cannot be read as a bag"):
        bag_info(tmp_path)


def test_a_bag_of_an_older_distribution(tmp_path):
    """Version 8 metadata, numbers for QoS, two publishers on one topic."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    time = store.types["builtin_interfaces/msg/Time"](1, 2)
    data = store.serialize_cdr(time, "builtin_interfaces/msg/Time")
    writer = Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.SQLITE3)
    with writer:
        connection = writer.add_connection("/t", "builtin_interfaces/msg/Time", typestore=store)
        for i in range(3):
            writer.write(connection, i, data)
    info = bag_info(tmp_path / "bag")
    assert info.topics["/t"].count == 3
    assert info.topics["/t"].qos.reliability == "reliable"


def test_an_empty_bag(tmp_path, make_bag):
    bag = make_bag(tmp_path / "bag", [])
    info = bag_info(bag)
    assert (info.message_count, info.duration_ns, info.topics) == (0, 0, {})
    assert list(read_raw(bag)) == []


def test_a_bag_is_closed_when_the_reader_stops_early(long_bag):
    stream = read_raw(long_bag)
    next(stream)
    stream.close()
    with open_bag(long_bag) as bag:
        assert bag.info.message_count == 600
