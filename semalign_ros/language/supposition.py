"""Whether a mention only supposes: "a child may run out", "watch for cars", "on a red light"."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from semalign_ros.language import words as w
from semalign_ros.language.analysis import Analysis
from semalign_ros.language.clauses import Clause, Mood
from semalign_ros.language.generality import states_a_rule
from semalign_ros.language.mentions import Mention
from semalign_ros.language.motion import ROAD_USERS
from semalign_ros.language.phrases import is_attribute, token_at
from semalign_ros.language.possibility import (
    listed_as_possible,
    possible_subject,
    possibly,
)

_FAR = 25
_HOLDING = w.word_set("contains has")
_TO_A_DEGREE = frozenset({("less", "so"), ("more", "so")})
_TELLING = w.word_set("tell distinguish differentiate")
_FOLLOWED_BY = ("followed", "by")
_SCARCELY = w.word_set("hardly barely scarcely")
_DANGERS = w.word_set("concern danger risk hazard threat problem challenge dangerous hazardous")
_MEANT = w.word_set(
    "serves serve meant intended designed built placed erected installed there used"
)
_FENDING = w.word_set("keep stop prevent deter protect separate catch slow warn guide hold block")
_DISREGARDING = w.word_set(
    "run runs running jump jumps jumping ignore ignores ignoring disregard disregards"
)
_UNDER = w.word_set("on with at during for against through under")
_LIKENED = frozenset(
    [(verb, "for") for verb in ("taken", "mistaken", "mistake")]
    + [(verb, how) for verb in ("treated", "regarded", "considered") for how in ("like", "as")]
)
_DRAWINGS = w.word_set("pictogram silhouette symbol icon drawing pictograms symbols icons")
_CONCERNING = frozenset(
    (word, to) for word in ("relevant", "applicable") for to in ("to", "for")
) | {("applies", "to"), ("apply", "to")}
_LIMITING = w.word_set("restrict restricts limit limits")
_HAPPENING = w.word_set("happen happens occur occurs")
_ANYONE = w.word_set("them vehicles drivers traffic motorists cars")
_AFFECTING = w.word_set("affects affect concerns concern endangers endanger threatens threaten")
_ROOM = w.word_set("room space enough width wide")
_OUTRANKING = w.word_set("override overrides overrule overrules supersede supersedes outrank")


def supposed(analysis: Analysis, mention: Mention, clause: Clause, sign_end: int | None) -> bool:
    """Decide whether a mention that nothing denies is only supposed.

    Args:
        analysis: The sentence.
        mention: One of its mentions.
        clause: The clause that holds it.
        sign_end: Index after the last traffic sign named before the mention, if any.
    """
    tokens = analysis.tokens
    some = _SCARCELY & set(tokens[max(0, mention.left - 1) : mention.start])  # "hardly any cars"
    of_these = "of" in tokens[mention.left : mention.start]  # "behind any of the cars"
    if (mention.determiners & w.ANY and not (of_these or some)) or mention.modifiers & w.POSSIBLE:
        return True
    if tokens[mention.start - 1] == "perhaps" and mention.start:
        # "which are perhaps vans"
        return True
    if mention.determiners & w.GENERAL and token_at(tokens, mention.end) in {"must", "shall"}:
        # "The arrow means that all vehicles must keep right."
        return True
    if _followed_by_if_present(tokens, mention):
        return True
    if (
        clause.mood is Mood.CONDITION
        and "road" not in mention.classes
        and token_at(tokens, mention.end) in {"permit", "permits", "allow", "allows"}
    ):
        # "until the signals permit" is a rule, whichever signals there are.
        return True
    if (
        "traffic light" in mention.classes
        and tokens[clause.start] == "whether"
        and w.UNKNOWN & set(tokens[mention.end :])
    ):
        # "Whether the signal is red or green cannot be told."
        return True
    shown = token_at(tokens, mention.governor) == "what"  # "what the lights show is not visible"
    if (shown or is_attribute(tokens, mention)) and _unknown(tokens, mention, clause):
        return True
    if token_at(tokens, mention.end) in {"that", "who", "which"} and (
        token_at(tokens, mention.end + 1) in w.FREQUENCY
    ):
        # "the cyclists that typically share this lane"
        return True
    if _ruled_for_all(analysis, mention, clause):
        return True
    arrow = tokens[mention.end - 1] == "arrow"
    if arrow and sign_end == mention.governor and tokens[sign_end] == "with":
        # "the round sign with the red arrow"
        return True
    if mention.definite:
        return False
    if (token_at(tokens, mention.governor - 1), token_at(tokens, mention.governor)) in _LIKENED:
        # "might be taken for a traffic light", "is treated like a stop sign"
        return True
    if possibly(tokens, mention, clause) or possible_subject(tokens, mention):
        return True
    if analysis.sentence.question and not mention.counted and "road" not in mention.classes:
        # "Train approaching?"
        return True
    if (
        not mention.counted
        and "road" not in mention.classes
        and states_a_rule(tokens, _whole(analysis, clause), analysis.nouns)
    ):
        return True
    if listed_as_possible(analysis, mention, clause) or _room_for(tokens, mention, clause):
        return True
    if ("be", "it") in set(itertools.pairwise(tokens[max(0, mention.left - 12) : mention.left])):
        # "whatever is behind the crest, be it a queue of cars or a free road"
        return True
    if token_at(tokens, mention.governor) in _OUTRANKING and not mention.determiners:
        # "Hand signals override lights and signs."
        return True
    if token_at(tokens, mention.end) in _OUTRANKING and not mention.determiners - w.INDEFINITE:
        # "Instructions of a police officer override traffic lights."
        return True
    if _room_given(tokens, mention):
        return True
    if _of_all_such(tokens, mention) or _purpose(tokens, mention) or _not_told(tokens, mention):
        return True
    if _compared(tokens, mention) or _drawn(tokens, mention):
        return True
    instance = {("for", "instance"), ("for", "example")}
    if instance & set(itertools.pairwise(tokens[max(0, mention.governor - 5) : mention.governor])):
        # "Should it stop, for instance because of a traffic light"
        return True
    if _done_by(tokens, mention, clause):
        return True
    apart = sign_end is not None and clause.start >= sign_end and tokens[clause.start] == "and"
    if sign_end is not None and not apart and _content_of_sign(tokens, mention, sign_end):
        return True
    if tokens[mention.end : mention.end + 2] == ("not", "visible"):
        return True
    if _ruled(tokens, mention):
        return True
    if clause.mood is Mood.CONDITION:
        # "once two cars have passed" counts cars that are there, "if two cars meet" does not.
        certain = mention.determiners & w.QUANTIFIERS - {"another", "more"}
        opener = tokens[clause.start]
        if opener == "when" and not w.HAVE & set(tokens[clause.start : clause.end]):
            # "when two cars meet" is a rule
            return not mention.definite
        return not certain or opener in {"if", "unless", "whether", "in"}
    if _habitual(tokens, mention, clause) or _affected(tokens, mention, clause):
        return True
    opener = tokens[clause.start]
    if opener == "because" and _HAPPENING & set(tokens[: clause.start]):
        # "Many collisions happen because a rider swerves."
        return not mention.determiners - w.INDEFINITE
    if opener in {"where", "wherever"} and "traffic sign" in mention.classes:
        # "forbidden where a sign says so"
        return mention.left == clause.start + 1 and bool(mention.determiners & w.INDEFINITE)
    if (token_at(tokens, mention.governor), token_at(tokens, mention.governor - 1)) in w.CRASHING:
        return True
    if _reason(tokens, mention, clause):
        return False
    if clause.mood is Mood.ADVICE and _sought(tokens, mention, clause):
        return True
    if _cautioned(tokens, mention, clause):
        return mention.bare
    if clause.mood is Mood.ADVICE and mention.start > clause.cue:
        # "which I would interpret as poles"
        percept = token_at(tokens, mention.governor) == "as" and "interpret" in tokens
        return mention.bare and not percept
    return False


def _whole(analysis: Analysis, clause: Clause) -> Clause:
    """Join "motorcyclists" to "and drivers of trucks are often affected", which has their verb."""
    tokens, clauses = analysis.tokens, analysis.clauses
    following = next((c for c in clauses if c.start == clause.end), None)
    verbs = w.AUXILIARIES | w.FINITE_VERBS
    if (
        following is None
        or tokens[following.start] not in {"and", "or"}
        or verbs & set(tokens[clause.start : clause.end])
    ):
        return clause
    return replace(clause, end=following.end)


def _followed_by_if_present(tokens: Sequence[str], mention: Mention) -> bool:
    after = [token for token in tokens[mention.end : mention.end + 5] if token != ","]
    return after[:1] == ["if"] and (
        after[1:2] in (["present"], ["any"], ["visible"], ["one"])
        or after[1:3] in (["there", "are"], ["there", "were"], ["there", "is"])
    )


def _of_all_such(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "especially for tall vehicles", "a danger to cyclists", "for exiting vehicles only"."""
    k = mention.governor - token_at(tokens, mention.governor).endswith("ing")
    if not (mention.bare and mention.plural):
        return False
    if token_at(tokens, k) in {"for", "to"} and token_at(tokens, k - 1) in _DANGERS:
        return True
    if token_at(tokens, k) != "for":
        return False
    return token_at(tokens, k - 1) in w.STRESSING or token_at(tokens, mention.end) == "only"


