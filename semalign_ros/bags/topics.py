"""Topics of a driving bag: their names, types and offered quality of service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from semalign_ros.errors import BagError

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TWIST_STAMPED = "geometry_msgs/msg/TwistStamped"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"

TWIST_TYPES = (
    TWIST_STAMPED,
    "geometry_msgs/msg/TwistWithCovarianceStamped",
    "nav_msgs/msg/Odometry",
)
"""Types whose `twist` field holds the vehicle's motion."""

IMAGE_TOPIC = "/camera/front/image_raw"
CAMERA_INFO_TOPIC = "/camera/front/camera_info"
SEGMENTATION_TOPIC = "/ground_truth/segmentation"
INSTANCES_TOPIC = "/ground_truth/instances"
DEPTH_TOPIC = "/camera/front/depth"
TWIST_TOPIC = "/vehicle/twist"
TF_STATIC_TOPIC = "/tf_static"
COMPRESSED_SUFFIX = "/compressed"


@dataclass(frozen=True, slots=True)
class Qos:
    """Quality of service that a publisher offers.

    Args:
        reliability: ``reliable`` or ``best_effort``.
        durability: ``volatile``, or ``transient_local`` for latched topics.
        history: ``keep_last`` or ``keep_all``.
        depth: Messages kept with ``keep_last``, at least 1.
    """

    reliability: Literal["reliable", "best_effort"] = "reliable"
    durability: Literal["volatile", "transient_local"] = "volatile"
    history: Literal["keep_last", "keep_all"] = "keep_last"
    depth: int = 10

    @property
    def latched(self) -> bool:
        """Whether late subscribers get the last message."""
        return self.durability == "transient_local"


LATCHED = Qos(durability="transient_local", depth=1)


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """One topic of a bag.

    Args:
        name: Such as ``/camera/front/image_raw``.
        msgtype: Such as ``sensor_msgs/msg/Image``.
        count: Messages.
        qos: What the recorded publisher offered; the default where the bag is silent.
    """

    name: str
    msgtype: str
    count: int
    qos: Qos = Qos()


@dataclass(frozen=True, slots=True)
class BagTopics:
    """Where to find what in a bag; None for what is not to be read.

    Args:
        image: Raw or compressed camera image; ``<image>/compressed`` is found too.
        segmentation: Label map of the same stamps, train ids.
        depth: Depth image of the same stamps.
        twist: Motion of the vehicle: the last one not later than the frame.
    """

    image: str = IMAGE_TOPIC
    segmentation: str | None = SEGMENTATION_TOPIC
    depth: str | None = DEPTH_TOPIC
    twist: str | None = TWIST_TOPIC


_TYPES: Mapping[str, tuple[str, ...]] = {
    "image": (IMAGE, COMPRESSED_IMAGE),
    "segmentation": (IMAGE, COMPRESSED_IMAGE),
    "depth": (IMAGE,),
    "twist": TWIST_TYPES,
}


def resolve_topics(
    wanted: BagTopics,
    present: Mapping[str, TopicInfo],
    *,
    require: tuple[str, ...] = ("image",),
    where: str = "bag",
) -> dict[str, TopicInfo]:
    """Find the wanted topics among those that a bag has.

    Args:
        wanted: The names.
        present: Topics of the bag by name.
        require: Fields of :class:`BagTopics` that must be there; the others may miss.
        where: Named in the error.

    Returns:
        Topic by field name, without those that the bag lacks.

    Raises:
        BagError: A required topic is missing, or a topic has another type.
    """
    found: dict[str, TopicInfo] = {}
    for field in fields(BagTopics):
        name = getattr(wanted, field.name)
        topic = _lookup(name, present)
        if topic is None:
            if field.name in require:
                raise BagError(f"{where}: {_missing(field.name, name, present)}")
        elif topic.msgtype not in _TYPES[field.name]:
            raise BagError(
                f"{where}: {topic.name} has type {topic.msgtype}, expected "
                f"{' or '.join(_TYPES[field.name])} for the {field.name}"
            )
        else:
            found[field.name] = topic
    return found


def _lookup(name: str | None, present: Mapping[str, TopicInfo]) -> TopicInfo | None:
    if name is None:
        return None
    for candidate in (name, name + COMPRESSED_SUFFIX):
        # A topic without a message is as good as none; image_transport advertises both.
        if candidate in present and present[candidate].count:
            return present[candidate]
    return None


def _missing(role: str, name: str | None, present: Mapping[str, TopicInfo]) -> str:
    listing = ", ".join(
        f"{t.name} ({t.msgtype}, {t.count})" for t in sorted(present.values(), key=lambda t: t.name)
    )
    asked = "no topic was named" if name is None else f"no message on topic {name}"
    # Label maps and depth are images too, but nothing that a camera saw.
    others = (SEGMENTATION_TOPIC, INSTANCES_TOPIC, DEPTH_TOPIC) if role == "image" else ()
    fitting = [
        t.name
        for t in present.values()
        if t.msgtype in _TYPES[role] and t.count and not t.name.startswith(others)
    ]
    hint = f"; for instance {fitting[0]}" if fitting else ""
    return (
        f"{asked} for the {role}; the bag has {listing or 'no topic at all'}; "
        f"name one of type {' or '.join(_TYPES[role])}{hint}"
    )
