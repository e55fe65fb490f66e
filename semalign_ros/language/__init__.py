"""Prompts, and what answers claim: parsing of free text and of yes and no."""

from semalign_ros.language.claims import claims_from_answers, judgments_from_answers
from semalign_ros.language.describe import describe_scene, list_classes
from semalign_ros.language.prompts import PromptPair, PromptSet, Question, SafetyPrompt

__all__ = [
    "PromptPair",
    "PromptSet",
    "Question",
    "SafetyPrompt",
    "claims_from_answers",
    "describe_scene",
    "judgments_from_answers",
    "list_classes",
]
