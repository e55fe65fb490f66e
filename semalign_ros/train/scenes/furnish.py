"""Street furniture: lamps, masts, traffic lights, signs, bollards."""

from __future__ import annotations

import math

import numpy as np

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes import furniture
from semalign_ros.train.scenes.content import Collector
from semalign_ros.train.scenes.faces import FaceBuilder
from semalign_ros.train.scenes.frontage import tree
from semalign_ros.train.scenes.signals import (
    Phases,
    SignalHead,
    draw_phases,
    pedestrian_phases,
    stop_line,
)
from semalign_ros.train.scenes.street import KERB_HEIGHT, Crossing

_STATIC = 4
"""Cityscapes label id of things without a class of their own, such as backs of signs."""
_REACH = 150.0


def furnish(
    collector: Collector, rng: np.random.Generator, *, red_until: float | None = None
) -> None:
    """Put up the furniture of the whole street.

    Args:
        collector: Takes it.
        rng: Source of randomness.
        red_until: The first traffic light is red until this time, seconds; None to draw it.
    """
    _lamps(collector, rng)
    _street_trees(collector, rng)
    for crossing in collector.street.crossings:
        if crossing.lights:
            _lights(collector, rng, crossing, draw_phases(rng, red_until))
            red_until = None
        else:
            side_d = collector.street.right - 0.7
            kind = str(rng.choice(["yield", "priority", "stop"], p=[0.3, 0.5, 0.2]))
            put_sign(collector, rng, crossing.s - crossing.half_width - 4, side_d, kind)
        if crossing.zebra and rng.random() < 0.5:
            s = crossing.s - crossing.half_width - 4.6
            put_sign(collector, rng, s, collector.street.right - 0.6, "crossing")
    _signs(collector, rng)
    _bollards(collector, rng)


def put_sign(
    collector: Collector,
    rng: np.random.Generator,
    s: float,
    d: float,
    kind: str,
    *,
    oncoming: bool = False,
) -> None:
    """Put up a sign on its own post; `oncoming` shows us its back."""
    height = furniture.sign_size(kind)[1]
    low = rng.uniform(2.0, 2.4)
    foot = collector.street.ground_height(s, d)
    collector.board(s + 0.04, d, 0.075, low + height * 0.9, furniture.pole(0), "pole", foot)
    _panel(collector, rng, s, d, low + foot, kind, oncoming=oncoming)
    if rng.random() < 0.18 and kind not in ("direction", "plate"):
        _panel(collector, rng, s, d, low + foot - 0.36, "plate", oncoming=oncoming)


def _panel(
    collector: Collector,
    rng: np.random.Generator,
    s: float,
    d: float,
    low: float,
    kind: str,
    *,
    oncoming: bool = False,
) -> None:
    width, height = furniture.sign_size(kind)
    build = FaceBuilder()
    picture = furniture.sign(kind, int(rng.integers(12)))
    sign, back = LABEL_ID["traffic sign"], furniture.sign_back()
    ours, theirs = (back, picture) if oncoming else (picture, back)
    first, second = (_STATIC, sign) if oncoming else (sign, _STATIC)
    build.add(
        (0, width / 2, height), (0, -width, 0), (0, 0, -height), ours, first, normal=(-1, 0, 0)
    )
    build.add(
        (0.02, -width / 2, height), (0, width, 0), (0, 0, -height), theirs, second, normal=(1, 0, 0)
    )
    collector.solid(build.build(), s, d, low, rng.uniform(-0.15, 0.15))


def _lamps(collector: Collector, rng: np.random.Generator) -> None:
    street = collector.street
    spacing, height = rng.uniform(24, 42), rng.uniform(6.0, 9.0)
    tone = int(rng.integers(4))
    wires = street.tram
    for side in (1, -1):
        edge = (street.left + 0.8) if side > 0 else (street.right - 0.8)
        s = rng.uniform(7, spacing + 5)
        while s < _REACH:
            if not street.in_crossing(s, 3.0):
                foot = collector.street.ground_height(s, edge)
                width = 0.19 if wires else 0.13
                collector.board(s, edge, width, height, furniture.pole(tone), "pole", foot)
                collector.shadow(s, edge, 0.2, 0.2, height)
                _arm(collector, s, edge, side, height + foot, tone)
            s += spacing


def _arm(collector: Collector, s: float, d: float, side: int, height: float, tone: int) -> None:
    build, label = FaceBuilder(), LABEL_ID["pole"]
    reach = 1.8
    build.add(
        (0, 0, 0.1),
        (0, -side * reach, 0.0),
        (0, 0, -0.1),
        furniture.pole(tone),
        label,
        normal=(-1, 0, 0),
        two_sided=True,
    )
    build.box(
        (0.3, 0.75, 0.16),
        (0, -side * reach, -0.1),
        {name: furniture.lamp_head() for name in ("front", "rear", "left", "right")},
        label,
    )
    collector.solid(build.build(), s, d, height)


def light_box(state: str, *, pedestrian: bool = False) -> FaceBuilder:
    """Build the box of a traffic light that faces back along the street (-x)."""
    width, height = furniture.LIGHT_SIZE
    if pedestrian:
        height *= 0.75
    build = FaceBuilder()
    housing = furniture.light_housing()
    face = furniture.traffic_light(state, pedestrian)
    build.box(
        (0.22, width, height),
        (0.11, 0, 0),
        {"rear": face, "front": housing, "left": housing, "right": housing},
        LABEL_ID["traffic light"],
    )
    # A visor keeps the sun off the lamps.
    build.box(
        (0.2, width * 0.8, 0.06),
        (-0.1, 0, height - 0.1),
        {"left": housing, "right": housing, "rear": housing},
        LABEL_ID["traffic light"],
    )
    return build


