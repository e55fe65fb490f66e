"""How the recording vehicle moves: speed, heading and place over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from semalign_ros.train.scenes.camera import Pose
from semalign_ros.train.scenes.street import Street

_STEP = 0.005
_BRAKE = 3.5
_ACCELERATE = 1.8
_AT_REST = 0.05


@dataclass(frozen=True, slots=True)
class Stop:
    """A place where the recording vehicle comes to rest.

    Args:
        s: Place of its reference along the street, metres.
        wait: Time at rest, seconds.
        until: It does not leave before this time, seconds since the first frame.
    """

    s: float
    wait: float = 3.0
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class EgoState:
    """The recording vehicle at one moment.

    Args:
        time: Seconds since the first frame.
        pose: Its reference on the ground.
        speed: m/s, forward.
        yaw_rate: rad/s, positive to the left.
    """

    time: float
    pose: Pose
    speed: float
    yaw_rate: float


def ego_states(
    street: Street, *, start: float, speed: float, stops: Iterable[Stop], times: Sequence[float]
) -> list[EgoState]:
    """Drive along the lane and note the state at some times.

    The vehicle follows its lane's centre by steering, brakes for each stop, waits there and
    goes on. Pose is the integral of speed and yaw rate.

    Args:
        street: The plan.
        start: Place along the street at time 0, metres.
        speed: Cruising speed, m/s.
        stops: In any order; one behind the start holds the vehicle at the start.
        times: Ascending, seconds.
    """
    lane = street.ego_offset
    x, y, yaw = start, street.centre(start) + lane, street.heading(start)
    ahead = sorted(stops, key=lambda stop: stop.s)
    now, waited, rate = 0.0, 0.0, 0.0
    current = min(speed, _allowed(ahead, x))
    states: list[EgoState] = []
    for moment in times:
        while now < moment - _STEP / 2:
            allowed = _allowed(ahead, x)
            if allowed < _AT_REST:
                waited += _STEP
                if waited >= ahead[0].wait and now >= ahead[0].until:
                    waited = 0.0
                    del ahead[0]
            current = min(current + _ACCELERATE * _STEP, allowed, speed)
            rate = _steer(street, lane, x, y, yaw, current)
            yaw += rate * _STEP / 2
            x += current * math.cos(yaw) * _STEP
            y += current * math.sin(yaw) * _STEP
            yaw += rate * _STEP / 2
            now += _STEP
        states.append(EgoState(moment, Pose(x, y, yaw), current, rate))
    return states


def _allowed(ahead: Sequence[Stop], x: float) -> float:
    """Speed from which the vehicle can still brake for the next stop, m/s."""
    if not ahead:
        return math.inf
    return math.sqrt(2 * _BRAKE * max(0.0, ahead[0].s - x))


def _steer(street: Street, lane: float, x: float, y: float, yaw: float, speed: float) -> float:
    """Yaw rate that follows the lane: its curvature, and a correction of place and heading."""
    ahead = (street.heading(x + 0.5) - street.heading(x - 0.5)) * math.cos(yaw)
    aside = (street.centre(x) + lane) - y
    return speed * (ahead + 0.08 * aside + 0.5 * (street.heading(x) - yaw))
