"""Claims of a free description."""

from __future__ import annotations

from semalign_ros.language.clauses import split_clauses
from semalign_ros.language.mentions import find_mentions
from semalign_ros.language.safety import judgment_of_sentences
from semalign_ros.language.status import Status, status_of
from semalign_ros.language.text import Sentence, sentences
from semalign_ros.types import SceneClaims

_NONE = frozenset("none no absent nil n not".split())
_SOME = frozenset("yes several many multiple present one two three visible".split())


def parse_scene_text(text: str) -> SceneClaims:
    """Read which classes a description asserts, denies or only supposes, and its judgment."""
    found = sentences(text)
    by_status: dict[Status, set[str]] = {status: set() for status in Status}
    parsed = 0
    for sentence in found:
        claims = _claims(sentence)
        parsed += bool(claims)
        for name, status in claims:
            by_status[status].add(name)
    present = frozenset(by_status[Status.PRESENT])
    denied = frozenset(by_status[Status.DENIED]) - present
    return SceneClaims(
        present=present,
        denied=denied,
        hypothetical=frozenset(by_status[Status.HYPOTHETICAL]) - present - denied,
        judgment=judgment_of_sentences(found),
        coverage=parsed / len(found) if found else 0.0,
    )


def _claims(sentence: Sentence) -> set[tuple[str, Status]]:
    tokens = sentence.tokens
    mentions = find_mentions(tokens)
    clauses = split_clauses(tokens, sentence.heading)
    claims = _label_claims(sentence)
    sign = False
    for mention in mentions:
        if not mention.own:
            status = status_of(tokens, mention, clauses, sign)
            claims |= {(name, status) for name in mention.classes}
        sign |= "traffic sign" in mention.classes
    return claims


def _label_claims(sentence: Sentence) -> set[tuple[str, Status]]:
    """Read "Pedestrians: none" and "Cars: 3"; a longer text after the label speaks for itself."""
    first = sentence.tokens[0]
    if first in _NONE and len(sentence.tokens) <= 3:
        status = Status.DENIED
    elif first.isdigit() or first in _SOME:
        status = Status.DENIED if first == "0" else Status.PRESENT
    else:
        return set()
    return {(name, status) for m in find_mentions(sentence.label) for name in m.classes}
