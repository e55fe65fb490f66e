"""A condition: the corruptions, in order, under which a frame is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from semalign_ros.corruption.parameters import Value, check_severity
from semalign_ros.corruption.registry import Corruption, Family, Mask, get_corruption
from semalign_ros.corruption.rng import generator
from semalign_ros.errors import ConfigError
from semalign_ros.types import Frame

CLEAN_NAME = "clean"
"""Name of the condition that changes nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One corruption of a condition.

    Args:
        corruption: Its name.
        severity: 0..5, continuous; stands for the parameters that `params` does not give.
        params: Values that replace the severity's.
        probability: Share of the frames that it strikes, 0..1.

    Raises:
        ConfigError: The name is unknown, or a value is bad; lists all of them.
    """

    corruption: str
    severity: float
    params: Mapping[str, Value] = field(default_factory=dict)
    probability: float = 1.0

    def __post_init__(self) -> None:
        """Check everything, so that no frame meets a bad value."""
        self.resolve()
        if not 0 <= self.probability <= 1:
            raise ConfigError(
                f"{self.corruption}: probability = {self.probability!r}, expected 0 to 1"
            )

    def resolve(self) -> dict[str, Value]:
        """Values of all parameters."""
        return get_corruption(self.corruption).resolve(self.severity, **self.params)

    def describe(self) -> dict[str, object]:
        """Everything that decides the result, with every parameter, as plain values."""
        values = self.resolve()
        return {
            "corruption": self.corruption,
            "severity": self.severity,
            "params": {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
            "probability": self.probability,
        }


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to a frame before the models see it.

    Image steps act on the image, label steps on the label map that a segmenter made of it.

    Args:
        name: Name in results.
        severity: Level in results, 0..5.
        steps: Corruptions, applied in order.

    Raises:
        ConfigError: The severity is out of range.

    Example:
        >>> Condition.of("motion_blur", 2).describe()["steps"][0]["params"]
        {'length_px': 11.0, 'angle_deg': 0.0}
    """

    name: str
    severity: float
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Check the level."""
        check_severity(self.severity)

    @classmethod
    def of(cls, corruption: str, severity: float = 3, **params: Value) -> Condition:
        """Make a condition of one corruption.

        Raises:
            ConfigError: Name, severity or parameters are bad.
        """
        return cls(corruption, severity, (Step(corruption, severity, params),))

    @property
    def is_clean(self) -> bool:
        """Whether it changes nothing."""
        return all(step.severity == 0 for step in self.steps)

    @property
    def changes_image(self) -> bool:
        """Whether a step acts on the image."""
        return self._has("image")

    @property
    def changes_labels(self) -> bool:
        """Whether a step acts on the label map."""
        return self._has("labels")

    def degrade_image(self, frame: Frame, seed: int) -> Frame:
        """Apply the image steps.

        Args:
            frame: The frame as it came; its index keys the random streams.
            seed: Of every random draw.

        Returns:
            The frame with another image, or itself where no step strikes.

        Raises:
            ImageError: The image has the wrong dtype or shape.
        """
        return self._apply("image", frame, seed)

    def degrade_labels(self, frame: Frame, seed: int) -> Frame:
        """Apply the label steps to ``frame.labels``, the label map as perceived.

        Args:
            frame: The frame; its index keys the random streams.
            seed: Of every random draw.

        Returns:
            The frame with another label map, or itself where no step strikes.

        Raises:
            ConfigError: There is no label map, or it holds unknown ids.
            ImageError: Its size is not that of the image.
        """
        return self._apply("labels", frame, seed)

    def hidden(self, frame: Frame, seed: int) -> Mask | None:
        """What :meth:`degrade_image` with the same arguments covers.

        Returns:
            bool[H, W], or None where no step that strikes covers anything.
        """
        union: Mask | None = None
        for corruption, step, occurrence in self._striking("image", frame, seed):
            mask = corruption.hidden(
                frame, step.severity, seed, occurrence=occurrence, **step.params
            )
            if mask is not None:
                union = mask if union is None else union | mask
        return union

    def notes(self, frame: Frame) -> tuple[str, ...]:
        """What a reader of the results must know, such as an assumed depth."""
        texts: dict[str, None] = {}
        for step in self.steps:
            notes = get_corruption(step.corruption).notes(frame, step.severity, **step.params)
            texts.update(dict.fromkeys(notes))
        return tuple(texts)

    def describe(self) -> dict[str, object]:
        """Name, level and resolved steps as plain values, as written beside every result."""
        return {
            "name": self.name,
            "severity": self.severity,
            "steps": [step.describe() for step in self.steps],
        }

    def _has(self, family: Family) -> bool:
        return any(get_corruption(step.corruption).family == family for step in self.steps)

    def _apply(self, family: Family, frame: Frame, seed: int) -> Frame:
        for corruption, step, occurrence in self._striking(family, frame, seed):
            frame = corruption.apply(
                frame, step.severity, seed, occurrence=occurrence, **step.params
            )
        return frame

    def _striking(
        self, family: Family, frame: Frame, seed: int
    ) -> Iterator[tuple[Corruption, Step, int]]:
        """Steps of a family that strike this frame, each with its occurrence number."""
        seen: dict[str, int] = {}
        for position, step in enumerate(self.steps):
            occurrence = seen.get(step.corruption, 0)
            seen[step.corruption] = occurrence + 1
            corruption = get_corruption(step.corruption)
            if corruption.family != family:
                continue
            if step.probability < 1:
                chance = generator(seed, self.name, f"strike {position}", frame.index)
                if chance.random() >= step.probability:
                    continue
            yield corruption, step, occurrence


CLEAN = Condition(CLEAN_NAME, 0.0, ())
"""The condition that changes nothing."""
