"""What happens in our lane: each event places who takes part and says where we stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semalign_ros.train.scenes.content import Collector, toward
from semalign_ros.train.scenes.drive import Stop
from semalign_ros.train.scenes.things import Motion
from semalign_ros.train.scenes.traffic import Fleet, large_vehicle

_PACE = 1.3
"""Of somebody who crosses, m/s."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens ahead of us.

    Args:
        name: A key of EVENTS.
        distance: From our camera at the start, metres.
        delay: Time until it is in our lane, seconds.
    """

    name: str
    distance: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event means for the recording vehicle.

    Args:
        stops: Where it stops.
        room: Metres before a stop line that somebody in front of it takes up.
    """

    stops: tuple[Stop, ...] = ()
    room: float = 0.0


def lead(collector: Collector, rng: np.random.Generator, fleet: Fleet, event: Event) -> Outcome:
    """A vehicle drives in front of us."""
    d, start = collector.street.ego_offset, event.distance
    draw = rng.random()
    if draw < 0.8:
        model, name = fleet.draw(), "car"
    elif draw < 0.92:
        name = "truck" if rng.random() < 0.55 else "bus"
        model = large_vehicle(collector, rng, name)
    else:
        collector.two_wheeler(rng, Motion(start + 1, d, follows=True), motor=True, ridden=True)
        return Outcome(room=start + 2.5)
    collector.vehicle(model, name, Motion(start + model.length / 2, d, follows=True))
    return Outcome(room=start + model.length)


def queue(collector: Collector, rng: np.random.Generator, fleet: Fleet, event: Event) -> Outcome:
    """Vehicles stand ahead in our lane; we stop behind them."""
    s = event.distance
    for _ in range(int(rng.integers(2, 5))):
        model = fleet.draw()
        collector.vehicle(model, "car", Motion(s + model.length / 2, collector.street.ego_offset))
        s += model.length + rng.uniform(1.5, 3.0)
    return Outcome((Stop(event.distance - 7.0, wait=float("inf")),))


def pedestrian(
    collector: Collector, rng: np.random.Generator, _fleet: Fleet, event: Event
) -> Outcome:
    """Somebody crosses the street in front of us; we stop."""
    street = collector.street
    for k in range(1 if rng.random() < 0.65 else 2):
        side = 1.0 if rng.random() < 0.5 else -1.0
        start = street.ego_offset + side * (rng.uniform(-0.6, 1.5) + _PACE * event.delay)
        # They go on to the other pavement and stay there.
        goal = street.right - 1.5 if side > 0 else street.left + 1.5
        motion = Motion(
            event.distance + 0.9 * k,
            start,
            speed_d=-side * _PACE,
            facing=toward(side),
            until=abs(goal - start) / _PACE,
        )
        collector.person(rng, motion)
    clear = event.delay + 2.2 / _PACE
    return Outcome((Stop(event.distance - 7.0, wait=0.5, until=clear),))


def cyclist(collector: Collector, rng: np.random.Generator, _fleet: Fleet, event: Event) -> Outcome:
    """Somebody cycles ahead in our lane."""
    d = collector.street.ego_offset - rng.uniform(-0.2, 0.7)
    motion = Motion(event.distance, d, follows=True)
    collector.two_wheeler(rng, motion, motor=False, ridden=True)
    return Outcome(room=event.distance + 1.0)


def crossing_car(
    collector: Collector, rng: np.random.Generator, fleet: Fleet, event: Event
) -> Outcome:
    """A car crosses in front of us; we stop."""
    street = collector.street
    s = next((c.s for c in street.crossings if 14 < c.s < 45), event.distance)
    side = 1.0 if rng.random() < 0.5 else -1.0
    start = street.ego_offset + side * (rng.uniform(-0.5, 3.5) + 5.0 * event.delay)
    motion = Motion(s, start, speed_d=-side * 5.0, facing=toward(side))
    collector.vehicle(fleet.draw(), "car", motion)
    return Outcome((Stop(s - 9.0, wait=0.5, until=event.delay + 1.0),))


def blocked(collector: Collector, rng: np.random.Generator, fleet: Fleet, event: Event) -> Outcome:
    """A vehicle stands half in our lane; we stop."""
    d = collector.street.ego_offset - rng.uniform(0.2, 0.9)
    if rng.random() < 0.5:
        model, name = large_vehicle(collector, rng, "truck"), "truck"
    else:
        model, name = fleet.draw(), "car"
    collector.vehicle(model, name, Motion(event.distance + model.length / 2, d))
    return Outcome((Stop(event.distance - 7.0, wait=float("inf")),))


EVENTS: dict[str, Callable[[Collector, np.random.Generator, Fleet, Event], Outcome]] = {
    "lead": lead,
    "queue": queue,
    "pedestrian": pedestrian,
    "cyclist": cyclist,
    "crossing_car": crossing_car,
    "blocked": blocked,
}
"""What can happen in our lane, by name."""
