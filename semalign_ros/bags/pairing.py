"""Joins the messages of one instant: image, label map and depth with the same stamp.

Works on a stream with bounded memory, whatever the order in which the topics of one
instant were recorded. Nothing is decoded here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_NS = 1_000_000_000
MAX_WAITING = 16
"""Images kept while their label map may still come: at 2048x1024 some 200 MB."""
WINDOW_NS = 1 * _NS
"""How long, in log time, an image waits for its label map, and the other way round."""


@dataclass(slots=True)
class Instant:
    """All messages of one image stamp.

    Args:
        index: Position of the image in the stream, from 0.
        stamp_ns: Its header stamp.
        log_time_ns: When it was recorded.
        image: The image message.
        partners: Message by role, for the roles that have one.
    """

    index: int
    stamp_ns: int
    log_time_ns: int
    image: Any
    partners: dict[str, Any] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)


class Pairer:
    """Collects messages and releases instants in the order of their images.

    An image is held back until each role has its partner, or has shown a later stamp
    (a topic's stamps rise, so the partner does not exist), or the window has passed.

    Args:
        roles: Names of the partner roles that the stream has.
        window_ns: See `WINDOW_NS`.
        max_waiting: See `MAX_WAITING`; at least 1.
    """

    def __init__(
        self,
        roles: tuple[str, ...],
        window_ns: int = WINDOW_NS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._roles = roles
        self._window_ns = window_ns
        self._max_waiting = max_waiting
        self._images: list[Instant] = []
        # Partners that came before their image: stamp -> (log time, message).
        self._early: dict[str, OrderedDict[int, tuple[int, Any]]] = {
            role: OrderedDict() for role in roles
        }
        self._count = 0

    def push_image(self, stamp_ns: int, log_time_ns: int, image: Any) -> Iterator[Instant]:
        """Take an image; yield the instants that are complete."""
        instant = Instant(self._count, stamp_ns, log_time_ns, image)
        self._count += 1
        for role in self._roles:
            early = self._early[role].pop(stamp_ns, None)
            if early is not None:
                self._settle(instant, role, early[1])
        self._images.append(instant)
        return self._release(log_time_ns)

    def push_partner(
        self, role: str, stamp_ns: int, log_time_ns: int, message: Any
    ) -> Iterator[Instant]:
        """Take a partner message; yield the instants that are complete."""
        taken = False
        for instant in self._images:
            if role in instant._settled:
                continue
            if instant.stamp_ns == stamp_ns and not taken:
                self._settle(instant, role, message)
                taken = True
            elif instant.stamp_ns < stamp_ns:
                instant._settled.add(role)  # passed by: there will be none
        if not taken:
            early = self._early[role]
            early[stamp_ns] = (log_time_ns, message)
            while len(early) > self._max_waiting or (
                log_time_ns - next(iter(early.values()))[0] > self._window_ns
            ):
                early.popitem(last=False)
        return self._release(log_time_ns)

    def flush(self) -> Iterator[Instant]:
        """Yield what is left at the end of the stream."""
        images, self._images = self._images, []
        return iter(images)

    @staticmethod
    def _settle(instant: Instant, role: str, message: Any) -> None:
        instant.partners[role] = message
        instant._settled.add(role)

    def _release(self, now_ns: int) -> Iterator[Instant]:
        while self._images:
            head = self._images[0]
            complete = len(head._settled) == len(self._roles)
            late = now_ns - head.log_time_ns > self._window_ns
            if not (complete or late or len(self._images) > self._max_waiting):
                return
            yield self._images.pop(0)
