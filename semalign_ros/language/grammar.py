"""Just enough English to write prompts and scene sentences: articles, plurals, lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from semalign_ros.errors import ConfigError, unknown_name


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun phrase without its article.

    Args:
        singular: Such as "traffic light".
        plural: Such as "traffic lights"; None for a mass noun ("vegetation").
    """

    singular: str
    plural: str | None

    @property
    def indefinite(self) -> str:
        """With "a" or "an"; a mass noun stays bare."""
        return self.singular if self.plural is None else with_article(self.singular)

    @property
    def many(self) -> str:
        """The plural; a mass noun has none and stays as it is."""
        return self.singular if self.plural is None else self.plural


CLASS_NOUNS: dict[str, Noun] = {
    "road": Noun("road", "roads"),
    "sidewalk": Noun("sidewalk", "sidewalks"),
    "building": Noun("building", "buildings"),
    "wall": Noun("wall", "walls"),
    "fence": Noun("fence", "fences"),
    "pole": Noun("pole", "poles"),
    "traffic light": Noun("traffic light", "traffic lights"),
    "traffic sign": Noun("traffic sign", "traffic signs"),
    "vegetation": Noun("vegetation", None),
    "terrain": Noun("terrain", None),
    "sky": Noun("sky", None),
    "person": Noun("person", "people"),
    "rider": Noun("rider", "riders"),
    "car": Noun("car", "cars"),
    "truck": Noun("truck", "trucks"),
    "bus": Noun("bus", "buses"),
    "train": Noun("train", "trains"),
    "motorcycle": Noun("motorcycle", "motorcycles"),
    "bicycle": Noun("bicycle", "bicycles"),
    "vehicle": Noun("vehicle", "vehicles"),
}
"""How each Cityscapes class, and the pseudo-class "vehicle", is spoken of."""

_SLOT = re.compile(r"(?:\b(?P<article>an?)\s+)?\{(?P<slot>\w*)\}", re.IGNORECASE)
SLOTS = ("class", "classes")
"""What a template may hold: ``{class}`` (singular) and ``{classes}`` (plural)."""


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase, by its first letter."""
    return f"{'an' if phrase[:1].lower() in 'aeiou' else 'a'} {phrase}"


def join_list(items: Sequence[str]) -> str:
    """Join as English does: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def capitalize_first(text: str) -> str:
    """Make the first letter a capital and leave the rest alone."""
    return text[:1].upper() + text[1:]


def slots(template: str) -> tuple[str, ...]:
    """Names of the slots of a template, in order."""
    return tuple(match["slot"] for match in _SLOT.finditer(template))


def fill(template: str, class_name: str) -> str:
    """Write a class into a template, with the article that fits.

    "a {class}" becomes "a car" or "an animal", and just "vegetation" for a mass
    noun; "{classes}" becomes the plural.

    Raises:
        ConfigError: The class is unknown.

    Example:
        >>> fill("Is there a {class} visible?", "sky")
        'Is there sky visible?'
    """
    noun = CLASS_NOUNS.get(class_name)
    if noun is None:
        raise ConfigError(unknown_name("class", class_name, CLASS_NOUNS))

    def _replace(match: re.Match[str]) -> str:
        if match["slot"] == "classes":
            return noun.many
        if not match["article"]:
            return noun.singular
        phrase = noun.indefinite
        return capitalize_first(phrase) if match["article"][0].isupper() else phrase

    return _SLOT.sub(_replace, template)
