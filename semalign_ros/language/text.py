"""From raw text to sentences of lower-case tokens. Linear in the length of the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from semalign_ros.language.words import word_set

_QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u2032`", "'")  # single quotes, prime
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')  # double quotes, guillemets
    | dict.fromkeys("\u2013\u2014\u2015", " ; ")  # dashes
    | dict.fromkeys("\u2212\u2010\u2011", "-")  # minus, hyphens
    | dict.fromkeys("\u200b\u200d\ufeff\u00ad*", "")  # invisible, and emphasis
    | {"\u2026": ". "}
)
_LIST_MARK = re.compile(
    r"^[ \t]*(?:[#>]+|[-+•]|\*(?=[ \t])|\(?\d{1,3}[.)]|\(?[a-z]\))[ \t]*(?=\D)", re.MULTILINE
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:'[^\W_]+)*|[^\w\s]|\n\s*")
# What a sign says or a marking reads is no claim: its words are hidden from the rules.
_QUOTED = re.compile(r'"[^"\n]{1,60}"|(?<!\w)\'[^\'\n]{1,60}\'(?!\w)')
_WRITTEN = re.compile(
    r"\b(?:signs?|words?|text|letters?|reads?|reading|says?|saying|states?|stating|label(?:ed|led)?|"
    r"marked|display(?:s|ing)?|show(?:s|ing)?|indicat(?:es|ing)|called|titled|inscription|written|"
    r"countdown|plate)\s*[:,]?\s*$"
)
_ABBREVIATIONS = word_set("e.g i.e vs mr mrs dr st rd ave blvd approx no fig etc")
_PRONOUNS_WITH_IS = word_set("it that there here he she what who where this everything")
_CONTRACTED = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
_DASH = re.compile(r"(?<=\s)-{1,3}(?=\s)|--")
_ENDS = frozenset(".!?")
_HEADING_WORDS = 4
# No sentence is that long; text without ends is cut, which keeps all rules linear in the text.
_LONGEST_SENTENCE = 200
# "The street is empty: no cars" has no heading.
_NOT_IN_HEADINGS = word_set("the a an is are was has have appears seems reports shows there")

_HIDDEN = "\u2404"  # a symbol for an end of transmission, which no model writes
WRITTEN = "writtenwords"
"""Token that stands for quoted words."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence.

    Args:
        tokens: Lower-case words and punctuation; "isn't" is "is", "not", and
            "multi-lane" is "multi", "lane".
        heading: Lower-case heading it stands under ("next action"), or "".
        label: Words of the heading if it stands right before this sentence ("cars" of "Cars: 3").
        question: Whether it ends in a question mark.
    """

    tokens: tuple[str, ...]
    heading: str = ""
    label: tuple[str, ...] = ()
    question: bool = False


def normalise(text: str) -> str:
    """Unify quotes and dashes, drop markdown and invisible characters."""
    # An item of a list stands alone, so a blank line takes the place of its mark.
    return _DASH.sub(
        ";", _LIST_MARK.sub("\n", unicodedata.normalize("NFKC", text)).translate(_QUOTES)
    )


def sentences(text: str) -> list[Sentence]:
    """Split text into sentences.

    A heading ("Next Action:", "**Reason**:") is taken off its sentence and noted on
    it and on those that follow.
    """
    found: list[Sentence] = []
    heading = ""
    for raw in _split(_QUOTED.sub(_hide_written, normalise(text))):
        tokens, new_heading = _take_heading(raw)
        heading = heading if new_heading is None else " ".join(new_heading)
        words = tuple(_expand(tokens))
        if any(word[0].isalnum() for word in words):
            found.append(Sentence(words, heading, new_heading or (), raw[-1] == "?"))
    return found


def _hide_written(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - 24) : match.start()].lower()
    return f" {_HIDDEN} " if _WRITTEN.search(before) else match[0]


def _split(text: str) -> Iterator[list[str]]:
    """Yield the raw tokens of each sentence, its end mark included."""
    current: list[str] = []
    matches = list(_TOKEN.finditer(text))
    for i, match in enumerate(matches):
        token = match[0]
        if token.isspace():
            # One line break may be a wrapped line, if the next one goes on in lower case.
            following = matches[i + 1][0] if i + 1 < len(matches) else ""
            if current and (token.count("\n") > 1 or not following[:1].islower()):
                yield current
                current = []
            continue
        current.append(token)
        if len(current) == _LONGEST_SENTENCE or (
            token in _ENDS and _ends_sentence(current, matches, i)
        ):
            yield current
            current = []
    if current:
        yield current


def _ends_sentence(current: list[str], matches: list[re.Match[str]], i: int) -> bool:
    if i + 1 == len(matches):
        return True
    following = matches[i + 1]
    if following[0] in _ENDS:
        return False
    if current[-1] != ".":
        return True
    before = current[-2].lower() if len(current) > 1 else ""
    glued = following.start() == matches[i].end()
    if glued and not (following[0][:1].isupper() and len(before) > 1):
        return following[0] in "\"')" or following[0].isspace()
    if before in _ABBREVIATIONS and not (before == "no" and len(current) == 2):
        # "Longyao Rd. You'll": the end of a sentence after all.
        return before in {"rd", "st", "ave", "blvd", "etc"} and following[0][:1].isupper()
    return not (len(before) == 1 and before.isalpha() and following[0][:1].islower())


def _take_heading(raw: list[str]) -> tuple[list[str], tuple[str, ...] | None]:
    for i, token in enumerate(raw[: _HEADING_WORDS + 1]):
        if token == ":" and i:
            words = tuple(word.lower() for word in raw[:i])
            title = raw[0][:1].isupper() and all(word[0].isalnum() for word in words)
            if title and not _NOT_IN_HEADINGS & set(words):
                return raw[i + 1 :], words
            break
    return raw, None


def _expand(tokens: list[str]) -> Iterator[str]:
    """Lower-case, write contractions out, and split compounds at their hyphens."""
    for raw in tokens:
        token = raw.lower()
        if token == "-":
            continue
        if token == _HIDDEN:
            yield WRITTEN
        elif token == "cannot":
            yield from ("can", "not")
        elif "'" not in token or len(token) == 1:
            yield token
        elif token.endswith("n't"):
            stem = {"can't": "can", "won't": "will", "shan't": "shall"}.get(token, token[:-3])
            yield from ((stem, "not") if stem else ("not",))
        else:
            word, _, tail = token.rpartition("'")
            if tail == "s":
                yield from (word, "is" if word in _PRONOUNS_WITH_IS else "'s")
            elif tail in _CONTRACTED:
                yield from (word, _CONTRACTED[tail])
            else:
                yield word
