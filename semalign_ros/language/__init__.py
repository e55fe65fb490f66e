"""Prompts, and what answers claim: parsing of free text and of yes and no."""

from semalign_ros.language.claims import Answer, claims_from_answers, judgments_from_answers
from semalign_ros.language.describe import describe_scene, list_classes
from semalign_ros.language.parsing import (
    PARSER_VERSION,
    parse_answer,
    parse_safety,
    parse_scene_text,
)
from semalign_ros.language.prompts import PromptPair, PromptSet, Question, SafetyPrompt
from semalign_ros.language.yes_no import parse_yes_no

__all__ = [
    "PARSER_VERSION",
    "Answer",
    "PromptPair",
    "PromptSet",
    "Question",
    "SafetyPrompt",
    "claims_from_answers",
    "describe_scene",
    "judgments_from_answers",
    "list_classes",
    "parse_answer",
    "parse_safety",
    "parse_scene_text",
    "parse_yes_no",
]
