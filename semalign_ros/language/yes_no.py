"""Yes or no, as models really answer it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from semalign_ros.language import words as w
from semalign_ros.language.text import Sentence, sentences
from semalign_ros.language.words import word_set

_YES = word_set("yes yeah yep yup yea true correct affirmative certainly absolutely indeed")
_NO = word_set("no nope nah false incorrect negative")
_EMPHATIC = word_set("definitely certainly absolutely clearly")
_FILLERS = word_set(
    "well sure okay ok so oh hmm answer assistant response final output actually the is : , . > < "
    "/ \" ' } { ( ) [ ] a1 a"
)
_ANSWER_LINKS = word_set(
    "is was would be should : > \" ' = , { } the to your question simply clearly a"
)
_UNSURE = word_set("maybe perhaps possibly uncertain unclear unsure depends ambiguous inconclusive")
_UNABLE = word_set(
    "tell determine say know confirm answer judge ascertain assess verify certain sure decide"
)
_LIKELY = word_set("probably likely presumably apparently seemingly")
_NEGATIONS = word_set("not no never none nothing neither nobody cannot nowhere without")
_SEEING = word_set("see observe spot identify detect find notice discern make recognize recognise")
_SHOWING = word_set(
    "show shows contain contains include includes depict depicts feature features have has display "
    "displays reveal reveals"
)
_THERE = word_set(
    "visible present seen there shown depicted detected discernible evident apparent observed "
    "identified included recognizable noticeable spotted located parked standing driving walking "
    "crossing"
)


def parse_yes_no(text: str, explicit_only: bool = False) -> bool | None:
    """Read an answer to a yes/no question.

    An explicit yes or no wins, at the start of the text or after "answer"; without
    one the first sentence that asserts or denies that something is there decides.

    Args:
        text: The answer.
        explicit_only: Whether to take nothing but a stated yes or no.

    Returns:
        None where the answer is neither, both, or undecided ("I cannot tell").

    Example:
        >>> parse_yes_no("**No**, there isn't one."), parse_yes_no("Yes and no.")
        (False, None)
    """
    found = [sentence for sentence in sentences(text) if not sentence.question]
    stated = [answer for sentence in found if (answer := _stated(sentence)) is not None]
    if stated:
        return stated[0] if len(set(stated)) == 1 and not _both(found) else None
    for sentence in () if explicit_only else found:
        undecided, answer = _implied(sentence.tokens)
        if undecided:
            return None
        if answer is not None:
            return answer
    return None


def _both(found: Sequence[Sentence]) -> bool:
    """Whether a text says "yes and no", "yes or no", "yes, there is no car"."""
    for sentence in found:
        tokens = sentence.tokens
        for i, token in enumerate(tokens):
            if (
                token in _YES
                and set(tokens[i + 1 : i + 3]) & {"and", "or", "/", ","}
                and (set(tokens[i + 1 : i + 4]) & _NO)
            ):
                return True
            if i <= 2 and token in _YES and tokens[i + 1 : i + 2] == (",",):
                return _denied(tokens[i + 2 : i + 8])
    return False


def _denied(tokens: Sequence[str]) -> bool:
    return tokens[:1] == ("there",) and bool(_NEGATIONS & set(tokens[1:4]))


def _stated(sentence: Sentence) -> bool | None:
    """An explicit yes or no at the head of a sentence or after the word "answer"."""
    tokens = sentence.tokens
    answer: bool | None = None
    for i in _answer_places(tokens, sentence.label):
        word = tokens[i]
        if tokens[i + 1 : i + 2] == ("not",) and word in _EMPHATIC:
            answer = False
        elif word in _YES:
            answer = not (i and tokens[i - 1] == "not")
        elif word in _NO and not _no_doubt(tokens, i):
            answer = False
    return answer


def _answer_places(tokens: Sequence[str], label: Sequence[str]) -> list[int]:
    """Where a yes or no would be the answer, not a determiner inside a sentence."""
    start = 0
    while start < len(tokens) and tokens[start] in _FILLERS:
        start += 1
    places = [start] if start < len(tokens) else []
    if places and tokens[start] in {"i", "it", "definitely", "clearly"} | _LIKELY:
        # "I would say yes", "Probably yes", "I believe no"
        places += [
            k for k in range(start + 1, min(start + 6, len(tokens))) if _ends_clause(tokens, k)
        ]
    for i, token in enumerate(tokens):
        if token == "answer":
            k = i + 1
            while k < min(i + 9, len(tokens)) and tokens[k] in _ANSWER_LINKS:
                k += 1
            if k < len(tokens):
                places.append(k)
    if "answer" in label:
        places.append(0)
    return places


def _ends_clause(tokens: Sequence[str], k: int) -> bool:
    return tokens[k] in _YES | _NO and (k + 1 == len(tokens) or not tokens[k + 1][0].isalnum())


def _no_doubt(tokens: Sequence[str], i: int) -> bool:
    return tokens[i + 1 : i + 2] in (("doubt",), ("wonder",), ("idea",), ("way",))


def _implied(tokens: Sequence[str]) -> tuple[bool, bool | None]:
    """(undecided, answer) of a sentence without an explicit yes or no."""
    if _no_doubt(tokens, 0) and tokens[0] == "no":
        tokens = tokens[2:]
    words = set(tokens)
    if _is_undecided(tokens):
        return True, None
    if words & {"think", "believe", "appear", "seem"} and "so" in tokens[-2:]:
        return False, not words & _NEGATIONS
    if words <= _LIKELY | {".", "so", "not", "it", "is"} and words & _LIKELY:
        return False, "not" not in words
    if "unlikely" in words:
        return False, False
    if not _is_existential(tokens):
        return False, None
    return False, not (_NEGATIONS & set(_first_clause(tokens)) or words & w.ABSENT)


def _is_undecided(tokens: Sequence[str]) -> bool:
    if any(token in _UNSURE for token in tokens):
        return True
    negated = [
        i
        for i, token in enumerate(tokens)
        if token in {"not", "unable", "difficult", "hard", "impossible", "cannot", "no"}
    ]
    if any(set(tokens[i + 1 : i + 5]) & _UNABLE for i in negated):
        return True
    return any(
        token in {"may", "might", "could"}
        and set(tokens[i + 1 : i + 3]) & {"be", "have", "contain"}
        for i, token in enumerate(tokens)
    )


def _is_existential(tokens: Sequence[str]) -> bool:
    pairs = set(itertools.pairwise(tokens))
    words = set(tokens)
    return (
        any(
            a == "there"
            and b in w.BE | {"appears", "appear", "seems", "seem", "does", "do", "exists"}
            for a, b in pairs
        )
        or bool({"i", "we", "you", "one"} & words and _SEEING & words)
        or bool(
            _SHOWING & words
            and {"image", "picture", "photo", "scene", "it", "frame", "this"} & words
        )
        or bool(words & w.AUXILIARIES and words & _THERE)
        or not {"visible", "present", "none", "nothing", "neither", "not"}.isdisjoint(tokens[:1])
        or bool(words & w.ABSENT)
    )


def _first_clause(tokens: Sequence[str]) -> Sequence[str]:
    """Up to a "but" or a comma before a new subject, so that a later negation does not count."""
    for i, token in enumerate(tokens):
        if i and token in {"but", "although", "though", "however", ";", "because"}:
            return tokens[:i]
        if (
            i > 2
            and token == ","
            and tokens[i + 1 : i + 2]
            and tokens[i + 1] in {"and", "with", "which", "not"}
        ):
            return tokens[:i]
    return tokens
