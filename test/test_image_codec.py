"""Image messages and numpy arrays, against cv2 and hand-built buffers."""

from __future__ import annotations

import array
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_typestore

from semalign_ros import image_codec as codec
from semalign_ros.errors import ImageError

STORE = get_typestore(Stores.ROS2_JAZZY)


def message(image, encoding, *, padding=0, bigendian=0, container=bytes):
    """Build an image message by hand, row by row."""
    height, width = image.shape[:2]
    rows = [row.tobytes() + bytes([171]) * padding for row in image]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=bigendian,
        step=len(rows[0]),
        data=container(b"".join(rows)),
    )


def compressed(data, file_format="rgb8; png compressed bgr8"):
    return SimpleNamespace(format=file_format, data=data)


def random_image(height, width, channels, seed=0):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


CONTAINERS = (bytes, lambda b: array.array("B", b), lambda b: np.frombuffer(b, np.uint8))


@given(
    encoding=st.sampled_from(["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1"]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 7),
    seed=st.integers(0, 99),
    container=st.sampled_from(CONTAINERS),
    bigendian=st.integers(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_colour_images_with_any_padding(
    encoding, height, width, padding, seed, container, bigendian
):
    channels = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4}.get(encoding, 1)
    source = random_image(height, width, channels, seed)
    sent = message(source, encoding, padding=padding, bigendian=bigendian, container=container)
    if channels == 1:
        expected = np.stack([source] * 3, axis=-1)
    else:
        expected = source[..., [2, 1, 0]] if encoding.startswith("b") else source[..., :3]
    decoded = codec.decode_image(sent)
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.flags.c_contiguous
    if channels == 1:
        np.testing.assert_array_equal(codec.decode_labels(sent), source)


def test_a_plain_rgb_image_is_not_copied_and_not_writable():
    data = np.arange(2 * 4 * 3, dtype=np.uint8)
    sent = message(data.reshape(2, 4, 3), "rgb8")
    sent.data = data
    decoded = codec.decode_image(sent)
    assert np.shares_memory(decoded, data)
    with pytest.raises(ValueError, match="read-only"):
        decoded[0, 0, 0] = 1


@pytest.mark.parametrize("bigendian", [0, 1])
def test_depth_in_millimetres_and_metres(bigendian):
    order = ">" if bigendian else "<"
    mm = np.array([[0, 1500, 65535]], dtype=f"{order}u2")
    depth = codec.decode_depth(message(mm, "16UC1", bigendian=bigendian, padding=4))
    np.testing.assert_allclose(depth, [[np.nan, 1.5, 65.535]], rtol=1e-6)
    m = np.array([[np.nan, 12.25, np.inf, -np.inf, 0, -1]], dtype=f"{order}f4")
    depth = codec.decode_depth(message(m, "32FC1", bigendian=bigendian))
    np.testing.assert_array_equal(depth, [[np.nan, 12.25, np.nan, np.nan, np.nan, np.nan]])
    assert depth.dtype == np.float32
    assert depth.dtype.isnative


def test_instances_of_either_byte_order():
    ids = np.array([[26001, 0]], dtype=">u2")
    decoded = codec.decode_instances(message(ids, "mono16", bigendian=1))
    assert decoded.tolist() == [[26001, 0]]


@pytest.mark.parametrize(
    ("encoding", "way_out"),
    [
        ("bayer_rggb8", "debayer"),
        ("bayer_rggb16", "debayer"),
        ("yuv422_yuy2", "set the camera driver"),
        ("nv12", "set the camera driver"),
        ("8UC3", "order of the channels"),
        ("rgb16", "8 bits"),
        ("mono16", "8 bits"),
        ("32FC1", "8 bits"),
        ("", "republish"),
    ],
)
def test_other_encodings_are_refused_with_the_way_out(encoding, way_out):
    sent = message(random_image(2, 2, 1), encoding)
    with pytest.raises(ImageError, match=way_out) as caught:
        codec.decode_image(sent)
    assert caught.value.reason == "bad_encoding"
    assert "rgb8, bgr8" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"height": 0}, "4x0"),
        ({"width": 0}, "0x3"),
        ({"step": 11}, "found step 11, expected at least 12"),
        ({"data": b""}, "truncated: found 0 bytes, expected 36"),
        ({"data": bytes(35)}, "truncated: found 35 bytes, expected 36"),
        ({"data": bytes(37)}, "surplus bytes: found 37 bytes, expected 36"),
        ({"step": 13}, "truncated: found 36 bytes, expected 39"),
    ],
)
def test_bad_sizes(change, text):
    sent = message(random_image(3, 4, 3), "rgb8")
    vars(sent).update(change)
    with pytest.raises(ImageError, match=text) as caught:
        codec.decode_image(sent)
    assert caught.value.reason == "bad_size"


def test_a_depth_image_is_no_label_map():
    with pytest.raises(ImageError, match="label map with encoding '16UC1'"):
        codec.decode_labels(message(np.zeros((2, 2), np.uint16), "16UC1"))


