"""The finished scene, and what collects it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from semalign_ros.scene.taxonomy import LABEL_ID
from semalign_ros.train.scenes.camera import Camera
from semalign_ros.train.scenes.decals import Decals
from semalign_ros.train.scenes.drive import Stop
from semalign_ros.train.scenes.faces import Faces, Model, stack
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.people import bicycle as bicycle_picture
from semalign_ros.train.scenes.people import draw_clothes
from semalign_ros.train.scenes.people import motorcycle as motorcycle_picture
from semalign_ros.train.scenes.signals import Phases, SignalHead
from semalign_ros.train.scenes.street import Crossing, Street
from semalign_ros.train.scenes.surface import GroundLook
from semalign_ros.train.scenes.texture import Texture
from semalign_ros.train.scenes.things import (
    Billboard,
    Motion,
    Place,
    Shadow,
    TwoWheeler,
    VehicleActor,
    Walker,
)


@dataclass(frozen=True, slots=True)
class Detail:
    """Texels per metre, by what is drawn; follows the resolution of the image."""

    house: float
    vehicle: float
    person: float

    @classmethod
    def of(cls, camera: Camera) -> Detail:
        """Choose what `camera` can resolve."""
        focal = max(camera.fx, camera.fy)
        return cls(
            house=float(np.clip(focal / 40, 12, 34)),
            vehicle=float(np.clip(focal / 14, 32, 100)),
            person=float(np.clip(focal / 9, 50, 150)),
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """All of one scene but the moment and the place from which it is seen.

    Args:
        street: The plan.
        lighting: The light.
        look: Colours of the ground.
        decals: What lies on the carriageway.
        solids: Static surfaces in the world.
        boards: Static billboards.
        shadows: What throws shadows and does not move.
        vehicles: Cars and larger.
        walkers: People on foot.
        two_wheelers: Bicycles and motorcycles, ridden or not.
        heads: Traffic lights.
        speed: Cruising speed of the recording vehicle, m/s.
        stops: Where it stops.
        start: Where it starts, metres.
        sky_offset: Which clouds are overhead.
        bonnet: Colour of the recording vehicle, RGB.
    """

    street: Street
    lighting: Lighting
    look: GroundLook
    decals: Decals
    solids: Faces
    boards: tuple[Billboard, ...]
    shadows: tuple[Shadow, ...]
    vehicles: tuple[VehicleActor, ...]
    walkers: tuple[Walker, ...]
    two_wheelers: tuple[TwoWheeler, ...]
    heads: tuple[SignalHead, ...]
    speed: float
    stops: tuple[Stop, ...]
    start: float
    sky_offset: float
    bonnet: tuple[float, float, float]


@dataclass(slots=True)
class Collector:
    """Gathers what a scene holds and numbers the instances."""

    street: Street
    detail: Detail
    solids: list[Faces] = field(default_factory=list)
    boards: list[Billboard] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)
    vehicles: list[VehicleActor] = field(default_factory=list)
    walkers: list[Walker] = field(default_factory=list)
    two_wheelers: list[TwoWheeler] = field(default_factory=list)
    heads: list[SignalHead] = field(default_factory=list)
    signals: list[tuple[Crossing, Phases]] = field(default_factory=list)
    _counts: dict[int, int] = field(default_factory=dict)

    def instance(self, name: str) -> int:
        """Return the next instance id of a class: class id * 1000 + number."""
        label = LABEL_ID[name]
        number = self._counts.get(label, 0)
        self._counts[label] = number + 1
        return label * 1000 + number

    def solid(self, faces: Faces, s: float, d: float, z: float = 0.0, facing: float = 0.0) -> None:
        """Place surfaces at a street coordinate, turned with the street."""
        x, y = self.street.place(s, d)
        self.solids.append(faces.placed(x, y, z, self.street.heading(s) + facing))

    def board(
        self,
        s: float,
        d: float,
        width: float,
        height: float,
        texture: Texture,
        label: str,
        z: float = 0.0,
    ) -> None:
        """Place a billboard of a class without instances at a street coordinate."""
        x, y = self.street.place(s, d)
        self.boards.append(Billboard(x, y, z, width, height, texture, LABEL_ID[label]))

    def shadow(
        self,
        s: float,
        d: float,
        length: float,
        width: float,
        height: float,
        base: float = 0.0,
        soft: bool = False,
        facing: float = 0.0,
    ) -> None:
        """Let something at a street coordinate throw a shadow."""
        place = Place(*self.street.place(s, d), 0.0, self.street.heading(s) + facing)
        self.shadows.append(Shadow(place, length, width, height, base, soft))

    def vehicle(self, model: Model, name: str, motion: Motion) -> None:
        """Add a vehicle of class `name`."""
        ident = self.instance(name)
        faces = model.faces.with_ids({LABEL_ID[name]: ident})
        numbered = Model(faces, model.length, model.width, model.height)
        self.vehicles.append(VehicleActor(motion, numbered, ident))

    def person(self, rng: np.random.Generator, motion: Motion) -> None:
        """Add somebody on foot."""
        self.walkers.append(
            Walker(
                motion,
                float(np.clip(rng.normal(1.72, 0.09), 1.25, 1.95)),
                draw_clothes(rng),
                self.detail.person,
                rng.random(),
                self.instance("person"),
            )
        )

    def two_wheeler(
        self, rng: np.random.Generator, motion: Motion, *, motor: bool, ridden: bool
    ) -> None:
        """Add a bicycle or motorcycle."""
        ppm = self.detail.person
        draw = motorcycle_picture if motor else bicycle_picture
        style = rng.bit_generator.random_raw()
        pictures = tuple(
            draw(np.random.Generator(np.random.Philox(style)), ppm, side=side)
            for side in (True, False)
        )
        ident = self.instance("motorcycle" if motor else "bicycle")
        self.two_wheelers.append(
            TwoWheeler(
                motion,
                (pictures[0], pictures[1]),
                draw_clothes(rng) if ridden else None,
                motor,
                ppm,
                rng.random(),
                ident,
                self.instance("rider") if ridden else 0,
            )
        )

    def static_faces(self) -> Faces:
        """Return all static surfaces as one group."""
        return stack(self.solids)


def toward(d: float) -> float:
    """Direction across the street, away from side `d`: facing of what crosses from there."""
    return -math.pi / 2 if d > 0 else math.pi / 2
