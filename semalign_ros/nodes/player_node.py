"""Plays a bag: the recorded bytes, at their time, with the quality of service they had."""

from __future__ import annotations

import sys
import time
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from semalign_ros.bags.player import PlayEvent, PlayOptions, paced, schedule
from semalign_ros.bags.storage import bag_info
from semalign_ros.bags.topics import COMPRESSED_SUFFIX, TopicInfo
from semalign_ros.errors import BagError, ConfigError
from semalign_ros.nodes.config import PlayerConfig
from semalign_ros.nodes.generic import message_class
from semalign_ros.nodes.messages import time_message
from semalign_ros.nodes.parameters import NodeParameters
from semalign_ros.nodes.qos import to_ros
from semalign_ros.nodes.runner import run

_POLL_S = 0.05
_SETTLE_S = 1.0
_REPORT_S = 5.0
_ACKNOWLEDGE_S = 5


class PlayerNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Publishes a bag and ends."""

    def __init__(self) -> None:
        super().__init__("player_node")
        self._config = NodeParameters(self, PlayerConfig, lambda _: None).config
        if not self._config.bag:
            raise ConfigError("bag: no bag was named; give a folder, or a .mcap or .db3 file")
        info = bag_info(self._config.bag)
        if info.damage:
            self.get_logger().warning(f"{info.damage}; playing what is left")
        self._count = 0
        self._total = 0
        self._topics = self._announce(info.topics)
        self._clock_topic = None
        if self._config.clock:
            self._clock_topic = self.create_publisher(Clock, "/clock", QoSProfile(depth=10))

    def start(self) -> bool:
        """Play to the end."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        try:
            self._wait(executor)
            self._play(executor)
        finally:
            executor.shutdown()
        return True

    def _announce(self, topics: dict[str, TopicInfo]) -> dict[str, Any]:
        publishers: dict[str, Any] = {}
        chosen = [t for t in topics.values() if _matches(t.name, self._config.topics)]
        if not chosen:
            raise BagError(
                f"{self._config.bag}: no topic matches {', '.join(self._config.topics)}; it has "
                f"{', '.join(sorted(topics)) or 'none'}"
            )
        for topic in chosen:
            kind = message_class(topic.msgtype)
            if kind is None:
                self.get_logger().warning(
                    f"{topic.name} is left out: {topic.msgtype} is not installed here"
                )
                continue
            publishers[topic.name] = self.create_publisher(kind, topic.name, to_ros(topic.qos))
            self._total += topic.count
        if not publishers:
            raise BagError(f"{self._config.bag}: none of its message types is installed here")
        return publishers

    def _wait(self, executor: SingleThreadedExecutor) -> None:
        needed = Counter(self.resolve_topic_name(name) for name in self._config.wait_for if name)
        deadline = time.monotonic() + self._config.wait_timeout
        while missing := [name for name, n in needed.items() if self._readers(name) < n]:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"wait_for: nobody subscribed to {', '.join(missing)} within "
                    f"{self._config.wait_timeout:g} s"
                )
            executor.spin_once(timeout_sec=_POLL_S)
        if needed.keys() - self._topics.keys():
            # We have heard of that subscription; its publisher may hear of it a little later.
            settled = time.monotonic() + _SETTLE_S
            while time.monotonic() < settled:
                executor.spin_once(timeout_sec=_POLL_S)

    def _readers(self, name: str) -> int:
        return max(self._readers_of(topic) for topic in (name, name + COMPRESSED_SUFFIX))

    def _readers_of(self, name: str) -> int:
        publisher = self._topics.get(name)
        # Of our own topics the matched readers count: the graph knows of them earlier.
        if publisher is not None:
            return int(publisher.get_subscription_count())
        return int(self.count_subscribers(name))

    def _play(self, executor: SingleThreadedExecutor) -> None:
        config = self._config
        options = PlayOptions(
            rate=config.rate,
            loop=config.loop,
            start_s=config.start,
            duration_s=config.duration or None,
            clock_hz=config.clock,
            topics=list(self._topics),
        )
        begin = reported = time.monotonic()
        events = schedule(config.bag, options)
        # Parameter requests are answered in the time between the messages.
        for event in paced(events, sleep=lambda seconds: executor.spin_once(timeout_sec=seconds)):
            self._publish(event)
            if time.monotonic() - reported > _REPORT_S:
                reported = time.monotonic()
                self.get_logger().info(f"played {self._count} of {self._total} messages")
        self._flush()
        self.get_logger().info(
            f"played {self._count} messages of {len(self._topics)} topics in "
            f"{time.monotonic() - begin:.1f} s"
        )

    def _publish(self, event: PlayEvent) -> None:
        if self._clock_topic is not None and (event.message is None or self._count == 0):
            stamp: Time = time_message(event.time_ns)
            self._clock_topic.publish(Clock(clock=stamp))
        if event.message is not None:
            self._topics[event.message.topic].publish(bytes(event.message.data))
            self._count += 1

    def _flush(self) -> None:
        """Let reliable subscribers get the last messages before the publishers go."""
        for publisher in self._topics.values():
            if hasattr(publisher, "wait_for_all_acked"):
                publisher.wait_for_all_acked(Duration(seconds=_ACKNOWLEDGE_S))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def main() -> int:
    """Run the node."""
    return run(PlayerNode, spin=False)


if __name__ == "__main__":
    sys.exit(main())
