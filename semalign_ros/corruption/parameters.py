"""Parameter schemas: name, unit, range and what each severity makes of it.

A corruption declares its parameters here once; checking, defaults, the severity
ladder and the documentation all come from that declaration.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np

from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.scene.taxonomy import CLASSES, TRAIN_ID, check_classes

MAX_SEVERITY = 5
"""Severities are 0 (nothing happens) to 5, and everything between."""

Shares = tuple[tuple[str, str, float], ...]
"""Which class is taken for which, and in what share: (true, taken for, 0..1)."""

Value = float | bool | tuple[str, ...] | Shares
"""What a parameter may hold; :func:`plain` makes YAML and JSON of it."""


def plain(value: Value) -> object:
    """Lists for tuples, as YAML and JSON have them."""
    if isinstance(value, tuple):
        return [list(item) if isinstance(item, tuple) else item for item in value]
    return value


def as_number(value: object) -> float | None:
    """Return a finite number as a float, and None for anything else, bools included."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return None
    return float(value) if math.isfinite(value) else None


class Parameter(Protocol):
    """One parameter of a corruption."""

    @property
    def name(self) -> str:
        """Name as users type it; ends in the unit where there is one."""

    @property
    def doc(self) -> str:
        """One sentence."""

    def at(self, severity: float) -> Value:
        """Value that a severity in 0..5 stands for."""

    def fade(self, value: Value, strength: float) -> Value:
        """Value of which `strength`, 0..1, is left; itself where nothing is between."""

    def check(self, value: object) -> Value:
        """Return `value` in its canonical type.

        Raises:
            ConfigError: It is of the wrong type, unit or size; names what was expected.
        """

    def expected(self) -> str:
        """What values are valid, for error messages and the documentation."""

    def ladder_text(self) -> str:
        """Values at the severities 1..5, or the default where all are equal."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number with a unit and a range.

    Args:
        name: Name as users type it.
        unit: Unit in words or symbols, empty for a plain number.
        low: Lowest valid value.
        high: Highest valid value.
        doc: One sentence.
        ladder: Values at the severities 1..5; those between are interpolated.
        neutral: Value at severity 0, with which the corruption does nothing.
        default: Value at every severity, where there is no ladder.
        reciprocal: Interpolate 1 / value, for lengths that act by their inverse.
        fades: Whether it grows over a ramp; what says which frames are looked at must not.

    Raises:
        TypeError: The declaration contradicts itself (a fault of the program).
    """

    name: str
    unit: str
    low: float
    high: float
    doc: str
    ladder: tuple[float, ...] = ()
    neutral: float | None = None
    default: float | None = None
    reciprocal: bool = False
    fades: bool = True

    def __post_init__(self) -> None:
        """Check the declaration."""
        if self.ladder and (self.neutral is None or len(self.ladder) != MAX_SEVERITY):
            raise TypeError(f"{self.name}: a ladder has {MAX_SEVERITY} steps and a neutral value")
        if bool(self.ladder) == (self.default is not None):
            raise TypeError(f"{self.name}: either a ladder or a default")
        if any(not self.low <= value <= self.high for value in self._points()):
            raise TypeError(f"{self.name}: {self._points()} leave {self.expected()}")

    def _points(self) -> tuple[float, ...]:
        points = (self.neutral, *self.ladder) if self.ladder else (self.default,)
        return tuple(float(value) for value in points if value is not None)

    def at(self, severity: float) -> float:
        """Value that a severity stands for, piecewise linear between the steps."""
        points = self._points()
        if len(points) == 1:
            return points[0]
        steps = range(MAX_SEVERITY + 1)
        if self.reciprocal:
            return 1 / float(np.interp(severity, steps, np.reciprocal(points)))
        return float(np.interp(severity, steps, points))

    def fade(self, value: Value, strength: float) -> Value:
        """Go from the neutral value, if there is one, to `value` as the ladder would."""
        if self.neutral is None or not self.fades:
            return value
        full, none = self.check(value), self.neutral
        if self.reciprocal:
            faded = 1 / ((1 - strength) / none + strength / full)
        else:
            faded = (1 - strength) * none + strength * full
        return min(max(faded, self.low), self.high)  # rounding must not leave the range

    def check(self, value: object) -> float:
        """Return `value` as a float; ``"15 px"`` is taken if the unit is this one.

        Raises:
            ConfigError: No number, another unit, or out of range.
        """
        number = self._number(value)
        if number is None or not self.low <= number <= self.high:
            raise ConfigError(f"{self.name} = {value!r}, expected {self.expected()}")
        return number

    def _number(self, value: object) -> float | None:
        if isinstance(value, str):
            words = value.split(maxsplit=1)
            if len(words) == 2 and words[1] != self.unit:
                return None
            try:
                value = float(words[0])
            except (ValueError, IndexError):
                return None
        return as_number(value)

    def expected(self) -> str:
        """Range and unit."""
        return f"a number from {self.low:.10g} to {self.high:.10g} {self.unit}".rstrip()

    def ladder_text(self) -> str:
        """Values at the severities 1..5."""
        return " / ".join(f"{value:g}" for value in (self.ladder or self._points()))


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch, the same at every severity.

    Args:
        name: Name as users type it.
        doc: One sentence that says what true means.
        default: Value where none is given.
    """

    name: str
    doc: str
    default: bool

    def at(self, severity: float) -> bool:  # noqa: ARG002 -- part of the protocol
        """Return the default."""
        return self.default

    def fade(self, value: Value, strength: float) -> Value:  # noqa: ARG002
        """Return `value`."""
        return value

    def check(self, value: object) -> bool:
        """Return `value` as a bool.

        Raises:
            ConfigError: It is something else.
        """
        if not isinstance(value, bool | np.bool_):
            raise ConfigError(f"{self.name} = {value!r}, expected {self.expected()}")
        return bool(value)

    def expected(self) -> str:
        """The two values."""
        return "true or false"

    def ladder_text(self) -> str:
        """The default."""
        return str(self.default).lower()


@dataclass(frozen=True, slots=True)
class ClassNames:
    """A set of Cityscapes classes, the same at every severity.

    Args:
        name: Name as users type it.
        doc: One sentence.
        default: Classes where none are given.
    """

    name: str
    doc: str
    default: tuple[str, ...]

    def at(self, severity: float) -> tuple[str, ...]:  # noqa: ARG002 -- part of the protocol
        """Return the default, in the order of :meth:`check`: draws may follow that order."""
        return self.check(self.default)

    def fade(self, value: Value, strength: float) -> Value:  # noqa: ARG002
        """Return `value`."""
        return value

    def check(self, value: object) -> tuple[str, ...]:
        """Return the classes in the order of their train ids.

        Raises:
            ConfigError: No list of names, empty, or one is no class.
        """
        if (
            isinstance(value, str)
            or not isinstance(value, Iterable)
            or not (names := list(value))
            or not all(isinstance(name, str) for name in names)
        ):
            raise ConfigError(f"{self.name} = {value!r}, expected {self.expected()}")
        chosen = check_classes(names, f"class in {self.name}")
        return tuple(name for name in CLASSES if name in chosen)

    def expected(self) -> str:
        """What the list may hold."""
        return "a non-empty list of class names"

    def ladder_text(self) -> str:
        """The default."""
        return ", ".join(self.default)


@dataclass(frozen=True, slots=True)
class ClassShares:
    """A confusion matrix: what part of each class is taken for which others.

    Args:
        name: Name as users type it.
        doc: One sentence.
        default: Where none is given.
    """

    name: str
    doc: str
    default: Shares

    def at(self, severity: float) -> Shares:  # noqa: ARG002 -- part of the protocol
        """Return the default."""
        return self.check(self.default)

    def fade(self, value: Value, strength: float) -> Value:  # noqa: ARG002
        """Return `value`."""
        return value

    def check(self, value: object) -> Shares:
        """Return the shares in the order of the train ids, without what a class keeps.

        Args:
            value: ``{true: {taken for: share}}``, triples of these, or 19 rows of 19 shares.

        Raises:
            ConfigError: Another form, an unknown class, a share outside 0..1, or more than all
                of a class given away (all rows of a full matrix must add up to 1).
        """
        triples = self._triples(value)
        found: dict[tuple[int, int], float] = {}
        for true, taken, share in triples:
            names = check_classes([str(true), str(taken)], f"class in {self.name}")
            number = as_number(share)
            if number is None or not 0 <= number <= 1:
                raise ConfigError(
                    f"{self.name}: {true} as {taken} = {share!r}, expected a share from 0 to 1"
                )
            if len(names) == 2 and number:
                found[TRAIN_ID[str(true)], TRAIN_ID[str(taken)]] = number
        for row in range(len(CLASSES)):
            given = sum(share for (true, _), share in found.items() if true == row)
            if given > 1 + 1e-6:
                raise ConfigError(
                    f"{self.name}: {given:.4g} of {CLASSES[row]} is given away, expected at most 1"
                )
        return tuple((CLASSES[a], CLASSES[b], found[a, b]) for a, b in sorted(found))

    def _triples(self, value: object) -> list[tuple[object, object, object]]:
        if isinstance(value, Mapping):
            if all(isinstance(row, Mapping) for row in value.values()):
                return [(a, b, share) for a, row in value.items() for b, share in row.items()]
        elif isinstance(value, Iterable) and not isinstance(value, str):
            rows = [list(r) if isinstance(r, list | tuple | np.ndarray) else None for r in value]
            if all(row is not None and len(row) == 3 for row in rows):
                return [(row[0], row[1], row[2]) for row in rows if row is not None]
            return self._matrix(rows)
        raise ConfigError(f"{self.name} = {value!r:.80}, expected {self.expected()}")

    def _matrix(self, rows: list[list[object] | None]) -> list[tuple[object, object, object]]:
        lengths = {len(rows), *(len(row or ()) for row in rows)}
        if lengths != {len(CLASSES)}:
            raise ConfigError(
                f"{self.name}: found {len(rows)} rows of {', '.join(map(str, sorted(lengths)))} "
                f"values, expected {self.expected()}"
            )
        for name, row in zip(CLASSES, rows, strict=True):
            numbers = [as_number(share) for share in row or ()]
            total = sum(number or 0.0 for number in numbers)
            if None not in numbers and abs(total - 1) > 1e-3:
                raise ConfigError(f"{self.name}: row {name} adds up to {total:.4g}, expected 1")
        return [
            (a, b, share)
            for a, row in zip(CLASSES, rows, strict=True)
            for b, share in zip(CLASSES, row or (), strict=True)
        ]

    def expected(self) -> str:
        """What the table may hold."""
        return "shares by class, {true: {taken for: share}}, or 19 rows of 19 that add up to 1"

    def ladder_text(self) -> str:
        """How much the default holds."""
        return f"{len(self.default)} measured shares"


def check_severity(severity: object) -> float:
    """Return a severity as a float.

    Raises:
        ConfigError: No number in 0..5.
    """
    number = as_number(severity)
    if number is None or not 0 <= number <= MAX_SEVERITY:
        raise ConfigError(
            f"severity = {severity!r}, expected a number from 0 to {MAX_SEVERITY} "
            "(0 changes nothing; values between the steps are interpolated)"
        )
    return number


def resolve(
    owner: str, parameters: Iterable[Parameter], severity: float, given: Mapping[str, object]
) -> dict[str, Value]:
    """Give every parameter its value: the given one, else what the severity stands for.

    Args:
        owner: Name of the corruption, for messages.
        parameters: Its schema.
        severity: 0..5.
        given: Values that replace the ladder's.

    Returns:
        All parameters by name, in the order of the schema.

    Raises:
        ConfigError: Lists every unknown name and every bad value.
    """
    schema = {parameter.name: parameter for parameter in parameters}
    problems = [
        unknown_name(f"parameter of {owner}", name, schema) for name in given if name not in schema
    ]
    values: dict[str, Value] = {}
    for name, parameter in schema.items():
        try:
            values[name] = parameter.check(given[name]) if name in given else parameter.at(severity)
        except ConfigError as error:
            problems.append(f"{owner}: {error}")
    if problems:
        raise ConfigError("; ".join(problems))
    return values
