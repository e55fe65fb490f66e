"""Whether a clause tells what is true of all of a kind: "trams need a long way to brake"."""

from __future__ import annotations

import itertools
from collections.abc import Sequence, Set

from semalign_ros.language import words as w
from semalign_ros.language.clauses import Clause
from semalign_ros.language.lexicon import longest_match
from semalign_ros.language.phrases import token_at

_REACH = 12
_PEOPLE = w.word_set("drivers motorists users passengers animals systems models")
_NEEDING = w.word_set(
    "need needs require requires take takes tend tends deserve deserves brake swerve count rely "
    "depend trust assume misjudge underestimate"
)
_RISKY = w.word_set(
    "dangerous hazardous unpredictable vulnerable illegal prohibited forbidden common rare "
    "unlikely harder hard"
)
_FACTORS = w.word_set("factor hazard risk concern")
_DUTIES = w.word_set("mandatory obligatory compulsory required")
_PLACES = w.word_set("countries jurisdictions cities regions states places cases situations")
_NOT_BARE = w.DEFINITE | w.QUANTIFIERS | w.GENERAL | w.PREPOSITIONS | w.VERBS
_STREETS = w.word_set(
    "streets roads zones areas intersections junctions crossings highways motorways corners curves "
    "neighborhoods neighbourhoods tunnels bridges"
)
_JOINING = frozenset({",", "and", "or", "but", "since", "because", "so", "that"})
_SCOPES = frozenset([("as", "a", "rule"), ("by", "law"), ("in", "general"), ("in", "principle")])


def states_a_rule(tokens: Sequence[str], clause: Clause, nouns: Set[int]) -> bool:
    """Whether a clause speaks of a kind, not of what is in the picture.

    Its subject is a bare plural, one of a kind ("a driver turning right") or an activity
    ("entering a junction"), and its verb tells a duty, an ability or a property.

    Args:
        tokens: Of the sentence.
        clause: One of its clauses.
        nouns: Indices of all tokens that the lexicon knows as nouns.
    """
    start, scoped = _after_scope(tokens, clause)
    if scoped:
        return True
    if start > 0 and tokens[start] in {"who", "that", "which"} and start <= 4:
        # "Passengers who have just left a bus sometimes step in front of it."
        head = _subject(tokens, 0, start + 1, nouns) and start
        span = tokens[start : clause.end]
        return head is not None and bool(w.FREQUENCY & set(span))
    activity = tokens[start].endswith("ing") and (
        tokens[start] in w.VERBS or token_at(tokens, start + 1) in w.INDEFINITE | w.DEFINITE
    )
    head = start + 1 if activity else _subject(tokens, start, clause.end, nouns)
    if head is None:
        return False
    verb = next((k for k in range(head, min(head + _REACH, clause.end)) if _tells(tokens, k)), None)
    if _place_of_a_kind(tokens, start, clause.end):
        return True
    if verb is None or verb in nouns:
        return False
    if activity:
        if tokens[verb] in w.BE:
            # "Misjudging the speed of a motorcycle is one of the most common causes."
            duty = tokens[verb + 1 : verb + 2]
            return tokens[verb + 1 : verb + 4] == ("one", "of", "the") or (
                # "Giving way to emergency vehicles is mandatory."
                bool(duty) and duty[0] in _DUTIES and not w.INDEFINITE & set(tokens[head:verb])
            )
        return tokens[verb] in w.FREQUENCY or tokens[verb] in w.FINITE_VERBS - w.IRREGULAR_FORMS
    return _general_verb(tokens, verb, clause.end, one=tokens[start] in w.INDEFINITE)


def _tells(tokens: Sequence[str], k: int) -> bool:
    """Whether the word at `k` is the verb of the clause, or an adverb that decides for it."""
    token = tokens[k]
    attribute = tokens[k - 1] in w.PREPOSITIONS | w.INDEFINITE | w.DEFINITE
    verb = token in w.AUXILIARIES or token in _NEEDING or token in w.FINITE_VERBS
    return token in w.FREQUENCY or (verb and not attribute)


