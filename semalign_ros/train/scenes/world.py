"""From a seed to a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from semalign_ros.train.scenes.camera import Camera
from semalign_ros.train.scenes.content import Collector, Detail, Scene
from semalign_ros.train.scenes.decals import draw_decals
from semalign_ros.train.scenes.frontage import draw_houses, line_street
from semalign_ros.train.scenes.furnish import furnish
from semalign_ros.train.scenes.lighting import draw_lighting
from semalign_ros.train.scenes.randomness import stream
from semalign_ros.train.scenes.street import draw_street
from semalign_ros.train.scenes.surface import draw_look
from semalign_ros.train.scenes.traffic import EVENTS, Fleet, drive, park, populate

# How often something happens in our lane; tuned so that ego_corridor_v1 finds about a
# quarter of the frames UNSAFE, as on Cityscapes.
_EVENT_CHANCE = {
    "none": 0.66,
    "lead": 0.13,
    "queue": 0.03,
    "pedestrian": 0.07,
    "cyclist": 0.04,
    "crossing_car": 0.04,
    "blocked": 0.03,
}


@dataclass(frozen=True, slots=True)
class Script:
    """What a scene is told to contain; None leaves the choice to the seed.

    Args:
        street: Kind of street.
        light: ``day``, ``overcast`` or ``dusk``.
        speed: Cruising speed, m/s.
        events: Name of an event and its distance from the start, metres; None to draw one.
    """

    street: str | None = None
    light: str | None = None
    speed: float | None = None
    events: tuple[tuple[str, float], ...] | None = field(default=None)


def build_scene(seed: int, sequence: int, camera: Camera, script: Script | None = None) -> Scene:
    """Build the scene of a sequence.

    Args:
        seed: Seed of the data set.
        sequence: Number of the scene.
        camera: Decides how fine textures are drawn; the scene itself does not depend on it.
        script: What the scene must contain.
    """
    script = script or Script()

    def rng(purpose: str) -> np.random.Generator:
        return stream(seed, sequence, 0, purpose)

    lighting = draw_lighting(rng("lighting"), script.light)
    street = draw_street(rng("street"), script.street)
    collector = Collector(street, Detail.of(camera))
    ppm = collector.detail
    behind = line_street(collector, rng("frontage"), draw_houses(rng("houses"), street, ppm.house))
    furnish(collector, rng("furniture"))

    ego = rng("ego")
    speed = ego.uniform(5.0, 14.0) if script.speed is None else script.speed
    fleet = Fleet(rng("fleet"), ppm.vehicle)
    events = script.events
    if events is None:
        names = list(_EVENT_CHANCE)
        name = str(ego.choice(names, p=list(_EVENT_CHANCE.values())))
        distance = ego.uniform(9.0, 24.0)
        events = () if name == "none" else ((name, distance),)
    park(collector, rng("parked"), fleet)
    stops = [
        EVENTS[name](collector, rng(f"event {k}"), fleet, distance)
        for k, (name, distance) in enumerate(events)
    ]
    clear = 75.0 if events else 38.0
    drive(collector, rng("traffic"), fleet, speed, clear=clear)
    populate(collector, rng("people"))
    stop = min((s for s in stops if s is not None), default=None)
    body = np.array([(36, 38, 40), (120, 124, 128), (30, 40, 62), (70, 72, 74)][ego.integers(4)])
    return Scene(
        street=street,
        lighting=lighting,
        look=draw_look(rng("ground"), behind),
        decals=draw_decals(rng("decals"), street),
        solids=collector.static_faces(),
        boards=tuple(collector.boards),
        shadows=tuple(collector.shadows),
        vehicles=tuple(collector.vehicles),
        walkers=tuple(collector.walkers),
        two_wheelers=tuple(collector.two_wheelers),
        speed=speed,
        stop=stop,
        start=-1.7,
        sky_offset=float(ego.uniform(0, 500)),
        bonnet=(float(body[0]), float(body[1]), float(body[2])),
    )
