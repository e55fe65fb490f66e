"""What a text tells the own vehicle to do: orders, duties, and what it is doing at a red light."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from semalign_ros.language import motion as m
from semalign_ros.language import words as w
from semalign_ros.language.analysis import Analysis
from semalign_ros.language.clauses import Clause, is_imperative
from semalign_ros.language.mentions import Mention
from semalign_ros.language.motion import SAFE, UNSAFE, going_vote
from semalign_ros.types import Judgment

# "Our lane has to stop."
_OURS = frozenset((own, way) for own in ("our", "my") for way in ("lane", "side", "direction"))
_FIRST_PERSON = frozenset({"i", "we", "our", "my", "ego"})
_DOING = frozenset({"proceed", "continue", "steer", "carry", "roll"})


def action_vote(analysis: Analysis, i: int, clause: Clause) -> Judgment | None:
    """Vote of the word at `i`: "should stop", "I am stopped at the red light"."""
    tokens, mentions, heading = analysis.tokens, analysis.mentions, analysis.sentence.heading
    return _modal(tokens, i, clause, mentions) or _state(tokens, i, clause, mentions, heading)


def _modal(
    tokens: Sequence[str], i: int, clause: Clause, mentions: Sequence[Mention]
) -> Judgment | None:
    token = tokens[i]
    if token in {"i", "we"} and i + 1 < clause.end:
        # "I wait behind him", "we proceed": the simple present of what one does now.
        verb = next((k for k in range(i + 1, clause.end) if not w.is_adverb(tokens[k])), i)
        action = m.action_at(tokens, verb, clause.end)
        if action is m.Action.STOP and not tokens[verb].endswith(("ed", "brought")):
            return UNSAFE
        return SAFE if tokens[verb] in _DOING and action is m.Action.GO else None
    if token == "would" and tokens[i + 1 : i + 2] == ("then",):
        # "The driver would then wait" follows a condition.
        return None
    if token not in m.MODALS or (i and tokens[i - 1] in w.MAYBE):
        return None
    start = i + 1
    if token in m.MODALS_WITH_TO:
        if tokens[i + 1 : i + 2] != ("to",) or (
            token == "plan" and tokens[i - 1] not in {"i", "we"}
        ):
            return None
        start = i + 2
    generic = _generic_subject(tokens, i, clause)
    if not generic and not _own_subject(tokens, i, clause, mentions):
        return None
    negated = token in {"need", "needs"} and bool(set(tokens[max(0, i - 2) : i]) & m.NEGATIONS)
    for verb, inverted in _verbs(tokens, start, clause.end):
        action = m.action_at(tokens, verb, clause.end)
        if action is None:
            continue
        if (
            action in m.GOING
            and "us" in tokens[verb + 1 : min(verb + 7, clause.end)]
            and not _FIRST_PERSON & set(tokens[clause.start : i])
        ):
            # "The driver is going to pull out in front of us": another one.
            continue
        vote = _vote(action, token, inverted != negated)
        if generic and vote is not None and not m.light_agrees(tokens, vote):
            return None
        if vote is not None:
            return vote
    return None


def _vote(action: m.Action, modal: str, inverted: bool) -> Judgment | None:
    if action in m.GOING:
        return going_vote(action, not inverted)
    if inverted:
        return SAFE if modal in {"need", "needs", "have", "has"} else None
    # "can stop" and "may wait" are abilities, no duty.
    return None if modal in {"can", "may"} else UNSAFE


def _verbs(tokens: Sequence[str], start: int, end: int) -> Iterator[tuple[int, bool]]:
    """Yield the verbs that a modal governs, with whether they are negated."""
    negated = False
    expecting = True
    for k in range(start, end):
        token = tokens[k]
        if token in m.NEGATIONS:
            negated = True
        elif token in m.PREPARING or (token == "then" and tokens[k - 1] == "only"):
            return
        elif token in {"and", ",", "then"}:
            expecting = True
            negated = negated and token != "then"
        elif expecting and not w.is_adverb(token) and token not in {"able", "to", "have", "do"}:
            if token == "be" and tokens[k + 1 : k + 2] != ("at",):
                continue
            yield k, negated
            expecting = False


def _own_subject(
    tokens: Sequence[str], i: int, clause: Clause, mentions: Sequence[Mention]
) -> bool:
    subject = tokens[clause.start : i]
    if "traffic" in subject and {"both", "all"} & set(subject) and "stop" in tokens[i : i + 4]:
        # "Traffic in both directions has to stop."
        return True
    if subject[:1] in {("who",), ("which",), ("that",)}:
        # "the driver who wants to turn left must wait", "the ego car, which is about to turn, ..."
        end = clause.start - (tokens[clause.start - 1] == ",")
        if tokens[end - 1] in m.OWN_SUBJECTS or any(x.own and x.end == end for x in mentions):
            return True
    inside = [mention for mention in mentions if clause.start <= mention.start < i]
    nearest = next(
        (k for k in range(i - 1, clause.start - 1, -1) if tokens[k] in m.OWN_SUBJECTS), None
    )
    if nearest is not None:
        # After a verb a mention is its object: "the driver has the green light but must wait".
        between = [
            mention
            for mention in inside
            if mention.start > nearest
            and not mention.own
            and not (w.AUXILIARIES | w.FINITE_VERBS) & set(tokens[nearest + 1 : mention.left])
        ]
        return tokens[max(0, nearest - 1)] not in {"other", "oncoming"} and not any(
            tokens[mention.left - 1] not in w.PREPOSITIONS for mention in between
        )
    if any(mention.own for mention in inside):
        return True
    if _OURS & set(itertools.pairwise(subject)) and m.STOP_VERBS & set(tokens[i : i + 4]):
        return True
    if not [token for token in subject if token != ","]:
        # "The ego car, which is about to turn, should wait."
        return bool(mentions) and mentions[0].own
    if any(token in m.PLAN_NOUNS for token in subject):
        return True
    earlier = [mention for mention in mentions if mention.start < i]
    return bool(subject) and subject[-1] == "it" and bool(earlier) and earlier[0].own


def _generic_subject(tokens: Sequence[str], i: int, clause: Clause) -> bool:
    """Match "vehicles may proceed", "traffic must stop": true of us where the light says it."""
    before = [
        token for token in tokens[clause.start : i] if not w.is_adverb(token) and token != "that"
    ]
    if before[:1] and before[0] in m.GENERIC_SUBJECTS and {"this", "our"} & set(before):
        # "vehicles on this side have to wait"
        return True
    return before[-1:] != [] and before[-1] in m.GENERIC_SUBJECTS and set(before[:-1]) <= m.MEANING


# --- "Proceed with caution." --------------------------------------------------------------------


def order_vote(analysis: Analysis, clause: Clause) -> Judgment | None:
    """Vote of a clause that is an order: "Proceed with caution.", "Current Action: Waiting."."""
    tokens, heading = analysis.tokens, analysis.sentence.heading
    first = clause.start
    while first < clause.end and (
        w.is_adverb(tokens[first]) or tokens[first] in {"and", "so", "please", ",", "do", "not"}
    ):
        first += 1
    if first == clause.end:
        return None
    i, opener = first, tokens[first]
    if opener in m.STANDING and "action" in heading and i == clause.start:
        return UNSAFE
    gerund = opener.endswith("ing") and "action" in heading and i == clause.start
    if gerund and (w.BE & set(tokens[i + 1 : i + 2]) or w.MODALS & set(tokens[i + 1 : i + 4])):
        # "Overtaking is discouraged.", "Moving off should follow the order of the queue."
        return None
    ordered = is_imperative(tokens, i, clause.end) or (
        "action" in heading
        and i == clause.start
        and (opener == "signal" or _may_be_verb(tokens, i))
    )
    if not gerund and not ordered:
        return None
    before = analysis.clauses[analysis.clause_at(clause.start) - 1]
    joined = tokens[clause.start] == "and" and before.cue == before.start  # "Turn left and wait"
    if not (gerund or joined) and clause.start and tokens[clause.start - 1] not in {";", ":", ","}:
        return None
    if opener in m.PREPARING:
        return None
    negated = any(token in m.NEGATIONS for token in tokens[clause.start : i])
    for verb, inverted in _verbs(tokens, i, clause.end):
        action = m.action_at(tokens, verb, clause.end)
        if action in m.GOING:
            return going_vote(action, not (negated or inverted))
        if action is m.Action.STOP and not negated and not inverted:
            return UNSAFE
    return None


def _may_be_verb(tokens: Sequence[str], i: int) -> bool:
    """Match the unknown verb of "Lower the sun visor and wait"."""
    after = tokens[i + 1 : i + 2]
    return (
        bool(after)
        and after[0] in w.DEFINITE | w.INDEFINITE | w.EGO
        and tokens[i].isalpha()
        and (tokens[i] not in w.NOT_IN_NOUN_PHRASE)
    )


# --- "we are stopped at the red light", "no space to move forward" ------------------------------


def _state(
    tokens: Sequence[str], i: int, clause: Clause, mentions: Sequence[Mention], heading: str
) -> Judgment | None:
    halted = tokens[i] == "come" and m.action_at(tokens, i, clause.end) is m.Action.STOP
    if not (halted or tokens[i] in m.STANDING) or not (
        "action" in heading or {"red", "light", "signal", "line"} & set(tokens)
    ):
        return None
    if tokens[i] == "standing" and not w.BE & set(tokens[i - 1 : i]):
        # "be aware of standing water"
        return None
    before = tokens[max(clause.start, i - 4) : i]
    present = {"is", "are", "am", "be", "being"} | (
        {"has", "have"} if "action" in heading else set()
    )
    if not present & set(before) or (m.NEGATIONS | {"or"}) & set(before):
        # "I was waiting" tells of an earlier time.
        return None
    return UNSAFE if _own_subject(tokens, i, clause, mentions) else None
