"""Mailbox, pairing, numbering: what stands between a message and its verdict."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semalign_ros.nodes.counters import FrameCounters
from semalign_ros.nodes.mailbox import Mailbox, Worker
from semalign_ros.nodes.pairing import ExactPairer
from semalign_ros.nodes.sequence import StreamSequence


def test_a_newer_item_takes_the_place_of_the_waiting_one():
    box: Mailbox[int] = Mailbox()
    assert box.put(1) is None
    assert box.put(2) == 1
    assert box.take() == 2


def test_a_closed_mailbox_gives_back_and_wakes():
    box: Mailbox[int] = Mailbox()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(box.take()))
    thread.start()
    assert box.close() is None
    thread.join(5)
    assert taken == [None]
    assert box.put(3) == 3


def test_every_item_is_worked_on_or_given_back():
    done: list[int] = []
    gate = threading.Event()

    def work(item: int) -> None:
        gate.wait(5)
        done.append(item)

    worker: Worker[int] = Worker(work, "test")
    worker.start()
    displaced = [item for i in range(100) if (item := worker.mailbox.put(i)) is not None]
    gate.set()
    left = worker.stop()
    assert sorted([*done, *displaced, *([] if left is None else [left])]) == list(range(100))


def test_only_messages_of_one_stamp_make_a_frame():
    pairer: ExactPairer[str] = ExactPairer(["image", "labels"])
    assert pairer.add("image", 10, "i10").complete is None
    assert pairer.add("labels", 11, "l11").complete is None
    assert pairer.add("labels", 10, "l10").complete == {"image": "i10", "labels": "l10"}


def test_a_frame_that_later_ones_have_overtaken_is_given_up_and_counted():
    pairer: ExactPairer[str] = ExactPairer(["image", "labels"])
    for stamp in (1, 2, 3):
        pairer.add("image", stamp, "i")
    pairing = pairer.add("labels", 3, "l")
    assert pairing.complete is not None
    assert pairing.unmatched == 2
    assert pairer.add("labels", 1, "late").unmatched == 0  # a label map alone is no frame
    assert pairer.clear() == 0


def test_waiting_is_bounded():
    pairer: ExactPairer[str] = ExactPairer(["image", "labels"], capacity=3)
    assert sum(pairer.add("image", stamp, "i").unmatched for stamp in range(10)) == 7
    assert pairer.clear() == 3


@given(st.lists(st.tuples(st.sampled_from(["image", "labels"]), st.integers(0, 12)), max_size=60))
def test_no_frame_is_lost_or_counted_twice(messages):
    pairer: ExactPairer[int] = ExactPairer(["image", "labels"], capacity=4)
    received = complete = unmatched = 0
    for stream, stamp in messages:
        received += stream == "image"
        pairing = pairer.add(stream, stamp, stamp)
        complete += pairing.complete is not None
        unmatched += pairing.unmatched
    assert received == complete + unmatched + pairer.clear()


def test_a_gap_in_the_numbers_is_what_the_transport_lost():
    sequence = StreamSequence()
    arrivals = [sequence.arrive(n) for n in (3, 4, 7)]
    assert [a.index for a in arrivals] == [2, 3, 6]  # place in the publisher's stream
    assert [a.lost for a in arrivals] == [0, 0, 2]  # what came before us is no loss


def test_a_publisher_that_begins_anew_loses_nothing():
    sequence = StreamSequence()
    for number in (1, 2, 3):
        sequence.arrive(number)
    assert [sequence.arrive(n) for n in (1, 2)] == [sequence.arrive(n) for n in (1, 2)]
    assert sequence.arrive(3).lost == 0


def test_after_a_jump_of_time_the_count_begins_at_zero():
    sequence = StreamSequence()
    for number in range(1, 11):
        sequence.arrive(number)
    sequence.restart()
    assert [sequence.arrive(n).index for n in (11, 12)] == [0, 1]


@pytest.mark.parametrize("numbers", [(None, None, None), (0, 0, 0)])
def test_without_numbers_messages_are_counted(numbers):
    sequence = StreamSequence()
    assert [sequence.arrive(n).index for n in numbers] == [0, 1, 2]


def test_two_publishers_on_one_topic_show_no_losses():
    sequence = StreamSequence()
    arrivals = [sequence.arrive(n, sole_publisher=False) for n in (5, 900, 6, 901)]
    assert [a.lost for a in arrivals] == [0, 0, 0, 0]
    assert [a.index for a in arrivals] == [0, 1, 2, 3]


def test_three_failures_in_a_row_and_one_success():
    counters = FrameCounters()
    for _ in range(2):
        counters.drop("inference_error")
    counters.finish()
    counters.drop("inference_error", 1)
    counters.drop("superseded")
    counters.drop("inference_error")
    assert not counters.failing
    counters.drop("inference_error")
    assert counters.failing
    counters.finish()
    assert not counters.failing


def test_the_share_of_faults_is_of_the_last_frames():
    counters = FrameCounters()
    for _ in range(300):
        counters.finish()
    counters.drop("superseded", 50)  # no fault
    assert counters.recent_faults() == (0, 100)
    counters.drop("unmatched", 60)
    assert counters.recent_faults() == (60, 100)
    counters.begin()
    assert counters.recent_faults() == (0, 0)


def test_an_expected_gap_is_no_loss():
    sequence = StreamSequence()
    sequence.arrive(1)
    sequence.pause()
    assert sequence.arrive(90).lost == 0
    assert sequence.arrive(92).lost == 1