def _lights(
    collector: Collector, rng: np.random.Generator, crossing: Crossing, phases: Phases
) -> None:
    """Put up the lights of one crossing: ours before and behind it, and those of who walks."""
    street = collector.street
    near, far = stop_line(crossing) + 1.0, crossing.s + crossing.half_width + 3.6
    tone = int(rng.integers(2))
    masts = [(near, street.right - 0.6), (far, street.right - 0.6)]
    if street.median:
        masts.append((near, 0.0))
    if rng.random() < 0.5:
        masts.append((far, street.left + 0.6))
    for s, d in masts:
        foot = street.ground_height(s, d)
        collector.board(s + 0.25, d, 0.14, 3.3, furniture.pole(tone), "pole", foot)
        collector.shadow(s, d, 0.3, 0.3, 3.3)
        _head(collector, phases, s, d, foot + 2.2)
    if rng.random() < 0.55 and not street.cobbles:
        reach = min(5.5, street.lanes_right * street.lane)
        d = street.right - 0.7
        _gantry(collector, far + 0.3, d, reach, tone)
        _head(collector, phases, far + 0.1, d + reach - 0.3, KERB_HEIGHT + 5.2)
    for side, edge in ((1, street.left + 0.5), (-1, street.right - 0.5)):
        collector.board(near + 1.9, edge, 0.12, 2.9, furniture.pole(tone), "pole", KERB_HEIGHT)
        _head(
            collector,
            pedestrian_phases(phases),
            near + 1.7,
            edge,
            KERB_HEIGHT + 2.1,
            facing=side * math.pi / 2,
            pedestrian=True,
        )
    collector.signals.append((crossing, phases))


def _gantry(collector: Collector, s: float, d: float, reach: float, tone: int) -> None:
    """Put up a mast with an arm over the lanes."""
    collector.board(s, d, 0.2, 6.1, furniture.pole(tone), "pole", KERB_HEIGHT)
    build = FaceBuilder()
    build.add(
        (0, 0, 0.12),
        (0, reach, 0),
        (0, 0, -0.12),
        furniture.pole(tone),
        LABEL_ID["pole"],
        normal=(-1, 0, 0),
        two_sided=True,
    )
    collector.solid(build.build(), s, d, KERB_HEIGHT + 6.0)


def _head(
    collector: Collector,
    phases: Phases,
    s: float,
    d: float,
    z: float,
    *,
    facing: float = 0.0,
    pedestrian: bool = False,
) -> None:
    x, y = collector.street.place(s, d)
    yaw = collector.street.heading(s) + facing
    built = {
        state: light_box(state, pedestrian=pedestrian).build().placed(x, y, z, yaw)
        for _, state in phases
    }
    collector.heads.append(SignalHead(tuple((start, built[state]) for start, state in phases)))


def _signs(collector: Collector, rng: np.random.Generator) -> None:
    street = collector.street
    kinds = [
        "limit",
        "no_stopping",
        "parking",
        "warning",
        "mandatory",
        "direction",
        "one_way",
        "no_entry",
        "plate",
    ]
    weights = np.array([0.16, 0.22, 0.14, 0.1, 0.1, 0.1, 0.06, 0.06, 0.06])
    for side in (1, -1):
        edge = (street.left + 0.5) if side > 0 else (street.right - 0.5)
        s = rng.uniform(8, 70)
        while s < 150:
            if not street.in_crossing(s, 2.0):
                kind = str(rng.choice(kinds, p=weights / weights.sum()))
                d = edge + side * (0.5 if kind == "direction" else 0.0)
                put_sign(collector, rng, s, d, kind, oncoming=side > 0 and rng.random() < 0.6)
            s += rng.uniform(18, 80)
    if street.median:
        for crossing in street.crossings:
            put_sign(collector, rng, crossing.s + crossing.half_width + 1.5, 0.0, "mandatory")


def _street_trees(collector: Collector, rng: np.random.Generator) -> None:
    """Plant a row along the kerb or on the median."""
    street = collector.street
    rows = []
    if street.median > 1.2 and rng.random() < 0.6:
        rows.append(0.0)
    chance = {"canyon": 0.4, "residential": 0.5, "avenue": 0.75, "suburban": 0.5}[street.kind]
    if rng.random() < chance:
        rows += [street.left + 0.9, street.right - 0.9]
    size, spacing = rng.uniform(6, 13), rng.uniform(9, 18)
    for d in rows:
        s = rng.uniform(6, 16)
        while s < 240:
            if not street.in_crossing(s, 5.0):
                tree(collector, rng, s, d, size * rng.uniform(0.8, 1.2), conifers=0.0)
            s += spacing * rng.uniform(0.8, 1.3)


def _bollards(collector: Collector, rng: np.random.Generator) -> None:
    street = collector.street
    if rng.random() > 0.4:
        return
    side = -1 if rng.random() < 0.6 else 1
    edge = (street.left + 0.35) if side > 0 else (street.right - 0.35)
    start = rng.uniform(6, 40)
    for k in range(int(rng.integers(4, 12))):
        s = start + 1.6 * k
        if not street.in_crossing(s, 1.0):
            collector.board(s, edge, 0.13, 0.95, furniture.pole(1), "pole", KERB_HEIGHT)
            collector.shadow(s, edge, 0.13, 0.13, 0.95)
