"""From a seed to a scene."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from semalign_ros.corruption.rng import generator
from semalign_ros.train.scenes.camera import Camera
from semalign_ros.train.scenes.content import Collector, Detail, Scene
from semalign_ros.train.scenes.decals import draw_decals
from semalign_ros.train.scenes.events import EVENTS, Event
from semalign_ros.train.scenes.frontage import draw_houses, line_street
from semalign_ros.train.scenes.furnish import furnish
from semalign_ros.train.scenes.lighting import draw_lighting
from semalign_ros.train.scenes.signals import stops_at
from semalign_ros.train.scenes.street import draw_street
from semalign_ros.train.scenes.surface import draw_look
from semalign_ros.train.scenes.traffic import Fleet, drive, park, populate

_START = -1.7
"""Place of the recording vehicle's reference at first: its camera is at 0, metres."""
BEND_START = 25.0
"""Where the bend of a script begins, metres."""
_BEND_LENGTH = 12.0
# How often something happens in our lane; tuned so that ego_corridor_v1 finds about a
# quarter of the frames UNSAFE, as on Cityscapes.
_EVENT_CHANCE = {
    "none": 0.765,
    "lead": 0.09,
    "queue": 0.02,
    "pedestrian": 0.055,
    "cyclist": 0.03,
    "crossing_car": 0.025,
    "blocked": 0.015,
}


def stream(seed: int, sequence: int, purpose: str, frame: int | None = None) -> np.random.Generator:
    """Return the generator of one purpose, independent of every other draw.

    Args:
        seed: Seed of the data set.
        sequence: Number of the scene.
        purpose: Names what is drawn, so that a new draw elsewhere changes nothing here.
        frame: Number of the frame; None for what holds for the whole scene.
    """
    return generator(seed, f"street scene {sequence}", purpose, frame)


@dataclass(frozen=True, slots=True)
class Script:
    """What a scene is told to contain; None leaves the choice to the seed.

    Args:
        street: Kind of street.
        light: ``day``, ``overcast`` or ``dusk``.
        speed: Cruising speed, m/s.
        bend: Sideways metres per metre, to the left, after a bend BEND_START metres ahead.
        crossing: Where the first street crosses, with traffic lights, metres from our camera.
        red_until: Time until which those are red, seconds.
        events: What happens in our lane.
    """

    street: str | None = None
    light: str | None = None
    speed: float | None = None
    bend: float | None = None
    crossing: float | None = None
    red_until: float | None = None
    events: tuple[Event, ...] | None = None


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
        return stream(seed, sequence, purpose)

    lighting = draw_lighting(rng("lighting"), script.light)
    street = draw_street(rng("street"), script.street, script.crossing)
    if script.bend is not None:
        street = dataclasses.replace(
            street, slope=script.bend, bend_start=BEND_START, bend_length=_BEND_LENGTH
        )
    collector = Collector(street, Detail.of(camera))
    ppm = collector.detail
    behind = line_street(collector, rng("frontage"), draw_houses(rng("houses"), street, ppm.house))
    furnish(collector, rng("furniture"), red_until=script.red_until)

    ego = rng("ego")
    speed = ego.uniform(5.0, 14.0) if script.speed is None else script.speed
    fleet = Fleet(rng("fleet"), ppm.vehicle)
    events = _draw_events(ego) if script.events is None else script.events
    park(collector, rng("parked"), fleet)
    outcomes = [
        EVENTS[event.name](collector, rng(f"event {k}"), fleet, event)
        for k, event in enumerate(events)
    ]
    room = max((outcome.room for outcome in outcomes), default=0.0)
    stops = [stop for outcome in outcomes for stop in outcome.stops]
    stops += stops_at(collector.signals, _START, speed, room)
    clear = 75.0 if events else 38.0
    drive(collector, rng("traffic"), fleet, speed, clear=clear)
    populate(collector, rng("people"))
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
        heads=tuple(collector.heads),
        speed=speed,
        stops=tuple(stops),
        start=_START,
        sky_offset=float(ego.uniform(0, 500)),
        bonnet=(float(body[0]), float(body[1]), float(body[2])),
    )


def _draw_events(rng: np.random.Generator) -> tuple[Event, ...]:
    name = str(rng.choice(list(_EVENT_CHANCE), p=list(_EVENT_CHANCE.values())))
    distance = float(rng.uniform(9.0, 24.0))
    return () if name == "none" else (Event(name, distance),)
