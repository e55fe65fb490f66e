"""Subscriptions that fit their publishers: type, transport and reliability are looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from semalign_ros.nodes.generic import type_name
from semalign_ros.nodes.qos import matching

QUEUE = 5
"""Messages that the middleware keeps while the executor's thread is busy.

Only the newest one is worked on, but what the middleware overwrites it does not report:
with a depth of 1 a busy moment loses frames that nobody counts. The executor takes them
all and puts them into the mailbox, which counts what it replaces.
"""

Received = Callable[[Any, "MessageInfo"], None]


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """How a message came.

    Args:
        number: Publication sequence number, None where the middleware gives none.
        sole_publisher: Whether the topic has one publisher only.
    """

    number: int | None
    sole_publisher: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A topic that may carry an input.

    Args:
        topic: Name relative to the node, such as ``~/input/image``.
        types: Message classes accepted on it.
        suffix: Appended to the resolved name, so that it follows a remapping of `topic`.
    """

    topic: str
    types: tuple[type, ...]
    suffix: str = ""


class Input:
    """One subscription, made when a publisher that it fits has appeared.

    Args:
        node: Subscribes.
        sources: Where it may come from, the preferred one first.
        callback: Called with every message.
        reliability: ``auto``, ``reliable`` or ``best_effort``.
        depth: Messages kept while the callback is busy.
    """

    def __init__(
        self,
        node: Node,
        sources: Sequence[Source],
        callback: Received,
        reliability: str = "auto",
        depth: int = QUEUE,
    ) -> None:
        self._node = node
        self._sources = [
            (node.resolve_topic_name(source.topic) + source.suffix, source) for source in sources
        ]
        self._callback = callback
        self._reliability = reliability
        self._depth = depth
        self._subscription: Subscription | None = None
        self._best_effort = False
        self._publishers = 0
        self._complained = False

    @property
    def topics(self) -> tuple[str, ...]:
        """Full names of where it may come from."""
        return tuple(name for name, _ in self._sources)

    @property
    def connected(self) -> bool:
        """Whether it is subscribed and a publisher is there."""
        return self._subscription is not None and self._publishers > 0

    def poll(self) -> None:
        """Look at the graph; subscribe, or subscribe anew where the publishers have changed."""
        if self._subscription is not None:
            self._watch()
            return
        strangers: dict[str, list[str]] = {}
        for name, source in self._sources:
            accepted = {type_name(kind): kind for kind in source.types}
            publishers = self._node.get_publishers_info_by_topic(name)
            fitting = [p for p in publishers if p.topic_type in accepted]
            if fitting:
                self._subscribe(name, accepted[fitting[0].topic_type], fitting)
                return
            if publishers:
                strangers[name] = sorted({p.topic_type for p in publishers})
        if strangers and not self._complained:
            self._complained = True
            self._node.get_logger().error(self._complaint(strangers))

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        self._publishers = 0

    def _watch(self) -> None:
        subscription = self._subscription
        assert subscription is not None
        publishers = [
            p
            for p in self._node.get_publishers_info_by_topic(subscription.topic_name)
            if p.topic_type == type_name(subscription.msg_type)
        ]
        self._count(subscription.topic_name, publishers)
        if not publishers:
            return
        profile = matching(
            [p.qos_profile.reliability for p in publishers], self._reliability, depth=self._depth
        )
        if profile.reliability != subscription.qos_profile.reliability:
            kind = subscription.msg_type
            name = subscription.topic_name
            self.close()
            self._subscribe(name, kind, publishers)

    def _subscribe(self, name: str, kind: type, publishers: Sequence[Any]) -> None:
        offered = [p.qos_profile.reliability for p in publishers]
        profile = matching(offered, self._reliability, depth=self._depth)
        self._count(name, publishers)
        self._subscription = self._node.create_subscription(kind, name, self._receive, profile)
        self._node.get_logger().info(
            f"subscribed to {name} ({type_name(kind)}, {profile.reliability.name.lower()})"
        )

    def _count(self, name: str, publishers: Sequence[Any]) -> None:
        before, self._publishers = self._publishers, len(publishers)
        if self._publishers > max(before, 1):
            nodes = ", ".join(
                sorted(f"{p.node_namespace.rstrip('/')}/{p.node_name}" for p in publishers)
            )
            self._node.get_logger().warning(
                f"{name} has {len(publishers)} publishers ({nodes}): their frames come mixed, and "
                "stamps seem to jump back; is a node running twice?"
            )

    def _receive(self, message: Any, info: Mapping[str, Any]) -> None:
        number = info.get("publication_sequence_number")
        # Middlewares without numbers give none, zero, or the largest integer.
        known = isinstance(number, int) and 0 < number < 2**63
        self._callback(message, MessageInfo(number if known else None, self._publishers <= 1))

    def _complaint(self, strangers: Mapping[str, Sequence[str]]) -> str:
        found = "; ".join(f"{name} carries {', '.join(types)}" for name, types in strangers.items())
        expected = "; ".join(
            f"{name} ({' or '.join(type_name(kind) for kind in source.types)})"
            for name, source in self._sources
        )
        return f"no input: {found}; expected {expected}; remap {self._sources[0][1].topic}"
