"""Drives in YAML: what each scene of a rendered drive must contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semalign_ros.errors import ConfigError
from semalign_ros.resources import find_resource, read_yaml
from semalign_ros.train.scenes.events import EVENTS, Event
from semalign_ros.train.scenes.world import Script
from semalign_ros.validation import problems

SCHEMA_VERSION = 1
"""Version of the file format."""


@dataclass(frozen=True, slots=True)
class Take:
    """One scene of a drive.

    Args:
        script: What it must contain.
        frames: Number of frames.
        every: Each `every`-th frame of a 17 Hz camera.
    """

    script: Script
    frames: int
    every: int


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Event(_Strict):
    event: str
    distance: Annotated[float, Field(ge=6, le=150)]
    delay: Annotated[float, Field(ge=0, le=20)] = 0.0


class _Scene(_Strict):
    frames: Annotated[int, Field(ge=1, le=10_000)]
    every: Annotated[int, Field(ge=1, le=170)] = 1
    street: Literal["canyon", "residential", "avenue", "suburban"] | None = None
    light: Literal["day", "overcast", "dusk"] | None = None
    speed: Annotated[float, Field(gt=0, le=20)] | None = None
    bend: Annotated[float, Field(ge=-0.45, le=0.45)] | None = None
    crossing: Annotated[float, Field(ge=22, le=150)] | None = None
    red_until: Annotated[float, Field(ge=0, le=60)] | None = None
    events: list[_Event] | None = None

    def take(self) -> Take:
        events = None
        if self.events is not None:
            events = tuple(Event(e.event, e.distance, e.delay) for e in self.events)
        script = Script(
            street=self.street,
            light=self.light,
            speed=self.speed,
            bend=self.bend,
            crossing=self.crossing,
            red_until=self.red_until,
            events=events,
        )
        return Take(script, self.frames, self.every)


class _Drive(_Strict):
    schema_version: Literal[1]
    scenes: Annotated[list[_Scene], Field(min_length=1, max_length=1000)]


def load_drive(name_or_path: str) -> tuple[Take, ...]:
    """Read the scenes of a drive.

    Args:
        name_or_path: A file, or the name of a shipped drive such as ``demo``.

    Raises:
        ConfigError: There is none, it is no YAML, or a value is bad; lists every problem.
    """
    path = find_resource(name_or_path, "config/scenes")
    return parse_drive(read_yaml(path), path)


def parse_drive(data: object, source: Path | str = "drive") -> tuple[Take, ...]:
    """Check the content of a drive file.

    Args:
        data: What YAML made of it.
        source: Name for messages.

    Raises:
        ConfigError: A value is bad; lists every problem.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{source}: found {type(data).__name__}, expected a mapping with schema_version "
            "and scenes"
        )
    try:
        drive = _Drive.model_validate(dict(data))
    except ValidationError as error:
        raise ConfigError(f"{source}: {'; '.join(problems(error, _Drive))}") from error
    unknown = sorted({e.event for scene in drive.scenes for e in scene.events or ()} - set(EVENTS))
    if unknown:
        raise ConfigError(
            f"{source}: unknown event {', '.join(unknown)}; valid: {', '.join(EVENTS)}"
        )
    return tuple(scene.take() for scene in drive.scenes)
