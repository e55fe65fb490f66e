"""The plan of a street: its bend, lanes, kerbs, crossings and what lies behind the pavement.

Street coordinates are (s, d): `s` metres along world x, `d` metres to the left of the
street's centre line. A bend moves the centre line sideways.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH = 420.0
"""Length of the modelled street, metres."""
BEHIND = 30.0
"""Part of it behind the start, metres."""
KERB_HEIGHT = 0.12
"""Height of the pavement above the carriageway, metres."""
CORNER_RADIUS = 4.0
"""Radius of the kerb at a crossing, metres."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A street that crosses.

    Args:
        s: Its centre, metres.
        half_width: Half of its carriageway, metres.
        lights: Traffic lights stand there.
        zebra: Pedestrian crossings are marked.
    """

    s: float
    half_width: float
    lights: bool
    zebra: bool


@dataclass(frozen=True, slots=True)
class Street:
    """The plan of one street; widths in metres.

    Args:
        kind: ``canyon``, ``residential``, ``avenue`` or ``suburban``.
        slope: Sideways metres per metre that the centre line reaches after the bend.
        bend_start: Where the bend begins.
        bend_length: How long it takes.
        lane: Lane width.
        lanes_right: Lanes in our direction.
        lanes_left: Oncoming lanes, 0 in a one-way street.
        median: Half width of the strip between the directions, 0 for none.
        parking_right: Width of the parking lane on our side, 0 for none.
        parking_left: On the other side.
        sidewalk_right: Width of the pavement on our side.
        sidewalk_left: On the other side.
        verge: Width of the grass strip between kerb and pavement.
        crossings: Streets that cross, by `s`.
        tram: Tracks lie in the inner lanes.
        cobbles: The carriageway is cobbled.
        cycle_lane: A red cycle lane runs along the right edge of the lanes.
        marked: Lane lines are painted.
        ego_lane: Lane of the recording vehicle, 0 is the innermost.
    """

    kind: str
    slope: float
    bend_start: float
    bend_length: float
    lane: float
    lanes_right: int
    lanes_left: int
    median: float
    parking_right: float
    parking_left: float
    sidewalk_right: float
    sidewalk_left: float
    verge: float
    crossings: tuple[Crossing, ...]
    tram: bool
    cobbles: bool
    cycle_lane: bool
    marked: bool
    ego_lane: int

    @property
    def right(self) -> float:
        """Offset `d` of the right kerb (negative)."""
        return -(self.median + self.lanes_right * self.lane + self.parking_right)

    @property
    def left(self) -> float:
        """Offset `d` of the left kerb."""
        return self.median + self.lanes_left * self.lane + self.parking_left

    def lane_centre(self, index: int, *, oncoming: bool = False) -> float:
        """Offset `d` of the middle of a lane, 0 the innermost."""
        offset = self.median + (index + 0.5) * self.lane
        return offset if oncoming else -offset

    @property
    def ego_offset(self) -> float:
        """Offset `d` of the middle of the recording vehicle's lane."""
        return self.lane_centre(self.ego_lane)

    def centre(self, s: float) -> float:
        """Sideways place of the centre line, metres."""
        return float(self.centre_line(np.array([s], np.float64))[0])

    def heading(self, s: float) -> float:
        """Direction of the street, radians to the left of world x."""
        a = (s - self.bend_start) / self.bend_length
        return math.atan(0.5 * self.slope * (1.0 + a / math.sqrt(1.0 + a * a)))

    def centre_line(self, s: NDArray[np.floating]) -> NDArray[np.floating]:
        """Sideways place of the centre line: straight, then a bend, then straight again."""
        if self.slope == 0.0:
            return np.zeros_like(s)
        a = (s - self.bend_start) * (1.0 / self.bend_length)
        y: NDArray[np.floating] = (0.5 * self.slope * self.bend_length) * (
            a + np.sqrt(a * a + 1.0) - self._start()
        )
        return y

    def _start(self) -> float:
        a = -self.bend_start / self.bend_length
        return a + math.sqrt(a * a + 1.0)

    def place(self, s: float, d: float) -> tuple[float, float]:
        """World x and y of a street coordinate."""
        return s, self.centre(s) + d

    def kerb_distance(self, s: Floats, d: Floats) -> Floats:
        """Distance from the carriageway, metres; negative on it."""
        q: Floats = np.maximum(d - np.float32(self.left), np.float32(self.right) - d)
        if self.median:
            q = np.maximum(q, np.float32(self.median) - np.abs(d))
        for crossing in self.crossings:
            rows = _rows_near(s, crossing.s, crossing.half_width + CORNER_RADIUS)
            along = q[rows]
            across = np.abs(s[rows] - np.float32(crossing.s)) - np.float32(crossing.half_width)
            rounded = np.float32(CORNER_RADIUS) - np.hypot(
                np.maximum(np.float32(CORNER_RADIUS) - along, 0),
                np.maximum(np.float32(CORNER_RADIUS) - across, 0),
            )
            np.minimum(along, np.minimum(across, rounded), out=along)
        return q

    def ground_height(self, s: float, d: float) -> float:
        """Height of the ground, metres: pavement or carriageway."""
        q = self.kerb_distance(np.array([s], np.float32), np.array([d], np.float32))
        return KERB_HEIGHT if q[0] > 0 else 0.0

    def in_crossing(self, s: float, margin: float = 0.0) -> bool:
        """Whether `s` lies in a crossing, `margin` metres included."""
        return any(abs(s - c.s) < c.half_width + margin for c in self.crossings)


