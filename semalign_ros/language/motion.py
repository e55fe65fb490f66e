"""Words of going and stopping, and which of the two a verb phrase means."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from semalign_ros.language.words import inflect, is_adverb, word_set
from semalign_ros.types import Judgment

SAFE, UNSAFE = Judgment.SAFE, Judgment.UNSAFE


class Action(enum.Enum):
    """What a verb phrase has the vehicle do."""

    GO = "go"
    TURN = "turn"
    STOP = "stop"


GOING = frozenset({Action.GO, Action.TURN})
NEGATIONS = word_set("not no never neither nor without longer cannot")
CHECKING = word_set(
    "ensure ensuring ensures sure verify verifying confirm confirming check checking whether "
    "assess assessing determine determining if until once judge judging evaluate evaluating"
)
FAVOURABLE = word_set(
    "right correct safe safely permissible permitted allowed legal okay ok fine possible "
    "lawful acceptable appropriate free advisable recommended clear best safest better wise "
    "prudent necessary permitting indicating signaling signalling indicates able suitable "
    "reasonable"
)
PERMISSIONS = word_set("turn permission clearance")
REQUIRED = word_set("necessary required mandatory essential advisable appropriate")
STOP_NOUNS = word_set("stop stopping waiting yielding halting")
NECESSITIES = word_set("need reason necessity")
NOTHING = NEGATIONS | {"nothing"}
UNFAVOURABLE = word_set(
    "unsafe dangerous hazardous risky illegal inadvisable unwise prohibited forbidden unable "
    "impossible unlawful reckless"
)
VERDICTS = word_set(
    "reckless irresponsible prohibited forbidden legal illegal safe unsafe dangerous hazardous "
    "risky advisable inadvisable recommended permitted unwise lawful unlawful"
)
LINKING = word_set("is be are was appears seems looks")
BEFORE_VERDICT = LINKING | word_set(
    "both not to would considered very too quite no longer judgment safety and illegal legal"
)
WAY_VERDICTS = word_set("appropriate acceptable fine ok okay permissible allowed possible")
"""Verdicts on a way of going only: "continuing is fine", but "it is fine" may mean the weather."""
AFTER_VERDICT = word_set(". , ! ; now due because and at by here under with currently right")
ENOUGH = word_set("enough sufficient ample adequate")
RECOMMENDING = word_set("recommend advise suggest recommended advised")
CAUSING = word_set(
    "requires require requiring allows allow allowing permits permit permitting enables obliges "
    "means lets let letting tells telling instructs instructing directs directing urges"
)
"""Verbs of what a light or sign makes one do."""
ADVISING = word_set(
    "right correct advisable recommended best safest better wise prudent necessary appropriate "
    "reasonable sensible"
)
BENEFICIARY = word_set(
    "for all us me you in this lane side direction drivers traffic the driver vehicle car ego "
    "autonomous our my and legal safe it vehicles"
)
PREVENTING = word_set(
    "prevent prevents preventing refrain stop stops prohibit prohibits avoid keeps"
)

MODALS = word_set(
    "expected going plan choose decide decided should must shall can may will would need needs "
    "have has required ought advised is"
)
MODALS_WITH_TO = word_set(
    "expected going plan choose decide decided need needs have has required ought advised is"
)
OWN_SUBJECTS = word_set("i we you driver ego myself ours system function")
PLAN_NOUNS = word_set(
    "reaction forward behaviour behavior move choice action decision maneuver manoeuvre step "
    "option response course"
)
MEANING = word_set("the which this means indicates indicating meaning implies signals so")
GENERIC_SUBJECTS = word_set("vehicles traffic drivers cars they")
PREPARING = word_set(
    "prepare prepared preparing ready consider considering plan planning intend intending "
    "anticipate anticipating expect expecting decide possibly potentially likely want check "
    "checking"
)
STANDING = word_set("stopped stationary waiting halted yielding standstill holding rest standing")

ROAD_USERS = frozenset(
    {"person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "vehicle"}
)
WAYS = word_set("road path lane way route street highway roadway")
OTHER_SIDES = word_set("left right adjacent other opposite next oncoming side no part")
COPULAS = word_set("is are appears appear seems seem looks look remains remain")
CLEAR = word_set("clear open free unobstructed empty unblocked")
BLOCKED = word_set("blocked obstructed occupied impassable closed")

STOP_VERBS = word_set("stop halt wait yield pause")
_STILL = word_set("stopped stationary still halted waiting put standing")
_ONWARD = word_set(
    "straight forward forwards ahead on onward onwards through along around by between driving "
    "moving following traveling travelling going safely cautiously slowly carefully past towards "
    "toward behind off away across over"
)
DISTANCES = word_set(
    "m km meter meters metre metres kilometers kilometres kilometer feet yards miles mile"
)
_ASIDE = word_set("edge shoulder curb kerb side roadside")
_MANNERS = word_set("safely cautiously slowly carefully")
_KEPT = _ONWARD | {"immediately", "even", "still"}
_GOING_ON = word_set("follow drive move proceed travel head go navigate cross advance turn")
_NOT_ROADS = word_set(
    "rules rule laws law signs sign signals signal instructions instruction regulations protocol "
    "directions advice guidance recommendations procedure procedures principle"
)
_SAME_SPEED = word_set(
    "moderate current consistent steady constant same present its your our this even"
)
_SLOWING = word_set("reducing slowing braking decelerating")
_TAKEN = word_set("exit ramp turn route road")
_PLACES_TO_LEAVE = word_set("plaza lot garage station ferry depot")
_TURN_MAKING = word_set("carry make complete initiate execute perform begin start take")
_PASSING = word_set("pass go cross through proceed by clear first")
_ROLLING = word_set("roll coast slow ease glide decelerate")
_STANDSTILLS = word_set("stop halt standstill")


def _gerunds(verbs: str) -> frozenset[str]:
    return frozenset(inflect(verb)[2] for verb in verbs.split())


GOING_GERUNDS = _gerunds(
    "proceed continue go move enter cross drive advance accelerate execute make attempt try pass "
    "cruise edge inch creep start begin"
)
_VERBS = word_set(
    "proceed continue go move drive follow turn cross accelerate stop halt wait yield pause remain "
    "stay hold maintain keep give come make advance resume bring enter start begin complete "
    "initiate execute perform take navigate brake pass overtake attempt try "
    "cruise steer pull set stand guide trail carry roll coast slow ease glide decelerate "
    "creep crawl inch edge"
)
_BASE = {inflect(verb)[2]: verb for verb in _VERBS} | {"brought": "bring"}


def light_agrees(tokens: Sequence[str], vote: Judgment) -> bool:
    """Whether a sentence tells the colour of light that goes with a vote."""
    return ("green" if vote is SAFE else "red") in tokens


def action_at(tokens: Sequence[str], i: int, end: int) -> Action | None:
    """What the verb at `i` has the vehicle do, its next words included; None for neither."""
    verb = _BASE.get(tokens[i], tokens[i])
    if verb in {"begin", "start"} and tokens[i + 1 : i + 2] == ("to",) and i + 2 < end:
        return action_at(tokens, i + 2, end)
    if verb in {"stay", "remain"} and tokens[i + 1 : i + 2] == ("where",):
        return Action.STOP
    rest = [
        token for token in tokens[i + 1 : min(i + 8, end)] if not is_adverb(token) or token in _KEPT
    ]
    if _stops(verb, rest):
        return Action.STOP
    if not _goes(verb, rest) or rest[:3] == ["in", "that", "direction"]:
        return None
    first = rest[0] if rest else "."
    aside = verb in {"turn", "overtake", "accelerate"} or {"turn", "turnaround"} & set(rest[:5])
    # "Do not pass" stops; "do not pass the truck" lets one follow it.
    passing = verb == "pass" and first[0].isalnum() and first not in {"until", "before", "while"}
    return Action.TURN if aside or passing else Action.GO


def _stops(verb: str, rest: list[str]) -> bool:
    first = rest[0] if rest else ""
    if verb in {"stopped", "stationary", "halted"}:
        return True
    if verb == "brake":
        return "immediately" in rest or "hard" in rest or bool(_STANDSTILLS & set(rest[:4]))
    if verb in STOP_VERBS:
        return first not in {"sign", "signs", "or"} and not any(
            token in {"any", "potential", "or"} for token in rest[:3]
        )
    if verb in {"remain", "stay", "keep", "continue"}:
        if {"speed", "pace"} & set(rest[:6]):
            return False
        if first in {"behind", "before"} and "line" in rest[:5]:
            return True
        if first in {"at", "here", "where"} and verb in {"remain", "stay"}:
            return True
        if first == "in" and rest[1:2] == ["place"]:
            return True
        return bool(_STILL & set(rest[: 4 if verb == "keep" else 2])) or (
            verb == "continue" and rest[1:2] != [] and rest[1] in STOP_VERBS
        )
    if verb == "be":
        return first == "at" and bool(_STANDSTILLS & set(rest[:4]))
    if verb == "give":
        return first == "way"
    if verb in {"stand", "standing"}:
        return first == "still"
    if verb == "turn":
        return first == "back"
    if verb == "let":
        # "must let them pass first"
        return bool(_PASSING & set(rest[:6]))
    if verb in _ROLLING:
        return bool(_STANDSTILLS & set(rest[:5])) and "to" in rest[:3]
    if verb in {"come", "bring", "make"}:
        # "Come to a stop", "make a complete stop"
        if verb == "make" and _STANDSTILLS & set(rest[:3]):
            return True
        return bool(_STANDSTILLS & set(rest[:6])) and "to" in rest[:4]
    if verb == "hold" and "at" in rest[:4] and "line" in rest[:6]:
        return True
    if verb in {"hold", "maintain", "keep"}:
        return (first == "back" and "by" not in rest) or (
            "position" in rest[:4] and not {"lane", "right", "left", "in", "within"} & set(rest[:5])
        )
    return False


def _goes(verb: str, rest: list[str]) -> bool:
    first = rest[0] if rest else ""
    if verb in {
        "proceed",
        "advance",
        "accelerate",
        "cruise",
        "cross",
        "enter",
        "navigate",
        "pass",
        "overtake",
    }:
        return True
    if verb == "carry" and first == "on":
        verb, rest = "continue", rest[1:]
        first = rest[0] if rest else ""
    if verb == "continue":
        if first == "to":
            return len(rest) > 1 and rest[1] in _GOING_ON
        return not first.isalnum() or first in _ONWARD | {
            "in",
            "at",
            "with",
            "without",
            "our",
            "your",
            "its",
            "their",
            "the",
            "turning",
        } | GOING_GERUNDS | {"following", "driving"}
    if verb in {"go", "move", "drive", "creep", "crawl", "inch", "edge"}:
        if (
            rest[:2] == ["away", "from"]
            or (verb, first) == ("move", "over")
            or (first in {"to", "toward", "towards"} and bool(_ASIDE & set(rest[1:4])))
            or (rest[1:2] and rest[1] in _SLOWING)
        ):
            # "Go on reducing speed.", "Move toward the shoulder."
            return False
        # "Drive slowly" is caution, "drive slowly past the truck" a way to go.
        if verb == "drive" and first in {"out", "onto"}:
            return True
        return bool((_ONWARD - _MANNERS) & set(rest[:2])) or not first.isalnum()
    if verb == "roll" and first in {"forward", "forwards", "on"}:
        return True
    if verb == "guide":
        return "turn" in rest[:6]
    if verb in {"follow", "trail"}:
        return bool(rest) and not _NOT_ROADS & set(rest[:5])
    if verb == "turn":
        return first in {"left", "right"} or not first.isalnum()
    if verb == "leave":
        return first in {"the", "this"} and bool(_PLACES_TO_LEAVE & set(rest[1:3]))
    if verb == "take":
        return bool(_TAKEN & set(rest[:4]))
    if verb in {"steer", "glide"}:
        return bool({"around", "past"} & set(rest[:3]))
    if verb in {"pull", "set"}:
        # "pull over" and "pull up" stop.
        return first in {"away", "off", "out"}
    if verb in _TURN_MAKING and {"turn", "turnaround"} & set(rest[:5]):
        return True
    if verb == "keep" and first in GOING_GERUNDS | {"following", "going"}:
        return True
    if verb in {"maintain", "keep", "hold", "stay"}:
        if first == "behind":
            # "Stay behind the lorry at reduced speed."
            return bool({"speed", "pace"} & set(rest))
        steady = (
            first in {"speed", "pace"}
            or ("lane" in rest[:3] and not {"reduce", "lower"} & set(rest))
            or rest[:2] == ["the", "speed"]
            or bool(_SAME_SPEED & set(rest[:5]))
        ) and not {"low", "below", "under"} & set(rest[:5])
        return steady and bool({"speed", "pace"} & set(rest[:7]))
    if verb in {"resume", "start", "begin"}:
        return bool({"driving", "moving", "speed", "proceeding", "route"} & set(rest[:3]))
    return False


def going_vote(action: Action | None, allowed: bool) -> Judgment | None:
    """Vote of "may go" or "may not go"; who may not turn may still go straight on."""
    if allowed:
        return SAFE
    return UNSAFE if action is Action.GO else None
