"""What a street scene is: classes and colours, and the reference that a label map gives."""

from semalign_ros.scene.reference import ReferenceRule, reference_from_labels
from semalign_ros.scene.taxonomy import CLASSES, CRITICAL, IGNORE, NUM_CLASSES, colorize
from semalign_ros.scene.vocabulary import Vocabulary

__all__ = [
    "CLASSES",
    "CRITICAL",
    "IGNORE",
    "NUM_CLASSES",
    "ReferenceRule",
    "Vocabulary",
    "colorize",
    "reference_from_labels",
]
