"""Whether a text says that the own vehicle may proceed now.

Each clause may vote. A vote needs the own vehicle as the one who acts, a verb of
going or stopping, and that nothing suspends it: a condition, a preparation
("be ready to stop"), a question of whether. Votes that contradict each other
cancel: what is not said is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from semalign_ros.language import motion as m
from semalign_ros.language import words as w
from semalign_ros.language.analysis import Analysis
from semalign_ros.language.clauses import Clause, Mood, is_imperative
from semalign_ros.language.mentions import Mention
from semalign_ros.types import Judgment

SAFE, UNSAFE = Judgment.SAFE, Judgment.UNSAFE


def judgment_of_sentences(found: Sequence[Analysis]) -> Judgment | None:
    """Join the votes of all sentences; None where there is none, or where they differ."""
    strong: set[Judgment] = set()
    weak: set[Judgment] = set()
    red = False
    for analysis in found:
        if analysis.sentence.question:
            continue
        for vote, is_strong in _votes(analysis):
            (strong if is_strong else weak).add(vote)
        red |= _red_light(analysis.tokens)
    if red:
        # "The light is red, the road ahead is clear" decides nothing.
        weak.discard(SAFE)
    votes = strong or weak
    return next(iter(votes)) if len(votes) == 1 else None


def _red_light(tokens: Sequence[str]) -> bool:
    return "red" in tokens and any(
        token in {"light", "lights", "signal", "signals"} for token in tokens
    )


def _votes(analysis: Analysis) -> Iterator[tuple[Judgment, bool]]:
    tokens, clauses, mentions = analysis.tokens, analysis.clauses, analysis.mentions
    suspended = False
    for i, clause in enumerate(clauses):
        if tokens[clause.start - 1] == ";" and clause.start:
            suspended = False
        if clause.mood is Mood.CONDITION:
            suspended = True
            continue
        if suspended or (i and _checked_only(tokens, clause)):
            continue
        if set(tokens[: clause.end]) & m.DISTANCES and "in" in tokens[: clause.end]:
            # "In 80 metres, turn left" is not now.
            continue
        trailing = clauses[i + 1] if i + 1 < len(clauses) else None
        for vote, is_strong in _clause_votes(tokens, clause, mentions, analysis.sentence.heading):
            if not _cancelled(tokens, vote, trailing):
                yield vote, is_strong


def _checked_only(tokens: Sequence[str], clause: Clause) -> bool:
    """Match "Make sure that the road is clear": nobody says that it is."""
    return any(token in m.CHECKING for token in tokens[max(0, clause.start - 4) : clause.start])


def _cancelled(tokens: Sequence[str], vote: Judgment, trailing: Clause | None) -> bool:
    if trailing is None or trailing.mood is not Mood.CONDITION:
        return False
    opener, body = tokens[trailing.start], tokens[trailing.start : trailing.end]
    if vote is UNSAFE:
        return opener in {"if", "when", "whenever", "in"} and "already" not in body
    if opener in {"before", "till", "as"}:
        return False
    if set(body) & {"necessary", "needed", "required"}:
        return False
    return not (
        opener in {"if", "provided"} and set(body) & {"safe", "clear", "legal", "permitted"}
    )


def _clause_votes(
    tokens: Sequence[str], clause: Clause, mentions: Sequence[Mention], heading: str
) -> Iterator[tuple[Judgment, bool]]:
    for i in range(clause.start, clause.end):
        vote = (
            _evaluation(tokens, i, clause)
            or _caused(tokens, i, clause)
            or _modal(tokens, i, clause, mentions)
            or _order(tokens, i, clause, heading)
            or _state(tokens, i, clause, mentions, heading)
            or _refusal(tokens, i, clause)
        )
        if vote is not None:
            yield vote, True
        weak = _way_ahead(tokens, i, clause)
        if weak is not None:
            yield weak, False


# --- "it is safe to proceed" --------------------------------------------------------------------


def _evaluation(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    token = tokens[i]
    if token not in m.FAVOURABLE and token not in m.UNFAVOURABLE:
        return None
    before = tokens[max(clause.start, i - 6) : i]
    denied = any(word in m.NEGATIONS for word in before)
    possible = any(word in {"may", "might", "could"} for word in before)
    if any(word in m.CHECKING for word in before) or (possible and not denied):
        # "It may not be safe" warns; "it may be safe" leaves it open.
        return None
    favourable = (token in m.FAVOURABLE) != denied
    verb = _infinitive(tokens, i + 1, clause.end)
    if verb is not None:
        action = m.action_at(tokens, verb, clause.end)
        if action in m.GOING:
            return _going(action, favourable)
        if action is m.Action.STOP and token in m.ADVISING and favourable:
            return UNSAFE
        done = tokens[verb : verb + 2] == ("do", "so") and not favourable
        return UNSAFE if done else None
    if token in m.VERDICTS | m.WAY_VERDICTS and _is_predicate(tokens, i, clause):
        return SAFE if favourable else UNSAFE
    return None


def _is_predicate(tokens: Sequence[str], i: int, clause: Clause) -> bool:
    """Whether "it" or a way of going is called safe: "it is not safe", "proceeding is risky"."""
    if i + 1 < clause.end and tokens[i + 1] not in m.AFTER_VERDICT:
        return False
    k = i - 1
    while k >= clause.start and (tokens[k] in m.BEFORE_VERDICT or tokens[k] in w.ADVERBS):
        k -= 1
    if k == i - 1 or not set(tokens[k + 1 : i]) & m.LINKING:
        # The bare verdict of a short answer: "Unsafe.", "Not safe".
        return k < clause.start and clause.start == 0 and len(tokens) <= 4
    subject = tokens[clause.start : k + 1]
    if any(m.is_going(word) for word in subject):
        return True
    return tokens[i] in m.VERDICTS and subject[-1:] in (("it",), ("this",))


def _going(action: m.Action, allowed: bool) -> Judgment | None:
    # Who may not turn may still go straight on.
    if allowed:
        return SAFE
    return UNSAFE if action is m.Action.GO else None


def _caused(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "The light requires vehicles to remain stationary", "allowing us to proceed"."""
    if (
        tokens[i] not in m.CAUSING
        or _of_nothing(tokens, clause)
        or any(word in m.NEGATIONS for word in tokens[max(clause.start, i - 3) : i])
    ):
        return None
    verb = _infinitive(tokens, i + 1, clause.end)
    action = None if verb is None else m.action_at(tokens, verb, clause.end)
    if action is None:
        return None
    vote = SAFE if action in m.GOING else UNSAFE
    generic = bool(m.GENERIC_SUBJECTS & set(tokens[i + 1 : verb]))
    return vote if not generic or _light_agrees(tokens, vote) else None


