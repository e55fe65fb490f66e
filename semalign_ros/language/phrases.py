"""The noun phrase around a noun: its determiner, its modifiers and the list it belongs to."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from semalign_ros.language import words as w

_WINDOW = 40
_JOINERS = frozenset({"and", "or", "nor", ",", "&", "/"})
_OPEN_JOINERS = frozenset({"or", "nor", "/"})
_DETERMINERS = w.DEFINITE | w.GENERAL | w.INDEFINITE | w.QUANTIFIERS | w.ANY | w.NEGATIVE | w.EGO
_CLOSING = w.DEFINITE | w.INDEFINITE | w.ANY | w.NEGATIVE | w.EGO
_BEFORE_NOUN = w.INDEFINITE | w.EGO | w.NEGATIVE | {"the", "any", "its", "their", "his", "her"}
_OWN_DETERMINERS = w.DEFINITE | w.INDEFINITE | w.QUANTIFIERS | w.EGO


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase.

    Args:
        start: Index of the noun's first token.
        end: Index after its last.
        left: Index of the first token of the phrase, determiner included.
        determiners: Determiners and quantifiers, those of a list that the phrase
            closes included ("no cars or trucks").
        modifiers: Words between determiner and noun.
        plural: Whether the noun is a plural.
        governor: Index of the word before the phrase (or before its list), -1 at the start.
    """

    start: int
    end: int
    left: int
    determiners: frozenset[str]
    modifiers: frozenset[str]
    plural: bool
    governor: int

    @property
    def definite(self) -> bool:
        """Whether it refers to something known: "the car", "its lights"."""
        return bool(self.determiners & (w.DEFINITE | w.EGO))

    @property
    def counted(self) -> bool:
        """Whether it has a quantifier: "two cars", "several people"."""
        return bool(self.determiners & w.QUANTIFIERS)

    @property
    def bare(self) -> bool:
        """Whether nothing determines it: "cars", "other cars"."""
        return not self.determiners & _OWN_DETERMINERS


def token_at(tokens: Sequence[str], k: int) -> str:
    """Token at `k`, empty where the sentence has none."""
    return tokens[k] if 0 <= k < len(tokens) else ""


def is_attribute(tokens: Sequence[str], phrase: Phrase) -> bool:
    """Whether the phrase only says whose "colour", "state" or "shape" is spoken of."""
    of = token_at(tokens, phrase.governor) == "of"
    return of and token_at(tokens, phrase.governor - 1) in w.ATTRIBUTES


def phrase_at(tokens: Sequence[str], start: int, end: int, plural: bool, nouns: Set[int]) -> Phrase:
    """Find the phrase of the noun at ``tokens[start:end]``.

    Args:
        tokens: The sentence.
        start: Index of the noun's first token.
        end: Index after its last.
        plural: Whether it is a plural.
        nouns: Indices of tokens that are known to be nouns, so that the "stop" of an
            earlier "stop sign" is not taken for a verb.
    """
    left, determiners, modifiers = _walk_left(tokens, start, plural, nouns)
    governor = left - 1
    if not determiners & _OWN_DETERMINERS and "only" not in modifiers:
        first, listed, shared = _list_head(tokens, left, end, plural, nouns)
        if first < left:
            determiners |= listed
            modifiers |= shared
            governor = first - 1
    return Phrase(start, end, left, frozenset(determiners), frozenset(modifiers), plural, governor)


def _walk_left(
    tokens: Sequence[str], start: int, plural: bool, nouns: Set[int]
) -> tuple[int, set[str], set[str]]:
    """Index of the phrase's first token, its determiners, its modifiers."""
    determiners: set[str] = set()
    modifiers: set[str] = set()
    if tokens[start] in w.PEOPLE_PRONOUNS:
        # "it is likely that somebody walks here"
        return start, determiners, modifiers
    k = start - 1
    limit = max(-1, start - 1 - _WINDOW)
    while k > limit:
        token, before = tokens[k], tokens[k - 1] if k else ""
        if token == "that" and (plural or determiners):
            # "suggests that (the) cars": a conjunction, the determiner would be "those".
            break
        if token in _DETERMINERS or token.isdigit():
            determiners.add(("two" if token.strip("0") else "no") if token.isdigit() else token)
        elif token == "of" and (before in w.QUANTIFIERS or before in {"any", "none", "all"}):
            pass
        elif token == "'s" and k:
            # "the driver's car": the possessor determines, and is walked over.
            determiners.add("its")
            k -= 1
            modifiers.add(tokens[k])
        elif (token == "down" and before == "broken") or (
            token == "," and modifiers and before in w.ADJECTIVES
        ):
            pass
        elif before in _BEFORE_NOUN and token in w.VERBS:
            # No verb follows an article: "any stop sign", "the following car".
            modifiers.add(token)
        elif determiners & _CLOSING or (k not in nouns and _ends_phrase(token)):
            break
        else:
            modifiers.add(token)
        k -= 1
    return k + 1, determiners, modifiers


def _ends_phrase(token: str) -> bool:
    return token in w.NOT_IN_NOUN_PHRASE or not token[0].isalnum()


def _list_head(
    tokens: Sequence[str], left: int, end: int, plural: bool, nouns: Set[int]
) -> tuple[int, frozenset[str], frozenset[str]]:
    """For an item of a list, find where the list begins.

    Returns:
        Index of the list's first token (`left` if there is no list), and the determiners
        and modifiers of its first item that hold for all items.
    """
    first, determiners, modifiers = left, frozenset[str](), frozenset[str]()
    # "the light and other vehicles": the others are not the known ones.
    others = "other" in tokens[left:end]
    # "The light is red and cars are waiting": a verb follows, so "and" begins a clause.
    verb_follows = end < len(tokens) and (
        tokens[end] in w.AUXILIARIES
        or tokens[end] in w.FINITE_VERBS
        or (plural and tokens[end] in w.BASE_VERBS)
    )
    limit = max(0, left - _WINDOW)
    k = left - 1
    while k > limit and tokens[k] in _JOINERS:
        open_list = False
        while k > 0 and tokens[k] in _JOINERS:
            open_list |= tokens[k] in _OPEN_JOINERS
            k -= 1
        if verb_follows and not open_list:
            break
        verb_follows = False
        many = tokens[k].endswith("s") and k in nouns
        item_left, item_determiners, item_modifiers = _walk_left(tokens, k + 1, many, nouns)
        if item_left == k + 1:
            break
        first = item_left
        determiners = frozenset(item_determiners) & (w.NEGATIVE | w.ANY)
        known = not item_determiners & (w.INDEFINITE | w.QUANTIFIERS) and not others
        if known and not _places(tokens, first):
            determiners |= item_determiners & w.DEFINITE
        modifiers = frozenset(item_modifiers) & w.POSSIBLE
        if determiners & w.NEGATIVE:
            # "a wall, no cars or people": the list begins here.
            break
        k = first - 1
    return first, determiners, modifiers


_MOTION = frozenset({"from", "off", "onto", "into"})


def _places(tokens: Sequence[str], left: int) -> bool:
    """Whether a phrase only says where: "in the left lane, (cars ...)", "from the street and"."""
    if tokens[max(0, left - 2) : left] == ("out", "of"):
        return True
    if not left or tokens[left - 1] not in w.LOCATIVE | _MOTION:
        return False
    return left < 2 or tokens[left - 2] not in w.CAUTION_HEADS
