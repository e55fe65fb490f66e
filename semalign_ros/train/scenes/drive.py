"""How the recording vehicle moves: speed, heading and place over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from semalign_ros.train.scenes.camera import Pose
from semalign_ros.train.scenes.street import Street

_STEP = 0.005
_BRAKE = 3.5
_ACCELERATE = 1.8


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
    street: Street,
    *,
    start: float,
    speed: float,
    stop: float | None,
    times: list[float],
    wait: float = 3.0,
) -> list[EgoState]:
    """Drive along the lane and note the state at some times.

    The vehicle follows its lane's centre by steering, brakes for `stop`, waits there and goes
    on. Pose is the integral of speed and yaw rate.

    Args:
        street: The plan.
        start: Place along the street at time 0, metres.
        speed: Cruising speed, m/s.
        stop: Where the vehicle's reference comes to rest, metres, or None.
        times: Ascending, seconds.
        wait: Time at rest, seconds.
    """
    lane = street.ego_offset
    x, y, yaw = start, street.centre(start) + lane, street.heading(start)
    if stop is not None and stop <= start:
        stop = start
    now, waited, current = 0.0, 0.0, speed
    if stop is not None:
        current = min(speed, math.sqrt(2 * _BRAKE * max(0.0, stop - start)))
    states: list[EgoState] = []
    rate = 0.0
    for moment in times:
        while now < moment - _STEP / 2:
            if stop is not None:
                allowed = math.sqrt(2 * _BRAKE * max(0.0, stop - x))
                if allowed < 0.05:
                    waited += _STEP
                    if waited >= wait:
                        stop = None
            else:
                allowed = speed
            current = min(current + _ACCELERATE * _STEP, allowed, speed)
            rate = _steer(street, lane, x, y, yaw, current)
            yaw += rate * _STEP / 2
            x += current * math.cos(yaw) * _STEP
            y += current * math.sin(yaw) * _STEP
            yaw += rate * _STEP / 2
            now += _STEP
        states.append(EgoState(moment, Pose(x, y, yaw), current, rate))
    return states


def _steer(street: Street, lane: float, x: float, y: float, yaw: float, speed: float) -> float:
    """Yaw rate that follows the lane: its curvature, and a correction of place and heading."""
    ahead = (street.heading(x + 0.5) - street.heading(x - 0.5)) * math.cos(yaw)
    aside = (street.centre(x) + lane) - y
    return speed * (ahead + 0.08 * aside + 0.5 * (street.heading(x) - yaw))
