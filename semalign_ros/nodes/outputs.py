"""Publishers that cost nothing while nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from semalign_ros.image_codec import fill_image
from semalign_ros.nodes.qos import IMAGES_OUT, VALUES_OUT
from semalign_ros.scene.taxonomy import colorize
from semalign_ros.types import Labels


class Output:
    """A publisher that makes its message only for a subscriber.

    Args:
        node: Publishes.
        kind: Message class.
        topic: Name, ``~/output/judgment``.
        qos: What it offers.
    """

    def __init__(self, node: Node, kind: type, topic: str, qos: QoSProfile = VALUES_OUT) -> None:
        self._node = node
        self._publisher = node.create_publisher(kind, topic, qos)

    @property
    def wanted(self) -> bool:
        """Whether somebody listens."""
        return bool(self._publisher.get_subscription_count())

    def publish(self, make: Callable[[], Any]) -> None:
        """Publish what `make` returns, if anybody listens."""
        if self.wanted:
            self._publisher.publish(make())

    def close(self) -> None:
        """Stop publishing."""
        self._node.destroy_publisher(self._publisher)


class ImageOutput(Output):
    """An image topic.

    Args:
        node: Publishes.
        topic: Name.
        encoding: Of the arrays.
    """

    def __init__(self, node: Node, topic: str, encoding: str = "rgb8") -> None:
        super().__init__(node, Image, topic, IMAGES_OUT)
        self._encoding = encoding

    def send(self, header: Header, make: Callable[[], NDArray[Any]]) -> None:
        """Publish the array that `make` returns, if anybody listens."""
        self.publish(lambda: image_message(header, make(), self._encoding))


class LabelOutput:
    """A label map as ids, and beside it in colours.

    Args:
        node: Publishes.
        topic: Of the ids; the colours are on ``<topic>/color``.
    """

    def __init__(self, node: Node, topic: str) -> None:
        self._ids = ImageOutput(node, topic, "mono8")
        self._colours = ImageOutput(node, f"{topic}/color")

    def send(self, header: Header, labels: Labels | None) -> None:
        """Publish a label map, u8[H, W]; nothing for None."""
        if labels is not None:
            self._ids.send(header, lambda: labels)
            self._colours.send(header, lambda: colorize(labels))

    def close(self) -> None:
        """Stop publishing."""
        self._ids.close()
        self._colours.close()


def image_message(header: Header, image: NDArray[Any], encoding: str) -> Image:
    """`sensor_msgs/Image` of an array under a header, which is taken unchanged."""
    message = Image(header=header)
    fill_image(message, image, encoding)
    return message
