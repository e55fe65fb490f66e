"""Traffic lights over time: which state shows when, and where we must stop for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semalign_ros.train.scenes.drive import Stop
from semalign_ros.train.scenes.faces import Faces
from semalign_ros.train.scenes.street import Crossing

LIGHT_STATES = ("red", "amber", "green", "red+amber")
_SHARES = (0.4, 0.1, 0.45, 0.05)
_AMBER_S, _RED_AMBER_S = 3.0, 1.0
_FRONT = 4.2
"""From the vehicle's reference to half a metre before its front bumper, metres."""
_HARDEST = 3.5
"""Braking at which a driver still stops for amber, m/s^2."""

Phases = tuple[tuple[float, str], ...]
"""Start of each state, seconds since the first frame, and the state; the first starts at 0."""


@dataclass(frozen=True, slots=True)
class SignalHead:
    """A traffic light's surfaces in each of its phases.

    Args:
        phases: Start of the phase in seconds, and the surfaces in the world.
    """

    phases: tuple[tuple[float, Faces], ...]

    def at(self, time: float) -> Faces:
        """Return the surfaces that show at `time`."""
        return [faces for start, faces in self.phases if start <= time][-1]


def draw_phases(rng: np.random.Generator, red_until: float | None = None) -> Phases:
    """Draw what a traffic light shows.

    Args:
        rng: Source of randomness.
        red_until: Red at first, and until this time, seconds; None to draw it.
    """
    state = str(rng.choice(LIGHT_STATES, p=_SHARES))
    change = float(rng.uniform(2.0, 14.0))
    if red_until is not None:
        state, change = "red", red_until
    if state == "red":
        return (0.0, "red"), (change, "red+amber"), (change + _RED_AMBER_S, "green")
    if state == "red+amber":
        return (0.0, "red+amber"), (_RED_AMBER_S * rng.random(), "green")
    if state == "amber":
        return (0.0, "amber"), (_AMBER_S * rng.random(), "red")
    return (0.0, "green"), (change, "amber"), (change + _AMBER_S, "red")


def pedestrian_phases(phases: Phases) -> Phases:
    """Return what the light for those who walk across shows: green while ours is red."""
    return tuple((start, "green" if state == "red" else "red") for start, state in phases)


def stop_line(crossing: Crossing) -> float:
    """Place of our stop line before a crossing with lights, metres."""
    return crossing.s - crossing.half_width - 5.2


def stops_at(
    crossings: Sequence[tuple[Crossing, Phases]], start: float, speed: float, behind: float
) -> list[Stop]:
    """Return where the recording vehicle stops for lights.

    Args:
        crossings: Those with lights, and what they show.
        start: Where the vehicle's reference starts, metres.
        speed: Cruising speed, m/s.
        behind: Room that a vehicle in front of us takes up before the line, metres.
    """
    stops = []
    for crossing, phases in crossings:
        place = stop_line(crossing) - _FRONT - behind
        distance = place - start
        if distance < 0:
            continue
        arrival = distance / speed
        shown = [state for begin, state in phases if begin <= arrival][-1]
        green = min((begin for begin, state in phases if state == "green"), default=math.inf)
        too_late = shown == "amber" and distance < speed * speed / (2 * _HARDEST)
        if shown == "green" or too_late:
            continue
        stops.append(Stop(place, 0.0, green if green > 0 else math.inf))
    return stops
