"""What a vision-language model is asked: a versioned, validated set of prompts.

A set is a YAML file in ``config/prompts``; ``default.yaml`` explains the format.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic.dataclasses import dataclass

from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.language import grammar
from semalign_ros.resources import find_resource, read_yaml
from semalign_ros.scene.taxonomy import CLASSES, check_classes
from semalign_ros.validation import problems

SCHEMA_VERSION = 1

_Item = TypeVar("_Item")
_CHECKED = pydantic.ConfigDict(extra="forbid", str_strip_whitespace=True)
_Text = Annotated[str, pydantic.Field(min_length=1, max_length=2000)]
_Name = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


def _needs_slot(text: str) -> str:
    found = grammar.slots(text)
    if not found or set(found) - set(grammar.SLOTS):
        raise ValueError("expected {class} or {classes} in the text, and no other {slot}")
    return text


def _not_empty(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if not items:
        raise ValueError("expected at least one item")
    return items


_Template = Annotated[_Text, pydantic.AfterValidator(_needs_slot)]


@dataclass(frozen=True, slots=True, config=_CHECKED)
class SafetyContrast:
    """Two texts of which a contrastive model picks the likelier one."""

    safe: _Text
    unsafe: _Text


@dataclass(frozen=True, slots=True, config=_CHECKED)
class PresenceContrast:
    """Two templates, for an image with and without a class."""

    present: _Template
    absent: _Template


@dataclass(frozen=True, slots=True, config=_CHECKED)
class SafetyPrompt:
    """One way to ask for the safety judgment.

    Args:
        id: Key of the prompt in every result.
        text: The question.
        safe_when_yes: Whether "yes" means SAFE; false for a reversed question.
        contrast: Text pairs for contrastive models; at least one.
    """

    id: _Name
    text: _Text
    safe_when_yes: pydantic.StrictBool
    contrast: Annotated[tuple[SafetyContrast, ...], pydantic.AfterValidator(_not_empty)]


@dataclass(frozen=True, slots=True, config=_CHECKED)
class Question:
    """One yes/no question about an image.

    Args:
        id: ``presence/<class>`` or ``safety/<prompt id>``.
        text: What the model is asked.
        kind: ``presence`` or ``safety``.
        subject: The class, or the id of the safety prompt.
    """

    id: str
    text: str
    kind: Literal["presence", "safety"]
    subject: str


@dataclass(frozen=True, slots=True, config=_CHECKED)
class PromptPair:
    """Two texts for one question; the model answers yes when `positive` is the likelier.

    Args:
        question: Id of the :class:`Question`. Several pairs may share it: average them.
        positive: Describes an image for which the answer is yes.
        negative: Describes an image for which the answer is no.
    """

    question: str
    positive: str
    negative: str


@dataclass(frozen=True, slots=True, config=_CHECKED)
class PromptSet:
    """All prompts of one evaluation.

    Args:
        schema_version: Version of the file format, 1.
        name: Name of the set.
        version: Version of its wording.
        presence_template: Yes/no question with the slot ``{class}``.
        description: Request for a free description of the scene.
        safety: Safety prompts; the first is the primary one.
        contrast: Presence templates for contrastive models.
    """

    schema_version: Literal[1]
    name: _Name
    version: _Text
    presence_template: Annotated[_Template, pydantic.Field(alias="presence")]
    description: _Text
    safety: Annotated[tuple[SafetyPrompt, ...], pydantic.AfterValidator(_not_empty)]
    contrast: Annotated[tuple[PresenceContrast, ...], pydantic.AfterValidator(_not_empty)]

    @pydantic.field_validator("safety")
    @classmethod
    def _check_safety(cls, prompts: tuple[SafetyPrompt, ...]) -> tuple[SafetyPrompt, ...]:
        twice = [name for name, count in Counter(p.id for p in prompts).items() if count > 1]
        if twice:
            raise ValueError(f"safety prompt ids must differ; found twice: {', '.join(twice)}")
        return prompts

    @classmethod
    def load(cls, name: str | Path = "default") -> PromptSet:
        """Read a prompt set.

        Args:
            name: Path of a YAML file, or the name of one that ships with the package.

        Raises:
            ConfigError: The file is absent, no YAML, or has bad values; all of them are listed.
        """
        path = find_resource(str(name), "config/prompts")
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise ConfigError(
                f"prompt set {path}: found {type(content).__name__}, expected a mapping with "
                "schema_version, name, version, presence, description, safety, contrast"
            )
        return parse_prompt_set(content, str(path))

    @property
    def primary(self) -> SafetyPrompt:
        """The prompt whose judgment is the frame's judgment."""
        return self.safety[0]

    def safety_prompt(self, prompt_id: str) -> SafetyPrompt:
        """Look a safety prompt up.

        Raises:
            ConfigError: No prompt has this id.
        """
        for prompt in self.safety:
            if prompt.id == prompt_id:
                return prompt
        raise ConfigError(unknown_name("safety prompt", prompt_id, [p.id for p in self.safety]))

    def presence(self, class_name: str) -> str:
        """Ask whether a class is visible.

        Raises:
            ConfigError: No such class.
        """
        return grammar.fill(self.presence_template, class_name)

    def questions(self, classes: Iterable[str] = CLASSES) -> tuple[Question, ...]:
        """All yes/no questions: presence of each class in Cityscapes order, then safety.

        Raises:
            ConfigError: One of `classes` is no Cityscapes class.
        """
        presence = tuple(
            Question(f"presence/{name}", self.presence(name), "presence", name)
            for name in _in_order(classes)
        )
        return presence + tuple(
            Question(f"safety/{prompt.id}", prompt.text, "safety", prompt.id)
            for prompt in self.safety
        )

    def pairs(self, classes: Iterable[str] = CLASSES) -> tuple[PromptPair, ...]:
        """Text pairs of a contrastive model for the same questions in the same order.

        A reversed safety prompt has its texts swapped, so that `positive` always means yes.

        Raises:
            ConfigError: One of `classes` is no Cityscapes class.
        """
        presence = tuple(
            PromptPair(
                f"presence/{name}",
                grammar.fill(contrast.present, name),
                grammar.fill(contrast.absent, name),
            )
            for name in _in_order(classes)
            for contrast in self.contrast
        )
        return presence + tuple(
            PromptPair(
                f"safety/{prompt.id}",
                contrast.safe if prompt.safe_when_yes else contrast.unsafe,
                contrast.unsafe if prompt.safe_when_yes else contrast.safe,
            )
            for prompt in self.safety
            for contrast in prompt.contrast
        )

    @property
    def sha256(self) -> str:
        """Hash of the content: equal for files that differ in comments or layout only."""
        content = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


def parse_prompt_set(content: dict[str, Any], source: str) -> PromptSet:
    """Validate the content of a prompt file.

    Args:
        content: The parsed YAML.
        source: Where it comes from, for the error.

    Raises:
        ConfigError: Lists every problem.
    """
    adapter = pydantic.TypeAdapter(PromptSet)
    try:
        return adapter.validate_python(content)
    except pydantic.ValidationError as error:
        listed = "".join(f"\n  {problem}" for problem in problems(error, adapter))
        raise ConfigError(
            f"prompt set {source}: {error.error_count()} problem(s):{listed}\n"
            "config/prompts/default.yaml shows the format"
        ) from error


def _in_order(classes: Iterable[str]) -> list[str]:
    return sorted(check_classes(classes), key=CLASSES.index)
