"""Profiles: lists of conditions in YAML, checked as a whole before the first frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from semalign_ros.corruption.condition import CLEAN_NAME, Condition, Step, check_window
from semalign_ros.corruption.parameters import MAX_SEVERITY
from semalign_ros.corruption.registry import get_corruption
from semalign_ros.errors import ConfigError
from semalign_ros.resources import find_resource, read_yaml
from semalign_ros.validation import problems

SCHEMA_VERSION = 1
"""Version of the file format."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named list of conditions.

    Args:
        name: Name in results.
        conditions: In the order of evaluation; no two of the same name and severity.
        description: For people.
        calibration: How the severities were found and what they cost, as
            `semalign calibrate` writes it; empty for a profile made by hand.
    """

    name: str
    conditions: tuple[Condition, ...]
    description: str = ""
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, object]:
        """Everything resolved, as plain values; :func:`parse_profile` reads it back."""
        described: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "description": self.description,
            "conditions": [condition.describe() for condition in self.conditions],
        }
        if self.calibration:
            described["calibration"] = dict(self.calibration)
        return described


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a profile.

    Args:
        name_or_path: A file, or the name of a shipped profile such as ``paper``.

    Raises:
        ConfigError: There is none, it is no YAML, or a value is bad; lists every problem.
    """
    path = find_resource(str(name_or_path), "config/corruptions")
    return parse_profile(read_yaml(path), str(path))


def parse_profile(data: object, source: str = "profile") -> Profile:
    """Check the content of a profile file.

    Args:
        data: What YAML made of it.
        source: Name for messages.

    Raises:
        ConfigError: Lists every problem with its place.
    """
    try:
        entry = _ProfileEntry.model_validate(data)
    except ValidationError as error:
        listed = "\n".join(f"  {problem}" for problem in problems(error, _ProfileEntry))
        raise ConfigError(f"{source}: not a valid corruption profile:\n{listed}") from None
    conditions = [condition for item in entry.conditions for condition in item.expand()]
    twice = [
        f"{name} at severity {severity:g}"
        for (name, severity), count in Counter((c.name, c.severity) for c in conditions).items()
        if count > 1
    ]
    if twice:
        raise ConfigError(
            f"{source}: given twice: {', '.join(twice)}; name and severity tell conditions apart"
        )
    return Profile(entry.name, tuple(conditions), entry.description, entry.calibration)


_Name = Annotated[str, Field(pattern=r"^[\w.+-]+$")]
_Severity = Annotated[float, Field(gt=0, le=MAX_SEVERITY)]


class _Entry(BaseModel):
    # Strict: "yes" is no number, and a misspelt field is not silently nothing.
    model_config = ConfigDict(strict=True, extra="forbid")


class _StepEntry(_Entry):
    corruption: str
    severity: _Severity | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    probability: float = Field(default=1.0, ge=0, le=1)
    from_s: float = Field(default=0.0, ge=0)
    to_s: float | None = None
    ramp_s: float = Field(default=0.0, ge=0)

    @field_validator("corruption")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return get_corruption(name).name
        except ConfigError as error:
            raise ValueError(error) from error

    @field_validator("params")
    @classmethod
    def _valid(cls, params: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "corruption" in info.data:  # else that is the problem to report
            if "severity" in params:
                raise ValueError("severity is no parameter; it stands beside corruption")
            try:
                values = get_corruption(info.data["corruption"]).resolve(**params)
            except ConfigError as error:
                raise ValueError(error) from error
            return {name: values[name] for name in params}
        return params

    @model_validator(mode="after")
    def _lasts(self) -> _StepEntry:
        try:
            check_window(self.corruption, self.from_s, self.to_s, self.ramp_s)
        except ConfigError as error:
            raise ValueError(error) from error
        return self


class _ConditionEntry(_Entry):
    name: _Name
    severity: _Severity | None = None
    severities: list[_Severity] = Field(default_factory=list)
    steps: list[_StepEntry] = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name == CLEAN_NAME:
            raise ValueError("the clean condition is always evaluated; leave it out")
        return name

    @model_validator(mode="after")
    def _one_of(self) -> _ConditionEntry:
        if (self.severity is None) == (not self.severities):
            raise ValueError(
                "give either severity (one condition) or severities (a list: one for each)"
            )
        return self

    def expand(self) -> list[Condition]:
        levels = self.severities if self.severity is None else [self.severity]
        return [Condition(self.name, level, self._steps(level)) for level in levels]

    def _steps(self, level: float) -> tuple[Step, ...]:
        return tuple(
            Step(
                step.corruption,
                level if step.severity is None else step.severity,
                step.params,
                step.probability,
                step.from_s,
                step.to_s,
                step.ramp_s,
            )
            for step in self.steps
        )


class _ProfileEntry(_Entry):
    schema_version: Literal[1]
    name: _Name
    description: str = ""
    conditions: list[_ConditionEntry]
    calibration: dict[str, Any] = Field(default_factory=dict)
