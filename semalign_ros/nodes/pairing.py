"""Messages of several topics that belong to one frame: those with the same stamp."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

MessageT = TypeVar("MessageT")


@dataclass(frozen=True, slots=True)
class Pairing(Generic[MessageT]):
    """What the arrival of a message led to.

    Args:
        complete: Message by stream, once every stream has delivered the stamp.
        unmatched: Frames given up: messages of the first stream without a counterpart.
    """

    complete: dict[str, MessageT] | None = None
    unmatched: int = 0


class ExactPairer(Generic[MessageT]):
    """Pairs by exact stamp and forgets what can no longer be completed.

    Args:
        streams: Names; the first one defines what a frame is.
        capacity: Stamps that may wait; beyond it the oldest is given up.
    """

    def __init__(self, streams: Iterable[str], capacity: int = 10) -> None:
        self._streams = tuple(streams)
        self._capacity = capacity
        self._waiting: dict[int, dict[str, MessageT]] = {}

    def add(self, stream: str, stamp_ns: int, message: MessageT) -> Pairing[MessageT]:
        """Take in one message.

        Args:
            stream: Where it came from.
            stamp_ns: Its stamp, nanoseconds.
            message: Anything.
        """
        frame = self._waiting.setdefault(stamp_ns, {})
        repeated = stream in frame and stream == self._streams[0]
        frame[stream] = message
        if len(frame) == len(self._streams):
            # Every topic keeps its order, so nothing older can be completed any more.
            del self._waiting[stamp_ns]
            older = [stamp for stamp in self._waiting if stamp < stamp_ns]
            return Pairing(frame, self._forget(older) + repeated)
        surplus = sorted(self._waiting)[: max(0, len(self._waiting) - self._capacity)]
        return Pairing(None, self._forget(surplus) + repeated)

    def clear(self) -> int:
        """Give up all that waits; return how many frames that were."""
        return self._forget(list(self._waiting))

    def _forget(self, stamps: Iterable[int]) -> int:
        return sum(self._streams[0] in self._waiting.pop(stamp) for stamp in stamps)
