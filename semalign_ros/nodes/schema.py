"""Parameter tables: a frozen dataclass is the table, each field one row.

The dataclass gives the types, :func:`parameter` the default, the description, the
range and whether it may change while the node runs. Groups nest, and their names
join with a dot, as ROS writes them. Nothing here knows ROS.

Example:
    >>> @dataclass(frozen=True)
    ... class Config:
    ...     severity: float = parameter(3.0, "How strong.", minimum=0.0, maximum=5.0)
    >>> build(Config, {"severity": 2}).severity
    2.0
"""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeAlias, TypeVar

from semalign_ros.errors import ConfigError, unknown_name

Value: TypeAlias = bool | int | float | str | tuple[str, ...]

ConfigT = TypeVar("ConfigT")

_KINDS: dict[object, str] = {
    bool: "bool",
    int: "integer",
    float: "double",
    str: "string",
    tuple[str, ...]: "string array",
}
_ROW, _GROUP = "parameter", "group"


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter.

    Args:
        name: Full name, groups joined with dots.
        kind: ``bool``, ``integer``, ``double``, ``string`` or ``string array``.
        default: Value where nobody gives one; never an empty array, whose type ROS cannot tell.
        description: One sentence for people, unit included.
        minimum: Lowest number allowed, or None.
        maximum: Highest number allowed, or None.
        choices: The only strings allowed; empty for any.
        read_only: Fixed when the node starts.
    """

    name: str
    kind: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False

    @property
    def constraints(self) -> str:
        """What is allowed, in words; empty for anything of the type."""
        if self.choices:
            return f"one of: {', '.join(self.choices)}"
        if self.minimum is None and self.maximum is None:
            return ""
        low = "" if self.minimum is None else f"{self.minimum:g}"
        return f"{low}..{'' if self.maximum is None else f'{self.maximum:g}'}"

    def read(self, value: object) -> Value:
        """Return `value` in the parameter's type.

        Raises:
            ConfigError: It has another type, or is outside the range.
        """
        converted = _convert(value, self.kind)
        if converted is None:
            raise ConfigError(f"{self.name}: found {value!r}, expected a {self.kind}")
        if self.choices and converted not in self.choices:
            raise ConfigError(f"{self.name}: {unknown_name('value', str(value), self.choices)}")
        if isinstance(converted, (int, float)) and not isinstance(converted, bool):
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not low <= converted <= high:
                raise ConfigError(f"{self.name}: found {value!r}, expected {self.constraints}")
        return converted


def _convert(value: object, kind: str) -> Value | None:
    """Value in the kind's type, or None; a whole number may stand for a double."""
    if kind == "string array":
        if isinstance(value, (str, bytes)) or not isinstance(value, typing.Iterable):
            return None
        items = tuple(value)
        return items if all(isinstance(item, str) for item in items) else None
    if isinstance(value, bool):
        return value if kind == "bool" else None
    if kind == "double" and isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    if kind == "integer" and isinstance(value, int):
        return int(value)
    return value if kind == "string" and isinstance(value, str) else None


def parameter(
    default: Value,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    """Declare a field of a configuration dataclass as a parameter; see :class:`Row`."""
    settings = {
        "description": description,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "read_only": read_only,
    }
    return field(default=default, metadata={_ROW: settings})


def group(config: type, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Any:
    """Declare a field as a group of parameters.

    Args:
        config: Their dataclass.
        settings: Arguments of :func:`parameter` by field, for a dataclass of the core,
            which does not know parameters.
    """
    return field(default_factory=config, metadata={_GROUP: (config, settings or {})})


def rows(config: type) -> tuple[Row, ...]:
    """Every parameter of a configuration dataclass, groups included, in its order."""
    return tuple(_rows(config, {}, ""))


def _rows(config: type, given: Mapping[str, Mapping[str, Any]], prefix: str) -> Iterator[Row]:
    hints = typing.get_type_hints(config)
    for item in fields(config):
        name = prefix + item.name
        if _GROUP in item.metadata:
            inner, settings = item.metadata[_GROUP]
            yield from _rows(inner, settings, name + ".")
            continue
        settings = given.get(item.name) or item.metadata.get(_ROW)
        if item.default is MISSING or settings is None:
            raise TypeError(f"{name}: declare it with parameter() or group()")
        yield Row(name=name, kind=_KINDS[hints[item.name]], default=item.default, **settings)


def build(config: type[ConfigT], values: Mapping[str, object]) -> ConfigT:
    """Check values and put them into the dataclass.

    Args:
        config: The table.
        values: By full name; what is absent keeps its default.

    Raises:
        ConfigError: Names every unknown parameter and bad value.
    """
    table = {row.name: row for row in rows(config)}
    problems: list[str] = []
    read: dict[str, Value] = {}
    for name, value in values.items():
        try:
            if name not in table:
                raise ConfigError(unknown_name("parameter", name, table))
            read[name] = table[name].read(value)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("; ".join(problems))
    return _construct(config, read, "")


def _construct(config: type[ConfigT], values: Mapping[str, Value], prefix: str) -> ConfigT:
    arguments: dict[str, Any] = {}
    for item in fields(config):  # type: ignore[arg-type]  # a dataclass, by contract
        name = prefix + item.name
        if _GROUP in item.metadata:
            arguments[item.name] = _construct(item.metadata[_GROUP][0], values, name + ".")
        elif name in values:
            arguments[item.name] = values[name]
    return config(**arguments)


def flatten(config: object, prefix: str = "") -> dict[str, Value]:
    """Values of a configuration by full name, the inverse of :func:`build`."""
    values: dict[str, Value] = {}
    for item in fields(config):  # type: ignore[arg-type]  # a dataclass, by contract
        value = getattr(config, item.name)
        if _GROUP in item.metadata:
            values |= flatten(value, prefix + item.name + ".")
        else:
            values[prefix + item.name] = value
    return values