def smooth(height=64, width=96):
    return cv2.GaussianBlur(random_image(height, width, 3), (15, 15), 4)


def test_compressed_images():
    image = smooth()
    np.testing.assert_array_equal(
        codec.decode_image(compressed(codec.encode_file(image, "png"))), image
    )
    jpeg = codec.decode_image(compressed(codec.encode_file(image, "jpeg")))
    assert np.abs(jpeg.astype(int) - image).mean() < 3
    # A camera's zero padding does not make it damaged.
    padded = codec.encode_file(image, "jpeg") + bytes(4000)
    np.testing.assert_array_equal(codec.decode_image(compressed(padded)), jpeg)


@pytest.mark.parametrize("file_format", ["png", "jpeg"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95, 0.9999])
def test_truncated_compressed_images(file_format, share):
    data = codec.encode_file(smooth(), file_format)
    with pytest.raises(ImageError, match="truncated") as caught:
        codec.decode_image(compressed(data[: int(len(data) * share)]))
    assert caught.value.reason == "bad_size"


def test_a_thumbnail_does_not_hide_a_truncation():
    picture, thumbnail = (codec.encode_file(smooth(h), "jpeg") for h in (64, 16))
    app1 = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = picture[:2] + app1 + picture[2:]
    codec.decode_image(compressed(whole))
    with pytest.raises(ImageError, match="truncated"):
        codec.decode_image(compressed(whole[:-40]))


def test_damaged_and_foreign_compressed_data():
    data = bytearray(codec.encode_file(smooth(), "png"))
    data[len(data) // 2] ^= 255
    with pytest.raises(ImageError, match="damaged"):
        codec.decode_image(compressed(bytes(data)))
    for content, found in ((b"", "nothing"), (b"GIF89a", "GIF8")):
        with pytest.raises(ImageError, match=found) as caught:
            codec.decode_image(compressed(content))
        assert caught.value.reason == "bad_encoding"


def test_compressed_label_maps_are_png_and_grey():
    labels = random_image(5, 7, 1)
    np.testing.assert_array_equal(
        codec.decode_labels(compressed(codec.encode_file(labels))), labels
    )
    with pytest.raises(ImageError, match="alters class ids"):
        codec.decode_labels(compressed(codec.encode_file(labels, "jpeg")))
    with pytest.raises(ImageError, match="found 3 channel"):
        codec.decode_labels(compressed(codec.encode_file(smooth())))


@pytest.mark.parametrize(
    ("image", "encoding"),
    [
        (random_image(3, 5, 3), "rgb8"),
        (random_image(3, 5, 1), "mono8"),
        (np.full((2, 3), 7.5, np.float32), "32FC1"),
        (np.full((2, 3), 2600, np.uint16), "16UC1"),
    ],
)
def test_fields_survive_a_serialized_message(image, encoding):
    header = STORE.types["std_msgs/msg/Header"](
        STORE.types["builtin_interfaces/msg/Time"](1, 2), "cam"
    )
    kind = "sensor_msgs/msg/Image"
    sent = STORE.types[kind](
        header=header, **codec.image_fields(image, encoding), data=codec.flat_bytes(image)
    )
    got = STORE.deserialize_cdr(STORE.serialize_cdr(sent, kind), kind)
    decode = {
        "rgb8": codec.decode_image,
        "mono8": codec.decode_labels,
        "32FC1": codec.decode_depth,
        "16UC1": codec.decode_instances,
    }[encoding]
    np.testing.assert_array_equal(decode(got), image)


def test_encoding_must_fit_the_array():
    with pytest.raises(ImageError, match=r"uint8\[3, 5\] cannot be sent as rgb8"):
        codec.image_fields(random_image(3, 5, 1), "rgb8")
    with pytest.raises(ImageError, match="cannot be sent as 32FC1"):
        codec.image_fields(np.zeros((2, 2)), "32FC1")
    with pytest.raises(ImageError, match="expected 'png' or 'jpeg'"):
        codec.encode_file(smooth(), "bmp")
    with pytest.raises(ImageError, match="cannot be stored as jpeg"):
        codec.encode_file(np.zeros((2, 2), np.uint16), "jpeg")


def test_rclpy_messages_both_ways():
    sensor_msgs = pytest.importorskip("sensor_msgs.msg", exc_type=ImportError)
    image = random_image(1024, 2048, 3)[:, ::-1]  # not contiguous on purpose
    sent = sensor_msgs.Image()
    start = time.perf_counter()
    codec.fill_image(sent, image)
    # The generic setter of rclpy needs half a second for this.
    assert time.perf_counter() - start < 0.2
    assert (sent.height, sent.width, sent.step, sent.encoding) == (1024, 2048, 6144, "rgb8")
    np.testing.assert_array_equal(codec.decode_image(sent), image)
    packed = sensor_msgs.CompressedImage()
    codec.fill_compressed(packed, image[:32])
    assert packed.format == "rgb8; png compressed bgr8"
    np.testing.assert_array_equal(codec.decode_image(packed), image[:32])
