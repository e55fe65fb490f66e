"""Which words name which class: data, and the longest match over it.

Entries are singular; plurals are derived. A multiword entry wins over its parts,
so an entry without a class hides a word: a "brake light" is no light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semalign_ros.language.words import word_set

# Entries are separated by commas. Synonyms a person would use for a street scene.
_TERMS: dict[tuple[str, ...], str] = {
    ("road",): """
        road, street, highway, motorway, freeway, expressway, avenue, boulevard, lane, alley,
        alleyway, intersection, junction, crossroad, roundabout, carriageway, roadway, crosswalk,
        zebra crossing, pedestrian crossing, pedestrian crossing area, pedestrian crossing zone,
        pedestrian crosswalk, zebra crosswalk, pedestrian lane, asphalt, tarmac, lane marking,
        lane line, road marking, marking, box marking, road surface, stop line, ramp, exit ramp,
        driveway, thoroughfare, rd, blvd, ave, bike lane, bicycle lane, cycle lane, bus lane, turn
        lane, lane divider, lane arrow, street scene, traffic lane, road lane, t junction, side
        street, bicycle crossing, railway crossing, level crossing, zebra, zebra stripe, arterial,
        turn pocket, school crossing, asphalt surface, dashed line, solid line, dotted line,
        marked crossing, center line, centre line, centerline, yellow line, white line, lane
        marker, cobblestone, broken line, continuous line, double line, double yellow line, double
        white line, painted arrow, white arrow, yield line, guide line, guideline, wet surface,
        cobble, dual carriageway""",
    ("sidewalk",): """
        sidewalk, pavement, footpath, footway, pedestrian path, pedestrian pathway, pedestrian
        walkway, pedestrian area, pedestrian zone, walkway""",
    ("building",): """
        building, house, farmhouse, skyscraper, high rise, highrise, high rise building,
        apartment block, tower, apartment building, office block, office building, storefront,
        shop, house front, store, apartment, townhouse, warehouse, residential building,
        facade, shopfront, tower block, office tower, unfinished tower, residential tower,
        glass tower, town hall, city hall, villa, chalet, bungalow, cottage, mansion, barn,
        cathedral, mosque, museum, library, theater, theatre, cinema, terraced house, cafe,
        restaurant, supermarket, pharmacy, bakery, hotel, church, shopping mall, shopping
        center, shopping centre, shed""",
    ("wall",): "wall, retaining wall, stone wall, brick wall, concrete wall",
    ("fence",): "fence, fencing, picket fence, metal fence",
    ("pole",): """
        pole, post, steel post, metal post, wooden post, reflective post, utility pole,
        telephone pole, power pole, light pole, electric pole""",
    ("traffic light",): """
        traffic light, traffic signal, traffic light signal, traffic signal light, stoplight,
        stop light, signal light, traffic lamp, pedestrian light, pedestrian signal, pedestrian
        traffic light, traffic control signal, overhead signal, semaphore, signal head,
        temporary light, temporary signal, separate signal, main signal, portable signal,
        vehicle signal, lane signal""",
    ("traffic sign",): """
        traffic sign, road sign, street sign, stop sign, yield sign, speed limit sign, speed
        sign, warning sign, direction sign, directional sign, signage, road signage, traffic
        signage, signpost, no entry sign, no parking sign, no stopping sign, no u turn sign, no
        left turn sign, no right turn sign, give way sign, highway sign, guide sign,
        information sign, parking sign, street name sign, overhead sign, sign, pedestrian
        crossing sign, crosswalk sign, construction sign, roadwork sign, school sign, bus stop
        sign, signboard, traffic control sign, direction board, gantry sign, octagon,
        prohibition sign, one way sign, do not enter sign, road traffic sign, pedestrian sign,
        bicycle sign""",
    ("vegetation",): """
        tree, vegetation, shrub, bush, hedge, greenery, foliage, shrubbery, forest, palm tree,
        tree canopy, tree lined, plant, woodland, street tree, leafy tree, palm lined, palms,
        treetop, scrub, poplar, oak, pine tree, pine, maple, willow, birch, cypress, ivy,
        bramble, flower bed, flowerbed, undergrowth, branches, overhanging branch, tree branch,
        weed, beech, fir, spruce, linden""",
    ("terrain",): """
        terrain, grass, lawn, grassland, meadow, field, grassy area, soil, grass verge, grassy,
        grass strip""",
    ("sky",): "sky",
    ("person",): """
        person, pedestrian, man, woman, child, kid, boy, girl, worker, construction worker, road
        worker, guard, security guard, police officer, policeman, policewoman, officer, traffic
        officer, traffic police, passerby, individual, human, people on foot, pedestrian figure,
        crossing guard, jogger, walker, bystander, crowd, flagger, flagman, adult, human figure,
        figure of a person, group of people, human being, personnel, first responder, emergency
        responder, firefighter, fireman, cop, pedestrian group, teenager, teen, toddler, baby,
        student, pupil, schoolchild, lady, gentleman, guy, shopper, tourist, commuter, onlooker,
        spectator, vendor, courier, delivery person, delivery man, postman, mail carrier,
        paramedic, workman, construction crew, road crew, skateboarder, runner, hiker, marshal,
        dog walker, resident, attendant, porter, herdsman, traveler, traveller, customer,
        wheelchair user, handler, visitor, employee, laborer, labourer, waiter, waitress, soldier,
        nurse, mother, father, herder, farmer, mechanic, cleaner, sweeper, parent, family,
        shepherd, anyone, anybody, someone, somebody, nobody, no one, couple, soul,
        volunteer, crew member, staff member""",
    ("rider",): "rider",
    ("rider", "bicycle"): "cyclist, bicyclist, bicycle rider, bike rider, pedal cyclist",
    ("rider", "motorcycle"): """
        motorcyclist, motorcycle rider, motorbike rider, scooter rider, biker, moped rider,
        motorcycle driver, scooterist""",
    ("car",): """
        car, sedan, suv, taxi, taxicab, cab, van, minivan, pickup, pickup truck, pick up truck,
        hatchback, coupe, automobile, police car, patrol car, jeep, station wagon, limousine,
        passenger car, family car, sports car, private car, convertible, crossover, delivery
        van, mini van, ambulance, mercedes, bmw, audi, volkswagen, toyota, tesla, honda, ford,
        nissan, hyundai""",
    ("truck",): """
        truck, lorry, trailer, semi trailer, semi truck, cement mixer, cement mixer truck,
        concrete mixer, mixer truck, fire truck, fire engine, dump truck, garbage truck, tanker,
        tanker truck, box truck, delivery truck, tow truck, crane truck, construction truck,
        cargo truck, tractor trailer, flatbed, semi, eighteen wheeler, truck trailer, heavy
        goods vehicle, goods vehicle, hgv, car transporter, car carrier, transporter, big rig,
        street sweeper, snowplow, snow plow, snow plough, plow, gritter""",
    ("bus",): "bus, coach, minibus, school bus, city bus, double decker, trolleybus, shuttle bus",
    ("train",): """
        train, commuter train, tram, streetcar, tramcar, trolley, locomotive, light rail vehicle""",
    ("motorcycle",): """
        motorcycle, motorbike, motor bike, moped, scooter, motor scooter, electric scooter, e
        scooter, dirt bike, two wheeler""",
    ("bicycle",): "bicycle, bike, pedal bike, e bike, electric bicycle, electric bike, pushbike",
    ("vehicle",): "vehicle, motor vehicle, emergency vehicle, construction vehicle, quad bike, atv",
    # Words that hide a class: parts, other lights and signs, idioms, places named after a class.
    (): """
        brake light, tail light, taillight, headlight, head light, headlamp, fog light, street
        light, streetlight, street lamp, streetlamp, lamp post, lamppost, lamp, turn signal,
        signal lamp, indicator light, hazard light, warning light, turn signal light, indicator
        signal, light source, daylight, sunlight, city light, ambient light, natural light, white
        light, brake signal, hand signal, turning signal, turning light, running light, reversing
        light, left turn signal, right turn signal, blinker, interior light, neon light, neon
        sign, shop sign, store sign, business sign, advertising sign, restaurant sign, hotel sign,
        building sign, commercial sign, shop signage, store signage, commercial signage,
        storefront sign, store shutter, shop shutter, store window, shop window, license plate,
        number plate, billboard sign, vehicle sign, traffic cone, traffic jam, traffic flow,
        traffic congestion, road user, roadside, roadwork, rules of the road, post office, guard
        post, checkpoint post, road rage, road trip, road safety, road condition, on board, sign
        of life, bus stop, bus station, bus shelter, train station, train track, train line, tram
        track, tram line, railway track, car park, parking lot, parking garage, bicycle rack, bike
        rack, bicycle symbol, bike symbol, pedestrian symbol, bike path, bicycle path, cycle path,
        cyclist pathway, cyclist path, cycling path, car wash, field of view, field of vision,
        visual field, power plant, overhead walkway, elevated walkway, plant equipment, road
        barrier, road divider, railway crossing barrier, level crossing barrier, driver,
        passenger, lane change, lane discipline, lane keeping, lane departure, lane changing,
        human error, train of thought, man made, in person, street view, speed limit, child seat,
        shopping trolley, tower crane, water tower, cell tower, radio tower, control tower, owner,
        shopping cart, tram rail, tram wire, tram stop, tram platform, train platform,
        off guard, guard rail, cafe table, restaurant table, cafe terrace""",
}

_IRREGULAR = {
    "person": ("people", "persons"),
    "man": ("men",),
    "woman": ("women",),
    "child": ("children",),
    "policeman": ("policemen",),
    "herdsman": ("herdsmen",),
    "fireman": ("firemen",),
    "flagman": ("flagmen",),
    "workman": ("workmen",),
    "postman": ("postmen",),
    "gentleman": ("gentlemen",),
    "schoolchild": ("schoolchildren",),
    "policewoman": ("policewomen",),
    "passerby": ("passersby",),
    "people": ("people",),
    "bus": ("buses", "busses"),
    "sky": ("skies",),
    "grass": ("grasses",),
}
_MASS = word_set("vegetation greenery foliage signage terrain grass asphalt tarmac sky police")
_LONGEST = 5


@dataclass(frozen=True, slots=True)
class Term:
    """An entry of the lexicon.

    Args:
        classes: The classes it names; none for a word that hides a class.
        plural: Whether this form is a plural.
    """

    classes: tuple[str, ...]
    plural: bool


def plurals(word: str) -> tuple[str, ...]:
    """Derive the plural forms of a noun.

    Example:
        >>> plurals("lorry"), plurals("bus"), plurals("man")
        (('lorries',), ('buses', 'busses'), ('men',))
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return (f"{word[:-1]}ies",)
    if word.endswith(("s", "x", "ch", "sh", "z")):
        return (f"{word}es",)
    return (f"{word}s",)


def _table() -> dict[tuple[str, ...], Term]:
    table: dict[tuple[str, ...], Term] = {}
    for classes, entries in _TERMS.items():
        for entry in entries.split(","):
            words = tuple(entry.split())
            table[words] = Term(classes, words[-1] == "people")
            if words[-1] not in _MASS:
                for plural in plurals(words[-1]):
                    table[(*words[:-1], plural)] = Term(classes, True)
    return table


_TABLE = _table()
_FIRST = frozenset(words[0] for words in _TABLE)


def longest_match(tokens: Sequence[str], start: int) -> tuple[Term, int] | None:
    """Find the longest entry that begins at a token.

    Returns:
        The entry and the index after it, or None.
    """
    if tokens[start] not in _FIRST:
        return None
    for end in range(min(start + _LONGEST, len(tokens)), start, -1):
        term = _TABLE.get(tuple(tokens[start:end]))
        if term is not None:
            return term, end
    return None
