"""The camera side of a node: image topics, and the twist that goes with the images."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import TwistStamped, TwistWithCovarianceStamped
from sensor_msgs.msg import CompressedImage, Image

from semalign_ros.bags.messages import motion_of
from semalign_ros.bags.motion import Motion
from semalign_ros.nodes.inputs import Input, MessageInfo, Source
from semalign_ros.nodes.messages import stamp_ns
from semalign_ros.nodes.stage import Stream

try:
    from nav_msgs.msg import Odometry
except ImportError:  # not everywhere where the others are
    _TWIST_TYPES: tuple[type, ...] = (TwistStamped, TwistWithCovarianceStamped)
else:
    _TWIST_TYPES = (TwistStamped, TwistWithCovarianceStamped, Odometry)

_COMPRESSED = "/compressed"


def image_stream(name: str, topic: str, transport: str = "raw") -> Stream:
    """An image input.

    Args:
        name: Key of its messages.
        topic: Of the raw image.
        transport: ``raw``, ``compressed`` (``<topic>/compressed``), or ``auto`` for what is
            published.
    """
    sources = {
        "raw": (Source(topic, (Image,)),),
        "compressed": (Source(topic, (CompressedImage,), _COMPRESSED),),
    }
    return Stream(name, sources.get(transport) or (*sources["raw"], *sources["compressed"]))


class TwistInput:
    """Motion of the vehicle: the last twist not later than a frame."""

    def __init__(self) -> None:
        self._motion = Motion()

    def subscribe(self, node: Any) -> Input:
        """Make the input on ``~/input/twist``."""
        return Input(node, [Source("~/input/twist", _TWIST_TYPES)], self._receive, depth=50)

    def at(self, stamp: int) -> tuple[float | None, float | None]:
        """Speed m/s and yaw rate rad/s at a stamp, None where unknown."""
        return self._motion.at(stamp)

    def forget(self) -> None:
        """Forget all twists."""
        self._motion = Motion()

    def _receive(self, message: Any, _: MessageInfo) -> None:
        self._motion.add(stamp_ns(message.header.stamp), *motion_of(message))
