"""What a text calls safe, dangerous, allowed or blocked."""

from __future__ import annotations

from collections.abc import Sequence

from semalign_ros.language import motion as m
from semalign_ros.language import words as w
from semalign_ros.language.clauses import Clause
from semalign_ros.language.motion import SAFE, UNSAFE, Action, action_at, going_vote
from semalign_ros.types import Judgment

_REACH = 6
_CHOICES = frozenset(("no", noun) for noun in ("choice", "option", "alternative"))
_FOR_US = frozenset(("for", other) for other in ("us", "me", "our", "everyone", "both", "all"))
_ABRUPT = frozenset({"hard", "sudden", "abrupt", "emergency"})
_FULL_STOPS = frozenset(
    ("a", how, stop) for how in ("full", "complete") for stop in ("stop", "halt")
)
_HARM = frozenset({"conflict", "collision", "accident", "crash", "injury", "injuries"})
_DONE = w.word_set("made completed executed started performed carried")
_WAVING = w.word_set("waving waves beckoning beckons")
_ON = w.word_set("forward forwards through on past ahead")
_OUT_OF_THE = ("out", "of", "the")
_COUNSEL = w.word_set("advise recommend advised speaks")
_IN_IDIOMS = (
    _DONE
    | _WAVING
    | w.word_set(
        "question not passed crossed right priority violate violation way passage lead result "
        "cause law"
    )
)
_CROSSED = frozenset({"crossing", "intersection", "junction", "bridge"})
_PRESENT = frozenset({"current", "present", "this"})
_MANEUVERS = frozenset({"turn", "maneuver", "manoeuvre", "change"})
_WHERE_NOT = w.word_set("next beside alongside too close near behind in on over through between")
_LETTING = frozenset({"let", "lets", "letting"})
_LET = frozenset({"us", "me"}) | m.GENERIC_SUBJECTS


