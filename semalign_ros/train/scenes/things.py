"""What stands and moves in a scene, and where it is at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.faces import FaceBuilder, Faces, Model
from semalign_ros.train.scenes.people import HEIGHT, PHASES, WIDTH, Clothes, cyclist, walker
from semalign_ros.train.scenes.street import Street
from semalign_ros.train.scenes.texture import Texture

_STRIDE_HZ = 0.95


class Place(NamedTuple):
    """A place on the ground, metres, and a heading, radians to the left of world x."""

    x: float
    y: float
    z: float
    yaw: float


@dataclass(frozen=True, slots=True)
class Shadow:
    """What throws a shadow: an upright box, or a ball on a post.

    Args:
        place: Centre, on the ground that the shadow falls on.
        length: Metres.
        width: Metres.
        height: Top, metres.
        base: Bottom, metres; above 0 for the crown of a tree.
        soft: Round, with gaps.
        contact: Darkens the ground below it, under any sky.
    """

    place: Place
    length: float
    width: float
    height: float
    base: float = 0.0
    soft: bool = False
    contact: bool = False


@dataclass(frozen=True, slots=True)
class Billboard:
    """A flat picture that turns to the camera about its upright axis.

    Args:
        x: Middle of its foot, metres.
        y: Middle of its foot, metres.
        z: Height of its foot, metres.
        width: Metres; negative mirrors the picture.
        height: Metres.
        texture: The picture.
        ident: Cityscapes instance id (label id for stuff).
    """

    x: float
    y: float
    z: float
    width: float
    height: float
    texture: Texture
    ident: int


def billboard_faces(boards: Sequence[Billboard], camera: NDArray[np.float64]) -> Faces:
    """Turn billboards to a camera at f64[3]."""
    if not boards:
        return FaceBuilder().build()
    place = np.array([(b.x, b.y, b.z, b.width, b.height) for b in boards])
    look = place[:, :2] - camera[:2]
    look /= np.maximum(np.linalg.norm(look, axis=1, keepdims=True), 1e-6)
    count = len(boards)
    zero = np.zeros(count)
    right = np.stack([look[:, 1], -look[:, 0], zero], 1)
    edge_u = right * place[:, 3:4]
    edge_v = np.stack([zero, zero, -place[:, 4]], 1)
    origin = np.stack([place[:, 0], place[:, 1], place[:, 2] + place[:, 4]], 1) - edge_u / 2
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    return Faces(
        origin,
        edge_u,
        edge_v,
        np.broadcast_to(square, (count, 4, 2)),
        np.stack([-look[:, 0], -look[:, 1], zero], 1),
        np.ones(count, np.bool_),
        np.array([b.ident for b in boards], np.int32),
        tuple(b.texture for b in boards),
    )


@dataclass(frozen=True, slots=True)
class Motion:
    """Where a thing is: a straight line in street coordinates.

    Args:
        s: Along the street at time 0, metres.
        d: To the left of its centre line at time 0, metres.
        speed_s: Metres per second.
        speed_d: Metres per second.
        facing: Direction it faces, radians to the left of the street's.
        follows: Moves along the street with the recording vehicle as well.
        until: Time at which it stops, seconds.
    """

    s: float
    d: float
    speed_s: float = 0.0
    speed_d: float = 0.0
    facing: float = 0.0
    follows: bool = False
    until: float = math.inf

    def moves(self, time: float) -> bool:
        """Whether it changes its place at `time`."""
        walks = self.speed_s != 0.0 or self.speed_d != 0.0
        return self.follows or (walks and time < self.until)

    def at(self, time: float, travelled: float, street: Street) -> Place:
        """Return where it is.

        Args:
            time: Seconds since the first frame.
            travelled: Metres along the street that the recording vehicle has made.
            street: The plan.
        """
        moved = min(time, self.until)
        s = self.s + self.speed_s * moved + (travelled if self.follows else 0.0)
        d = self.d + self.speed_d * moved
        x, y = street.place(s, d)
        return Place(x, y, street.ground_height(s, d), street.heading(s) + self.facing)


@dataclass(frozen=True, slots=True)
class VehicleActor:
    """A vehicle with a solid body."""

    motion: Motion
    model: Model
    ident: int

    def shadow(self, place: Place) -> Shadow:
        """Return what throws its shadow."""
        model = self.model
        # The roof is narrower than the body.
        return Shadow(place, model.length, model.width, model.height * 0.85, contact=True)


@dataclass(frozen=True, slots=True)
class Walker:
    """A person on foot.

    Args:
        motion: Where they are.
        height: Metres.
        clothes: What they wear.
        ppm: Texels per metre of their picture.
        phase: Phase at time 0, shares of a stride.
        ident: Instance id.
    """

    motion: Motion
    height: float
    clothes: Clothes
    ppm: float
    phase: float
    ident: int

    def board(self, time: float, place: Place, camera: NDArray[np.float64]) -> Billboard:
        """Return the picture to show at `time`, seen from `camera`."""
        x, y, z, yaw = place
        index = 0
        if self.motion.moves(time):
            index = int((self.phase + time * _STRIDE_HZ) * PHASES) % PHASES
        # Angle between where they face and the line of sight.
        turn = yaw - math.atan2(y - camera[1], x - camera[0])
        scale = self.height / 1.75
        across = math.sin(turn)
        picture = walker(self.clothes, index, self.ppm, side=abs(across) > 0.5)
        # The side picture walks to the right; heading left of the line of sight mirrors it.
        width = WIDTH * scale * (-1.0 if across > 0 else 1.0)
        return Billboard(x, y, z, width, HEIGHT * scale, picture, self.ident)

    def shadow(self, place: Place) -> Shadow:
        """Return what throws their shadow."""
        return Shadow(place, 0.45, 0.45, self.height, contact=True)


@dataclass(frozen=True, slots=True)
class TwoWheeler:
    """A bicycle or motorcycle, ridden or not: two crossed upright planes a piece.

    Args:
        motion: Where it is.
        vehicle: Its pictures from the side and from the front, 1.9 m and 0.8 m wide.
        rider: Who rides it, or None.
        motor: A motorcycle.
        ppm: Texels per metre of the rider's picture.
        phase: Phase of the pedals at time 0.
        ident: Instance id of the vehicle.
        rider_ident: Instance id of the rider.
    """

    motion: Motion
    vehicle: tuple[Texture, Texture]
    rider: Clothes | None
    motor: bool
    ppm: float
    phase: float
    ident: int
    rider_ident: int

    def faces(self, time: float, place: Place, camera: NDArray[np.float64]) -> Faces:
        """Return its surfaces in the world."""
        x, y, z, yaw = place
        turn = yaw - math.atan2(y - camera[1], x - camera[0])
        along = abs(math.sin(turn)) > 0.35
        build = FaceBuilder()
        size = 1.9 if along else 0.8
        # From nearly in front or behind the side view is a sliver: turn the front view to
        # the camera instead; else show the plane of the wheels as it stands.
        self._plane(build, self.vehicle[0 if along else 1], size, along, 0.0, self.ident)
        if self.rider is not None:
            index = int((self.phase + time * _STRIDE_HZ) * PHASES) % PHASES
            if self.motor:
                index = 0
            picture = cyclist(self.rider, index, self.ppm, side=along, motor=self.motor)
            # Legs are in front of the frame on either side.
            near = math.copysign(0.12, math.sin(turn))
            if not along:
                # The wheel in front of the legs, or behind them, is what one sees.
                near = math.copysign(0.05, math.cos(turn))
            self._plane(build, picture, size, along, near, self.rider_ident)
        return build.build().placed(x, y, z, yaw)

    def shadow(self, place: Place) -> Shadow:
        """Return what throws its shadow."""
        return Shadow(place, 1.6, 0.3, 1.75 if self.rider else 1.0, contact=True)

    @staticmethod
    def _plane(
        build: FaceBuilder, picture: Texture, size: float, along: bool, shift: float, ident: int
    ) -> None:
        down = (0, 0, -1.8)
        if along:
            build.add(
                (-size / 2, shift, 1.8),
                (size, 0, 0),
                down,
                picture,
                ident,
                normal=(0, 1, 0),
                two_sided=True,
            )
        else:
            build.add(
                (shift, -size / 2, 1.8),
                (0, size, 0),
                down,
                picture,
                ident,
                normal=(1, 0, 0),
                two_sided=True,
            )
