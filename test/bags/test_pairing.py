"""Pairing by stamp, whatever the order of recording, against a look-up table."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.bags.pairing import Pairer

ROLES = ("segmentation", "depth")


def run(events, **options):
    """Events: (log time s, role, stamp); released as (index, stamp, partners)."""
    pairer = Pairer(ROLES, **options)
    released = []
    for log_s, role, stamp in events:
        log = round(log_s * 1e9)
        out = (
            pairer.push_image(stamp, log, f"image {stamp}")
            if role == "image"
            else pairer.push_partner(role, stamp, log, f"{role} {stamp}")
        )
        released += [(i.index, i.stamp_ns, i.partners) for i in out]
    kept = len(released)
    released += [(i.index, i.stamp_ns, i.partners) for i in pairer.flush()]
    return released, kept


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_every_partner_within_the_window_is_found(data):
    """Topics keep their own order but lag by up to half a window, and some are missing."""
    count = data.draw(st.integers(1, 25))
    events = []
    expected = []
    for stamp in range(count):
        partners = {}
        for role in ROLES:
            if data.draw(st.booleans(), label=f"{role} {stamp}"):
                partners[role] = f"{role} {stamp}"
        expected.append((stamp, stamp, partners))
    for role in ("image", *ROLES):
        lag = data.draw(st.floats(0, 0.5), label=f"lag of {role}")
        for stamp, _, partners in expected:
            if role == "image" or role in partners:
                events.append((stamp * 0.1 + lag, role, stamp))
    events.sort(key=lambda e: e[0])
    released, _ = run(events)
    assert released == expected


def test_an_instant_is_released_as_soon_as_it_is_complete():
    released, early = run([(0, "segmentation", 1), (0, "image", 1), (0, "depth", 1)])
    assert early == 1
    assert released[0][2] == {"segmentation": "segmentation 1", "depth": "depth 1"}


def test_a_passed_stamp_is_not_waited_for():
    _, early = run([(0, "image", 1), (0, "image", 2), (0, "segmentation", 2), (0, "depth", 2)])
    assert early == 2


def test_waiting_ends_with_the_window_and_with_the_count():
    _, early = run([(0, "image", 1), (0.9, "image", 2), (1.1, "image", 3)])
    assert early == 1
    _, early = run([(0, "image", i) for i in range(10)], max_waiting=4)
    assert early == 6


def test_labels_without_image_do_not_pile_up():
    pairer = Pairer(ROLES, max_waiting=4)
    for stamp in range(1000):
        list(pairer.push_partner("segmentation", stamp, 0, "x"))
    assert sum(map(len, pairer._early.values())) <= 4


def test_a_recorded_loop_pairs_again():
    events = [(0.1 * i, r, s) for i, s in enumerate([1, 2, 3, 1, 2, 3]) for r in ("image", *ROLES)]
    released, _ = run(events)
    assert [len(partners) for _, _, partners in released] == [2] * 6