def _purpose(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "bollards meant to keep cars off the plaza"."""
    k = mention.governor
    return (
        not mention.counted
        and token_at(tokens, k - 1) == "to"
        and token_at(tokens, k - 2) in _MEANT
        and token_at(tokens, k) in _FENDING
    )


def _room_given(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "It also gives other vehicles that want to exit enough room"."""
    given = token_at(tokens, mention.governor) in {"give", "gives", "giving", "leaves", "leaving"}
    return mention.bare and given and bool(_ROOM & set(tokens[mention.end : mention.end + 8]))


def _not_told(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "I cannot tell trucks from cars"."""
    before = tokens[max(0, mention.left - 6) : mention.left]
    after = tokens[mention.end : mention.end + 1]
    apart = after in (("from",), ("and",)) or before[-1:] in (("from",), ("and",))
    return mention.bare and apart and bool(_TELLING & set(before)) and bool(w.UNKNOWN & set(before))


def _affected(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "which particularly affects motorcyclists"."""
    usual = w.STRESSING | w.FREQUENCY
    return (
        mention.bare
        and token_at(tokens, mention.governor) in _AFFECTING
        and bool(usual & set(tokens[clause.start : mention.governor]))
    )


def _habitual(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "there are often pedestrians here", "work zones usually involve trucks"."""
    span = tokens[clause.start : mention.start]
    usual = next((k for k, token in enumerate(span) if token in w.FREQUENCY), None)
    if usual is not None and tokens[mention.governor - 1 : mention.governor + 1] == _FOLLOWED_BY:
        # "A ball is often followed by a child."
        return not mention.counted
    if usual is None or not mention.bare:
        return False
    existential = "there" in span[:usual] and span[usual - 1] in w.BE
    return existential or bool(w.VERBS & set(span[usual + 1 : usual + 2]))


def _defines(tokens: Sequence[str], k: int) -> bool:
    """Match "(a flashing yellow light) means", "(a green light) for one lane does not", "is a"."""
    for i in range(k, min(k + 5, len(tokens))):
        if tokens[i] in {"means", "does"}:
            return True
        if tokens[i] in {"permits", "allows", "requires"}:
            return bool(_ANYONE & set(tokens[i + 1 : i + 3]))
        if tokens[i] in {"is", "be"}:
            return token_at(tokens, i + 1) in {"a", "no", "treated", "regarded", "considered"}
    return False


def _ruled_for_all(analysis: Analysis, mention: Mention, clause: Clause) -> bool:
    """Match "Respecting the signals is a duty", "Even on green, drivers have to give way"."""
    tokens, opener = analysis.tokens, analysis.tokens[clause.start]
    if not {"traffic light", "traffic sign"} & set(mention.classes):
        return False
    if token_at(tokens, mention.governor) in _DISREGARDING:
        # "vehicles that might run the light"
        before = tokens[clause.start : mention.governor]
        chance = w.POSSIBILITY & set(tokens[max(0, clause.start - 3) : clause.start])
        return bool(w.MAYBE & set(before)) or bool(chance)
    if opener in w.OBEYING and opener.endswith("ing"):
        return mention.plural and not mention.modifiers and mention.governor == clause.start
    if opener == "always" and token_at(tokens, mention.governor) in w.OBEYING:
        # "Always follow the traffic signals."
        return True
    even = token_at(tokens, clause.start - 1) == "even" and clause.mood is Mood.CONDITION
    return even and any(states_a_rule(tokens, c, analysis.nouns) for c in analysis.clauses)


def _done_by(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "they can be hidden by parked cars"."""
    if not mention.bare or token_at(tokens, mention.governor) != "by":
        return False
    before = tokens[max(clause.start, mention.governor - 6) : mention.governor]
    return bool({"can", "could", "may", "might"} & set(before)) and "be" in before


def _room_for(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "hardly enough space for two cars to pass"."""
    if token_at(tokens, mention.governor) != "for":
        return False
    before = set(tokens[clause.start : mention.governor])
    passing = token_at(tokens, mention.end) == "to" or "enough" in before
    return (passing and bool(_ROOM & before)) or (
        token_at(tokens, mention.governor - 1) == "enough"  # "wide enough for a truck"
    )


def _drawn(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "a panel with a picture of a truck", "advertising a hotel"."""
    if token_at(tokens, mention.governor) in {"advertising", "advertises"}:
        return True
    if token_at(tokens, mention.governor) != "of" or mention.governor < 2:
        return False
    before = tokens[max(0, mention.governor - 3) : mention.governor]
    return before[-1] in _DRAWINGS or before[-2:] == ("a", "picture")


def _compared(tokens: Sequence[str], mention: Mention) -> bool:
    governor = mention.governor
    if (
        token_at(tokens, governor) == "unlike"
        or tokens[mention.end : mention.end + 2] in _TO_A_DEGREE
    ):
        # "Unlike buses, cars may use it.", "Cyclists must be careful, cars less so."
        return mention.bare
    of_another = (
        token_at(tokens, governor) == "of" and "than" in tokens[max(0, governor - 4) : governor]
    )
    return (of_another or token_at(tokens, governor) == "than") and not mention.counted


def rule_about_light(
    tokens: Sequence[str], mention: Mention, clauses: Sequence[Clause], position: int
) -> bool:
    """Match "Turning on a red light is illegal", "with a green light, drivers must still yield"."""
    if mention.classes != ("traffic light",) or not mention.determiners & w.INDEFINITE:
        return False
    start = clauses[position].start
    if mention.left - (tokens[start] in {"whereas", "while", "and", "but"}) == start and _defines(
        tokens, mention.end
    ):
        return True
    if token_at(tokens, mention.governor - 1) == "even":
        # "Even with a green signal"
        return True
    if token_at(tokens, mention.governor) not in _UNDER:
        return False
    clause = clauses[position]
    first = tokens[clause.start + (tokens[clause.start] in {"and", "or"})]
    fronted = clause.start == 0 and tokens[clause.end - 1] == ","
    advised = any(c.mood is Mood.ADVICE for c in clauses[position : position + 1 + fronted])
    return advised or first.endswith("ing")


def _sought(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "Find a parking lot next to a building": what is looked for is not seen yet."""
    start = max(clause.start, mention.governor - 6)
    span = tokens[start : mention.governor + 1]
    looking = span[-1:] == ("for",) and any(token in w.LOOKING for token in span)
    return looking or any(token in w.SEEKING for token in span)


def _ruled(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "The light is green for vehicles going straight", "allowing pedestrians to cross"."""
    told = tokens[max(0, mention.governor - 3) : mention.governor + 1]
    if token_at(tokens, mention.governor) == "to" and _LIMITING & set(told):
        # "restricts it to taxis"
        return mention.bare
    concerned = token_at(tokens, mention.governor - 1), token_at(tokens, mention.governor)
    if concerned in _CONCERNING and not mention.counted:
        # "Only the middle one is relevant to a vehicle going straight."
        return True
    if mention.determiners - {"all"} or not mention.plural:
        return False
    before = tokens[max(0, mention.governor - 6) : mention.governor]
    lights = {"light", "lights", "signal", "signals", "green", "red", "arrow"}
    governor, before2 = token_at(tokens, mention.governor), token_at(tokens, mention.governor - 1)
    if (before2, governor) in w.RESERVED:
        return True
    return governor in w.RULING or (governor == "for" and bool(lights & set(before)))


def _content_of_sign(tokens: Sequence[str], mention: Mention, sign_end: int) -> bool:
    """What a sign shows or rules is not in the street."""
    if tokens[mention.end : mention.end + 2] in (("on", "it"), ("on", "them")):
        # "a sign with two children on it"
        return True
    governor = token_at(tokens, mention.governor)
    joined = (
        governor == "and"
        and tokens[sign_end] == "with"
        and not (w.AUXILIARIES | w.FINITE_VERBS | {","}) & set(tokens[sign_end : mention.governor])
    )
    if joined or (governor == "with" and sign_end == mention.governor):
        # "a round sign with a white bicycle and a pedestrian"
        nearby = token_at(tokens, mention.end) in w.LOCATED
        return mention.classes[0] in ROAD_USERS and not nearby
    if governor in w.LOCATIVE:
        return False
    span = tokens[max(sign_end, mention.left - 12) : mention.left]
    if tokens[sign_end - 1] == "one" and _HOLDING & set(span[:1]):
        # "Two signs stand here. The left one contains a bicycle."
        return True
    for k in range(len(span) - 1, -1, -1):
        token = span[k]
        if token in w.SIGN_VERBS:
            return True
        if token in {"and", "but", ";", "while", "there", "with"} and k < len(span) - 3:
            return False
    return False


def _cautioned(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    start = max(clause.start, mention.governor - 5)
    heads = w.CAUTION_HEADS
    if {"traffic light", "traffic sign"} & set(mention.classes):
        heads = heads | w.OBEYING
    if clause.mood is Mood.ASSERTED:
        # "A gap between parked cars", "a two-way street with cars": nobody is warned.
        heads = heads - w.SPACE
    span = tokens[start : mention.governor + 1]
    if any(token in heads and not _looks_only(span, k) for k, token in enumerate(span)):
        return True
    # "Be prepared for cars turning and for children": the preposition goes back to its head.
    preposition = token_at(tokens, mention.governor)
    if preposition not in w.PREPOSITIONS or token_at(tokens, mention.governor - 1) not in {
        "and",
        "or",
        ",",
    }:
        return False
    far = range(max(0, mention.governor - _FAR), mention.governor)
    return any(tokens[k] in w.CAUTION_HEADS and tokens[k + 1] == preposition for k in far)


def _looks_only(span: Sequence[str], k: int) -> bool:
    """Match "looks like", "we are looking down a street with houses": nobody looks for anything."""
    return span[k] in {"look", "looking"} and not {"for", "out"} & set(span[k + 1 :])


def _reason(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "should be careful due to (the presence of) pedestrians" asserts them."""
    span = tokens[max(clause.start, mention.governor - 12) : mention.governor + 1]
    pairs = set(itertools.pairwise(span))
    return bool(pairs & {("due", "to"), ("because", "of"), ("owing", "to")}) or "given" in span


def _unknown(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "unable to verify the status of the lights" leaves open whether there are any."""
    before = tokens[max(clause.start, mention.governor - 8) : mention.governor]
    return any(token in w.UNKNOWN for token in (*before, *tokens[mention.end : mention.end + 5]))
