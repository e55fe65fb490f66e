from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from semalign_ros.train.scenes.drive import Stop, ego_states
from semalign_ros.train.scenes.signals import draw_phases, pedestrian_phases, stop_line, stops_at
from semalign_ros.train.scenes.street import Crossing, draw_street

STREET = dataclasses.replace(
    draw_street(np.random.Generator(np.random.Philox(3)), "canyon"), slope=0.35, bend_start=30.0
)
CROSSING = Crossing(40.0, 4.0, lights=True, zebra=True)
RED = ((0.0, "red"), (5.0, "red+amber"), (6.0, "green"))


def drive(stops=(), speed=10.0, seconds=8.0, hz=50):
    times = [k / hz for k in range(int(seconds * hz))]
    return ego_states(STREET, start=-1.7, speed=speed, stops=stops, times=times)


def test_pose_is_the_integral_of_speed_and_yaw_rate():
    """What a vehicle node would do with the twist: the bag's speed must explain the pictures."""
    states = drive()
    x, y, yaw = (getattr(states[0].pose, axis) for axis in ("x", "y", "yaw"))
    for before, after in itertools.pairwise(states):
        dt = after.time - before.time
        yaw += after.yaw_rate * dt / 2
        x += after.speed * math.cos(yaw) * dt
        y += after.speed * math.sin(yaw) * dt
        yaw += after.yaw_rate * dt / 2
    last = states[-1].pose
    assert math.hypot(x - last.x, y - last.y) < 0.05
    assert yaw == pytest.approx(last.yaw, abs=0.005)


def test_the_vehicle_keeps_to_its_lane_in_a_bend():
    states = drive(seconds=12.0)
    assert max(abs(s.yaw_rate) for s in states) > 0.03
    for state in states:
        lane = STREET.centre(state.pose.x) + STREET.ego_offset
        assert state.pose.y == pytest.approx(lane, abs=0.35)


def test_it_brakes_for_a_stop_waits_and_goes_on():
    states = drive([Stop(20.0, wait=2.0)], seconds=10.0)
    places = np.array([s.pose.x for s in states])
    speeds = np.array([s.speed for s in states])
    at_rest = speeds < 0.1
    assert places[at_rest] == pytest.approx(20.0, abs=0.1)
    assert 1.8 < at_rest.sum() / 50 < 3.5
    assert places[-1] > 25.0
    assert (np.diff(speeds) * 50 > -4.5).all()  # no brake is harder than that


def test_it_waits_for_the_time_of_a_stop():
    states = drive([Stop(10.0, wait=0.0, until=6.0)])
    leaving = next(s.time for s in states if s.pose.x > 10.2)
    assert leaving > 6.0


def test_two_stops_are_both_made():
    states = drive([Stop(30.0, 1.0), Stop(10.0, 1.0)], seconds=14.0)
    for place in (10.0, 30.0):
        assert min(s.speed for s in states if abs(s.pose.x - place) < 0.2) < 0.1


def test_a_red_light_stops_us_at_its_line_until_green():
    (stop,) = stops_at([(CROSSING, RED)], -1.7, 10.0, 0.0)
    front_bumper = stop.s + 3.7
    assert 0 < stop_line(CROSSING) - front_bumper < 1.0
    assert stop.until == 6.0


def test_a_light_that_is_green_on_arrival_does_not_stop_us():
    assert stops_at([(CROSSING, RED)], -1.7, 3.0, 0.0) == []  # arrives after 8 s
    assert stops_at([(CROSSING, ((0.0, "green"),))], -1.7, 10.0, 0.0) == []


def test_somebody_in_front_of_us_stops_at_the_line_too():
    (alone,) = stops_at([(CROSSING, RED)], -1.7, 10.0, 0.0)
    (behind,) = stops_at([(CROSSING, RED)], -1.7, 10.0, 12.0)
    assert behind.s == alone.s - 12.0


def test_phases_follow_the_order_of_a_traffic_light():
    order = {"red": "red+amber", "red+amber": "green", "green": "amber", "amber": "red"}
    for seed in range(30):
        phases = draw_phases(np.random.Generator(np.random.Philox(seed)))
        starts = [start for start, _ in phases]
        assert starts[0] == 0.0
        assert starts == sorted(starts)
        for (_, before), (_, after) in itertools.pairwise(phases):
            assert order[before] == after


def test_those_on_foot_never_walk_while_we_may_drive():
    for (_, ours), (_, theirs) in zip(RED, pedestrian_phases(RED), strict=True):
        assert (theirs == "green") == (ours == "red")


def test_a_script_sets_the_time_of_red():
    phases = draw_phases(np.random.Generator(np.random.Philox(1)), red_until=4.0)
    assert phases[0] == (0.0, "red")
    assert phases[1] == (4.0, "red+amber")
