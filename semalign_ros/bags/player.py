"""When each message of a bag is due: rate, loop, start offset and clock.

Nothing here publishes. The schedule is a plain stream of events; :func:`paced` releases
them when their time has come, by a clock that the caller may replace.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from semalign_ros.bags.storage import OpenBag, RawMessage, open_bag
from semalign_ros.bags.topics import TF_MESSAGE
from semalign_ros.errors import BagError, ConfigError

_NS = 1_000_000_000
_POLL_S = 0.1
"""Longest sleep at a stretch, so that a stop is noticed."""


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How a bag is played.

    Args:
        rate: Bag seconds per second; 2 is twice as fast. Above 0.
        loop: Start again at the end, for ever; the stamps jump back then.
        start_s: Skip so many seconds of the bag. Of latched topics the last message
            before that place is played first, as a late subscriber would have got it; of
            transforms all, as each publisher of a topic such as ``/tf_static`` has its own.
        duration_s: Stop after so many seconds of the bag, or None.
        clock_hz: Ticks of the simulated clock per second (of wall time), 0 for none.
        topics: Play only these, or None for all.

    Raises:
        ConfigError: A value is out of range.
    """

    rate: float = 1.0
    loop: bool = False
    start_s: float = 0.0
    duration_s: float | None = None
    clock_hz: float = 0.0
    topics: Collection[str] | None = None

    def __post_init__(self) -> None:
        """Check every range."""
        limits = (
            ("rate", self.rate, 0 < self.rate < float("inf"), "above 0"),
            ("start_s", self.start_s, 0 <= self.start_s < float("inf"), "0 or more"),
            ("clock_hz", self.clock_hz, 0 <= self.clock_hz <= 10_000, "0..10000"),
            ("duration_s", self.duration_s, self.duration_s is None or self.duration_s > 0, "> 0"),
        )
        for name, value, good, expected in limits:
            if not good:
                raise ConfigError(f"player: {name} is {value}, expected {expected}")


@dataclass(frozen=True, slots=True)
class PlayEvent:
    """One thing to publish.

    Args:
        due_s: Seconds after the start of playing.
        time_ns: Log time in the bag, nanoseconds: what the simulated clock shows.
        message: What to publish, or None for a tick of the clock alone.
        round: How often the bag was started before, from 0.
    """

    due_s: float
    time_ns: int
    message: RawMessage | None
    round: int = 0


def schedule(path: Path | str, options: PlayOptions | None = None) -> Iterator[PlayEvent]:
    """Lay out the messages of a bag in time, without waiting.

    Yields:
        Events in the order of the bag. Memory does not grow with it.

    Raises:
        BagError: The bag is missing or damaged (what came before was yielded), or nothing
            of it is to be played.

    Example:
        >>> *_, last = schedule("rosbags/street_demo", PlayOptions(duration_s=4, rate=2))
        >>> 1 < last.due_s <= 2
        True
    """
    options = options or PlayOptions()
    with open_bag(path) as bag:
        start_ns, stop_ns = _span(bag, options)
        offset_s, turn = 0.0, 0
        while True:
            last = None
            for event in _one_round(bag, options, start_ns, stop_ns, offset_s, turn):
                yield event
                last = event
            if not options.loop or last is None:
                return
            # The next round begins one interval of the fastest topic later, as if it went on.
            most = max(topic.count for topic in bag.info.topics.values())
            gap_ns = bag.info.duration_ns / max(most - 1, 1)
            offset_s = last.due_s + max(gap_ns / _NS / options.rate, 1e-3)
            turn += 1


def paced(
    events: Iterator[PlayEvent],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[PlayEvent]:
    """Release events when they are due; late ones at once, and none is left out.

    Args:
        events: From :func:`schedule`.
        now: Seconds of a clock that never jumps.
        sleep: Waits so many seconds; called at least ten times a second.
    """
    begin = now()
    for event in events:
        while (wait := begin + event.due_s - now()) > 0:
            sleep(min(wait, _POLL_S))
        yield event


def _span(bag: OpenBag, options: PlayOptions) -> tuple[int, int]:
    """First and last log time to play.

    Raises:
        BagError: Nothing is left.
    """
    info = bag.info
    if options.topics is not None:
        unknown = sorted(set(options.topics) - set(info.topics))
        if unknown:
            raise BagError(
                f"{info.path}: has no topic {unknown[0]}; found {', '.join(sorted(info.topics))}"
            )
    if not info.message_count:
        raise BagError(f"{info.path}: holds no message")
    start = info.start_ns + round(options.start_s * _NS)
    end = info.start_ns + info.duration_ns
    if start > end:
        raise BagError(
            f"{info.path}: the start offset {options.start_s:g} s lies behind its end, it lasts "
            f"{info.duration_ns / _NS:g} s"
        )
    if options.duration_s is not None:
        end = min(end, start + round(options.duration_s * _NS))
    return start, end


def _one_round(
    bag: OpenBag, options: PlayOptions, start_ns: int, stop_ns: int, offset_s: float, turn: int
) -> Iterator[PlayEvent]:
    def due(time_ns: float) -> float:
        return offset_s + (time_ns - start_ns) / _NS / options.rate

    tick_ns = _NS * options.rate / options.clock_hz if options.clock_hz else None
    ticks = 0
    latched: dict[str, list[RawMessage]] = {}
    waiting = True
    for message in bag.messages(options.topics):
        if message.log_time_ns < start_ns:
            topic = bag.info.topics[message.topic]
            if topic.qos.latched:
                kept = latched.setdefault(topic.name, [])
                if topic.msgtype != TF_MESSAGE:
                    kept.clear()
                kept.append(message)
            continue
        if waiting:
            for early in itertools.chain.from_iterable(latched.values()):
                yield PlayEvent(due(start_ns), start_ns, early, turn)
            waiting = False
        if message.log_time_ns > stop_ns:
            break
        while tick_ns and start_ns + ticks * tick_ns <= message.log_time_ns:
            time_ns = start_ns + round(ticks * tick_ns)
            yield PlayEvent(due(time_ns), time_ns, None, turn)
            ticks += 1
        yield PlayEvent(due(message.log_time_ns), message.log_time_ns, message, turn)
