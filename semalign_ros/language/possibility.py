"""Whether a mention is only possible: "a child may run out", "hazards include cyclists"."""

from __future__ import annotations

from collections.abc import Sequence

from semalign_ros.language import words as w
from semalign_ros.language.analysis import Analysis
from semalign_ros.language.clauses import Clause
from semalign_ros.language.lexicon import longest_match
from semalign_ros.language.mentions import Mention
from semalign_ros.language.phrases import token_at

_SUBJECT_REACH = 8
_GENERALLY = w.word_set("easily harder hard difficult less")
_THINKABLE = w.word_set("conceivable possible imaginable thinkable likely")
_EXCLUDING = w.word_set("ruled excluded rule exclude")
_LISTING = w.word_set("include includes are is")
_CAUSES = w.word_set("cause reason explanation causes reasons explanations")
_USUAL = w.word_set("common usual typical likely probable")
_PERILS = w.word_set("hazards hazard risks risk dangers danger conflicts obstacles")
_EMERGING = w.word_set(
    "overtaking emerging stepping running entering crossing pulling appearing opening darting "
    "jumping cutting"
)
_FIXED = frozenset({"building", "wall", "fence", "vegetation", "terrain", "sidewalk"})
_SURFACING = w.word_set(
    "hidden concealed follow following emerge appear come approach approaching behind lurk"
)


