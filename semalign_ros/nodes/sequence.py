"""Position of a message in its stream, and what the transport lost before it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """Place of one message.

    Args:
        index: Position in the stream, from 0.
        lost: Messages published since the last one that never arrived.
    """

    index: int
    lost: int = 0


class StreamSequence:
    """Follows the numbers that a publisher gives its messages.

    A full queue of the middleware loses messages without a trace: the numbers alone show it.
    The index is the publisher's own count, so that all subscribers agree on it and a bag
    played from its start has the same indices as one read from disk. Where the middleware
    gives no number, or several publishers share the topic, messages are just counted.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._base = 0
        self._next = 0

    def arrive(self, number: int | None, sole_publisher: bool = True) -> Arrival:
        """Place a message.

        Args:
            number: Its publication sequence number, from 1; None or 0 where unknown.
            sole_publisher: Whether all messages come from one publisher.
        """
        if not number or not sole_publisher:
            self._last = None
            index, lost = self._next, 0
        else:
            last, self._last = self._last, number
            if last is None or number <= last:
                last = number - 1  # the first that we hear of, or a publisher that began anew
            if number <= self._base:
                self._base = 0
            lost, index = number - last - 1, number - 1 - self._base
        self._next = index + 1
        return Arrival(index, lost)

    def pause(self) -> None:
        """Expect a gap: what comes until the next message was not listened to."""
        self._last = None

    def restart(self) -> None:
        """Count from 0 again: time jumped back, the next message is the first of its stream."""
        self._base = self._last or 0
        self._next = 0