def _of_nothing(tokens: Sequence[str], clause: Clause) -> bool:
    """Match "There is no hazard that requires us to stop": a relative clause to nothing."""
    before = tokens[max(0, clause.start - 12) : clause.start]
    return tokens[clause.start] in {"that", "which"} and bool(m.NEGATIONS & set(before))


def _infinitive(tokens: Sequence[str], start: int, end: int) -> int | None:
    """Index of the verb of "(for us) to VERB"; "safe for the driver to go" is passed over."""
    for k in range(start, min(start + 6, end)):
        if tokens[k] == "to":
            verb = k + 1
            while verb < end and tokens[verb] in w.ADVERBS:
                verb += 1
            return verb if verb < end else None
        if tokens[k] not in m.BENEFICIARY:
            return None
    return None


# --- "the driver should stop" -------------------------------------------------------------------


def _modal(
    tokens: Sequence[str], i: int, clause: Clause, mentions: Sequence[Mention]
) -> Judgment | None:
    token = tokens[i]
    if token in {"i", "we"} and i + 1 < clause.end:
        # "I wait behind him", "we proceed": the simple present of what one does now.
        verb = next((k for k in range(i + 1, clause.end) if tokens[k] not in w.ADVERBS), i)
        action = m.action_at(tokens, verb, clause.end)
        if action is m.Action.STOP and not tokens[verb].endswith("ed"):
            return UNSAFE
        return SAFE if tokens[verb] in {"proceed", "continue"} and action is m.Action.GO else None
    if token not in m.MODALS or (i and tokens[i - 1] in {"may", "might", "could"}):
        return None
    start = i + 1
    if token in m.MODALS_WITH_TO:
        if tokens[i + 1 : i + 2] != ("to",):
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
        vote = _vote(action, token, inverted != negated)
        if generic and vote is not None and not _light_agrees(tokens, vote):
            return None
        if vote is not None:
            return vote
    return None


def _vote(action: m.Action, modal: str, inverted: bool) -> Judgment | None:
    if action in m.GOING:
        return _going(action, not inverted)
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
        elif token in m.PREPARING:
            return
        elif expecting and token not in w.ADVERBS and token not in {"able", "to", "have"}:
            if token == "be" and tokens[k + 1 : k + 2] != ("at",):
                continue
            yield k, negated
            expecting = False
        elif token in {"and", ",", "then"}:
            expecting = True
            negated = negated and token != "then"


def _own_subject(
    tokens: Sequence[str], i: int, clause: Clause, mentions: Sequence[Mention]
) -> bool:
    subject = tokens[clause.start : i]
    inside = [mention for mention in mentions if clause.start <= mention.start < i]
    nearest = next(
        (k for k in range(i - 1, clause.start - 1, -1) if tokens[k] in m.OWN_SUBJECTS), None
    )
    if nearest is not None:
        between = [mention for mention in inside if mention.start > nearest and not mention.own]
        return tokens[max(0, nearest - 1)] not in {"other", "oncoming"} and not any(
            tokens[mention.left - 1] not in w.PREPOSITIONS for mention in between
        )
    if any(mention.own for mention in inside):
        return True
    if any(token in m.PLAN_NOUNS for token in subject):
        return True
    earlier = [mention for mention in mentions if mention.start < i]
    return bool(subject) and subject[-1] == "it" and bool(earlier) and earlier[0].own


