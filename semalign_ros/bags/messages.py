"""ROS messages as rosbags has them: definitions of Jazzy, built and read without ROS."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from semalign_ros.bags.camera import CameraModel, Transform
from semalign_ros.bags.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, TF_MESSAGE, TWIST_STAMPED
from semalign_ros.errors import BagError
from semalign_ros.image_codec import compressed_format, flat_bytes, image_fields

_NS = 1_000_000_000


@functools.cache
def typestore() -> Typestore:
    """Message definitions of the reference distribution.

    Those that this package reads are the same in every ROS 2 distribution, so that no
    code is generated from what a bag says of itself.
    """
    return get_typestore(Stores.ROS2_JAZZY)


def serialize(message: object) -> memoryview:
    """CDR bytes of a message built by this module."""
    return typestore().serialize_cdr(message, message.__msgtype__)  # type: ignore[attr-defined]


def deserialize(data: bytes | memoryview, msgtype: str) -> Any:
    """Message from CDR bytes; arrays are views of `data`.

    Raises:
        BagError: The bytes do not fit the type.
    """
    try:
        return typestore().deserialize_cdr(memoryview(data), msgtype)
    except (SerdeError, AssertionError, IndexError) as error:
        raise BagError(f"damaged {msgtype} message of {len(data)} bytes: {error}") from error


def stamp_ns(message: Any) -> int:
    """Stamp of a message's header, nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * _NS + int(stamp.nanosec)


def image_message(stamp: int, frame_id: str, image: NDArray[Any], encoding: str = "rgb8") -> object:
    """`sensor_msgs/Image` of an array; `stamp` in nanoseconds."""
    return _new(
        IMAGE,
        header=_header(stamp, frame_id),
        **image_fields(image, encoding),
        data=flat_bytes(image),
    )


def compressed_message(stamp: int, frame_id: str, data: bytes, file_format: str) -> object:
    """`sensor_msgs/CompressedImage` of an encoded colour image."""
    return _new(
        COMPRESSED_IMAGE,
        header=_header(stamp, frame_id),
        format=compressed_format(file_format),
        data=np.frombuffer(data, np.uint8),
    )


def camera_info_message(stamp: int, frame_id: str, camera: CameraModel) -> object:
    """`sensor_msgs/CameraInfo` of a rectified pinhole camera."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    return _new(
        CAMERA_INFO,
        header=_header(stamp, frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
        r=np.eye(3).ravel(),
        p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
        binning_x=0,
        binning_y=0,
        roi=_new(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def twist_message(stamp: int, frame_id: str, speed: float, yaw_rate: float) -> object:
    """`geometry_msgs/TwistStamped`: forward speed m/s and yaw rate rad/s, left positive."""
    return _new(
        TWIST_STAMPED,
        header=_header(stamp, frame_id),
        twist=_new(
            "geometry_msgs/msg/Twist",
            linear=_vector(speed, 0.0, 0.0),
            angular=_vector(0.0, 0.0, yaw_rate),
        ),
    )


def motion_of(message: Any) -> tuple[float, float]:
    """Forward speed m/s and yaw rate rad/s of a stamped twist or an odometry message."""
    twist = message.twist
    while not hasattr(twist, "linear"):
        twist = twist.twist  # the ...WithCovariance types wrap it once more
    return float(twist.linear.x), float(twist.angular.z)


def tf_message(stamp: int, transforms: Sequence[Transform]) -> object:
    """`tf2_msgs/TFMessage` of static transforms."""
    return _new(
        TF_MESSAGE,
        transforms=[
            _new(
                "geometry_msgs/msg/TransformStamped",
                header=_header(stamp, t.parent),
                child_frame_id=t.child,
                transform=_new(
                    "geometry_msgs/msg/Transform",
                    translation=_vector(*t.translation),
                    rotation=_new(
                        "geometry_msgs/msg/Quaternion",
                        **dict(zip("xyzw", t.rotation, strict=True)),
                    ),
                ),
            )
            for t in transforms
        ],
    )


def _new(msgtype: str, **values: Any) -> Any:
    return typestore().types[msgtype](**values)


def _vector(x: float, y: float, z: float) -> Any:
    return _new("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def _header(stamp: int, frame_id: str) -> Any:
    time = _new("builtin_interfaces/msg/Time", sec=stamp // _NS, nanosec=stamp % _NS)
    return _new("std_msgs/msg/Header", stamp=time, frame_id=frame_id)
