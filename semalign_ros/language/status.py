"""Whether a mention says that the class is there, that it is not, or only supposes it."""

from __future__ import annotations

from collections.abc import Sequence

from semalign_ros.language import words as w
from semalign_ros.language.analysis import Analysis
from semalign_ros.language.clauses import Mood
from semalign_ros.language.denial import denial_of
from semalign_ros.language.generality import states_a_rule
from semalign_ros.language.mentions import Mention, Status
from semalign_ros.language.phrases import Phrase, phrase_at, token_at
from semalign_ros.language.supposition import rule_about_light, supposed


def status_of(analysis: Analysis, mention: Mention, sign_end: int | None) -> Status:
    """Decide what a mention claims.

    Args:
        analysis: The sentence.
        mention: One of its mentions.
        sign_end: Index after the last traffic sign named before the mention, if any.
    """
    tokens, clauses = analysis.tokens, analysis.clauses
    position = analysis.clause_at(mention.start)
    clause = clauses[position]
    if rule_about_light(tokens, mention, clauses, position):
        return Status.HYPOTHETICAL
    general = _general_term(analysis, mention)
    denial = denial_of(tokens, mention, clause)
    if denial is None and general is not None:
        denial = denial_of(tokens, general, clause)
    if denial is Status.DENIED:
        if mention.bare and states_a_rule(tokens, clause, analysis.nouns):
            # "People behind a bus often do not see oncoming vehicles."
            return Status.HYPOTHETICAL
        explained = "why" in tokens[clause.start : mention.start]  # "would explain why no cars ..."
        if clause.mood is not Mood.ASSERTED and mention.start >= clause.cue and not explained:
            # "after making sure that there are no pedestrians"
            return Status.INCIDENTAL if _pronoun(tokens, mention) else Status.HYPOTHETICAL
        return Status.INCIDENTAL if mention.compound else denial
    if denial is not None:
        return denial
    if supposed(analysis, mention, clause, sign_end) or (
        general is not None and (general.determiners & w.ANY or general.modifiers & w.POSSIBLE)
    ):
        # "without endangering anyone" supposes nobody in particular, "someone could come" does.
        object_ = _pronoun(tokens, mention) and not _acts(tokens, mention)
        return Status.INCIDENTAL if object_ else Status.HYPOTHETICAL
    return Status.INCIDENTAL if mention.compound else Status.PRESENT


def _pronoun(tokens: Sequence[str], mention: Mention) -> bool:
    return tokens[mention.end - 1] in w.PEOPLE_PRONOUNS and mention.classes == ("person",)


def _acts(tokens: Sequence[str], mention: Mention) -> bool:
    after = token_at(tokens, mention.end)
    return after in w.AUXILIARIES or after.endswith("ing")


def _general_term(analysis: Analysis, mention: Mention) -> Phrase | None:
    """The X of "X such as cars", "X like cars", "X, including cars"."""
    tokens, k = analysis.tokens, mention.governor
    if token_at(tokens, k) == "as" and token_at(tokens, k - 1) == "such":
        k -= 1
    elif token_at(tokens, k) not in {"like", "including"}:
        return None
    while k > 0 and tokens[k - 1] == ",":
        k -= 1
    if k <= 0 or not tokens[k - 1][0].isalnum():
        return None
    return phrase_at(tokens, k - 1, k, tokens[k - 1].endswith("s"), analysis.nouns)
