"""What a street scene is: classes and colours, and the reference that a label map gives."""

from semalign_ros.scene.reference import ReferenceRule, reference_from_labels
from semalign_ros.scene.taxonomy import CLASSES, CRITICAL, IGNORE, NUM_CLASSES, colorize

__all__ = [
    "CLASSES",
    "CRITICAL",
    "IGNORE",
    "NUM_CLASSES",
    "ReferenceRule",
    "colorize",
    "reference_from_labels",
]
