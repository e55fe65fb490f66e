"""Who uses the street: parked and moving vehicles, people."""

from __future__ import annotations

import math

import numpy as np

from semalign_ros.train.scenes.cars import car
from semalign_ros.train.scenes.coaches import bus, tram, truck
from semalign_ros.train.scenes.content import Collector
from semalign_ros.train.scenes.faces import Model
from semalign_ros.train.scenes.things import Motion

_FAR = 150.0
_PARKED_TRUCKS = 0.012
_END = 140.0
_KINDS = ("car", "truck", "bus", "motorcycle", "bicycle")
_KIND_SHARES = (0.835, 0.05, 0.04, 0.04, 0.035)


class Fleet:
    """The car models of one scene; several cars share one, as drawing a model takes time."""

    def __init__(self, rng: np.random.Generator, ppm: float, count: int = 8) -> None:
        self._rng = rng
        self._ppm = ppm
        self._count = count
        self._models: list[Model] = []

    def draw(self) -> Model:
        """Pick a model, or build a new one while there are few."""
        pick = int(self._rng.integers(self._count))
        if pick >= len(self._models):
            self._models.append(car(self._rng, self._ppm))
            return self._models[-1]
        return self._models[pick]


def park(collector: Collector, rng: np.random.Generator, fleet: Fleet) -> None:
    """Park cars, and some motorcycles and bicycles, along both kerbs."""
    street = collector.street
    for side, width in ((-1, street.parking_right), (1, street.parking_left)):
        edge = street.right if side < 0 else street.left
        filled = rng.uniform(0.1, 0.85) if width else 0.0
        s = rng.uniform(5, 14)
        while s < _FAR and width:
            if street.in_crossing(s + 2.5, 8.0):
                s += 2.0
            elif rng.random() < filled:
                large = rng.random() < _PARKED_TRUCKS
                model = large_vehicle(collector, rng, "truck") if large else fleet.draw()
                d = edge - side * (model.width / 2 + rng.uniform(0.1, 0.3))
                with_traffic = side < 0 or street.lanes_left == 0
                facing = (0.0 if with_traffic else math.pi) + rng.normal(0, 0.015)
                motion = Motion(s + model.length / 2, d, facing=facing)
                collector.vehicle(model, "truck" if large else "car", motion)
                s += model.length + rng.uniform(0.6, 1.6)
            else:
                s += rng.uniform(3, 7)
    _park_two_wheelers(collector, rng)


def _park_two_wheelers(collector: Collector, rng: np.random.Generator) -> None:
    street = collector.street
    if rng.random() < 0.6:
        count = int(rng.integers(1, 7))
        side = 1 if rng.random() < 0.5 else -1
        edge = (street.left + 0.9) if side > 0 else (street.right - 0.9)
        s, facing = rng.uniform(6, 24), rng.choice([1.9, math.pi / 2, 1.2])
        for k in range(count):
            at = s + 0.75 * k
            if not street.in_crossing(at, 2.0):
                motion = Motion(at, edge, facing=facing + rng.normal(0, 0.1))
                collector.two_wheeler(rng, motion, motor=False, ridden=False)
    if rng.random() < 0.14:
        side = 1 if rng.random() < 0.5 else -1
        edge = (street.left - 0.8) if side > 0 else (street.right + 0.8)
        s = rng.uniform(7, 22)
        if not street.in_crossing(s, 3.0):
            motion = Motion(s, edge, facing=rng.choice([0.5, 1.2, -0.9]))
            collector.two_wheeler(rng, motion, motor=True, ridden=False)


def large_vehicle(collector: Collector, rng: np.random.Generator, name: str) -> Model:
    """Build a ``bus``, ``truck`` or ``train``."""
    ppm = collector.detail.vehicle * 0.6
    return {"bus": bus, "truck": truck, "train": tram}[name](rng, ppm)


