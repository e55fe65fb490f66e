"""Whether a mention is denied: "no cars", "I do not see a car", "the light is not visible"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semalign_ros.language import words as w
from semalign_ros.language.clauses import Clause, Mood
from semalign_ros.language.mentions import Status
from semalign_ros.language.phrases import Phrase, is_attribute, token_at

_REACH = 14
_IN_PART = w.word_set("well clearly fully completely entirely properly")
_PLACED = frozenset({"in", "there"})
_BEFORE_PLACED = w.AUXILIARIES | w.ADVERBS | {"not", "longer", "there"}
_EARLIER = w.word_set("first second third initial last")
_AT_ONCE = frozenset({".", ",", ";", "and", "now", ""})
_NO_LONGER = ("no", "longer")
_SEEN = frozenset({"be", "visible", "seen", "present"})
_PICTURES = w.word_set("image picture scene photo shot video images pictures")
_LACKING = frozenset({"missing", "absent"})
_SHOWING = w.word_set(
    "show shows include includes contain contains has have depict depicts feature features reveal "
    "reveals"
)
_SIGHT = w.word_set("view sight frame")
_RESEMBLING = w.word_set("resembles resembling like suggests indicates")
_NAMING = w.word_set("identify recognize recognise")
_PEOPLE = w.word_set("person people persons individual individuals man men woman women")


def denial_of(tokens: Sequence[str], mention: Phrase, clause: Clause) -> Status | None:
    """Decide whether a phrase is denied, by its determiner, its governor or its predicate.

    Returns:
        DENIED; HYPOTHETICAL or INCIDENTAL where a negation leaves open whether the class is
        there ("no further vehicles", "rather than a car"); None where nothing negates.
    """
    if mention.determiners & w.NEGATIVE:
        others = (
            mention.modifiers & {"other", "further", "additional"} or "more" in mention.determiners
        )
        if w.MAYBE & set(tokens[max(0, mention.left - 2) : mention.left]):
            # "there may be no lights"
            return Status.HYPOTHETICAL
        if others and clause.mood is Mood.CONDITION:
            # "provided that no further vehicles are approaching"
            return Status.HYPOTHETICAL
        return Status.INCIDENTAL if others else Status.DENIED
    before = token_at(tokens, mention.governor)
    before2 = token_at(tokens, mention.governor - 1)
    if before in {"without", "nor", "neither", "lacks", "lack", "lacking"} and not mention.definite:
        # "It neither disturbs cyclists nor ..." negates the verb.
        verb = mention.left < mention.start and tokens[mention.left].endswith("s")
        return None if verb and before in {"nor", "neither"} else Status.DENIED
    helper = w.AUXILIARIES | {"by", "with"}  # "bordered neither by trees nor by houses"
    if before2 in {"nor", "neither"} and before in helper and not mention.definite:
        return Status.DENIED
    if (
        before in {"of", "from"}
        and before2 in {"free", "devoid", "clear", "empty"}
        and not mention.definite
    ):
        return Status.DENIED
    if (
        before in {"of", "from"}
        and before2 in w.SIGNS_OF
        and _negated_noun(tokens, mention.governor - 1)
    ):
        return Status.DENIED
    if (before2, before) == ("not", "even") and mention.determiners & w.INDEFINITE:
        # "no cars, no cyclists, not even a pedestrian"
        return Status.DENIED
    if before == "of" and before2 == "nothing":
        # "I can make out nothing of the sky."
        return Status.DENIED
    if before == "not" or (before in w.INDEFINITE and before2 == "not"):
        # "There is not a car", "Not a car in sight" deny; "it is not a car" names another thing.
        k = mention.governor if before == "not" else mention.governor - 1
        single = "single" in mention.modifiers  # "not a single car is coming our way"
        denies = single or token_at(tokens, k - 2) == "there" or k <= clause.start
        return Status.DENIED if denies else Status.INCIDENTAL
    if mention.determiners & w.ANY and token_at(tokens, mention.left - 1) == "nor":
        return Status.DENIED
    if (
        before == "there"
        and before2 in w.AUXILIARIES
        and ({"nor", "none", "neither", "nowhere"} & set(tokens[clause.start : mention.governor]))
    ):
        # "nor are there any buses", "In none of the views is there a sidewalk."
        return Status.DENIED
    if tokens[clause.start] in _LACKING and before in w.BE:
        # "Missing from the picture are pedestrians."
        return Status.DENIED
    if before in _SHOWING and before2 in {"them", "frames", "images", "pictures", "views"}:
        # "None of the images contains a truck."
        span = tokens[max(clause.start, mention.governor - 6) : mention.governor - 1]
        if span[-3:-2] in (("none",), ("neither",)) or span[-2:-1] in (("none",), ("neither",)):
            return None if mention.definite else Status.DENIED
    if before in _RESEMBLING and "nothing" in tokens[clause.start : mention.governor]:
        return Status.DENIED
    if mention.determiners & w.ANY and {"neither", "none", "nobody", "nowhere"} & set(
        tokens[clause.start : mention.governor]
    ):
        # "None of the lanes has any cars"
        return Status.DENIED
    if (before, before2) in {("than", "rather"), ("of", "instead")}:
        return Status.INCIDENTAL
    if _negated_perception(tokens, mention, clause):
        # "Its driver may not notice a car" leaves it open.
        doubtful = w.MAYBE & set(tokens[max(clause.start, mention.governor - 5) : mention.governor])
        return Status.HYPOTHETICAL if doubtful else Status.DENIED
    if _negated_appearance(tokens, mention):
        return Status.DENIED
    return _denied_by_predicate(tokens, mention)


def _negated_noun(tokens: Sequence[str], k: int) -> bool:
    """Whether a noun such as "signs" in "no immediate signs of" is negated."""
    if tokens[k] in {"lack", "absence", "shortage"}:
        return True
    return any(token in w.NEGATIVE or token == "not" for token in tokens[max(0, k - 3) : k])


def _negated_perception(tokens: Sequence[str], mention: Phrase, clause: Clause) -> bool:
    """Match "I do not see a car", "the image does not show any cars"."""
    start = max(clause.start, mention.governor - 7)
    span = tokens[start : mention.governor + 1]
    negations = [k for k, token in enumerate(span) if token in {"not", "never", "unable", "cannot"}]
    if not negations:
        return False
    rest = span[negations[-1] + 1 :]
    if "but" in rest or "because" in rest:
        return False
    verb = next((k for k, token in enumerate(rest) if token in w.PERCEIVING), None)
    if verb is not None and rest[verb].startswith("disting") and _apart(tokens, mention):
        return False
    if verb is None or (
        # Who they are cannot be told, they are there.
        rest[verb] in _NAMING and mention.definite and tokens[mention.end - 1] in _PEOPLE
    ):
        return False
    # "That is not possible, find a car": only helpers may stand between.
    helpers = w.AUXILIARIES | w.ADVERBS | {"able", "to", "out", "any", "possible"}
    return all(token in helpers for token in (*rest[:verb], *rest[verb + 1 :]))


def _apart(tokens: Sequence[str], mention: Phrase) -> bool:
    """Match "cannot distinguish trucks from cars": there is one of the two."""
    return token_at(tokens, mention.end) in {"from", "and"}


def _negated_appearance(tokens: Sequence[str], mention: Phrase) -> bool:
    """Match "there does not appear to be any bus"."""
    return (
        tokens[max(0, mention.governor - 2) : mention.governor + 1]
        in {(verb, "to", "be") for verb in ("appear", "seem")}
        and "not" in tokens[max(0, mention.governor - 5) : mention.governor - 2]
        and "there" in tokens[max(0, mention.governor - 6) : mention.governor - 2]
    )


def _denied_by_predicate(tokens: Sequence[str], mention: Phrase) -> Status | None:
    """Match "The traffic light is not visible": the mention is the subject, or its part."""
    end = min(mention.end + _REACH, len(tokens))
    verbs = [k for k in range(mention.end, end) if tokens[k] in w.AUXILIARIES]
    if token_at(tokens, mention.end) in {"who", "that", "which"}:
        # "The cyclist who was on the right is no longer visible."
        verbs = [k for k in verbs if tokens[k + 1 : k + 3] == _NO_LONGER]
        mention = replace(mention, end=verbs[0]) if verbs else mention
    ends = [k for k in verbs[1:] if tokens[k - 1] == "and" and tokens[k + 1 : k + 3] == _NO_LONGER]
    if ends and tokens[verbs[0]] in w.HAVE and token_at(tokens, ends[0] + 3) in _SEEN:
        # "The van has turned off and can no longer be seen."
        verbs = ends
    verb = verbs[0] if verbs else None
    if (
        verb is None
        or tokens[verb] in w.MODALS - {"can"}
        or any(token in w.CONDITIONS or token in {";", ":"} for token in tokens[mention.end : verb])
    ):
        return None
    # Another noun phrase between would be the verb's own subject, unless it belongs to ours.
    if any(token in {",", "but", "which", "that", "who"} for token in tokens[mention.end : verb]):
        return None
    if {"frame", "image"} & set(tokens[mention.end : verb]) and _EARLIER & set(
        tokens[mention.end : verb]
    ):
        # "The jogger from the first frame has vanished": there it was seen.
        return None
    negated = absent = percept = False
    for k in range(verb, min(verb + 6, end)):
        token = tokens[k]
        negated |= token in {"not", "no", "never", "neither"}
        if token in w.ABSENT:
            absent = True
            break
        if token == "appear" and token_at(tokens, k + 1) == "to":
            # "does not appear to have noticed us"
            break
        if token in _PLACED and tokens[k - 1] not in _BEFORE_PLACED:
            # "not lit in either frame", "not parked there"
            break
        if token == "in" and not (_SIGHT | _PICTURES) & set(tokens[k + 1 : k + 4]):
            # "no longer in our path"
            break
        if token in w.PERCEIVABLE and k > verb:
            # What is not seen well is seen.
            percept = token_at(tokens, k + 1) not in _IN_PART
            break
        if token == "nowhere" and token_at(tokens, k + 1) in {"to", "in"}:
            # "nowhere to be seen"
            absent = True
            break
        gone = token == "gone" and token_at(tokens, k + 1) in _AT_ONCE
        left = token == "left" and _SIGHT & set(tokens[k + 1 : k + 3])
        if gone or left:
            # "The bus has gone", "has left the frame"
            absent = True
            break
        if tokens[k : k + 2] == ("out", "of") and token_at(tokens, k + 2) in _SIGHT:
            absent = True
            break
        if token in {"but", ","} or (token not in w.AUXILIARIES | w.ADVERBS and not negated):
            break
    if not (absent and not negated) and not (percept and negated):
        return None
    if is_attribute(tokens, mention) or token_at(tokens, mention.governor) == "what":
        return Status.HYPOTHETICAL
    if token_at(tokens, mention.governor) in w.PREPOSITIONS:
        # "The colour of the car is not visible" is about something else.
        return None
    return Status.DENIED