def _generic_subject(tokens: Sequence[str], i: int, clause: Clause) -> bool:
    """Match "vehicles may proceed", "traffic must stop": true of us where the light says it."""
    before = [
        token for token in tokens[clause.start : i] if token not in w.ADVERBS and token != "that"
    ]
    return len(before) == 1 and before[0] in m.GENERIC_SUBJECTS


def _light_agrees(tokens: Sequence[str], vote: Judgment) -> bool:
    return ("green" if vote is SAFE else "red") in tokens


# --- "Proceed with caution." --------------------------------------------------------------------


def _order(tokens: Sequence[str], i: int, clause: Clause, heading: str) -> Judgment | None:
    first = clause.start
    while first < clause.end and (
        tokens[first] in w.ADVERBS or tokens[first] in {"and", "so", "please", ",", "do", "not"}
    ):
        first += 1
    if i != first:
        return None
    opener = tokens[i]
    gerund = opener.endswith("ing") and "action" in heading and i == clause.start
    if not gerund and not is_imperative(tokens, i, clause.end):
        return None
    if not gerund and clause.start and tokens[clause.start - 1] not in {";", ":", ","}:
        return None
    if opener in m.PREPARING:
        return None
    negated = any(token in m.NEGATIONS for token in tokens[clause.start : i])
    for verb, inverted in _verbs(tokens, i, clause.end):
        action = m.action_at(tokens, verb, clause.end)
        if action in m.GOING:
            return _going(action, not (negated or inverted))
        if action is m.Action.STOP and not negated and not inverted:
            return UNSAFE
    return None


# --- "we are stopped at the red light", "no space to move forward" ------------------------------


def _state(
    tokens: Sequence[str], i: int, clause: Clause, mentions: Sequence[Mention], heading: str
) -> Judgment | None:
    if tokens[i] not in m.STANDING or not ("action" in heading or "red" in tokens):
        return None
    before = tokens[max(clause.start, i - 4) : i]
    if not any(token in w.BE for token in before) or any(
        token in m.NEGATIONS | {"or"} for token in before
    ):
        return None
    return UNSAFE if _own_subject(tokens, i, clause, mentions) else None


def _refusal(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    token = tokens[i]
    if token in {"space", "room", "way"} and any(
        word == "no" or word == "not" for word in tokens[max(clause.start, i - 4) : i]
    ):
        verb = _infinitive(tokens, i + 1, clause.end)
        return (
            UNSAFE
            if verb is not None and m.action_at(tokens, verb, clause.end) is m.Action.GO
            else None
        )
    if token in {"space", "room"} and set(tokens[max(clause.start, i - 2) : i]) & m.ENOUGH:
        ends = (k for k in range(i + 1, min(i + 10, clause.end - 1)) if tokens[k] == "to")
        going = any(m.action_at(tokens, k + 1, clause.end) is m.Action.GO for k in ends)
        return SAFE if going else None
    if token not in m.GOING_GERUNDS or i == clause.start:
        return None
    before = tokens[max(clause.start, i - 6) : i - 1]
    if tokens[i - 1] == "from":
        verb = next((k for k, word in enumerate(before) if word in m.PREVENTING), None)
        return (
            UNSAFE
            if verb is not None and all(word in m.BENEFICIARY for word in before[verb + 1 :])
            else None
        )
    if tokens[i - 1] in m.RECOMMENDING:
        return UNSAFE if set(before) & m.NEGATIONS else SAFE
    return UNSAFE if tokens[i - 1] in {"not", "avoid"} and not set(before[-1:]) & w.BE else None


# --- "the road ahead is clear" ------------------------------------------------------------------


def _way_ahead(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    token = tokens[i]
    if token not in m.WAYS or any(word in m.CHECKING for word in tokens[max(0, i - 5) : i]):
        return None
    span = tokens[max(clause.start, i - 3) : i]
    if any(word in m.OTHER_SIDES for word in span):
        return None
    if span and span[-1] in m.CLEAR and i + 1 < clause.end and tokens[i + 1] in {"ahead", "in"}:
        return None if set(span) & m.NEGATIONS else SAFE
    end = min(i + 10, clause.end)
    verb = next((k for k in range(i + 1, end) if tokens[k] in m.COPULAS), None)
    if verb is None or any(word in m.OTHER_SIDES or word == "," for word in tokens[i + 1 : verb]):
        return None
    negated = False
    for word in tokens[verb + 1 : end]:
        if word in m.NEGATIONS:
            negated = True
        elif word in m.CLEAR:
            if tokens[i + 1] in m.COPULAS and word in {"empty", "free", "open"}:
                # "The road is empty" describes; "the road ahead is free" concludes.
                return None
            return UNSAFE if negated else SAFE
        elif word in m.BLOCKED:
            return None if negated else UNSAFE
        elif word not in w.ADVERBS and word not in w.BE and word != "to" and word not in m.DEGREES:
            return None
    return None
