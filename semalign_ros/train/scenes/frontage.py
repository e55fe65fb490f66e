"""What lines a street: houses, walls, fences, hedges and trees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes import facades, foliage
from semalign_ros.train.scenes.content import Collector
from semalign_ros.train.scenes.faces import FaceBuilder
from semalign_ros.train.scenes.street import BEHIND, LENGTH, Street
from semalign_ros.train.scenes.surface import DIRT, GRASS, PAVERS
from semalign_ros.train.scenes.texture import Texture

_DEPTH = 11.0
"""Depth of a house, metres."""
_END = 300.0
"""Where the view along the street is closed, metres."""

# What stands behind the pavement, by kind of street.
_PARCELS = {
    "canyon": {"house": 0.86, "wall": 0.03, "fence": 0.04, "park": 0.07},
    "residential": {
        "villa": 0.52,
        "house": 0.14,
        "hedge": 0.12,
        "wall": 0.06,
        "fence": 0.06,
        "park": 0.10,
    },
    "avenue": {
        "house": 0.50,
        "park": 0.24,
        "hedge": 0.08,
        "wall": 0.04,
        "fence": 0.06,
        "villa": 0.08,
    },
    "suburban": {
        "park": 0.36,
        "fence": 0.16,
        "hedge": 0.16,
        "wall": 0.12,
        "house": 0.10,
        "villa": 0.10,
    },
}


@dataclass(frozen=True, slots=True)
class House:
    """Pictures that houses of one look share."""

    front: Texture
    side: Texture
    blank: Texture
    roof: Texture
    width: float
    height: float


def draw_houses(rng: np.random.Generator, street: Street, ppm: float) -> tuple[House, ...]:
    """Draw the looks of the houses of one scene."""
    low = {"canyon": (4, 7), "avenue": (4, 8), "residential": (2, 4), "suburban": (2, 5)}
    houses = []
    for _ in range(7):
        colour = facades.plaster(rng)
        storeys = int(rng.integers(low[street.kind][0], low[street.kind][1] + 1))
        width = rng.uniform(8, 19)
        front = facades.facade(rng, width, storeys, colour, ppm)
        blank = facades.side_wall(colour, ppm, int(rng.integers(8)))
        side = blank
        if rng.random() < 0.5:
            side = facades.facade(rng, _DEPTH, storeys, colour, ppm, shops=0.0)
        roof = facades.roof(rng, ppm)
        houses.append(House(front, side, blank, roof, width, facades.facade_height(storeys)))
    return tuple(houses)


def _house(house: House, width: float, depth: float, side: int) -> FaceBuilder:
    """Build a house whose front faces the street from `side` (1 left, -1 right)."""
    build, label = FaceBuilder(), LABEL_ID["building"]
    half, top, back = width / 2, house.height, side * depth
    front = (0.0, -float(side), 0.0)
    # The picture's left is the viewer's left.
    start, run = (-half, width) if side > 0 else (half, -width)
    build.add((start, 0, top), (run, 0, 0), (0, 0, -top), house.front, label, normal=front)
    build.add(
        (start, back, top),
        (run, 0, 0),
        (0, 0, -top),
        house.side,
        label,
        normal=(0.0, float(side), 0.0),
    )
    for end in (-1, 1):
        build.add(
            (end * half, 0, top), (0, back, 0), (0, 0, -top), house.side, label, normal=(end, 0, 0)
        )
        # Gable.
        build.add(
            (end * half, 0, top + depth * 0.32),
            (0, back, 0),
            (0, 0, -depth * 0.32),
            house.blank,
            label,
            normal=(end, 0, 0),
            corners=((0.5, 0), (0.5, 0), (1, 1), (0, 1)),
        )
    eaves = -0.35 * side
    rise = depth * 0.32
    build.add(
        (start, side * depth / 2, top + rise),
        (run, 0, 0),
        (0, eaves - back / 2, -rise),
        house.roof,
        label,
        normal=(0, -side * rise, depth / 2),
    )
    return build


def tree(
    collector: Collector,
    rng: np.random.Generator,
    s: float,
    d: float,
    size: float,
    *,
    conifers: float = 0.15,
) -> None:
    """Plant a tree of `size` metres, a conifer with probability `conifers`."""
    if rng.random() < conifers:
        picture = foliage.conifer(int(rng.integers(4)))
        collector.board(s, d, size * 0.5, size, picture, "vegetation")
        collector.shadow(s, d, size * 0.4, size * 0.4, size, 0.5, soft=True)
        return
    bare = size * rng.uniform(0.24, 0.34)
    width = size * rng.uniform(0.6, 0.85)
    mirror = 1 if rng.random() < 0.5 else -1
    collector.board(
        s, d, size * 0.028 + 0.09, bare * 1.5, foliage.trunk(int(rng.integers(4))), "vegetation"
    )
    picture = foliage.crown(int(rng.integers(foliage.VARIANTS)))
    collector.board(s - 0.2, d, width * mirror, size - bare, picture, "vegetation", bare)
    collector.shadow(s, d, width, width, size, bare, soft=True)


def _strip(
    collector: Collector,
    s0: float,
    s1: float,
    d: float,
    height: float,
    texture: Texture,
    label: str,
    side: int,
    piece: float,
) -> None:
    """Stand a wall, fence or hedge along the street, in pieces that follow the bend."""
    count = max(1, round((s1 - s0) / piece))
    length = (s1 - s0) / count
    for k in range(count):
        build = FaceBuilder()
        start, run = (-length / 2, length) if side > 0 else (length / 2, -length)
        build.add(
            (start, 0, height),
            (run * 1.01, 0, 0),
            (0, 0, -height),
            texture,
            LABEL_ID[label],
            normal=(0, -side, 0),
            two_sided=True,
        )
        s = s0 + (k + 0.5) * length
        collector.solid(build.build(), s, d)
        if label == "wall":
            collector.shadow(s, d, length, 0.3, height)


def line_street(
    collector: Collector, rng: np.random.Generator, houses: tuple[House, ...]
) -> NDArray[np.uint8]:
    """Line both sides of the street and close the view at its end.

    Returns:
        u8[2, LENGTH]: ground material behind the pavement, left and right, per metre.
    """
    street = collector.street
    behind = np.full((2, int(LENGTH)), PAVERS, np.uint8)
    for row, side in enumerate((1, -1)):
        pavement = street.sidewalk_left if side > 0 else street.sidewalk_right
        edge = abs(street.left if side > 0 else street.right) + pavement + street.verge
        _side(collector, rng, houses, behind[row], side, edge)
        for crossing in street.crossings:
            _side_street(collector, rng, houses, crossing.s + crossing.half_width + 3.0, side, edge)
        _backdrop(collector, rng, houses, side)
    _close(collector, rng, houses)
    return behind


def _side(
    collector: Collector,
    rng: np.random.Generator,
    houses: tuple[House, ...],
    behind: NDArray[np.uint8],
    side: int,
    edge: float,
) -> None:
    street = collector.street
    kinds = _PARCELS[street.kind]
    names, weights = list(kinds), np.array(list(kinds.values()))
    wall = facades.garden_wall(rng, collector.detail.house)
    fence = facades.fence(rng, collector.detail.house)
    s = -12.0
    while s < _END - 10:
        blocked = next((c for c in street.crossings if abs(s - c.s) < c.half_width + 2.9), None)
        if blocked is not None:
            s = blocked.s + blocked.half_width + 3.0
            continue
        ahead = min([c.s - c.half_width - 3.0 for c in street.crossings if c.s > s] + [_END])
        kind = str(rng.choice(names, p=weights / weights.sum()))
        house = houses[int(rng.integers(len(houses)))]
        width = house.width if kind in ("house", "villa") else rng.uniform(10, 28)
        width = min(width, ahead - s)
        if width < 6:
            s = ahead + 0.2
            continue
        metres = slice(int(s + BEHIND), int(s + width + BEHIND) + 1)
        middle = s + width / 2
        if kind == "house":
            behind[metres] = PAVERS
            setback = 0.0 if street.kind == "canyon" else rng.uniform(0.0, 1.5)
            _put_house(collector, house, middle, side, edge + setback, width * 0.995, _DEPTH)
        elif kind == "villa":
            behind[metres] = GRASS
            setback = rng.uniform(3.0, 7.0)
            _put_house(collector, house, middle, side, edge + setback, width * 0.62, 9.0)
            front = str(rng.choice(["hedge", "fence", "wall", "none"], p=[0.3, 0.35, 0.15, 0.2]))
            _boundary(collector, rng, front, s, s + width, side * (edge + 0.25), side, wall, fence)
            if rng.random() < 0.7:
                tree(
                    collector,
                    rng,
                    s + rng.uniform(1, width),
                    side * (edge + setback * 0.6),
                    rng.uniform(4, 9),
                )
        elif kind == "park":
            behind[metres] = GRASS if rng.random() < 0.8 else DIRT
            for _ in range(int(width / 5)):
                tree(
                    collector,
                    rng,
                    s + rng.uniform(0, width),
                    side * (edge + rng.uniform(1.5, 16)),
                    rng.uniform(6, 14),
                )
            if rng.random() < 0.4:
                bound = "fence" if rng.random() < 0.7 else "hedge"
                _boundary(
                    collector, rng, bound, s, s + width, side * (edge + 0.3), side, wall, fence
                )
        else:
            behind[metres] = GRASS
            _boundary(collector, rng, kind, s, s + width, side * (edge + 0.3), side, wall, fence)
            for _ in range(int(width / 6)):
                tree(
                    collector,
                    rng,
                    s + rng.uniform(0, width),
                    side * (edge + rng.uniform(2.5, 10)),
                    rng.uniform(6, 13),
                )
        s += width


def _put_house(
    collector: Collector,
    house: House,
    s: float,
    side: int,
    offset: float,
    width: float,
    depth: float,
) -> None:
    collector.solid(_house(house, width, depth, side).build(), s, side * offset)
    collector.shadow(s, side * (offset + depth / 2), width, depth, house.height + 1.5)


def _boundary(
    collector: Collector,
    rng: np.random.Generator,
    kind: str,
    s0: float,
    s1: float,
    d: float,
    side: int,
    wall: Texture,
    fence: Texture,
) -> None:
    if kind == "wall":
        _strip(collector, s0, s1, d, rng.uniform(1.2, 2.4), wall, "wall", side, 6.0)
    elif kind == "fence":
        _strip(collector, s0, s1, d, rng.uniform(1.0, 1.6), fence, "fence", side, 6.0)
    elif kind == "hedge":
        height = rng.uniform(1.0, 2.2)
        picture = foliage.hedge(int(rng.integers(5)))
        _strip(collector, s0, s1, d, height, picture, "vegetation", side, 2 * height)


def _side_street(
    collector: Collector,
    rng: np.random.Generator,
    houses: tuple[House, ...],
    s: float,
    side: int,
    edge: float,
) -> None:
    """Line the far side of a crossing street: houses that face us."""
    d = edge + 11.5
    while d < 70:
        house = houses[int(rng.integers(len(houses)))]
        built = _house(house, house.width, 10.0, 1).build()
        # Turned so that the front looks back along the street.
        collector.solid(built, s, side * (d + house.width / 2), facing=-math.pi / 2)
        d += house.width
    tree(collector, rng, s - 1.0, side * (edge + 18), rng.uniform(6, 10))


def _backdrop(
    collector: Collector, rng: np.random.Generator, houses: tuple[House, ...], side: int
) -> None:
    """Close the view sideways, far behind the first row."""
    for s in np.arange(0.0, _END, 36.0):
        d = side * rng.uniform(72, 85)
        if rng.random() < 0.5:
            house = houses[int(rng.integers(len(houses)))]
            collector.solid(_house(house, 36.0, 12.0, side).build(), float(s), d)
        else:
            height = rng.uniform(10, 17)
            _strip(
                collector,
                s,
                s + 36,
                d,
                height,
                foliage.hedge(5 + int(rng.integers(5)), 0.3),
                "vegetation",
                side,
                36.0,
            )


def _close(collector: Collector, rng: np.random.Generator, houses: tuple[House, ...]) -> None:
    """Close the view along the street."""
    d = -150.0
    while d < 150:
        if rng.random() < 0.45:
            house = houses[int(rng.integers(len(houses)))]
            width = house.width * 1.4
            collector.solid(
                _house(house, width, 12.0, 1).build(),
                _END + rng.uniform(0, 25),
                d,
                facing=-math.pi / 2,
            )
        else:
            height = rng.uniform(8, 18)
            width = 2 * height
            build = FaceBuilder()
            build.add(
                (-width / 2, 0, height),
                (width, 0, 0),
                (0, 0, -height),
                foliage.hedge(5 + int(rng.integers(5)), 0.3),
                LABEL_ID["vegetation"],
                normal=(0, -1, 0),
                two_sided=True,
            )
            collector.solid(build.build(), _END + rng.uniform(0, 25), d, facing=-math.pi / 2)
        d += width * 0.85
