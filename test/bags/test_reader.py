"""Frames out of bags."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from semalign_ros.bags.messages import compressed_message, image_message, twist_message
from semalign_ros.bags.reader import count_frames, read_frames
from semalign_ros.bags.topics import BagTopics
from semalign_ros.bags.writer import BagWriter
from semalign_ros.errors import BagError, ConfigError
from semalign_ros.image_codec import encode_file

RAW = "/camera/front/image_raw"


def drive(count=5):
    """A drive at 10 Hz with everything; speed equals the frame number."""
    return [
        step
        for i in range(count)
        for step in (
            ("twist", i / 10, i / 10, float(i)),
            ("labels", i / 10, i / 10, i % 19),
            ("depth", i / 10, i / 10, i + 0.5),
            ("image", i / 10, i / 10, i),
        )
    ]


@pytest.fixture(scope="module")
def bag(tmp_path_factory, make_bag):
    return make_bag(tmp_path_factory.mktemp("drive") / "bag", drive())


def test_everything_of_a_frame(bag, picture_of):
    frames = list(read_frames(bag))
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    for i, frame in enumerate(frames):
        assert (frame.stamp_ns, frame.frame_id) == (i * 100_000_000, "cam")
        np.testing.assert_array_equal(frame.image, picture_of(i))
        assert (frame.labels == i).all()
        assert frame.labels.dtype == np.uint8
        assert (frame.depth == i + 0.5).all()
        assert (frame.speed, frame.yaw_rate) == (float(i), 0.25)
    assert count_frames(bag) == 5


@pytest.mark.parametrize(
    ("start", "limit", "expected"),
    [(0, 2, [0, 1]), (3, None, [3, 4]), (1, 2, [1, 2]), (4, 9, [4]), (7, None, []), (0, 0, [])],
)
def test_a_part_keeps_the_frame_numbers(bag, start, limit, expected):
    assert [f.index for f in read_frames(bag, start=start, limit=limit)] == expected


def test_negative_numbers_are_refused_at_once(bag):
    with pytest.raises(ConfigError, match="start -1"):
        read_frames(bag, start=-1)


def test_topics_may_be_left_out(bag):
    frame = next(read_frames(bag, BagTopics(segmentation=None, depth=None, twist=None)))
    assert (frame.labels, frame.depth, frame.speed, frame.yaw_rate) == (None, None, None, None)


def test_missing_topics(bag):
    with pytest.raises(BagError) as caught:
        list(read_frames(bag, BagTopics(image="/front/image")))
    text = str(caught.value)
    assert "no message on topic /front/image" in text
    assert "/camera/front/image_raw (sensor_msgs/msg/Image, 5)" in text
    assert str(bag) in text
    with pytest.raises(BagError, match=r"/perception/labels for the segmentation.*the bag has"):
        list(
            read_frames(
                bag,
                BagTopics(segmentation="/perception/labels"),
                require=("image", "segmentation"),
            )
        )
    # Not required: then there are none.
    topics = BagTopics(segmentation="/perception/labels")
    assert all(f.labels is None for f in read_frames(bag, topics))
    with pytest.raises(BagError, match="has type geometry_msgs/msg/TwistStamped, expected"):
        list(read_frames(bag, BagTopics(image="/vehicle/twist")))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_compressed_images_are_found(tmp_path, picture_of, storage):
    with BagWriter(tmp_path / "bag", storage=storage) as bag:
        bag.add_topic(RAW, "sensor_msgs/msg/Image")  # announced by image_transport, never sent
        for i in range(3):
            message = compressed_message(i, "cam", encode_file(picture_of(i)), "png")
            bag.write(RAW + "/compressed", message, i)
    frames = list(read_frames(tmp_path / "bag"))
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture_of(i))
    named = BagTopics(image=RAW + "/compressed")
    assert len(list(read_frames(tmp_path / "bag", named))) == count_frames(tmp_path / "bag") == 3


def test_label_maps_that_come_late_or_never(tmp_path, make_bag, caplog):
    steps = [("image", i / 10, i / 10, i) for i in range(6)]
    steps += [("labels", i / 10, i / 10 + 0.25, i) for i in (0, 1, 3)]  # 250 ms of computing
    steps.sort(key=lambda s: s[2])
    bag = make_bag(tmp_path / "bag", steps)
    with caplog.at_level(logging.WARNING):
        frames = list(read_frames(bag))
    assert [None if f.labels is None else int(f.labels[0, 0]) for f in frames] == [
        0,
        1,
        None,
        3,
        None,
        None,
    ]
    assert "3 frames have no message of their stamp on /ground_truth/segmentation" in caplog.text


def test_motion_is_the_last_known_and_not_too_old(tmp_path, make_bag):
    steps = [
        ("image", 0.0, 0.0, 0),
        ("twist", 0.05, 0.05, 1.0),
        ("twist", 0.08, 0.08, 2.0),
        ("image", 0.1, 0.1, 1),
        ("image", 1.05, 1.05, 2),
        ("image", 1.2, 1.2, 3),
        ("twist", 0.01, 1.25, 9.0),  # the recording was looped
        ("image", 0.02, 1.3, 4),
    ]
    bag = make_bag(tmp_path / "bag", steps)
    assert [f.speed for f in read_frames(bag)] == [None, 2.0, 2.0, None, 9.0]


def test_odometry_tells_the_motion_too(tmp_path, picture_of):
    from semalign_ros.bags.messages import typestore

    types = typestore().types
    twist = twist_message(5, "base_link", 4.0, -0.5)
    wrapped = types["geometry_msgs/msg/TwistWithCovarianceStamped"](
        header=twist.header,
        twist=types["geometry_msgs/msg/TwistWithCovariance"](
            twist=twist.twist, covariance=np.zeros(36)
        ),
    )
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/vehicle/twist", wrapped, 5)
        bag.write(RAW, image_message(5, "cam", picture_of(0)), 5)
    (frame,) = read_frames(tmp_path / "bag")
    assert (frame.speed, frame.yaw_rate) == (4.0, -0.5)


def bad(**changes):
    message = image_message(7, "cam", np.zeros((32, 64, 3), np.uint8))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (bad(encoding="bayer_rggb8"), "debayer"),
        (bad(width=0), "0x32"),
        (bad(data=np.zeros(10, np.uint8)), "truncated"),
        (bad(step=100), "found step 100"),
    ],
)
def test_a_bad_image_is_named_and_the_frames_before_it_are_kept(
    tmp_path, picture_of, message, text
):
    with BagWriter(tmp_path / "bag") as bag:
        for stamp in range(3):
            bag.write(RAW, image_message(stamp, "cam", picture_of(stamp)), stamp)
        bag.write(RAW, message, 7)
    frames = []
    with pytest.raises(BagError, match=rf"frame 3 \(stamp .*topic {RAW}: .*{text}"):
        frames.extend(read_frames(tmp_path / "bag"))
    assert len(frames) == 3


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.full((32, 64), 26, np.uint8), r"ids \[26\].*semalign convert"),
        (np.zeros((16, 32), np.uint8), "found 32x16, expected 64x32"),
    ],
)
def test_bad_label_maps(tmp_path, make_bag, labels, text):
    bag = make_bag(tmp_path / "bag", [("labels", 1, 1, labels), ("image", 1, 1, 0)])
    with pytest.raises(BagError, match=rf"frame 0 .*topic /ground_truth/segmentation: .*{text}"):
        list(read_frames(bag))


def test_frames_before_a_break_are_kept(tmp_path, make_bag):
    bag = make_bag(tmp_path / "bag", drive(200))
    file = bag / "bag.mcap"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    frames = []
    with pytest.raises(BagError, match="truncated"):
        frames.extend(read_frames(bag))
    assert len(frames) > 60
    assert all(f.labels is not None and f.depth is not None for f in frames[:-1])


def test_a_message_that_is_cut_ends_the_bag(tmp_path, picture_of):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write(RAW, image_message(1, "cam", picture_of(0)), 1)
        bag.write_raw(RAW, b"\x00\x01\x00\x00\x05", 2)
    frames = []
    with pytest.raises(BagError, match="damaged sensor_msgs/msg/Image message of 5 bytes"):
        frames.extend(read_frames(tmp_path / "bag"))
    assert len(frames) == 1


MEASURE = """
import resource, sys
from semalign_ros.bags.reader import read_frames
count = 0
for frame in read_frames(sys.argv[1]):
    assert frame.image.shape == (256, 512, 3) and frame.labels is not None
    count += 1
    if count == 20:
        early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux alone")
