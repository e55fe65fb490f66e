"""Records topics into a bag, as serialized bytes, of any type that is installed."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from contextlib import ExitStack
from fnmatch import fnmatchcase
from typing import Any, cast

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from semalign_ros.bags.writer import BagWriter, Compression, Storage
from semalign_ros.errors import BagError, ConfigError, OutputError
from semalign_ros.nodes.config import RecorderConfig
from semalign_ros.nodes.generic import message_class
from semalign_ros.nodes.parameters import NodeParameters
from semalign_ros.nodes.qos import from_ros, matching
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.sequence import StreamSequence

_GRAPH_POLL_S = 0.1
_DEPTH = 20  # the disk may be slow for a moment; at 6 MB an image these are 120 MB
_EARLY = 10  # messages of a topic kept until the simulated time begins, such as /tf_static


class RecorderNode(Node):  # type: ignore[misc]  # rclpy is untyped
    """Subscribes to whatever appears and matches, and writes it until it is stopped."""

    def __init__(self) -> None:
        super().__init__("recorder_node")
        config = NodeParameters(self, RecorderConfig, lambda _: None).config
        if not config.output:
            raise ConfigError("output: no bag was named; give the folder to write")
        self._config = config
        self._stack = ExitStack()
        self._bag: BagWriter = self._stack.enter_context(
            BagWriter(
                config.output,
                storage=cast(Storage, config.storage),
                compression=cast(Compression, config.compression),
                overwrite=config.overwrite,
            )
        )
        self._early: defaultdict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=_EARLY))
        self._failure: OutputError | None = None
        self._offering: Counter[str] = Counter()
        self._recorded: dict[str, Any] = {}  # None where the topic cannot be recorded
        self._counts: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    def start(self) -> bool:
        """Begin to look for topics."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_GRAPH_POLL_S, self._discover, clock=steady)
        self._discover()
        self.get_logger().info(f"recording to {self._config.output}")
        return True

    def destroy_node(self) -> None:
        """Give the bag its name."""
        total = sum(self._counts.values())
        lost = sum(self._lost.values())
        self.get_logger().info(
            f"{self._config.output}: {total} messages of {len(self._counts)} topics"
            + (f", {lost} more were lost on the way" if lost else "")
        )
        super().destroy_node()
        if self._failure is not None:
            self._stack.__exit__(type(self._failure), self._failure, None)
        self._stack.close()

    def _discover(self) -> None:
        for name, types in self.get_topic_names_and_types():
            if self._wanted(name):
                offered = [p.qos_profile for p in self.get_publishers_info_by_topic(name)]
                self._offering[name] = len(offered)
                if offered and name not in self._recorded:
                    self._recorded[name] = self._subscribe(name, types[0], offered)
                elif offered and self._recorded[name] is not None:
                    self._follow(name, offered)

    def _wanted(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._config.topics)

    def _follow(self, name: str, offered: list[QoSProfile]) -> None:
        """Subscribe anew where a publisher that came later could not be heard."""
        old, profile = self._recorded[name], _fitting(offered)
        if profile.reliability != old.qos_profile.reliability:
            self.destroy_subscription(old)
            self._recorded[name] = self.create_subscription(
                old.msg_type, name, old.callback, profile, raw=True
            )

    def _subscribe(self, name: str, msgtype: str, offered: list[QoSProfile]) -> Any:
        kind = message_class(msgtype)
        try:
            if kind is None:
                raise BagError(f"{msgtype} is not installed here")
            self._bag.add_topic(name, msgtype, from_ros(offered[0]))
        except BagError as error:
            self.get_logger().warning(f"{name} is not recorded: {error}")
            return None
        sequence = StreamSequence()

        def receive(data: bytes, info: Mapping[str, Any]) -> None:
            number = info.get("publication_sequence_number")
            sole = self._offering[name] <= 1
            self._lost[name] += sequence.arrive(number, sole).lost
            self._write(name, data)

        return self.create_subscription(kind, name, receive, _fitting(offered), raw=True)

    def _write(self, name: str, data: bytes) -> None:
        now = self.get_clock().now().nanoseconds
        early = self._early[name]
        if not now:  # the simulated time has not begun
            self._lost[name] += len(early) == _EARLY
            early.append(data)
            return
        early.append(data)
        try:
            for topic, messages in self._early.items():
                for message in messages:
                    self._bag.write_raw(topic, message, now)
                    self._counts[topic] += 1
        except OutputError as error:
            self._failure = error
            self.get_logger().error(f"{error}; what was written before is in {self._bag.rescue()}")
            raise SystemExit(1) from error
        self._early.clear()


def _fitting(offered: list[QoSProfile]) -> QoSProfile:
    profile = matching([p.reliability for p in offered], depth=_DEPTH)
    if all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in offered):
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile


def main() -> int:
    """Run the node."""
    return run(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
