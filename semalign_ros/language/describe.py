"""Sentences about a scene, made from its classes: the way back from claims to text.

They train the small bundled models and are the sentence of the ``scene_text`` input. Every sentence
says exactly what it was given: :func:`semalign_ros.language.parse_scene_text`
gives back the same classes and the same judgment.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.language.grammar import CLASS_NOUNS, capitalize_first, join_list
from semalign_ros.types import Judgment

# Ways to speak of a class besides its name. None brings a second class along: a "cyclist" is a
# rider and a bicycle, and is used only where both are there.
_PHRASES: dict[str, tuple[str, ...]] = {
    "road": ("a street",),
    "sidewalk": ("a pavement", "sidewalks"),
    "building": ("buildings", "houses"),
    "wall": ("walls",),
    "fence": ("fences",),
    "pole": ("poles",),
    "traffic light": ("traffic lights", "a traffic signal"),
    "traffic sign": ("traffic signs", "a road sign"),
    "vegetation": ("trees", "some vegetation"),
    "terrain": ("grass",),
    "sky": (),
    "person": ("people", "a pedestrian", "pedestrians"),
    "rider": ("riders",),
    "car": ("cars", "some cars"),
    "truck": ("trucks", "a lorry"),
    "bus": ("buses",),
    "train": ("a tram", "trains"),
    "motorcycle": ("motorcycles", "a motorbike"),
    "bicycle": ("bicycles", "a bike"),
    "vehicle": ("vehicles",),
}
_JOINT = {
    "bicycle": ("a cyclist", "cyclists", "a person riding a bicycle"),
    "motorcycle": ("a motorcyclist", "motorcyclists"),
}
_SCENES = (
    "The image shows {list}.",
    "There {be} {list}.",
    "{List} can be seen.",
    "I can see {list}.",
    "The scene contains {list}.",
    "{List} {be} visible.",
    "The camera sees {list}.",
)
_JUDGMENTS = {
    Judgment.SAFE: (
        "It is safe to proceed.",
        "The way ahead is clear, so it is safe to proceed.",
        "The vehicle can proceed.",
        "It is safe to continue driving.",
        "Nothing blocks the path, and the vehicle may continue.",
    ),
    Judgment.UNSAFE: (
        "It is not safe to proceed.",
        "The path ahead is blocked, so it is not safe to proceed.",
        "The vehicle should stop.",
        "It is unsafe to continue driving.",
        "The vehicle must not proceed now.",
    ),
}
_EMPTY = ("Nothing can be recognised.", "No objects are visible.")
NUM_VARIANTS = len(_SCENES)
"""How many numbered wordings :func:`describe_scene` has."""


def describe_scene(
    present: Iterable[str],
    judgment: Judgment | None = None,
    *,
    variant: int = 0,
    rng: np.random.Generator | None = None,
) -> str:
    """Describe a scene in one to three sentences.

    Args:
        present: Cityscapes classes, or "vehicle".
        judgment: Whether the vehicle may proceed; None to say nothing of it.
        variant: Wording, counted modulo :data:`NUM_VARIANTS`; classes in Cityscapes
            order under their own names.
        rng: Draws wording, order, number and synonyms instead of `variant`.

    Raises:
        ConfigError: One of `present` is unknown.

    Example:
        >>> describe_scene({"car", "road"}, Judgment.SAFE)
        'The image shows a road and a car. It is safe to proceed.'
    """
    names = _checked(present)
    if rng is None:
        sentences = [_scene([CLASS_NOUNS[name].indefinite for name in names], variant)]
        sentences += [_JUDGMENTS[judgment][variant % 5]] if judgment else []
        return " ".join(sentences)
    order = [names[i] for i in rng.permutation(len(names))]
    phrases = _varied(order, rng)
    # Long lists are split in two, as people do.
    cut = int(rng.integers(2, len(phrases) - 1)) if len(phrases) > 4 else len(phrases)
    parts = [part for part in (phrases[:cut], phrases[cut:]) if part] or [[]]
    sentences = [_scene(part, int(rng.integers(100))) for part in parts]
    if judgment:
        sentences.append(_pick(_JUDGMENTS[judgment], rng))
        if rng.random() < 0.2:
            sentences = sentences[-1:] + sentences[:-1]
    return " ".join(sentences)


def list_classes(present: Iterable[str]) -> str:
    """Report classes the way a perception module would: by name, in Cityscapes order.

    Raises:
        ConfigError: One of `present` is unknown.

    Example:
        >>> list_classes({"car", "person", "road"})
        'The perception system reports: road, person and car.'
    """
    return f"The perception system reports: {join_list(_checked(present)) or 'nothing'}."


def _checked(present: Iterable[str]) -> list[str]:
    chosen = set(present)
    for name in sorted(chosen - set(CLASS_NOUNS)):
        raise ConfigError(unknown_name("class", name, CLASS_NOUNS))
    return [name for name in CLASS_NOUNS if name in chosen]


def _scene(phrases: list[str], variant: int) -> str:
    if not phrases:
        return _EMPTY[variant % len(_EMPTY)]
    listed = join_list(phrases)
    template = _SCENES[variant % len(_SCENES)]
    # After "there" the verb agrees with the nearest noun, before the verb with all of them.
    several = template.startswith("{") and len(phrases) > 1
    be = "are" if several or _is_plural(phrases[0]) else "is"
    return template.format(list=listed, List=capitalize_first(listed), be=be)


def _is_plural(phrase: str) -> bool:
    head = phrase.removeprefix("some ")
    return head in {"people", "trees"} or (
        head.endswith("s") and not head.startswith(("a ", "the ", "grass"))
    )


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _varied(names: list[str], rng: np.random.Generator) -> list[str]:
    phrases: list[str] = []
    merged = {
        vehicle: _pick(_JOINT[vehicle], rng)
        for vehicle in _JOINT
        if vehicle in names and "rider" in names and rng.random() < 0.5
    }
    for name in names:
        if name == "rider" and merged:
            continue
        noun = CLASS_NOUNS[name]
        choices = (noun.indefinite, noun.many, *_PHRASES[name])
        phrases.append(merged.get(name) or _pick(choices, rng))
    return phrases
