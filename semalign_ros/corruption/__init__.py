"""Perception-realistic corruptions of images and label maps.

Importing the package puts every corruption into the table.
"""

from semalign_ros.corruption import (  # noqa: F401 -- they register
    blur,
    cover,
    encoding,
    exposure,
    label_alignment,
    label_boundaries,
    label_confusion,
    label_regions,
    lens,
    light,
    motion,
    precipitation,
    sensor,
    stream,
    weather,
)
from semalign_ros.corruption.condition import CLEAN, Condition, Step, recalls_of
from semalign_ros.corruption.profile import Profile, load_profile, parse_profile
from semalign_ros.corruption.registry import (
    Corruption,
    choose_corruptions,
    get_corruption,
    list_corruptions,
)

__all__ = [
    "CLEAN",
    "Condition",
    "Corruption",
    "Profile",
    "Step",
    "choose_corruptions",
    "get_corruption",
    "list_corruptions",
    "load_profile",
    "parse_profile",
    "recalls_of",
]
