"""Whether a text says that the own vehicle may proceed now.

Each clause may vote. A vote needs the own vehicle as the one who acts, a verb of
going or stopping, and that nothing suspends it: a condition, a preparation
("be ready to stop"), a question of whether. Votes that contradict each other
cancel: what is not said is not guessed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from semalign_ros.language import motion as m
from semalign_ros.language import words as w
from semalign_ros.language.actions import action_vote, order_vote
from semalign_ros.language.analysis import Analysis
from semalign_ros.language.clauses import Clause, Mood
from semalign_ros.language.motion import SAFE, UNSAFE
from semalign_ros.language.verdicts import of_nothing, verdict, way_ahead
from semalign_ros.types import Judgment

_Vote = tuple[Judgment, bool, int]
"""What is voted, whether strongly, and where the clause begins."""
_STARTING = w.word_set("moves move starts start moving pulls")


def judgment_of_sentences(found: Sequence[Analysis]) -> Judgment | None:
    """Join the votes of all sentences; None where there is none, or where they differ."""
    strong: set[Judgment] = set()
    weak: set[Judgment] = set()
    red = False
    planned: set[Judgment] = set()
    for analysis in found:
        if analysis.sentence.question:
            continue
        votes = _without_conceded(analysis, list(_votes(analysis)))
        strong |= (firm := {vote for vote, is_strong in votes if is_strong})
        weak |= {vote for vote, is_strong in votes if not is_strong}
        if "next" in analysis.sentence.heading:
            planned |= firm
        red |= _red_light(analysis.tokens)
    if red:
        # "The light is red, the road ahead is clear" decides nothing.
        weak.discard(SAFE)
    # "Current Action: Standing at the exit. Next Action: Join the street."
    decisive = planned or strong or weak
    return next(iter(decisive)) if len(decisive) == 1 else None


def _red_light(tokens: Sequence[str]) -> bool:
    return "red" in tokens and any(
        token in {"light", "lights", "signal", "signals"} for token in tokens
    )


def _without_conceded(analysis: Analysis, votes: list[_Vote]) -> list[tuple[Judgment, bool]]:
    """Drop the first half of "Green allows us to turn, yet a woman crosses, so we must wait"."""
    if not votes:
        return []
    turns = [c.start for c in analysis.clauses if analysis.tokens[c.start] in {"but", "yet"}]
    last = max((start for vote, _, start in votes if vote is UNSAFE), default=0)
    conceded = max((turn for turn in turns if turn <= last), default=0)
    return [(vote, strong) for vote, strong, at in votes if vote is UNSAFE or at >= conceded]


def _votes(analysis: Analysis) -> Iterator[_Vote]:
    tokens, clauses = analysis.tokens, analysis.clauses
    suspended = False
    for i, clause in enumerate(clauses):
        if tokens[clause.start - 1] == ";" and clause.start:
            suspended = False
        if clause.mood is Mood.CONDITION:
            # "If the car is still moving, it must stop.", "Even after it turns green, we wait."
            body = set(tokens[max(0, clause.start - 1) : clause.end])
            suspended = not {"still", "already", "even"} & body
            continue
        if suspended or _checked_only(tokens, clause) or of_nothing(tokens, clause):
            continue
        if tokens[clause.start] == "otherwise":
            suspended = True
        if suspended or _later(tokens[: clause.end]):
            continue
        trailing = clauses[i + 1] if i + 1 < len(clauses) else None
        for vote, is_strong in _clause_votes(analysis, clause):
            if not _cancelled(tokens, vote, clause, trailing):
                yield vote, is_strong, clause.start


def _later(tokens: Sequence[str]) -> bool:
    """Match "In 80 metres, turn left", "To reach the airport, turn left", "Afterwards I would"."""
    guided = "navigation" in tokens or tokens[:2] in {("to", "reach"), ("to", "get")}
    if guided or _turns_there(tokens):
        return True
    if tokens[0] in {"afterwards", "afterward", "later", "subsequently"}:
        return True
    if ("then", "take") in itertools.pairwise(tokens) and m.DISTANCES & set(tokens):
        # "Stay in this lane for the next 300 metres, then take the ramp."
        return True
    return any(
        tokens[k] in m.DISTANCES
        and tokens[k + 1 : k + 2] not in (("/",), ("per",))
        and {"in", "after"} & set(tokens[max(0, k - 4) : k])
        for k in range(1, len(tokens))
    )


def _turns_there(tokens: Sequence[str]) -> bool:
    """Match "Turn right there": at a place told of before."""
    return tokens[0] == "turn" and tokens[2:3] == ("there",)


def _checked_only(tokens: Sequence[str], clause: Clause) -> bool:
    """Match "Make sure that the road is clear": nobody says that it is."""
    before = tokens[max(0, clause.start - 4) : clause.start]
    unsure = before[-2:] in {(maybe, "mean") for maybe in w.MAYBE}
    return unsure or any(token in m.CHECKING for token in before)


def _cancelled(
    tokens: Sequence[str], vote: Judgment, clause: Clause, trailing: Clause | None
) -> bool:
    if trailing is None or trailing.mood is not Mood.CONDITION:
        return False
    own = tokens[clause.start : clause.end]
    if any(own[k] == "and" and own[k + 1] in m.PREPARING for k in range(len(own) - 1)):
        # "Keep following and consider overtaking only when ...": a condition of the latter.
        return False
    if own[0] in {"keep", "continue", "maintain", "proceed"} and {"and", "then"} & set(own):
        # "Keep following the bus and turn right once the corner is reached."
        return False
    opener, body = tokens[trailing.start], tokens[trailing.start : trailing.end]
    if tokens[trailing.start - 1] == "even":
        # "has to stop, even if the road is empty"
        return False
    planned = bool(_STARTING & set(body)) or "green" in tokens[: trailing.start]
    if vote is UNSAFE:
        soon = body[:2] == ("as", "soon")
        return (soon or opener in {"if", "when", "whenever", "in"}) and "already" not in body
    if opener in {"before", "till", "until"} or body[:2] == ("in", "case"):
        return False
    if opener == "as":
        # "Enter as soon as there is a gap": not yet.
        return body[1:2] == ("soon",) and not planned
    if opener in {"once", "when"} and planned:
        # "I'll accelerate once the truck ahead moves.", "The light is green: go once it is clear."
        return False
    if set(body) & {"necessary", "needed", "required"}:
        return False
    return not (
        opener in {"if", "provided"} and set(body) & {"safe", "clear", "legal", "permitted"}
    )


def _allowed_to_others(analysis: Analysis, i: int, clause: Clause) -> bool:
    """Match "pedestrians are allowed to cross", "only straight traffic is permitted to go"."""
    tokens = analysis.tokens
    if tokens[i] not in {"allowed", "permitted"}:
        return False
    subject = tokens[clause.start : i]
    if "our" in subject:
        # "Vehicles in our direction are allowed to proceed."
        return False
    if "traffic" in subject:
        return subject[0] != "traffic"
    who = tokens[clause.start] in {"who", "that", "which"}  # "Anyone who crosses may pass first."
    return any(
        (clause.start <= mention.start < i or (who and mention.end == clause.start))
        and not mention.own
        and m.ROAD_USERS & set(mention.classes)
        and not (mention.governor >= clause.start and tokens[mention.governor] in w.PREPOSITIONS)
        and not m.light_agrees(tokens, m.SAFE)
        for mention in analysis.mentions
    )


def _clause_votes(analysis: Analysis, clause: Clause) -> Iterator[tuple[Judgment, bool]]:
    order = order_vote(analysis, clause)
    if order is not None:
        yield order, True
    for i in range(clause.start, clause.end):
        vote = action_vote(analysis, i, clause)
        if vote is None and not _allowed_to_others(analysis, i, clause):
            vote = verdict(analysis.tokens, i, clause)
        if vote is not None:
            yield vote, True
        weak = way_ahead(analysis.tokens, i, clause)
        if weak is not None:
            yield weak, False