@pytest.mark.parametrize(
    ("storage", "compression"), [("mcap", "none"), ("mcap", "zstd-chunk"), ("sqlite3", "zstd")]
)
def test_memory_does_not_grow_with_the_bag(tmp_path, storage, compression):
    """240 frames hold 126 MB; reading and writing them may not even take 20 MB more."""
    resource = pytest.importorskip("resource")
    image = np.zeros((256, 512, 3), np.uint8)
    labels = np.zeros((256, 512), np.uint8)
    before = 0
    with BagWriter(tmp_path / "bag", storage=storage, compression=compression) as bag:
        for stamp in range(240):
            bag.write(
                "/ground_truth/segmentation", image_message(stamp, "c", labels, "mono8"), stamp
            )
            bag.write(RAW, image_message(stamp, "c", image), stamp)
            if stamp == 20:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown < 20
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "bag")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    frames, grown = map(int, run.stdout.split())
    assert frames == 240
    assert grown < 20


def test_frames_know_those_before_them(bag):
    every = list(read_frames(bag))
    known = list(read_frames(bag, recalls=(1, 3)))
    assert [f.index for f in known] == [f.index for f in every]
    for frame in known:
        assert {n: then.index for n, then in frame.earlier.items()} == {
            n: frame.index - n for n in (1, 3) if n <= frame.index
        }
        for n, then in frame.earlier.items():
            assert np.array_equal(then.image, every[frame.index - n].image)
            assert then.earlier == {}
    first = next(read_frames(bag, start=2, recalls=(1, 2)))
    assert (first.index, sorted(first.earlier)) == (2, [1, 2])
    assert [f.index for f in read_frames(bag, start=2, limit=1, recalls=(2,))] == [2]


def test_time_runs_from_the_first_frame_whatever_is_skipped(bag):
    every = list(read_frames(bag))
    assert every[0].elapsed_s == 0
    for frame in every:
        assert frame.elapsed_s == pytest.approx((frame.stamp_ns - every[0].stamp_ns) / 1e9)
    (last,) = read_frames(bag, start=len(every) - 1)
    assert last.elapsed_s == every[-1].elapsed_s > 0
