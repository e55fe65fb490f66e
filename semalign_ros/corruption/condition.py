"""A condition: the corruptions, in order, under which a frame is judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from semalign_ros.corruption.parameters import Value, check_severity, plain
from semalign_ros.corruption.registry import Corruption, Family, Mask, get_corruption
from semalign_ros.corruption.rng import generator
from semalign_ros.errors import ConfigError
from semalign_ros.types import Frame

CLEAN_NAME = "clean"
"""Name of the condition that changes nothing."""


def check_window(owner: str, from_s: float, to_s: float | None, ramp_s: float) -> None:
    """Check the time window of a step.

    Raises:
        ConfigError: A time is negative, or the window is too short for its two ramps.
    """
    if not (0 <= from_s < math.inf and 0 <= ramp_s < math.inf) or to_s != to_s:
        raise ConfigError(
            f"{owner}: from_s = {from_s!r}, to_s = {to_s!r}, ramp_s = {ramp_s!r}, expected seconds "
            "from 0 on"
        )
    shortest = from_s + 2 * ramp_s
    if to_s is not None and (to_s < shortest or to_s == from_s):
        raise ConfigError(
            f"{owner}: to_s = {to_s:g}, expected more than from_s and at least from_s + 2 ramp_s, "
            f"{shortest:g}"
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One corruption of a condition.

    Args:
        corruption: Its name.
        severity: 0..5, continuous; stands for the parameters that `params` does not give.
        params: Values that replace the severity's.
        probability: Share of the frames that it strikes, 0..1.
        from_s: Seconds from the first frame of the stream to where it begins.
        to_s: Where it ends, None for never.
        ramp_s: Seconds, inside of the window, over which it grows and fades.

    Raises:
        ConfigError: The name is unknown, or a value is bad; lists all of them.
    """

    corruption: str
    severity: float
    params: Mapping[str, Value] = field(default_factory=dict)
    probability: float = 1.0
    from_s: float = 0.0
    to_s: float | None = None
    ramp_s: float = 0.0

    def __post_init__(self) -> None:
        """Check everything, so that no frame meets a bad value."""
        self.resolve()
        if not 0 <= self.probability <= 1:
            raise ConfigError(
                f"{self.corruption}: probability = {self.probability!r}, expected 0 to 1"
            )
        check_window(self.corruption, self.from_s, self.to_s, self.ramp_s)

    def resolve(self) -> dict[str, Value]:
        """Values of all parameters."""
        return get_corruption(self.corruption).resolve(self.severity, **self.params)

    def window(self, elapsed_s: float) -> float:
        """Share of the full strength at a time, 0..1.

        Args:
            elapsed_s: Seconds since the first frame of the stream.
        """
        if not self.from_s and self.to_s is None and not self.ramp_s:
            return 1.0
        inside = elapsed_s - self.from_s
        if self.to_s is not None:
            inside = min(inside, self.to_s - elapsed_s)
        if inside < 0:
            return 0.0
        return min(inside / self.ramp_s, 1.0) if self.ramp_s else 1.0

    def at(self, strength: float) -> dict[str, Value]:
        """Values of all parameters at a share of the full strength, 0..1."""
        schema = get_corruption(self.corruption).parameters
        full = self.resolve()
        return {p.name: p.fade(full[p.name], strength) for p in schema}

    def describe(self) -> dict[str, object]:
        """Everything that decides the result, with every parameter, as plain values."""
        values = self.resolve()
        described: dict[str, object] = {
            "corruption": self.corruption,
            "severity": self.severity,
            "params": {name: plain(value) for name, value in values.items()},
            "probability": self.probability,
        }
        if self.from_s or self.to_s is not None or self.ramp_s:
            described |= {"from_s": self.from_s, "to_s": self.to_s, "ramp_s": self.ramp_s}
        return described


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
        steps = self._placed("image")
        needed = _needed([step.recalls() if step.corruption.shows else () for step in steps])
        stream = _stream(frame, needed[0])
        masks: dict[int, Mask | None] = dict.fromkeys(stream)
        for placed, wanted in zip(steps, needed[1:], strict=True):
            masks = {
                n: placed.hidden(masks, stream, n, self.name, seed) for n in wanted & masks.keys()
            }
        return masks[0]

    def notes(self, frame: Frame) -> tuple[str, ...]:
        """What a reader of the results must know, such as an assumed depth."""
        texts: dict[str, None] = {}
        for step in self.steps:
            notes = get_corruption(step.corruption).notes(frame, step.severity, **step.params)
            texts.update(dict.fromkeys(notes))
            share = step.window(frame.elapsed_s)
            if share < 1:
                texts[f"{step.corruption}: at {share:.0%} of its strength, by its time window"] = (
                    None
                )
        return tuple(texts)

    def recalls(self) -> frozenset[int]:
        """How many positions back the frames lie that it looks at, beside the frame itself."""
        images = self._looks_back("image")[0]
        # A segmenter makes the label map of an earlier frame of its degraded image.
        return frozenset(n + k for n in self._looks_back("labels")[0] for k in images) - {0}

    def recalls_labels(self) -> frozenset[int]:
        """How many positions back the label maps lie that the label steps look at."""
        return frozenset(self._looks_back("labels")[0]) - {0}

    def describe(self) -> dict[str, object]:
        """Name, level and resolved steps as plain values, as written beside every result."""
        return {
            "name": self.name,
            "severity": self.severity,
            "steps": [step.describe() for step in self.steps],
        }

    def _has(self, family: Family) -> bool:
        return any(get_corruption(step.corruption).family == family for step in self.steps)

    def _placed(self, family: Family) -> list[_Placed]:
        """Steps of a family, each with its place in the condition and among its like."""
        seen: Counter[str] = Counter()
        placed = []
        for position, step in enumerate(self.steps):
            corruption = get_corruption(step.corruption)
            if corruption.family == family:
                placed.append(_Placed(step, corruption, position, seen[step.corruption]))
            seen[step.corruption] += 1
        return placed

    def _looks_back(self, family: Family) -> list[set[int]]:
        return _needed([step.recalls() for step in self._placed(family)])

    def _apply(self, family: Family, frame: Frame, seed: int) -> Frame:
        needed = self._looks_back(family)
        stream = _stream(frame, needed[0])
        for placed, wanted in zip(self._placed(family), needed[1:], strict=True):
            stream = {n: placed.apply(stream, n, self.name, seed) for n in wanted & stream.keys()}
        result = stream[0]
        return result if result is frame else replace(result, earlier=frame.earlier)


