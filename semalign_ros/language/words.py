"""Closed classes of English words that the parsing rules lean on: data, no logic but inflection."""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """Make a set of the words of a text."""
    return frozenset(words.split())


# --- noun phrases -------------------------------------------------------------------------------
DEFINITE = word_set("the this that these those its their his her both")
EGO = word_set("my our your ego autonomous automated self")
INDEFINITE = word_set("a an")
GENERAL = word_set("all each every")
QUANTIFIERS = word_set(
    "some several many multiple various numerous few couple two three four five six seven eight "
    "nine ten dozen another one more most lots number variety majority plenty pair group line row "
    "lot series stream"
)
ANY = word_set("any either")
NEGATIVE = word_set("no zero")
POSSIBLE = word_set(
    "potential possible hypothetical potentially possibly unexpected hidden unseen sudden missed "
    "overlooked undetected unnoticed"
)

ADJECTIVES = word_set(
    "large small big tall white black red blue green yellow silver gray grey dark bright long wide "
    "narrow old modern orange brown wet empty busy heavy light clear visible distinct tiny huge"
)

PREPOSITIONS = word_set(
    "of in on at by for with from to into onto over under above below behind beside between among "
    "near along across through around toward towards against about after before during within "
    "without except beyond past off up down out due like than via per upon amid alongside "
    "underneath beneath opposite unlike inside outside including regarding concerning despite"
)
LOCATIVE = word_set(
    "in on at near along across behind beside between around alongside within inside"
)
CONJUNCTIONS = word_set("and or nor but yet so , & /")
PRONOUNS = word_set(
    "i we you he she it they us me them him there here who whom which what someone something "
    "nothing everything anyone everyone"
)
PEOPLE_PRONOUNS = word_set("anyone anybody someone somebody nobody one")
SUBJECT_PRONOUNS = word_set("i we you he she it they there")
BE = word_set("is are was were be been being am")
HAVE = word_set("has have had having")
DO = word_set("do does did")
MODALS = word_set("can could may might must shall should will would ought")
MAYBE = word_set("may might could")
AUXILIARIES = BE | HAVE | DO | MODALS
ADVERBS = word_set(
    "not also currently clearly still only just even very quite too either already now immediately "
    "directly really actually fully entirely completely definitely explicitly apparently seemingly "
    "probably likely presumably then yet ever always never often usually generally typically "
    "easily readily immediately particularly especially perhaps maybe slightly partially barely "
    "necessarily obviously visibly truly safely carefully cautiously slowly smoothly gradually "
    "simply specifically distinctly sufficiently legally first next therefore thus hence however"
)

NO_ADVERBS = word_set("only family assembly early likely unlikely supply apply imply reply fly")


def is_adverb(word: str) -> bool:
    """Whether a word is an adverb, by the list or by its -ly."""
    return word in ADVERBS or (word.endswith("ly") and len(word) > 4 and word not in NO_ADVERBS)


# --- clauses ------------------------------------------------------------------------------------
CONDITIONS = word_set("if unless whether when whenever once until till before after lest wherever")
ASSERTING = word_set(
    "while because since although though whereas as where which who whom that so whose"
)
ENSURING = word_set(
    "ensure ensuring ensures make making sure verify verifying confirm confirming check checking "
    "checked certain assume assuming provided important crucial essential necessary vital critical "
    "imperative require requires required possibility chance unlikely case need allow allows"
)
EVALUATING = word_set(
    "helpful useful sensible preferable important crucial essential necessary vital critical "
    "imperative advisable recommended required requires require prudent wise necessitates "
    "necessitate needed caution careful harder difficult easier challenging cautious importance "
    "necessity need needs responsibility obligatory mandatory compulsory"
)
PURPOSES = word_set(
    "avoid ensure prevent accommodate allow anticipate prepare protect comply yield respond react "
    "minimize reduce prioritize"
)

