"""Quality of service: ours, and the one that fits what publishers offer."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from semalign_ros.bags.topics import Qos

IMAGES_OUT = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
VALUES_OUT = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


def matching(
    offered: Iterable[ReliabilityPolicy], wanted: str = "auto", *, depth: int
) -> QoSProfile:
    """Profile of a subscription.

    A reliable subscription gets nothing from a best-effort publisher, and a best-effort
    one loses large images that a reliable publisher would send again.

    Args:
        offered: Reliability of each publisher on the topic.
        wanted: ``reliable``, ``best_effort``, or ``auto`` for reliable where all publishers are.
        depth: Messages kept while the callback is busy.
    """
    if wanted == "auto":
        best_effort = ReliabilityPolicy.BEST_EFFORT in set(offered)
    else:
        best_effort = wanted == "best_effort"
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
    )


def to_ros(qos: Qos) -> QoSProfile:
    """Profile that a bag states."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL if qos.history == "keep_all" else HistoryPolicy.KEEP_LAST,
        depth=qos.depth,
        reliability=ReliabilityPolicy.BEST_EFFORT
        if qos.reliability == "best_effort"
        else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if qos.latched else DurabilityPolicy.VOLATILE,
    )


def from_ros(profile: QoSProfile) -> Qos:
    """Profile as a bag states it; what is unknown becomes the default.

    Discovery does not tell the depth of a volatile topic: it is 0 then.
    """
    return Qos(
        "best_effort" if profile.reliability == ReliabilityPolicy.BEST_EFFORT else "reliable",
        "transient_local" if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL else "volatile",
        "keep_all" if profile.history == HistoryPolicy.KEEP_ALL else "keep_last",
        profile.depth or Qos().depth,
    )
