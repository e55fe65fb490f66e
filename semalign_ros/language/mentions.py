"""Where a sentence names a class, and whether it is the own vehicle or part of another word."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from semalign_ros.language import words as w
from semalign_ros.language.lexicon import Term, longest_match
from semalign_ros.language.phrases import Phrase, phrase_at
from semalign_ros.language.words import word_set

_COLOURS = word_set("green red yellow amber orange")
_HANDLING = word_set("with pushing pulling his her")
_ON_ROOFS = frozenset([("on", "its", "roof"), ("on", "the", "roof"), ("on", "their", "roofs")])
_AT_THE_END = ("at", "the", "end", "of")
_LAMP_NAMES = word_set("taillight taillights headlight headlights")
_BY_LINES = word_set("at over behind before across cross crosses crossed crossing past")
_LIGHT_WORDS = word_set("light lights signal signals arrow arrows")
_LIGHT_PREDICATES = word_set(
    "turn turns turned turning change changes changed changing is are show shows showing permit "
    "permits allow allows favors favours at ahead facing remains remain stays controlling "
    "regulating has"
)
_BEFORE_CHANGE = w.MODALS | w.DO
_CHANGING = word_set("change turn switch")
_BEFORE_COLOUR = (
    w.PREPOSITIONS
    | w.ADVERBS
    | w.VERBS
    | w.AUXILIARIES
    | word_set("here there that which , switches becomes proves no flashes")
)
_GROUND = word_set("ground floor asphalt pavement surface road lane lanes")
_OWN_LIGHT_VERBS = word_set("turn use using activate activating activated switch with")
# "signs or signals": coupled with signs, signals are those of the traffic.
_COUPLED = frozenset((a, b) for a in ("signs", "lights", "signage") for b in ("and", "or"))
_AFTER_CROSSING = (
    w.DEFINITE | w.INDEFINITE | w.EGO | word_set("from against right left slowly while")
)
_COUNTS = frozenset((number,) for number in w.QUANTIFIERS)
_HAULING = word_set("truck lorry tanker trailer crane")
_TREES = word_set("oak pine maple willow birch poplar cypress linden beech spruce")
_STEERED = word_set(
    "keep keeps keeping guide guides guiding hold holds holding align position steer steers bring "
    "brings bringing brought stop stopped drive drove place places put puts"
)
_VEHICLES = frozenset({"car", "truck", "bus", "train", "vehicle", "motorcycle", "bicycle"})
_SHOPS = word_set(
    "shop shops store stores storefront storefronts restaurant restaurants business businesses"
)
_BELONGING = word_set("with whose have has having display displaying featuring 's their")
_PRONOUNS = {
    "anyone": "any",
    "anybody": "any",
    "nobody": "no",
    "one": "no",
}
_SOURCES = frozenset({("comes", "from"), ("belongs", "to"), ("come", "from"), ("belong", "to")})
_LAMPS = word_set(
    "lamp lamps taillight taillights brake headlight headlights car truck bus vehicle"
)
_DAYLIGHT = word_set("dim bright low poor fading soft good natural diffuse sunny warm weak")
_OUTSIDE = word_set(
    "waiting wait cross boarding board alighting alight disembarking disembark stepping step "
    "getting got gets standing walking crossing queuing queueing loading exiting leaving gathered "
    "emerge emerging emerges reach reached"
)
_STANDING = word_set("standing leaning walking kneeling crouching")
_LEAVING = word_set("getting got gets stepping stepped steps climbing climbed climbs")
_RIDDEN = frozenset({"motorcycle", "bicycle"})
_EGO_NAMES = frozenset({"car", "vehicle", "cars", "vehicles"})
_OBSERVERS = word_set("test driving self driver camera recording observer photographer viewer")
_BESIDE_OWN = {(side, "of") for side in ("front", "ahead", "side", "left", "right", "rear")}
_BEFORE_OWN = word_set("inside within driving")
_PARKINGS = {("car", "park"), ("parking", "lot"), ("parking", "garage")}
_RIDING = word_set("rides ride rode riding on driving straddling mounted operating")
# Between "the car" and these stands nothing that would tell another car from one's own.
_OTHERS_PLACE = word_set(
    "ahead to on at directly immediately that which behind beside next parked approaching "
    "traveling travelling coming turning crossing stopped waiting facing further nearby across "
    "visible alongside"
)


class Status(enum.Enum):
    """What a mention claims."""

    PRESENT = "present"
    DENIED = "denied"
    HYPOTHETICAL = "hypothetical"
    INCIDENTAL = "incidental"


@dataclass(frozen=True, slots=True)
class Mention(Phrase):
    """A class named at one place of a sentence, with its noun phrase.

    Args:
        classes: What the words name.
        compound: Whether it only qualifies another noun ("vehicle headlights").
        own: Whether it is the own vehicle.
    """

    classes: tuple[str, ...]
    compound: bool
    own: bool


def find_mentions(tokens: Sequence[str]) -> tuple[list[Mention], frozenset[int]]:
    """Find every mention of a class.

    Returns:
        The mentions in order, words that hide a class giving none; and the indices of all
        tokens that the lexicon knows as nouns.
    """
    matches: list[tuple[int, int, Term]] = []
    i = 0
    while i < len(tokens):
        match = (
            longest_match(tokens, i)
            or _light(tokens, i)
            or _crossing(tokens, i)
            or _stop_line(tokens, i)
        )
        if match is not None and tokens[i] in {"passenger", "passengers"}:
            match = _passenger(tokens, i, *match)
        if match is not None and tokens[i] in {"driver", "drivers", "owner", "owners"}:
            match = _driver(tokens, i, *match)
        if match is None:
            i += 1
            continue
        term, end = _person_who_crosses(tokens, i, *match)
        if not _is_no_noun(tokens, i, end):
            matches.append((i, end, term))
        i = end
    nouns = frozenset(k for start, end, _ in matches for k in range(start, end))
    found = [
        _mention(tokens, start, end, term, nouns) for start, end, term in matches if term.classes
    ]
    return _join_riders(tokens, found), nouns


def _person_who_crosses(tokens: Sequence[str], i: int, term: Term, end: int) -> tuple[Term, int]:
    """Tell "a pedestrian crossing the street" from "a pedestrian crossing"."""
    crossing = tokens[i:end] == ("pedestrian", "crossing") and end < len(tokens)
    if crossing and tokens[end] in _AFTER_CROSSING:
        return Term(("person",), False), i + 1
    return term, end


def _passenger(tokens: Sequence[str], i: int, term: Term, end: int) -> tuple[Term, int]:
    """Tell "passengers are boarding the tram" from those who sit inside."""
    outside = _OUTSIDE & set(tokens[end : end + 7]) or tokens[i - 1 : i] == ("waiting",)
    if end - i == 1 and outside:
        return Term(("person",), tokens[i] == "passengers"), end
    return term, end


def _driver(tokens: Sequence[str], i: int, term: Term, end: int) -> tuple[Term, int]:
    """Tell "the driver is getting out", "its owner is standing" from who sits inside."""
    left = _LEAVING & set(tokens[end : end + 4]) and "out" in tokens[end : end + 5]
    if left or _STANDING & set(tokens[end : end + 5]):
        return Term(("person",), tokens[i].endswith("s")), end
    return term, end


def _light(tokens: Sequence[str], i: int) -> tuple[Term, int] | None:
    """Read bare "light", "signal" or "arrow" as a traffic light where colour or verb says so."""
    token = tokens[i]
    if token not in _LIGHT_WORDS or tokens[i + 1 : i + 2] in (("bar",), ("bars",), ("strip",)):
        return None
    term = Term(("traffic light",), token.endswith("s"))
    if token.startswith("arrow") and (
        _painted(tokens[i + 1 : i + 6])
        or "painted" in tokens[max(0, i - 8) : i]
        or ("marked", "with") in itertools.pairwise(tokens[max(0, i - 8) : i])
    ):
        return Term(("road",), term.plural), i + 1
    before = tokens[max(0, i - 3) : i]
    after = tokens[i + 1 : i + 4]
    if token == "lights" and "flashing" in before:
        # Those of a school bus, a police car or a railway crossing.
        return None
    if _are_lamps(tokens, i):
        return None
    colour = next((k for k, word in enumerate(before) if word in _COLOURS), None)
    if colour is not None and not any(word in w.PREPOSITIONS for word in before[colour:]):
        # "the bus with its red lights flashing"
        owned = {"its", "their", "his", "her"} & set(before)
        return (
            None if owned or _of_a_vehicle(tokens, i) or _shone_by_one(tokens, i) else (term, i + 1)
        )
    if token in {"arrow", "arrows"}:
        return None
    sought = tokens[max(0, i - 2) : i]
    if (
        token.startswith("signal")
        and sought[-1:] == ("the",)
        and sought[0] in w.LOOKING | w.OBEYING
    ):
        # "then check the signal again"
        return term, i + 1
    if token.startswith("signal") and sought[-1:] == ("no",) and "there" in before:
        return term, i + 1
    if before[-1:] == ("roof",):
        # of a taxi
        return None
    if _DAYLIGHT & set(tokens[i + 1 : i + 6]) or tokens[i + 1 : i + 5] == _AT_THE_END:
        # "The light is as dim as in the evening.", "the light at the end of the tunnel"
        return None
    definite = any(word in w.DEFINITE | w.EGO for word in before)
    if definite and before[-1] == "flashing" and not _of_a_vehicle(tokens, i):
        return term, i + 1
    if definite and after[:1] and after[0] in _BEFORE_CHANGE and _CHANGING & set(after[1:3]):
        # "When the light does change"
        return term, i + 1
    if after[:1] == ("flashing",) and _COLOURS & set(after[1:2]):
        # "a set of signals flashing amber"
        return term, i + 1
    own = any(word in _OWN_LIGHT_VERBS for word in tokens[max(0, i - 4) : i])
    colours = _COLOURS | {"dark"} if token.startswith("signal") else _COLOURS
    coloured = any(word in colours for word in tokens[i + 1 : i + 9])
    if token.startswith("light") and {"its", "their"} & set(before) and not coloured:
        # "Its emergency lights are on."
        return None
    if (
        definite
        and not own
        and after
        and (after[0] in _LIGHT_PREDICATES or (coloured and (after[0] in _BEFORE_COLOUR)))
        and not _of_a_vehicle(tokens, i)
    ):
        return term, i + 1
    waited_for = tuple(before[-2:]) == ("for", "the") and token != "arrow"
    if waited_for and any(word.startswith("wait") for word in tokens[max(0, i - 4) : i]):
        return term, i + 1
    if token == "signals" and tuple(before[-2:]) in _COUPLED:
        return term, i + 1
    if token == "signals" and i == 0 and (not after or after[0] in w.BE):
        return term, i + 1
    if (
        token.startswith("signal")
        and not own
        and before
        and before[-1] in {"and", "or", "the"}
        and (after[:1] and after[0] in _LIGHT_PREDICATES)
    ):
        return term, i + 1
    return None


def _stop_line(tokens: Sequence[str], i: int) -> tuple[Term, int] | None:
    """Read "at the line", "over the line" as a marking."""
    placed = tokens[i] == "line" and i > 1 and tokens[i - 1] == "the"
    if not placed or tokens[i - 2] not in _BY_LINES or tokens[i + 1 : i + 2] == ("of",):
        return None
    return Term(("road",), False), i + 1


def _painted(after: Sequence[str]) -> bool:
    """Match "(arrows) on the floor", "(an arrow) painted on our lane"."""
    after = after[1:] if after and after[0] in w.BE else after
    return after[:1] in (("on",), ("painted",), ("marked",)) and bool(_GROUND & set(after))


def _crossing(tokens: Sequence[str], i: int) -> tuple[Term, int] | None:
    """Read "a crossing" as a place in the road; cyclists and trains that cross are none."""
    if tokens[i] not in {"crossing", "crossings"} or not i:
        return None
    follows = longest_match(tokens, i + 1) if i + 1 < len(tokens) else None
    if tokens[i - 1] not in {"a", "the", "this", "next", "each"} or follows is not None:
        return None
    return Term(("road",), tokens[i] == "crossings"), i + 1


def _of_a_vehicle(tokens: Sequence[str], i: int) -> bool:
    """Whether lights belong to a vehicle: "red lights of the cars", "from the bus"."""
    after = tokens[i + 1 : i + 5]
    return (
        bool(after)
        and after[0] in {"of", "from"}
        and any(
            (match := longest_match(tokens, k)) is not None
            and {"car", "vehicle", "bus", "truck"} & set(match[0].classes)
            for k in range(i + 2, min(i + 5, len(tokens)))
        )
    )


def _are_lamps(tokens: Sequence[str], i: int) -> bool:
    """Match "the red lights that can be seen are the taillights of a car"."""
    for k in range(i + 2, min(i + 9, len(tokens))):
        if tokens[k] in _LAMP_NAMES:
            return tokens[k - 1 - (tokens[k - 1] in w.DEFINITE)] in w.BE
    return False


def _shone_by_one(tokens: Sequence[str], i: int) -> bool:
    """Match "the red light in the centre comes from the lamp of a truck"."""
    source = next(
        (k for k in range(i, len(tokens) - 1) if tokens[k : k + 2] in _SOURCES), len(tokens)
    )
    lamps = [k for k in range(source, len(tokens)) if tokens[k] in _LAMPS]
    return bool(lamps) and tokens[lamps[0] + 1 : lamps[0] + 2] != ("lane",)


def _is_no_noun(tokens: Sequence[str], start: int, end: int) -> bool:
    """Whether the words are a verb or an idiom here: "signs of", "shops online"."""
    after = tokens[end] if end < len(tokens) else ""
    word = tokens[end - 1]
    if after in {"street", "avenue", "road", "lane", "drive"} and word in _TREES:
        # "Maple Street"
        return True
    before = tokens[start - 1] if start else ""
    if (word in {"cab", "couple"} and after == "of") or (word == "cab" and before == "its"):
        # "The cab of the truck", "a couple of cars"
        return True
    if word == "trolley" and _HANDLING & set(tokens[max(0, start - 2) : start]):
        # "a man with a trolley"
        return True
    lorry = tokens[max(0, start - 2) : start - 1] == ("of",) or _HAULING & set(tokens[:start])
    if word == "cab" and before == "the" and lorry:
        # "the front of the cab", "the tanker lies on its side with the cab facing us"
        return True
    if word in {"tower", "towers"} and after in {"over", "above"}:
        # "A mast towers over the yard."
        return True
    if word == "sign" and tokens[end : end + 3] in _ON_ROOFS:
        # of a taxi or a driving school
        return True
    if word == "family" and after == "of" and tokens[end + 1 : end + 2] not in _COUNTS:
        # "a family of ducks"
        return True
    if word == "building" and (before in w.BE or after == "up"):
        return True
    if word == "crowd" and after in w.DEFINITE:
        # "Parked cars crowd the curb."
        return True
    if word in {"signboard", "signboards"} and _of_a_shop(tokens, start, end):
        return True
    if word in {"sign", "signs"} and end - start == 1:
        # "signs of pedestrians", "a sign that it works": symptoms, no traffic signs.
        says = tokens[end + 1 : end + 2] and tokens[end + 1] in w.FINITE_VERBS | w.SIGN_VERBS
        symptom = after == "that" and before == "a" and not says
        return after == "of" or symptom or _of_a_shop(tokens, start, end)
    return word in {
        "store",
        "shop",
        "train",
        "plant",
        "ford",
        "man",
        "field",
        "semi",
        "coach",
    } and (before in {"to", "will", "can", "should"})


def _of_a_shop(tokens: Sequence[str], start: int, end: int) -> bool:
    """Whether signs are those of shops: "shops whose colourful signs", "signs of the stores"."""
    named = longest_match(tokens, start - 1) if start else None
    if named is not None and "building" in named[0].classes:
        # "a bakery sign"
        return True
    before = tokens[max(0, start - 6) : start]
    shop = next((k for k, token in enumerate(before) if token in _SHOPS), None)
    if shop is not None and _BELONGING & set(before[shop:]):
        return True
    after = tokens[end : end + 4]
    return bool(after) and after[0] in {"of", "for", "on"} and bool(_SHOPS & set(after))


def _mention(tokens: Sequence[str], start: int, end: int, term: Term, nouns: Set[int]) -> Mention:
    phrase = phrase_at(tokens, start, end, term.plural, nouns)
    if tokens[end - 1] in _PRONOUNS:
        phrase = replace(phrase, determiners=frozenset({_PRONOUNS[tokens[end - 1]]}))
    return Mention(
        **{name: getattr(phrase, name) for name in Phrase.__slots__},
        classes=term.classes,
        compound=_is_compound(tokens, phrase, term),
        own=_is_own(tokens, phrase, term),
    )


def _is_compound(tokens: Sequence[str], phrase: Phrase, term: Term) -> bool:
    start, end = phrase.start, phrase.end
    after = tokens[end] if end < len(tokens) else ""
    if "building" in term.classes and after in {"sign", "signs", "signage"}:
        return True
    if "building" in term.classes and tokens[end : end + 2] in _PARKINGS:
        return True
    if "road" in term.classes:
        return after in w.ROAD_COMPOUND_HEADS and not term.plural
    if {"traffic light", "traffic sign", "sky", "vegetation", "terrain", "building"} & set(
        term.classes
    ):
        return False
    following = longest_match(tokens, end) if end < len(tokens) else None
    if "person" in term.classes and not term.plural and following is not None:
        # "a tourist bus", "the human driver"
        return not following[0].classes or bool(_VEHICLES & set(following[0].classes))
    if after == "'s":
        return not any(token in w.DEFINITE for token in tokens[max(0, start - 4) : start])
    if after in w.COMPOUND_OR_VERB and phrase.determiners & (w.DEFINITE | w.INDEFINITE):
        # "the gray van turns"
        return False
    if after == "crossing" and tokens[end + 1 : end + 2] and tokens[end + 1] in _AFTER_CROSSING:
        return False
    return after in w.COMPOUND_HEADS and not term.plural


def _is_own(tokens: Sequence[str], phrase: Phrase, term: Term) -> bool:
    start, end = phrase.start, phrase.end
    determiners, modifiers = phrase.determiners, phrase.modifiers
    if not {"car", "vehicle", "truck", "bus"} & set(term.classes):
        return False
    if (determiners | modifiers) & w.EGO:
        return True
    if tokens[end : end + 3] == ("such", "as", "ours") or tokens[end : end + 2] == ("like", "ours"):
        return True
    driven = tokens[max(0, phrase.left - 3) : phrase.left]
    if determiners & w.INDEFINITE and driven[-1:] == ("driving",) and {"we", "i"} & set(driven):
        # "As we are driving a passenger car, the restriction does not concern us."
        return True
    if tokens[end - 1] not in _EGO_NAMES or end - start > 1:
        return False
    after = tokens[end] if end < len(tokens) else ""
    if determiners & w.INDEFINITE and phrase.left and tokens[phrase.left - 1] in _BEFORE_OWN:
        return True
    if term.plural or modifiers - {"whole", "entire"}:
        return bool(modifiers & _OBSERVERS) and not term.plural
    if determiners not in ({"the"}, {"this"}, {"its"}):
        return False
    if tokens[max(0, start - 2) : start - 1] and tokens[start - 2] in {"behind", "inside"}:
        return after not in {"ahead", "that", "which"} and tokens[end : end + 2] != (
            "in",
            "front",
        )
    if tokens[max(0, phrase.left - 2) : phrase.left] in _BESIDE_OWN:
        return True
    if tokens[max(0, phrase.left - 2) : phrase.left] in {("hood", "of"), ("bonnet", "of")}:
        return True
    if phrase.left and tokens[phrase.left - 1] in _STEERED:
        # "keeps the car in its lane"
        return True
    if after == "from" and tokens[end + 1 : end + 2] in (("the",), ("behind",), ("our",)):
        # "Let the vehicle from the left pass."
        return False
    if after == "in":
        return tokens[end + 1 : end + 2] not in (("front",), ("the",), ("our",), ("my",), ("its",))
    return after not in _OTHERS_PLACE


def _ridden_by(tokens: Sequence[str], mention: Mention, before: Sequence[Mention]) -> bool:
    """Match "a motorcycle, ridden by a man"."""
    by = tokens[max(0, mention.left - 2) : mention.left] == ("ridden", "by") or (
        tokens[mention.left - 1 : mention.left] == ("carrying",)
    )
    return by and any(_RIDDEN & set(earlier.classes) for earlier in before)


def _join_riders(tokens: Sequence[str], mentions: list[Mention]) -> list[Mention]:
    """Make "a person riding a bicycle" a rider and "a motorcycle with a rider" both."""
    joined: list[Mention] = []
    for i, mention in enumerate(mentions):
        following = mentions[i + 1] if i + 1 < len(mentions) else None
        if (
            mention.classes == ("person",)
            and following is not None
            and _RIDDEN & set(following.classes)
            and following.start - mention.end <= 8
            and "," not in tokens[mention.end : following.start]
            and any(token in _RIDING for token in tokens[following.left - 2 : following.left])
        ) or (mention.classes == ("person",) and _ridden_by(tokens, mention, mentions[:i])):
            joined.append(replace(mention, classes=("rider",)))
        else:
            joined.append(mention)
    return joined