def verdict(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Vote of the word at `i`: "safe to proceed", "allows us to go", "no room to move"."""
    return (
        _evaluation(tokens, i, clause)
        or _permission(tokens, i, clause)
        or _stop_required(tokens, i, clause)
        or _caused(tokens, i, clause)
        or _room(tokens, i, clause)
        or _no_choice(tokens, i, clause)
        or _idiom(tokens, i, clause)
        or _advised_against(tokens, i, clause)
    )


def of_nothing(tokens: Sequence[str], clause: Clause) -> bool:
    """Match "There is no hazard that requires us to stop": a relative clause to nothing."""
    before = tokens[max(0, clause.start - 12) : clause.start]
    return tokens[clause.start] in {"that", "which"} and bool(m.NOTHING & set(before))


def _evaluation(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "it is (not) safe to proceed", "the best thing is to wait", "going on is risky"."""
    token = tokens[i]
    if token not in m.FAVOURABLE and token not in m.UNFAVOURABLE:
        return None
    before = tokens[max(clause.start, i - _REACH) : i]
    if token in {"right", "correct"} and not w.BE & set(before[-1:]):
        # "Keep right to let it pass" judges nothing.
        return None
    # "Continuing without chains is dangerous" negates nothing.
    denied = bool(m.NEGATIONS - {"without"} & set(before))
    if m.CHECKING & set(before) or (w.MAYBE & set(before) and not denied):
        # "It may not be safe" warns; "it may be safe" leaves it open.
        return None
    favourable = (token in m.FAVOURABLE) != denied
    verb = infinitive(tokens, i + 1, clause.end)
    if verb is None:
        predicate = token in m.VERDICTS | m.WAY_VERDICTS and _is_predicate(
            tokens, i, clause, favourable
        )
        return (SAFE if favourable else UNSAFE) if predicate else None
    if tokens[verb] == "not":
        # "It is best not to move."
        return (
            UNSAFE if favourable and action_at(tokens, verb + 2, clause.end) is Action.GO else None
        )
    action = action_at(tokens, verb, clause.end)
    if action in m.GOING:
        return going_vote(action, favourable)
    stopping = action is Action.STOP and token in m.ADVISING and favourable
    done = tokens[verb : verb + 2] == ("do", "so") and not favourable
    return UNSAFE if stopping or done else None


def _is_predicate(tokens: Sequence[str], i: int, clause: Clause, favourable: bool) -> bool:
    """Whether "it", the way or going on is called safe: "it is not safe", "the path is safe"."""
    after = tokens[i + 1 : min(i + 3, clause.end)]
    if after and after[0] not in m.AFTER_VERDICT and after not in _FOR_US:
        return False
    k = i - 1
    while k >= clause.start and (tokens[k] in m.BEFORE_VERDICT or w.is_adverb(tokens[k])):
        k -= 1
    if not set(tokens[k + 1 : i]) & m.LINKING:
        # The bare verdict of a short answer: "Unsafe.", "Not safe".
        return k < clause.start and clause.start == 0 and len(tokens) <= 4
    subject = tokens[clause.start : k + 1]
    if subject[:1] in (("where",), ("wherever",)):
        # "even where this is prohibited"
        return False
    if "attempt" in subject and not favourable:
        # "Any attempt to pass would be unsafe."
        return True
    if {"opposite", "oncoming", "line", "style"} & set(subject) or (
        "speed" in subject and not favourable and not _PRESENT & set(subject)
    ):
        # "Crossing to the opposite side is prohibited.", "At high speed that would be dangerous."
        return False
    if {"making", "turn"} <= set(subject) and not favourable and "red" not in tokens:
        # Who may not turn may still go straight on.
        return False
    if "of" in subject[-2:]:
        # "A smooth way of driving is recommended."
        return False
    if (m.GOING_GERUNDS - {"passing"}) & set(subject) or (
        favourable and "turning" in subject and not {"red", "straight"} <= set(tokens)
    ):
        # Who may not turn may still go straight on.
        return True
    if favourable and subject[-1:] == ("turn",):
        return True
    if len(subject) > 1 and subject[-2].endswith("ing"):
        # "Overtaking it would be unwise" is about overtaking.
        return False
    head = subject[-2:-1] if subject[-1:] in (("ahead",), ("forward",)) else subject[-1:]
    return tokens[i] in m.VERDICTS and bool(set(head) & (m.WAYS | {"it", "this", "situation"}))


def _permission(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "it is our turn to go", "we have permission to proceed", "no need to stop"."""
    token = tokens[i]
    if token not in m.PERMISSIONS and token not in m.NECESSITIES:
        return None
    before = set(tokens[max(clause.start, i - 4) : i])
    verb = infinitive(tokens, i + 1, clause.end)
    action = None if verb is None else action_at(tokens, verb, clause.end)
    denied = bool(before & m.NEGATIONS)
    if token in m.NECESSITIES:
        if denied and verb is not None and tokens[verb] == "not":
            # "There is no reason not to continue."
            return SAFE if action_at(tokens, verb + 2, clause.end) in m.GOING else None
        return SAFE if denied and action is Action.STOP else None
    if token == "turn" and not before & w.EGO:
        return None
    return going_vote(action, not denied) if action in m.GOING else None


def _stop_required(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "stopping is necessary", "a full stop is required", "no stop is required"."""
    if tokens[i] not in m.REQUIRED | m.ADVISING or i - clause.start > _REACH:
        return None
    # "staying where we are is right": the relative clause is part of the subject.
    start = 0 if tokens[clause.start] == "where" else clause.start
    before = tokens[start:i]
    verb = next((k for k in range(len(before) - 1, 0, -1) if before[k] in w.BE), None)
    if verb is None:
        return None
    if before[verb - 2 : verb] == ("no", "braking"):
        return SAFE
    if before[verb - 1] not in m.STOP_NOUNS and not (
        tokens[i] in m.ADVISING
        and before[0].endswith("ing")
        and action_at(tokens, start, clause.end) is Action.STOP
    ):
        # "A stop is required", "staying where we are is the right choice"
        return None
    if before[verb] in {"was", "were"} or _ABRUPT & set(before[:verb]):
        # "A hard stop is not necessary": a gentle one may be.
        return None
    if before[0] in {"and", "or"} or m.PREPARING & set(before):
        # "Preparing to slow down or stop is essential."
        return None
    return SAFE if m.NEGATIONS & set(before) else UNSAFE


def _caused(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "The light requires vehicles to remain stationary", "allowing us to proceed"."""
    if tokens[i] not in m.CAUSING:
        return None
    if m.NEGATIONS & set(tokens[max(clause.start, i - 3) : i]):
        return None
    if tokens[i].startswith("allow") and {"turn", "green"} <= {*tokens[i : i + 5], *tokens[:i]}:
        # "The green arrow allows the right turn."
        return SAFE
    if tokens[i].startswith("requir") and tokens[i + 1 : i + 4] in _FULL_STOPS:
        return UNSAFE
    verb = infinitive(tokens, i + 1, clause.end)
    if tokens[i] in _LETTING and tokens[i + 1 : i + 2] and tokens[i + 1] in _LET:
        verb = i + 2 if i + 2 < clause.end else None  # "lets us go"
    action = None if verb is None else action_at(tokens, verb, clause.end)
    if action is None or verb is None:
        return None
    vote = SAFE if action in m.GOING else UNSAFE
    generic = bool(m.GENERIC_SUBJECTS & set(tokens[i + 1 : verb]))
    return vote if not generic or m.light_agrees(tokens, vote) else None


def infinitive(tokens: Sequence[str], start: int, end: int) -> int | None:
    """Index of the verb in "(for the driver) (not) to VERB" from `start` on, "not" included."""
    for k in range(start, min(start + _REACH, end)):
        if tokens[k] == "to":
            verb = k + 1
            while verb < end and w.is_adverb(tokens[verb]):
                verb += 1
            return verb if verb < end else None
        if tokens[k] == "not" and tokens[k + 1 : k + 2] == ("to",):
            return k
        if tokens[k] not in m.BENEFICIARY:
            return None
    return None


def _room(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "no space to move forward", "enough room between the cars to continue"."""
    if tokens[i] not in {"space", "room", "way"}:
        return None
    before = set(tokens[max(clause.start, i - 4) : i])
    ends = (k for k in range(i + 1, min(i + 10, clause.end - 1)) if tokens[k] == "to")
    if not any(action_at(tokens, k + 1, clause.end) is Action.GO for k in ends):
        return None
    if before & m.NEGATIONS:
        return UNSAFE
    return SAFE if before & m.ENOUGH else None


def _no_choice(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "we have no choice but to wait"."""
    if tokens[i] != "but" or tokens[max(clause.start, i - 2) : i] not in _CHOICES:
        return None
    verb = infinitive(tokens, i + 1, clause.end)
    if verb is None:
        return None
    # "no choice but to switch off the engine and wait"
    joined = [k for k in range(verb, clause.end) if k == verb or tokens[k - 1] == "and"]
    stops = any(action_at(tokens, k, clause.end) is Action.STOP for k in joined)
    return UNSAFE if stops else None


def _idiom(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "the turn can be made now", "gives us the right of way", "against the law"."""
    if tokens[i] not in _IN_IDIOMS:
        return None
    before, after = tokens[clause.start : i], tokens[i + 1 : i + 5]
    if tokens == ("not", "yet", "."):
        return UNSAFE
    if tokens[i] in _DONE:
        allowed = before[-2:] in {("can", "be"), ("may", "be")}
        return SAFE if allowed and _MANEUVERS & set(before) else None
    if tokens[i] in {"passed", "crossed"} and before[-2:] in {("can", "be"), ("may", "be")}:
        # "The level crossing can be passed without stopping."
        return SAFE if _CROSSED & set(before) else None
    if tokens[i : i + 3] == ("right", "of", "way") or tokens[i] == "priority":
        # "The arrow gives us the right of way.", "The green light gives us priority."
        ours = {"gives", "give", "giving"} & set(before) and {"us", "our"} & set(before)
        had = before[-3:] in {("we", "have", "the"), ("i", "have", "the")}
        return SAFE if (ours or had) and not m.NEGATIONS & set(before) else None
    if tokens[i] == "violate" or (
        tokens[i] == "violation" and {"be", "constitute"} & set(before[-3:])
    ):
        # "Moving forward now would constitute a violation."; "entering it": some other lane.
        other = before[1:2] == ("it",)
        return UNSAFE if m.GOING_GERUNDS & set(before) and not other else None
    if tokens[i] == "way" and before[-2:] == ("in", "our"):
        # "Nothing stands in our way."
        return SAFE if "nothing" in before else None
    if tokens[i] == "passage":
        # "The green arrow gives protected passage."
        given = {"gives", "grants", "give", "giving"} & set(before)
        return SAFE if given and not m.NEGATIONS & set(before) else None
    if tokens[i] in {"lead", "result", "cause"} and {"could", "would", "can", "will"} & set(
        before[-2:]
    ):
        # "Entering the junction now could lead to a conflict."
        harm = _HARM & set(tokens[i + 1 : i + 5])
        return UNSAFE if harm and before[0] in m.GOING_GERUNDS and "now" in before else None
    if tokens[i] in _WAVING:
        # "A worker is beckoning us forward."
        waved = {"us", "our"} & set(tokens[i + 1 : i + 3])
        return SAFE if waved and _ON & set(after) and not m.NEGATIONS & set(before) else None
    if tokens[i] == "question":
        # "Going any farther is out of the question."
        return UNSAFE if before[-3:] == _OUT_OF_THE and m.GOING_GERUNDS & set(before) else None
    if tokens[i] == "law" and before[-2:] == ("against", "the"):
        return UNSAFE if m.GOING_GERUNDS & set(before) else None
    return None


def _advised_against(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Match "I would not recommend proceeding", "preventing us from advancing"."""
    if i == clause.start or not tokens[i].endswith("ing"):
        return None
    before = tokens[max(clause.start, i - _REACH) : i - 1]
    governor = tokens[i - 1]
    if governor in m.RECOMMENDING:
        action = action_at(tokens, i, clause.end)
        if action is Action.STOP:
            return None if m.NEGATIONS & set(before) else UNSAFE
        return going_vote(action, not m.NEGATIONS & set(before)) if action in m.GOING else None
    if tokens[i] not in m.GOING_GERUNDS:
        return None
    if governor == "against":
        # "Nothing speaks against entering.", "I would advise against going on."
        said = set(tokens[clause.start : i])
        return SAFE if "nothing" in said else UNSAFE if _COUNSEL & said else None
    if governor == "from":
        verb = next((k for k, word in enumerate(before) if word in m.PREVENTING), None)
        ours = verb is not None and all(word in m.BENEFICIARY for word in before[verb + 1 :])
        if "nothing" not in tokens[clause.start : i]:
            return UNSAFE if ours else None
        # "There is nothing to prevent us from going."; "the car" may be another one.
        return SAFE if ours and not {"car", "driver"} & set(before) else None
    if governor == "avoid" and tokens[i + 1 : i + 2] and tokens[i + 1] in _WHERE_NOT:
        # "Avoid driving next to the lorry": elsewhere one may.
        return None
    return UNSAFE if governor in {"not", "avoid"} and not set(before[-1:]) & w.BE else None


def way_ahead(tokens: Sequence[str], i: int, clause: Clause) -> Judgment | None:
    """Vote of a word for the way: "the road ahead is clear", "the path is blocked"."""
    if tokens[i] not in m.WAYS or m.CHECKING & set(tokens[max(0, i - 5) : i]):
        return None
    if i + 1 < clause.end and tokens[i + 1] in w.ROAD_COMPOUND_HEADS:
        # "Road conditions are clear" is about the weather.
        return None
    span = tokens[max(clause.start, i - 3) : i]
    if m.OTHER_SIDES & set(span):
        return None
    if span and span[-1] in m.CLEAR and i + 1 < clause.end and tokens[i + 1] in {"ahead", "in"}:
        return None if m.NEGATIONS & set(span) else SAFE
    end = min(i + 10, clause.end)
    verb = next((k for k in range(i + 1, end) if tokens[k] in m.COPULAS), None)
    if verb is None or (m.OTHER_SIDES | {",", "behind"}) & set(tokens[i + 1 : verb]):
        return None
    # "The road is empty" describes; "the road ahead is empty" concludes.
    clear = {"clear", "unobstructed"} if verb == i + 1 else m.CLEAR
    negated = False
    for word in tokens[verb + 1 : end]:
        if word in m.NEGATIONS:
            negated = True
        elif word in clear:
            return UNSAFE if negated else SAFE
        elif word == "closed" and tokens[i] == "lane":
            # One may go on in another lane.
            return None
        elif word in {"partly", "partially"}:
            return None
        elif word in m.BLOCKED:
            return None if negated else UNSAFE
        elif word not in w.BE and word != "to" and not w.is_adverb(word):
            return None
    return None