def _general_verb(tokens: Sequence[str], k: int, end: int, one: bool) -> bool:
    """Whether the verb at `k` tells a duty, an ability or a property; `one`: of a singular."""
    token, after = tokens[k], token_at(tokens, k + 1)
    if token in w.FREQUENCY:
        return not one
    if token in {"must", "should"} or (token in w.HAVE and after == "to"):
        return True
    if token in {"can", "may", "might", "could"}:
        perceived = w.PERCEIVABLE | w.PERCEIVING | w.INTERPRETING
        return not perceived & set(tokens[k + 1 : k + 5])
    if token in w.BE:
        general = (w.ALLOWING | _RISKY) & set(tokens[k + 1 : k + 4])
        if w.STRESSING & set(tokens[k + 1 : k + 2]) and not w.PERCEIVABLE & set(
            tokens[k + 2 : k + 3]
        ):
            # "Motorcyclists are especially hard to spot."
            return not one
        if _FACTORS & set(tokens[k + 1 : k + 5]):
            # "Pedestrians are another factor to keep in mind."
            return not one
        able = {("and", word) for word in ("may", "might", "can", "could")}
        more = able & set(itertools.pairwise(tokens[k : min(k + 7, end)]))
        return bool(general or more) and not w.PERCEIVING & set(tokens[k + 1 : k + 6])
    if token in {"take", "takes"} and after in {"up", "over", "off", "the", "its"}:
        # "A bus takes up the left lane."
        return False
    if token in w.HAVE:
        if one and token_at(tokens, k + 2) in {"authority", "right", "duty", "priority"}:
            # "A crossing guard has the authority to direct traffic."
            return True
        done = after.endswith("ed") or after in w.IRREGULAR_FORMS or after in {"been", "just"}
        return not (one or done or w.is_adverb(after))
    return token in _NEEDING


def _place_of_a_kind(tokens: Sequence[str], start: int, end: int) -> bool:
    """Match "Narrow streets with parked cars leave little room": a picture shows one street."""
    place = next((k for k in range(start, min(start + 3, end)) if tokens[k] in _STREETS), None)
    if place is None or _NOT_BARE & set(tokens[start:place]):
        return False
    verb = next((k for k in range(place + 1, end) if tokens[k] in w.BASE_VERBS | w.BE), None)
    return verb is not None and tokens[verb] not in w.BE and "," not in tokens[place:verb]


def _after_scope(tokens: Sequence[str], clause: Clause) -> tuple[int, bool]:
    """Index after "in most countries," and the like, and whether that alone says it."""
    start = clause.start
    span = tokens[start : clause.end]
    if any(span[: len(scope)] == scope for scope in _SCOPES) or (
        tokens[start - 1 : start] == (",",) and _in_most_places(tokens[max(0, start - 7) : start])
    ):
        return start, True
    comma = next((k for k in range(start, min(start + 8, clause.end)) if tokens[k] == ","), None)
    if comma is not None and tokens[start] in w.PREPOSITIONS:
        return comma + 1, _in_most_places(tokens[start:comma])
    while start < clause.end - 1 and (tokens[start] in _JOINING or w.is_adverb(tokens[start])):
        start += 1
    return start, False


def _in_most_places(span: Sequence[str]) -> bool:
    return bool({"most", "many", "some"} & set(span) and _PLACES & set(span))


def _subject(tokens: Sequence[str], start: int, end: int, nouns: Set[int]) -> int | None:
    """Index after the noun of a subject that names a kind, None where it names none."""
    if start >= end:
        return None
    first = tokens[start]
    singular = first in w.INDEFINITE
    if (
        first in w.DEFINITE | w.EGO | w.GENERAL | w.NEGATIVE | w.PRONOUNS | w.QUANTIFIERS - {"most"}
        or first.isdigit()
    ):
        return None
    for k in range(start + singular, min(start + 5, end)):
        match = longest_match(tokens, k) if k in nouns else None
        if match is not None and match[1] < end:
            term, after = match
            if term.plural or singular:
                return after
            return None
        if tokens[k] in _PEOPLE or (
            singular and tokens[k] in {"driver", "motorist", "model", "system"}
        ):
            return k + 1
        if tokens[k] in w.NOT_IN_NOUN_PHRASE - w.PARTICIPLES - w.ADJECTIVES - {"slow", "or"}:
            return None
        unknown = tokens[k].endswith("s") and not tokens[k].endswith("ss") and k + 1 < end
        if unknown and not singular and _tells(tokens, k + 1):
            # "Pets may appear between parked cars."
            return k + 1
    return None
