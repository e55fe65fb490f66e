"""Which condition a live frame is judged under, and how it travels between nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from semalign_ros.corruption import (
    CLEAN,
    Condition,
    Step,
    list_corruptions,
    load_profile,
    recalls_of,
)
from semalign_ros.corruption.condition import CLEAN_NAME
from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.nodes.config import CorruptionConfig
from semalign_ros.types import Frame

CYCLE = "cycle"
"""Value of ``corruption.condition`` that takes the profile's conditions in turn."""


@dataclass(frozen=True, slots=True)
class ConditionChoice:
    """Conditions taken in turn by frame index, and the seed of their draws."""

    conditions: tuple[Condition, ...]
    seed: int

    def at(self, index: int) -> Condition:
        """Condition of a frame."""
        return self.conditions[index % len(self.conditions)]

    def recalls(self) -> frozenset[int]:
        """How many positions back the frames lie that a condition looks at."""
        return recalls_of(self.conditions)


def choose(config: CorruptionConfig) -> ConditionChoice:
    """Find what the parameters ask for.

    A name is looked up among the profile's conditions first, then among all corruptions.

    Raises:
        ConfigError: The profile is bad, or there is no such condition or severity.
    """
    if config.condition == CLEAN_NAME or config.severity == 0:
        return ConditionChoice((CLEAN,), config.seed)
    profile = load_profile(config.profile)
    if config.condition == CYCLE:
        if not profile.conditions:
            raise ConfigError(f"corruption.condition: profile {profile.name} has nothing to cycle")
        return ConditionChoice(profile.conditions, config.seed)
    levels = {c.severity: c for c in profile.conditions if c.name == config.condition}
    if config.severity in levels:
        return ConditionChoice((levels[config.severity],), config.seed)
    if levels:
        raise ConfigError(
            f"corruption.severity: profile {profile.name} has {config.condition} at "
            f"{', '.join(f'{level:g}' for level in sorted(levels))}, found {config.severity:g}"
        )
    corruptions = list_corruptions()
    if config.condition not in corruptions:
        names = {CLEAN_NAME, CYCLE, *corruptions, *(c.name for c in profile.conditions)}
        raise ConfigError(
            f"corruption.condition: {unknown_name('condition', config.condition, names)}"
        )
    return ConditionChoice((Condition.of(config.condition, config.severity),), config.seed)


@dataclass(frozen=True, slots=True)
class RelayedCondition(Condition):
    """A condition that another node has applied.

    Args:
        remarks: Its notes on the frame, which only that node has whole.
    """

    remarks: tuple[str, ...] = ()

    def notes(self, frame: Frame) -> tuple[str, ...]:
        """Return the notes that came with it."""
        del frame
        return self.remarks


@dataclass(frozen=True, slots=True)
class Treatment:
    """What was done to one frame, as the nodes tell each other.

    Args:
        index: Position of the frame in the stream.
        seed: Of the draws.
        condition: What was done.
        speed: Forward speed of the vehicle, m/s, or None.
        yaw_rate: Positive to the left, rad/s, or None.
        elapsed_s: Seconds since the first frame of the stream.
    """

    index: int
    seed: int
    condition: Condition
    speed: float | None = None
    yaw_rate: float | None = None
    elapsed_s: float = 0.0


def encode_treatment(treatment: Treatment, frame: Frame) -> dict[str, str]:
    """Key-value pairs that say what was done to a frame."""
    return {
        "index": str(treatment.index),
        "seed": str(treatment.seed),
        "condition": json.dumps(treatment.condition.describe()),
        "notes": json.dumps(treatment.condition.notes(frame)),
        "motion": json.dumps([treatment.speed, treatment.yaw_rate]),
        "elapsed_s": repr(treatment.elapsed_s),
    }


def decode_treatment(values: dict[str, str]) -> Treatment:
    """Inverse of :func:`encode_treatment`.

    Raises:
        ConfigError: The pairs are not of that function.
    """
    try:
        described = json.loads(values["condition"])
        steps = tuple(_step(step) for step in described["steps"])
        condition = RelayedCondition(
            str(described["name"]),
            float(described["severity"]),
            steps,
            tuple(json.loads(values["notes"])),
        )
        speed, yaw_rate = json.loads(values["motion"])
        return Treatment(
            int(values["index"]),
            int(values["seed"]),
            condition,
            speed,
            yaw_rate,
            float(values["elapsed_s"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"condition message: {type(error).__name__}: {error}; expected one of corruption_node "
            "of this version"
        ) from error


def _step(described: dict[str, object]) -> Step:
    params = described["params"]
    if not isinstance(params, dict):
        raise TypeError(f"params: found {params!r}, expected a mapping")
    return Step(
        str(described["corruption"]),
        float(str(described["severity"])),
        params,
        float(str(described["probability"])),
        **{key: described[key] for key in ("from_s", "to_s", "ramp_s") if key in described},  # type: ignore[arg-type]
    )
