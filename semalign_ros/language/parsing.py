"""What a model's free answer claims: classes, and the judgment of safety."""

from __future__ import annotations

from collections.abc import Sequence

from semalign_ros.language import words as w
from semalign_ros.language.analysis import Analysis, analyse
from semalign_ros.language.claims import Answer, judgment_of
from semalign_ros.language.mentions import Mention, Status, find_mentions
from semalign_ros.language.prompts import PromptSet, Question
from semalign_ros.language.safety import judgment_of_sentences
from semalign_ros.language.status import status_of
from semalign_ros.language.text import Sentence
from semalign_ros.language.yes_no import parse_yes_no
from semalign_ros.types import Judgment, SceneClaims

PARSER_VERSION = "1.5"
"""Version of the rules; raise it with every change that can change a result."""

_NONE = w.word_set("none no absent nil n not")
_SOME = w.QUANTIFIERS | {"yes", "present", "visible"}
_TO_BE_SEEN = (w.PERCEIVABLE - {"in", "there"}) | {"posted", "near", "nearby", "around"}
_SHOWING_UP = w.word_set("shows show appears appear")
_NO_LOOKS = (
    w.AUXILIARIES
    | w.NEGATIVE
    | w.UNKNOWN
    | w.ABSENT
    | w.POSSIBLE
    | w.POSSIBILITY
    | {"none", "any", "if"}
)
"""Words of a text that says of a label more than how the thing looks."""


def parse_scene_text(text: str) -> SceneClaims:
    """Read which classes a description asserts, denies or only supposes, and its judgment.

    The rules are told in docs/parsing.md. Besides Cityscapes names the sets may hold
    "vehicle", for a vehicle whose kind is not told; the metrics decide what it counts for.

    Args:
        text: Anything a model wrote, markdown included.

    Returns:
        The claims; present wins over denied, denied over hypothetical. Coverage is the
        share of sentences that yielded a claim or a judgment, 0 for an empty text.

    Example:
        >>> parse_scene_text("A bus is ahead, but no cyclist is visible.").present
        frozenset({'bus'})
    """
    found = analyse(text)
    by_status: dict[Status, set[str]] = {status: set() for status in Status}
    parsed = 0
    signs, last_supposed = False, frozenset[str]()
    for analysis in found:
        said = _said(analysis, signs)
        claims = _label_claims(analysis.sentence)
        claims |= {(name, status) for mention, status in said for name in mention.classes}
        if _none_of_them(analysis.tokens) is not None and not said:
            # "Other cars could come from the left. None is visible."
            claims |= {(name, Status.DENIED) for name in last_supposed}
        signs = any("traffic sign" in mention.classes for mention in analysis.mentions)
        supposed = [m.classes for m, status in said if status is Status.HYPOTHETICAL]
        last_supposed = frozenset(supposed[-1]) if supposed else frozenset()
        parsed += bool(claims) or judgment_of_sentences([analysis]) is not None
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


def parse_safety(text: str, safe_when_yes: bool = True) -> Judgment | None:
    """Read the safety judgment of an answer to a safety prompt, or of a description.

    Args:
        text: The answer.
        safe_when_yes: What a bare "yes" means; false for a reversed question.

    Returns:
        None where the text gives no judgment, or where its yes or no contradicts what it
        goes on to say.

    Example:
        >>> parse_safety("No, a cyclist is crossing.")
        <Judgment.UNSAFE: 'unsafe'>
    """
    said = judgment_of_sentences(analyse(text))
    answer = parse_yes_no(text, explicit_only=True)
    if answer is None:
        return said
    judgment = judgment_of(answer, safe_when_yes)
    return judgment if said in (None, judgment) else None


def parse_answer(question: Question, text: str, prompts: PromptSet) -> Answer:
    """Read a free-text answer to one question of a prompt set.

    Raises:
        ConfigError: The question belongs to no safety prompt of `prompts`.
    """
    if question.kind == "presence":
        return parse_yes_no(text)
    return parse_safety(text, prompts.safety_prompt(question.subject).safe_when_yes)


def _said(analysis: Analysis, signs_before: bool) -> list[tuple[Mention, Status]]:
    """What each mention of a sentence claims, those of the own vehicle left out."""
    said: list[tuple[Mention, Status]] = []
    none = _none_of_them(analysis.tokens) or 0
    # "It shows a bicycle", "The left one contains ...", after a sentence that names a sign.
    named = _pro_forms(analysis.tokens) if signs_before else []
    sign_end: int | None = None
    for mention in analysis.mentions:
        while named and named[0] <= mention.start:
            sign_end = named.pop(0)
        if not mention.own:
            said.append((mention, status_of(analysis, mention, sign_end)))
        if "traffic sign" in mention.classes:
            sign_end = mention.end
    # "Cars may come from there, but none is visible", not "There are cars, but none is near."
    meant = [
        k
        for k, (m, status) in enumerate(said)
        if m.end <= none
        and not (m.definite or m.counted)
        and (status is Status.HYPOTHETICAL or analysis.tokens[m.end] == "can")
    ]
    if meant:
        said[meant[-1]] = said[meant[-1]][0], Status.DENIED
    return said


def _none_of_them(tokens: Sequence[str]) -> int | None:
    """Index of "none" in "none is visible", "none shows up", "though there are none"."""
    for k, token in enumerate(tokens):
        if token in {"none", "neither"} and tokens[k + 1 : k + 2] != ("of",):
            verb, after = set(tokens[k + 1 : k + 2]), set(tokens[k + 1 : k + 6])
            if (verb & w.AUXILIARIES and after & _TO_BE_SEEN) or verb & _SHOWING_UP:
                return k
            if {"there"} & set(tokens[max(0, k - 3) : k - 1]) and tokens[k - 1] in w.BE:
                return k
    return None


def _pro_forms(tokens: Sequence[str]) -> list[int]:
    """Indices after "it" at the start and "the left one"."""
    return [
        k + 1
        for k, token in enumerate(tokens)
        if (token == "it" and k == 0) or (token == "one" and "the" in tokens[max(0, k - 2) : k])
    ]


def _label_claims(sentence: Sentence) -> set[tuple[str, Status]]:
    """Read "Pedestrians: none", "Cars: 3" and "Lead vehicle: white, braking"."""
    tokens, label = sentence.tokens, sentence.label
    labelled = [m for m in find_mentions(label)[0] if not m.compound and not m.own]
    if not labelled:
        return set()
    first = tokens[0]
    if first == "0" or (first in _NONE and (len(tokens) <= 3 or _all_missing(tokens))):
        status = Status.DENIED
    elif first.isdigit() or first in _SOME or _describes(tokens, label[labelled[-1].end :]):
        status = Status.PRESENT
    else:
        return set()
    return {(name, status) for mention in labelled for name in mention.classes}


def _all_missing(tokens: Sequence[str]) -> bool:
    """Match "None can be made out in this frame", not "None except for a stop sign"."""
    return tokens[0] == "none" and not {"except", "other", "but", "besides"} & set(tokens)


def _describes(tokens: Sequence[str], numbered: Sequence[str]) -> bool:
    """Whether what follows a label tells of one thing ("Vehicle 2: ...") or how it looks."""
    if numbered and not set(numbered) <= w.LOCATED:
        return len(numbered) == 1 and numbered[0].isdigit()
    return not _NO_LOOKS & set(tokens) and tokens[0] not in w.BASE_VERBS
