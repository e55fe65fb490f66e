"""A sentence with its clauses and mentions: what the rules for claims and for safety both read."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

from semalign_ros.language import words as w
from semalign_ros.language.clauses import Clause, split_clauses
from semalign_ros.language.mentions import Mention, find_mentions
from semalign_ros.language.text import Sentence, sentences


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysed sentence.

    Args:
        sentence: The sentence itself.
        clauses: Its clauses; each token is in exactly one.
        mentions: Its mentions of classes, in order.
        nouns: Indices of all tokens that the lexicon knows as nouns.
    """

    sentence: Sentence
    clauses: tuple[Clause, ...]
    mentions: tuple[Mention, ...]
    nouns: frozenset[int]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Tokens of the sentence."""
        return self.sentence.tokens

    def clause_at(self, index: int) -> int:
        """Position, among the clauses, of the one that holds the token at `index`."""
        return bisect_right(self.clauses, index, key=lambda clause: clause.start) - 1


def _goes_on_about_us(before: Analysis, tokens: tuple[str, ...]) -> bool:
    """Whether "It should stop" follows a sentence about the own vehicle."""
    if tokens[0] != "it" or not set(tokens[1:2]) & (w.MODALS | {"needs", "has"}):
        return False
    own = before.mentions and before.mentions[0].own
    return bool(own) or bool({"system", "ego"} & set(before.tokens))


def analyse(text: str) -> list[Analysis]:
    """Analyse every sentence of a text."""
    found: list[Analysis] = []
    for sentence in sentences(text):
        if found and _goes_on_about_us(found[-1], sentence.tokens):
            sentence = replace(sentence, tokens=("ego", *sentence.tokens[1:]))
        mentions, nouns = find_mentions(sentence.tokens)
        clauses = split_clauses(sentence.tokens, sentence.heading)
        found.append(Analysis(sentence, tuple(clauses), tuple(mentions), nouns))
    return found