def _needed(recalls: Sequence[Collection[int]]) -> list[set[int]]:
    """How far back the input of each step is needed, 0 the frame itself, and the result."""
    needed = [{0}]
    for positions in reversed(recalls):
        needed.insert(0, {later + n for later in needed[0] for n in (0, *positions)})
    return needed


def _stream(frame: Frame, positions: Collection[int]) -> dict[int, Frame]:
    """Those frames, by how far back they lie, that are known."""
    return {n: f for n, f in {0: frame, **frame.earlier}.items() if n in positions}


@dataclass(frozen=True, slots=True)
class _Placed:
    """A step with its place in a condition.

    Args:
        step: The step.
        corruption: What it applies.
        position: Among all steps; keys whether it strikes.
        occurrence: How many earlier steps use the same corruption.
    """

    step: Step
    corruption: Corruption
    position: int
    occurrence: int

    def recalls(self) -> Collection[int]:
        recalls = self.corruption.recalls
        return recalls(**self.step.resolve()) if recalls else ()

    def apply(self, stream: Mapping[int, Frame], at: int, condition: str, seed: int) -> Frame:
        """What it makes of the frame that lies `at` positions back in a stream."""
        strength = self.strength(stream[at], condition, seed)
        if strength == 0:
            return stream[at]
        seen, values = self._seen(stream, at, condition, seed), self.step.at(strength)
        return self.corruption.apply(
            seen, self.step.severity, seed, occurrence=self.occurrence, **values
        )

    def hidden(
        self,
        masks: Mapping[int, Mask | None],
        stream: Mapping[int, Frame],
        at: int,
        condition: str,
        seed: int,
    ) -> Mask | None:
        """What is covered in the result of :meth:`apply`; `masks`, in what came in."""
        strength = self.strength(stream[at], condition, seed)
        if strength == 0:
            return masks[at]
        seen, values = self._seen(stream, at, condition, seed), self.step.at(strength)
        severity, occurrence = self.step.severity, self.occurrence
        back = self.corruption.shown(seen, severity, seed, occurrence=occurrence, **values)
        before = masks[at + back]
        own = self.corruption.hidden(seen, severity, seed, occurrence=occurrence, **values)
        return before if own is None else own if before is None else before | own

    def _seen(self, stream: Mapping[int, Frame], at: int, condition: str, seed: int) -> Frame:
        """A frame of a stream with those before it that the corruption looks at."""
        if not self.corruption.temporal:
            return stream[at]
        earlier: dict[int, Frame] = {}
        for k in sorted(self.recalls()):
            if self.corruption.unbroken and k > 1:
                before = stream.get(at + k - 1)
                if before is None or self.strength(before, condition, seed) == 0:
                    break
            if at + k in stream:
                earlier[k] = stream[at + k]
        return replace(stream[at], earlier=earlier)

    def strength(self, frame: Frame, condition: str, seed: int) -> float:
        """Share of its full strength with which it strikes a frame, 0 where it does not."""
        if self.step.probability < 1:
            chance = generator(seed, condition, f"strike {self.position}", frame.index)
            if chance.random() >= self.step.probability:
                return 0.0
        return self.step.window(frame.elapsed_s)


CLEAN = Condition(CLEAN_NAME, 0.0, ())
"""The condition that changes nothing."""


def recalls_of(conditions: Iterable[Condition]) -> frozenset[int]:
    """How many positions back the frames lie that any of the conditions looks at."""
    return frozenset().union(*(condition.recalls() for condition in conditions))
