"""Clauses of a sentence and their mood: asserted, under a condition, or a piece of advice."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from semalign_ros.language import words as w

_LOOK_AHEAD = 9
_COORDINATORS = frozenset({"and", "or", "but", "so", "yet"})
_CONDITION_PAIRS = frozenset({("in", "case"), ("as", "soon"), ("as", "long"), ("assuming", "that")})
_BREAKS = frozenset(";:()[]")
_PARTICIPIAL_FOLLOWERS = w.DEFINITE | w.INDEFINITE | w.EGO | w.PREPOSITIONS | {"that", "any", "out"}


class Mood(enum.Enum):
    """How a clause stands to the facts."""

    ASSERTED = "asserted"
    CONDITION = "condition"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Clause:
    """A run of tokens with one mood.

    Args:
        start: Index of the first token.
        end: Index after the last.
        mood: Its mood from `cue` on; before it the clause is asserted.
        cue: Index of the word that makes it advice or a condition.
    """

    start: int
    end: int
    mood: Mood
    cue: int


def split_clauses(tokens: Sequence[str], heading: str = "") -> list[Clause]:
    """Cut a sentence into clauses. Each token is in exactly one."""
    starts = [0]
    for i in range(1, len(tokens)):
        if i > starts[-1] and _opens(tokens, i, starts[-1]):
            starts.append(i)
    found: list[Clause] = []
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        mood, cue = _mood(tokens, start, end, found, heading)
        found.append(Clause(start, end, mood, cue))
    return found


def _opens(tokens: Sequence[str], i: int, start: int) -> bool:
    """Whether a clause opens at `i`, the current one having begun at `start`."""
    token, before = tokens[i], tokens[i - 1]
    if before in _BREAKS:
        return True
    if token == "that":
        # "ruled out that"
        return before not in w.PREPOSITIONS - {"out"} and not before.startswith(",")
    if token == "as":
        return _as_opens(tokens, i)
    if token == "in" and tokens[i + 1 : i + 2] == ("case",):
        return True
    if token in {"before", "after"} and not _clause_follows(tokens, i):
        # "before us", "after the bridge": a place.
        return False
    if token in w.CONDITIONS or token in w.ASSERTING:
        return before not in _COORDINATORS or i - 1 > start
    if before == ",":
        if token == "provided":
            return True
        return _comma_opens(tokens, i, start)
    if token in _COORDINATORS:
        after = tokens[i + 1] if i + 1 < len(tokens) else ""
        return after in w.SUBJECT_PRONOUNS or finite_ahead(tokens, i + 1)
    return False


def _clause_follows(tokens: Sequence[str], i: int) -> bool:
    after = tokens[i + 1] if i + 1 < len(tokens) else ""
    if after in {"us", "me", "him", "them", "you"}:
        return False
    return after.endswith("ing") or finite_ahead(tokens, i + 1)


def _as_opens(tokens: Sequence[str], i: int) -> bool:
    after = tokens[i + 1] if i + 1 < len(tokens) else ""
    if after in {"soon", "long"}:
        return True
    return tokens[i - 1] not in {"such", "well", "same", "as", "soon", "long", "far"} and (
        after in w.SUBJECT_PRONOUNS or finite_ahead(tokens, i + 1)
    )


def _comma_opens(tokens: Sequence[str], i: int, start: int) -> bool:
    token = tokens[i]
    after = tokens[i + 1] if i + 1 < len(tokens) else ""
    if token in w.SUBJECT_PRONOUNS or token == "then":
        return True
    if token in _COORDINATORS:
        return after in w.SUBJECT_PRONOUNS or finite_ahead(tokens, i + 1)
    if token in w.PREPOSITIONS:
        # ", including cars"
        return False
    if token.endswith("ing") and (token not in w.PARTICIPLES or after in _PARTICIPIAL_FOLLOWERS):
        return token in w.VERBS or after in _PARTICIPIAL_FOLLOWERS
    fronted = any(tokens[k] in w.CONDITIONS or tokens[k] in w.ASSERTING for k in (0, start))
    if fronted and is_imperative(tokens, i, len(tokens)):
        return True
    return finite_ahead(tokens, i)


def finite_ahead(tokens: Sequence[str], i: int) -> bool:
    """Whether a subject and its finite verb begin at `i`."""
    for k in range(i, min(i + _LOOK_AHEAD, len(tokens))):
        token = tokens[k]
        if token in w.AUXILIARIES - {"being", "been", "having"}:
            return k > i
        if token in w.FINITE_VERBS:
            return k > i and tokens[k - 1] not in w.PREPOSITIONS | w.DEFINITE | w.INDEFINITE
        if (
            token in w.CONDITIONS
            or token in w.CONJUNCTIONS
            or not (token[0].isalnum() or token == "'s")
        ):
            return False
        if token in w.ASSERTING and token not in {"that"}:
            return False
    return False


def _opens_condition(
    tokens: Sequence[str], start: int, first: int, opener: str, after: str
) -> bool:
    if opener in {"before", "after"}:
        return _clause_follows(tokens, first)
    if opener in {"should", "had"} and start == 0:
        # "Should a pedestrian step out", "had the light been red"
        # "Should I stop?" asks, "Should I notice smoke, I would stop" does not.
        supposing = after in w.SUBJECT_PRONOUNS and "," in tokens
        return supposing or after in w.INDEFINITE | w.DEFINITE | w.ANY | {"there", "another"}
    return opener in w.CONDITIONS or opener == "provided" or (opener, after) in _CONDITION_PAIRS


def _mood(
    tokens: Sequence[str], start: int, end: int, found: Sequence[Clause], heading: str
) -> tuple[Mood, int]:
    parent = found[-1] if found else None
    first = start
    while first < end and (
        tokens[first] in _COORDINATORS or tokens[first] in w.ADVERBS or tokens[first] == ","
    ):
        first += 1
    opener = tokens[first] if first < end else ""
    after = tokens[first + 1] if first + 1 < end else ""
    if _opens_condition(tokens, start, first, opener, after):
        return Mood.CONDITION, start
    if parent is not None and parent.mood is not Mood.ASSERTED:
        joined = tokens[start] in {"and", "or"} and tokens[start - 1] != ","
        if joined and parent.mood is Mood.CONDITION:
            return Mood.CONDITION, start
        # "Even after it turns green, moving would be dangerous", "..., so moving is dangerous"
        result = tokens[start] == "so" or tokens[parent.start - 1 : parent.start] == ("even",)
        if opener.endswith("ing") and parent.cue <= parent.end and not result:
            return parent.mood, start
    conditional = parent is not None and parent.mood is Mood.CONDITION
    if opener == "that" and conditional and tokens[start - 1] != ",":
        # "once it is certain that no cyclists are near"
        return Mood.CONDITION, start
    if opener == "that" and (_governed_by_advice(tokens, start) or tokens[start - 1] == "so"):
        return Mood.ADVICE, start
    earlier = next((c for c in reversed(found) if tokens[c.start] == "that"), None)
    if opener == "that" and tokens[start - 1] == "and" and earlier is not None:
        # "I would check that the van stays where it is and that no cyclist comes."
        return earlier.mood, start
    cue = advice_cue(tokens, first, end, heading)
    return (Mood.ADVICE, cue) if cue is not None else (Mood.ASSERTED, end)


def _governed_by_advice(tokens: Sequence[str], start: int) -> bool:
    return any(token in w.ENSURING for token in tokens[max(0, start - 2) : start])


def advice_cue(tokens: Sequence[str], start: int, end: int, heading: str = "") -> int | None:
    """Index of the word that makes a clause advice, or None."""
    if start >= end:
        return None
    opener = tokens[start]
    if is_imperative(tokens, start, end):
        return start
    if (
        opener.endswith("ing")
        and opener in w.VERBS - w.PREPOSITIONS
        and ("action" in heading or _has_predicate(tokens, start, end))
    ):
        return start
    for i in range(start, end):
        token = tokens[i]
        following = tokens[i + 1] if i + 1 < end else ""
        if token in {"should", "must", "shall", "ought", "will", "would"}:
            if token == "will" and following in {"find", "see", "notice"}:
                # "Behind the bend you will find a shop."
                continue
            return i
        if token in {"need", "needs", "have", "has"} and following == "to":
            return i
        if token in w.EVALUATING:
            return i
        if token == "to" and following in w.PURPOSES:
            return i
    return None


def is_imperative(tokens: Sequence[str], start: int, end: int) -> bool:
    """Whether a clause from `start` is an order: "Keep your distance", not "Cross traffic"."""
    after = tokens[start + 1] if start + 1 < end else "."
    return tokens[start] in w.BASE_VERBS and (
        after in w.AFTER_IMPERATIVE
        or w.is_adverb(after)
        or after.endswith("ing")
        or not after[0].isalnum()
    )


def _has_predicate(tokens: Sequence[str], start: int, end: int) -> bool:
    return (
        any(
            tokens[i] in w.FINITE_VERBS or tokens[i] in {"is", "are", "can", "helps"}
            for i in range(start + 1, end)
        )
        and tokens[end - 1] != ","
    )