def possibly(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "possibly a bus", "there may be a signal", "could be fields"."""
    start = max(clause.start, mention.governor - _SUBJECT_REACH)
    before = tokens[max(0, clause.start - 6) : clause.start]
    if tokens[clause.start] == "or" and _EXCLUDING & set(before := tokens[: clause.start]):
        # "It cannot be excluded that a car is there or a person is in front."
        return bool({"not", "cannot"} & set(before))
    if tokens[clause.start] == "that" and (
        w.POSSIBILITY & set(before[-3:])
        or (_EXCLUDING & set(before) and {"not", "cannot", "neither", "nor"} & set(before))
    ):
        # "It is possible that a cyclist is hidden there.", "It cannot be ruled out that ..."
        return True
    if tokens[clause.start] == "because" and w.POSSIBILITY & set(before[-1:]):
        # "perhaps because of a stopped bus"
        return True
    if _in_possible_list(tokens, mention, clause):
        return True
    # "There may be children, cyclists": what is possible is the whole list.
    span = tokens[start : max(start, min(mention.left, mention.governor + 1))]
    for k in range(len(span) - 1, -1, -1):
        token = span[k]
        if token in w.POSSIBILITY:
            return True
        if token in w.MAYBE:
            verbs = span[k + 1 :]
            existing = any(word in w.EXISTING for word in verbs)
            if any(word in w.INTERPRETING for word in verbs) or (existing and "with" in verbs):
                # "could be read as cars", "might be a park with trees"
                return False
            governor = token_at(tokens, mention.governor)
            if mention.determiners and mention.determiners <= w.INDEFINITE and governor == "of":
                # "could catch the wheel of a bicycle"
                return True
            return existing or not (mention.determiners or governor in w.LOCATIVE)
        if token == "can" and k and span[k - 1] not in w.PRONOUNS:
            # "Moving water can sweep a car away."
            if mention.bare and span[-2:] == ("path", "of"):
                # "can run into the path of other vehicles"
                return True
            done = set(span[k + 1 :])
            return bool(done) and not (
                mention.determiners - w.INDEFINITE
                or done & (w.PERCEIVING | w.PERCEIVABLE | w.BE | w.PREPOSITIONS)
            )
        if token in {"rule", "exclude"} and "not" in span[max(0, k - 2) : k]:
            return True
        if token in {",", ";", ":", "but"}:
            return False
    return False


def _in_possible_list(tokens: Sequence[str], mention: Mention, clause: Clause) -> bool:
    """Match "There might be cars, a pedestrian, or nothing": items with articles of their own."""
    governor = mention.governor - (token_at(tokens, mention.governor) == "even")
    if token_at(tokens, governor) not in {",", "or", "and"}:
        return False
    for k in range(clause.start, mention.left - 2):
        if tokens[k] == "there" and tokens[k + 1] in w.MAYBE and tokens[k + 2] == "be":
            return not (w.AUXILIARIES | {"with"}) & set(tokens[k + 3 : mention.left])
    return False


def listed_as_possible(analysis: Analysis, mention: Mention, clause: Clause) -> bool:
    """Match "Potential hazards include a child running out", "Possible risks: (1) a car"."""
    tokens = analysis.tokens
    located = w.LOCATED & set(tokens[mention.end : mention.end + 4])
    emerging = token_at(tokens, mention.end) in _EMERGING
    if located and not emerging:
        return False
    heading = set(analysis.sentence.heading.split())
    if ":" in tokens[: mention.left]:
        heading |= set(tokens[: tokens.index(":")])
    if heading & _PERILS and heading & w.POSSIBLE:
        return True
    # "include a door that opens, or a rider": a later item is in another clause.
    later = "or" in {tokens[clause.start], token_at(tokens, mention.governor)}
    start = 0 if later else clause.start
    span = tokens[start : mention.left]
    verb = next((k for k, token in enumerate(span) if token in _LISTING), None)
    if verb is None:
        return False
    subject = set(span[:verb])
    return bool(w.POSSIBLE & subject or (_CAUSES & subject and _USUAL & subject))


def possible_subject(tokens: Sequence[str], mention: Mention) -> bool:
    """Match "pedestrians may cross", "vehicles that might turn", "cars can stop": general."""
    existential = (
        token_at(tokens, mention.governor) in w.BE
        and "there" in tokens[max(0, mention.governor - 2) : mention.governor]
    )
    some = "some" in mention.determiners
    if "another" in mention.determiners and token_at(tokens, mention.end) in w.MAYBE:
        # "where another car might be hidden"
        return bool(_SURFACING & set(tokens[mention.end : mention.end + 4]))
    if (mention.counted and not some) or existential:
        return False
    # "Pedestrians who have just got off may cross": over the verb of the relative clause.
    kind = mention.bare or mention.determiners <= w.INDEFINITE
    relative = kind and token_at(tokens, mention.end) in {"who", "that", "which"}
    end = min(mention.end + _SUBJECT_REACH * (1 + relative), len(tokens))
    if token_at(tokens, mention.end) in {"possibly", "potentially"}:
        # "children possibly crossing"
        return True
    for k in range(mention.end, end):
        token = tokens[k]
        if token in w.MAYBE:
            return True
        if token in w.BE and token_at(tokens, k + 1) in _GENERALLY:
            # "Cyclists are easily overlooked."
            return not mention.determiners
        if token in w.BE and _THINKABLE & set(tokens[k + 1 : k + 3]):
            # "Cyclists or slow vehicles are all conceivable."
            return mention.bare
        if token == "which" and tokens[k - 1] in w.PREPOSITIONS:
            # "a lorry hides the entrance from which vehicles could emerge"
            return False
        if token in {"left", "right"} or (
            token in w.PARTICIPLES and tokens[k - 1] in w.INDEFINITE | w.DEFINITE
        ):
            # "a pole or a parked trailer could"
            continue
        if some and token in w.AUXILIARIES:
            return False
        if token == "would":
            # "A hedge would hide any car": what does not move is there.
            fixed = bool(_FIXED & set(mention.classes))
            return not fixed and not mention.determiners - w.INDEFINITE
        if token == "can" and not some:
            return not (w.PERCEIVABLE - {"in"} | w.PERCEIVING) & set(tokens[k + 1 : k + 5])
        if token in w.FREQUENCY:
            return not mention.determiners
        if token in w.GENERIC_VERBS or (token in w.BE and w.ALLOWING & set(tokens[k + 1 : k + 4])):
            return not mention.determiners
        if token == "have" and token_at(tokens, k + 1) in {"to", "priority"}:
            return not mention.determiners
        if relative and (token in w.AUXILIARIES or token in w.FINITE_VERBS):
            continue
        if (
            token in w.AUXILIARIES
            or token in w.FINITE_VERBS
            or token in {";", ":", "if", "but", "as"}
        ):
            return False
        if (
            token == ","
            and not (
                token_at(tokens, k + 1) in w.MAYBE  # "something, such as a pole, could be"
                or "or" in tokens[k + 1 : k + 5]  # "stopped cars, debris or people might be"
                or longest_match(tokens, min(k + 1, len(tokens) - 1))
            )
        ):
            return False
    return False