# --- perception ---------------------------------------------------------------------------------
PERCEIVING = word_set(
    "see seen sees saw seeing observe observed observes spot spotted detect detected detects "
    "identify identified discern discerned notice noticed find found recognize recognise "
    "recognized recognised distinguish distinguished make perceive perceived view viewed locate "
    "located show shows shown showing contain contains include includes have has display displays "
    "displayed feature features depict depicts depicted indicate reveal reveals exist exists "
    "capture captures captured noted confirm verify"
)
PERCEIVABLE = word_set(
    "visible seen present apparent evident detected discernible observable identifiable "
    "noticeable shown observed identified noticed there made recognizable recognisable depicted "
    "displayed captured spotted found distinguishable discerned perceptible in included existent"
)
ABSENT = word_set("disappeared vanished absent missing invisible nonexistent lacking")
ATTRIBUTES = word_set(
    "status state color colour phase signal position condition status indication details detail "
    "type kind number meaning content text specifics intent intention presence"
)
POSSIBILITY = word_set(
    "possibly perhaps maybe potentially possibility potential possible chance risk"
)
EXISTING = word_set(
    "be reveal include represent have contain indicate suggest come mean belong hide conceal "
    "originate exist"
)
GENERIC_VERBS = word_set("need require tend should must ought")
FREQUENCY = word_set(
    "often usually typically generally frequently sometimes always commonly tend normally rarely "
    "seldom notoriously"
)
STRESSING = word_set("especially particularly notoriously always often")
INTERPRETING = word_set("interpreted identified recognized recognised described read seen taken")
SEEKING = word_set("seek seeking find finding search searching")
LOOKING = word_set("look looking check checking scan scanning watch watching search monitor")
CRASHING = frozenset(
    ("with", noun) for noun in ("collision", "collisions", "accident", "crash", "conflict")
)
ALLOWING = word_set(
    "allowed permitted prohibited forbidden banned required expected obliged supposed able unable "
    "entitled"
)
RESERVED = frozenset(
    [(verb, "for") for verb in ("reserved", "intended", "meant", "designated", "dedicated")]
    + [("only", "to"), ("only", "for"), ("lane", "for"), ("lanes", "for")]
    + [(word, "on") for word in ("restriction", "restrictions", "ban", "limit")]
    + [("expected", "of")]
    + [(verb, "for") for verb in ("looked", "searched", "checked", "scanned", "asked")]
    + [(word, "for") for word in ("room", "space", "common", "typical", "usual", "unusual")]
    + [(verb, "to") for verb in ("applies", "apply", "limited", "restricted", "closed")]
    + [(verb, "by") for verb in ("used", "frequented", "shared")]
)
"""Words before a noun that tell what a place is for, not who is there."""
RULING = word_set(
    "let lets letting allow allows allowing permit permits permitting require requires requiring "
    "prohibits prohibit prohibiting enables enable enabling obliges forbids concern concerns"
)
UNKNOWN = word_set(
    "not cannot inability unable unclear uncertain unknown difficult hard impossible unverified"
)
SIGNS_OF = word_set(
    "sign signs indication indications evidence trace traces presence view sight hint hints "
    "shortage absence lack"
)
LOCATED = word_set(
    "ahead nearby visible parked present front behind left right beside adjacent currently "
    "approaching there background distance foreground further directly in on"
)

# --- caution: who says "watch for cyclists" claims no cyclist -----------------------------------
CAUTION_HEADS = word_set(
    "aware awareness alert attentive attention mindful vigilant vigilance cautious careful caution "
    "beware wary watch watching watchful look looking lookout check checking scan scanning monitor "
    "monitoring anticipate anticipating expect expecting avoid avoiding yield yielding prepare "
    "prepared preparing ready distance gap space collision collisions accident accidents risk "
    "risks danger hazard hazards conflict conflicts safety protect protecting accommodate "
    "accommodating obstruct obstructing obstruction endanger endangering interfere interfering eye "
    "account accounting react reacting respond responding response interact hit hitting way "
    "communicate communicating predict predicting consider considering ensure ensuring avoidance "
    "disrupt disrupting impede impeding verify verifying confirm confirming possibility potential "
    "chance likelihood case increase increased higher frequent maneuver manoeuvre maneuvering "
    "react"
)
SPACE = word_set("distance gap space way case increase increased higher frequent")
"""Of these, those that warn only inside advice."""
OBEYING = word_set(
    "obey obeying follow following comply complying adhere adhering accordance respect respecting"
)
"""The same for lights and signs: "obey traffic signals"."""

# --- compounds: "vehicle headlights", "pedestrian traffic" --------------------------------------
COMPOUND_HEADS = word_set(
    "headlight headlights taillight taillights light lights lamp lamps brake brakes traffic "
    "activity activities movement movements dashboard camera cameras window windows windshield "
    "door doors mirror mirrors hood roof trunk engine wheel wheels tire tires speed speeds safety "
    "access crossing crossings crosswalk crosswalks lane lanes zone zones area areas path paths "
    "stop stops station stations park parks parking driver drivers passenger passengers occupant "
    "occupants horn horns number type types make model brand volume flow density behavior "
    "behaviour control controls operation operations dynamics bridge bridges overpass underpass "
    "tunnel plaza precinct helmet helmets shelter shelters depot route routes service services "
    "system systems interior exterior owner owners dealership manufacturer license plate plates "
    "registration symbol symbols icon icons pictogram marking markings signal signals trail "
    "trails rack racks infrastructure presence hazard hazards turn turns perspective viewpoint "
    "view congestion collision collisions accident accidents height heights weight width length "
    "lengths cab bed line lines rail rails exhaust noise distance positioning position positions "
    "maneuver maneuvers manoeuvre sensors sensor detection recognition classification counts "
    "count registration's insurance rental usage use transport transportation crowd"
)
COMPOUND_OR_VERB = word_set(
    "signals turns stops brakes parks uses controls positions counts lights views"
)
"""Of these, those that are verbs after "the cyclist"."""
ROAD_COMPOUND_HEADS = word_set(
    "condition conditions user users safety rule rules rage trip trips law laws network closure "
    "discipline change changes regulations regulation test work works travel signs sign"
)