def _rows_near(s: Floats, centre: float, reach: float) -> slice:
    """Rows of an image of `s` that come within `reach` of `centre`; `s` is linear in a row."""
    if s.ndim < 2:
        return slice(None)
    ends = np.stack([s[:, 0], s[:, -1]])
    rows = np.flatnonzero((ends.max(0) > centre - reach) & (ends.min(0) < centre + reach))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)


def draw_street(
    rng: np.random.Generator, kind: str | None = None, first_crossing: float | None = None
) -> Street:
    """Draw the plan of a street.

    Args:
        rng: Source of randomness.
        kind: ``canyon``, ``residential``, ``avenue`` or ``suburban``; None to draw it.
        first_crossing: Where a street with traffic lights crosses, metres; None to draw it.
    """
    drawn = str(
        rng.choice(["canyon", "residential", "avenue", "suburban"], p=[0.35, 0.25, 0.22, 0.18])
    )
    kind = kind or drawn
    wide = kind in ("avenue", "suburban")
    lanes = int(rng.integers(1, 3)) if wide else 1
    one_way = kind == "canyon" and rng.random() < 0.25
    median = rng.uniform(1.0, 3.0) if kind == "avenue" and rng.random() < 0.5 else 0.0
    bends = rng.random() < 0.6
    crossings: list[Crossing] = []
    s = rng.uniform(22, 95) if first_crossing is None else first_crossing
    while s < 230:
        lights = bool(rng.random() < (0.68 if kind != "residential" else 0.3))
        lights |= first_crossing is not None and not crossings
        crossings.append(
            Crossing(s, rng.uniform(3.0, 5.5), lights, bool(lights or rng.random() < 0.3))
        )
        s += rng.uniform(55, 140)
    parking = 0.72 if kind in ("canyon", "residential") else 0.3
    return Street(
        kind=kind,
        slope=float(rng.choice([-1, 1])) * rng.uniform(0.1, 0.42) if bends else 0.0,
        bend_start=rng.uniform(18, 120),
        bend_length=rng.uniform(12, 60),
        lane=rng.uniform(3.0, 3.6),
        lanes_right=lanes,
        lanes_left=0 if one_way else lanes,
        median=median,
        parking_right=2.1 if rng.random() < parking else 0.0,
        parking_left=2.1 if rng.random() < parking else 0.0,
        sidewalk_right=rng.uniform(2.0, 5.5),
        sidewalk_left=rng.uniform(2.0, 5.5),
        verge=rng.uniform(0.8, 2.2) if kind != "canyon" and rng.random() < 0.4 else 0.0,
        crossings=tuple(crossings),
        tram=bool(kind in ("canyon", "avenue") and rng.random() < 0.35),
        cobbles=bool(kind in ("canyon", "residential") and rng.random() < 0.25),
        cycle_lane=bool(wide and rng.random() < 0.3),
        marked=bool(wide or rng.random() < 0.65),
        ego_lane=int(rng.integers(0, lanes)),
    )