def drive(
    collector: Collector, rng: np.random.Generator, fleet: Fleet, speed: float, *, clear: float
) -> None:
    """Send vehicles along the lanes; all in a lane keep one speed, so that none meet.

    Args:
        collector: Takes them.
        rng: Source of randomness.
        fleet: Car models.
        speed: Of the recording vehicle, m/s.
        clear: Metres of our own lane that stay free ahead.
    """
    street = collector.street
    limit = max(speed, 6.0)
    for lane in range(street.lanes_left):
        tram = street.tram and lane == 0 and rng.random() < 0.5
        pace = rng.uniform(0.7, 1.1) * (limit if not tram else 6.0)
        _convoy(collector, rng, fleet, lane, rng.uniform(12, 80), -pace, tram=tram)
    for lane in range(street.lanes_right):
        if lane == street.ego_lane:
            s = clear + rng.uniform(0, 40)
            while s < _END:
                motion = Motion(s, street.lane_centre(lane), follows=True)
                collector.vehicle(fleet.draw(), "car", motion)
                s += rng.uniform(20, 110)
        else:
            pace = rng.uniform(0.8, 1.15) * limit
            _convoy(collector, rng, fleet, lane, rng.uniform(8, 50), pace)


def _convoy(
    collector: Collector,
    rng: np.random.Generator,
    fleet: Fleet,
    lane: int,
    s: float,
    speed: float,
    *,
    tram: bool = False,
) -> None:
    """Send vehicles along one lane, from `s` on; a negative speed is oncoming."""
    street, oncoming = collector.street, speed < 0
    d, facing = street.lane_centre(lane, oncoming=oncoming), math.pi if oncoming else 0.0
    # Two wheels keep to the outer edge of the lane.
    outer = d + math.copysign(street.lane / 2 - 0.8, d)
    while s < _END:
        kind = "train" if tram else str(rng.choice(_KINDS, p=_KIND_SHARES))
        tram, length = False, 2.0
        if kind in ("motorcycle", "bicycle"):
            motion = Motion(s, outer, speed, facing=facing)
            collector.two_wheeler(rng, motion, motor=kind == "motorcycle", ridden=True)
        else:
            model = fleet.draw() if kind == "car" else large_vehicle(collector, rng, kind)
            length = model.length
            offset = 0.0 if kind == "train" else rng.normal(0, 0.12)
            motion = Motion(s + length / 2, d + offset, speed, facing=facing)
            collector.vehicle(model, kind, motion)
        s += length + rng.uniform(12, 100)


def populate(collector: Collector, rng: np.random.Generator) -> None:
    """Let people walk and stand on the pavements."""
    street = collector.street
    busy = {"canyon": 9.0, "residential": 4.0, "avenue": 7.0, "suburban": 2.5}[street.kind]
    for _ in range(int(rng.poisson(busy))):
        side = 1 if rng.random() < 0.5 else -1
        s = float(6 + 60 * rng.random() ** 1.6)
        if street.in_crossing(s, 1.5):
            continue
        edge = street.left if side > 0 else street.right
        pavement = street.sidewalk_left if side > 0 else street.sidewalk_right
        d = edge + side * (street.verge + rng.uniform(0.5, max(0.6, pavement - 0.3)))
        pace = float(rng.choice([0.0, 1.25, -1.25], p=[0.25, 0.375, 0.375]))
        facing = rng.uniform(-3, 3) if pace == 0 else (0.0 if pace > 0 else math.pi)
        for k in range(2 if rng.random() < 0.25 else 1):
            collector.person(rng, Motion(s + 0.25 * k, d + side * 0.6 * k, pace, facing=facing))
    if rng.random() < 0.25:
        side = 1 if rng.random() < 0.5 else -1
        edge = (street.left + 1.2) if side > 0 else (street.right - 1.2)
        pace = float(rng.choice([3.5, -3.5]))
        motion = Motion(rng.uniform(10, 40), edge, pace, facing=0.0 if pace > 0 else math.pi)
        collector.two_wheeler(rng, motion, motor=False, ridden=True)