# --- motion of the own vehicle ------------------------------------------------------------------
_VERBS = """
    see show indicate suggest depict display feature contain include have appear seem look observe
    notice spot detect identify capture reveal imply represent mean follow avoid hit pass
    overtake approach keep maintain leave give yield let allow enable require ensure check watch
    monitor scan anticipate expect consider prepare use take make get go come move drive proceed
    continue stop wait slow accelerate turn merge enter exit cross wait stand sit walk ride park
    travel head face block obstruct prevent cause affect impact help assist warn inform instruct
    remind tell prohibit permit restrict control regulate guide direct surround flank occupy
    cover illuminate reflect create add provide offer ask need want try start begin finish complete
    reach meet join share put place position locate mark separate divide connect lead cut force
    adjust change reduce increase match respond react interact comply adhere obey respect protect
    endanger describe mention note confirm verify determine know think believe assume say read find
    serve act work operate play run carry transport tow pull push hold remain stay become do
    resemble lack accommodate interfere disrupt impede predict spotlight encounter navigate
    negotiate steer brake honk exercise halt pause resume advance pass involve lift drop guide
    trail oblige press release ease shift hide treat bring align switch aim roll decelerate concern
    override overrule supersede
"""
_DOUBLING = word_set("stop get let cut put run sit hit spot plan step begin regulat tow")
_PARTICIPLES = word_set(
    "approaching oncoming incoming crossing moving merging turning passing parked stopped waiting "
    "standing walking slowing overtaking surrounding flashing leading trailing existing stationary "
    "illuminated lit visible parking preceding neighboring neighbouring located positioned "
    "dedicated marked driving directed towing painted paved parked"
)
IRREGULAR_FORMS = word_set(
    "saw seen given gave went gone came drove driven took taken made got kept left led let met "
    "found known knew thought said ran held stood sat ridden rode began begun cut put hit told "
    "became set come brought"
)


def inflect(verb: str) -> tuple[str, str, str]:
    """Derive the -s, -ed and -ing forms of a regular verb.

    Example:
        >>> inflect("stop"), inflect("merge")
        (('stops', 'stopped', 'stopping'), ('merges', 'merged', 'merging'))
    """
    third = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "o")) else f"{verb}s"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"
    if verb.endswith("e") and not verb.endswith("ee"):
        return third, f"{verb}d", f"{verb[:-1]}ing"
    stem = verb + verb[-1] if verb in _DOUBLING else verb
    return third, f"{stem}ed", f"{stem}ing"


def _forms(verbs: str) -> frozenset[str]:
    return frozenset(form for verb in verbs.split() for form in (verb, *inflect(verb)))


AFTER_IMPERATIVE = (
    DEFINITE
    | INDEFINITE
    | EGO
    | PREPOSITIONS
    | ADVERBS
    | ANY
    | QUANTIFIERS
    | word_set(
        "and or speed caution attention sure certain safe straight forward ahead left right "
        "stopped stationary current clear it them away back position way well short here put"
    )
)
BASE_VERBS = frozenset(_VERBS.split())
FINITE_VERBS = (
    frozenset(form for verb in BASE_VERBS for form in inflect(verb)[:2]) | IRREGULAR_FORMS
)
"""Third-person and past forms; a past participle counts too where nothing tells it apart."""
VERBS = (_forms(_VERBS) | IRREGULAR_FORMS) - _PARTICIPLES - {"left", "lead", "line", "head", "face"}
"""Forms of verbs that end a noun phrase on its left."""
PARTICIPLES = _PARTICIPLES
"""Participles that stand before a noun more often than they govern it."""

NOT_IN_NOUN_PHRASE = (
    PREPOSITIONS | CONJUNCTIONS | PRONOUNS | AUXILIARIES | CONDITIONS | ASSERTING | VERBS
) | word_set("not never neither nor 's - ; : ( ) \" ' . ! ? [ ]")
SIGN_VERBS = word_set(
    "indicates indicating indicate means warns warning instructs instructing prohibits "
    "prohibiting reminds reminding tells telling showing depicting displaying featuring shows "
    "displays depicts symbol icon pictogram picture image silhouette figure symbols icons "
    "pictograms silhouettes figures for about advises alerting alerts requiring restricts allows "
    "directs directing informs informing"
)
