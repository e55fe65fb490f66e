"""When messages are due, with a clock made of numbers."""

from __future__ import annotations

import itertools

import pytest

from semalign_ros.bags.messages import tf_message, twist_message
from semalign_ros.bags.player import PlayOptions, paced, schedule
from semalign_ros.bags.topics import LATCHED
from semalign_ros.bags.writer import BagWriter
from semalign_ros.errors import BagError, ConfigError


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """Latched transforms at 100 s, twists at 100.0, 100.1, ... 100.9 s."""
    path = tmp_path_factory.mktemp("play") / "bag"
    with BagWriter(path) as writer:
        writer.write("/tf_static", tf_message(0, []), 100_000_000_000, LATCHED)
        for i in range(10):
            stamp = 100_000_000_000 + i * 100_000_000
            writer.write("/vehicle/twist", twist_message(stamp, "base_link", i, 0), stamp)
    return path


def dues(events):
    return [
        (round(e.due_s, 6), e.message.topic if e.message else "tick", e.time_ns / 1e9 - 100)
        for e in events
    ]


def twists(path, **options):
    events = schedule(path, PlayOptions(topics=["/vehicle/twist"], **options))
    return [(round(e.due_s, 6), round(e.time_ns / 1e9 - 100, 6), e.round) for e in events]


def test_rate(bag):
    assert twists(bag) == [(i / 10, i / 10, 0) for i in range(10)]
    assert twists(bag, rate=4) == [(i / 40, i / 10, 0) for i in range(10)]
    assert twists(bag, rate=0.5)[-1] == (1.8, 0.9, 0)


def test_start_and_duration(bag):
    assert twists(bag, start_s=0.65) == [(0.05, 0.7, 0), (0.15, 0.8, 0), (0.25, 0.9, 0)]
    assert twists(bag, start_s=0.3, duration_s=0.2) == [(0, 0.3, 0), (0.1, 0.4, 0), (0.2, 0.5, 0)]
    with pytest.raises(BagError, match=r"offset 2 s lies behind its end, it lasts 0\.9 s"):
        next(schedule(bag, PlayOptions(start_s=2)))


def test_latched_messages_before_the_start_are_played_first(bag):
    events = list(schedule(bag, PlayOptions(start_s=0.8)))
    assert [(e.message.topic, round(e.due_s, 6)) for e in events] == [
        ("/tf_static", 0),
        ("/vehicle/twist", 0),
        ("/vehicle/twist", 0.1),
    ]


def test_transforms_of_every_publisher_are_played_first(tmp_path):
    """The last message of /tf_static would be that of one publisher among several."""
    with BagWriter(tmp_path / "bag") as writer:
        for second in range(2):
            stamp = second * 1_000_000_000
            writer.write("/tf_static", tf_message(stamp, []), stamp, LATCHED)
            writer.write("/limit", twist_message(stamp, "base_link", second, 0), stamp, LATCHED)
        writer.write("/vehicle/twist", twist_message(0, "base_link", 0, 0), 3_000_000_000)
    events = list(schedule(tmp_path / "bag", PlayOptions(start_s=2)))
    assert [e.message.topic for e in events] == [
        "/tf_static",
        "/tf_static",
        "/limit",
        "/vehicle/twist",
    ]


def test_loop(bag):
    rounds = list(
        itertools.islice(
            schedule(bag, PlayOptions(loop=True, rate=2, topics=["/vehicle/twist"])), 25
        )
    )
    assert [e.round for e in rounds] == [0] * 10 + [1] * 10 + [2] * 5
    # The times due go on evenly, the bag's times jump back.
    assert [round(e.due_s, 6) for e in rounds] == [round(i / 20, 6) for i in range(25)]
    assert rounds[10].time_ns == rounds[0].time_ns


def test_clock_ticks_lie_between_the_messages(bag):
    events = list(schedule(bag, PlayOptions(clock_hz=50, rate=2)))
    ticks = [e for e in events if e.message is None]
    # 50 ticks a second of wall time; 0.9 s of bag last 0.45 s.
    assert [round(e.due_s, 6) for e in ticks] == [round(i / 50, 6) for i in range(23)]
    assert [e.time_ns for e in ticks] == [100_000_000_000 + i * 40_000_000 for i in range(23)]
    due = [e.due_s for e in events]
    assert due == sorted(due)
    # A message never comes before the clock has shown its time.
    shown = 0
    for event in events:
        shown = event.time_ns if event.message is None else shown
        assert event.time_ns - shown < 40_000_000


class Clock:
    def __init__(self, work=0.0):
        self.time, self.work, self.slept = 1000.0, work, []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds


def test_paced_waits_for_each_event(bag):
    clock = Clock()
    times = []
    for event in paced(schedule(bag, PlayOptions(rate=0.2)), now=clock.now, sleep=clock.sleep):
        times.append(round(clock.time - 1000, 6))
        assert times[-1] == round(event.due_s, 6)
    assert times[-1] == 4.5
    assert max(clock.slept) <= 0.1


def test_a_slow_consumer_loses_nothing_and_catches_up(bag):
    clock = Clock()
    times = []
    for event in paced(schedule(bag), now=clock.now, sleep=clock.sleep):
        times.append((round(event.due_s, 3), round(clock.time - 1000, 3)))
        clock.time += 0.35 if event.due_s == 0.2 else 0
    assert times[-1] == (0.9, 0.9)
    assert len(times) == 11
    assert times[4:7] == [(0.3, 0.55), (0.4, 0.55), (0.5, 0.55)]


def test_bad_options_and_topics(bag, tmp_path, make_bag):
    for options in ({"rate": 0}, {"rate": float("nan")}, {"start_s": -1}, {"clock_hz": -1}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            PlayOptions(**options)
    with pytest.raises(ConfigError, match="duration_s is 0"):
        PlayOptions(duration_s=0)
    with pytest.raises(BagError, match="has no topic /x; found /tf_static, /vehicle/twist"):
        next(schedule(bag, PlayOptions(topics=["/x"])))
    with pytest.raises(BagError, match="holds no message"):
        next(schedule(make_bag(tmp_path / "bag", [])))
