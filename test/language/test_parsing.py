from __future__ import annotations

import gc
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.language import parse_safety, parse_scene_text, parse_yes_no
from semalign_ros.language.text import sentences
from semalign_ros.types import Judgment, SceneClaims


def names(text: str) -> tuple[str, str, str]:
    found = parse_scene_text(text)
    return tuple(", ".join(sorted(s)) for s in (found.present, found.denied, found.hypothetical))


@pytest.mark.real
def test_on_real_annotated_answers_the_bounds_hold(vlm_answers, scorer):
    lines = (vlm_answers / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    scores = scorer(json.loads(line) for line in lines if line)
    assert scores.f1["present"] >= 0.97
    assert scores.f1["denied"] >= 0.9
    assert scores.f1["hypothetical"] >= 0.9
    assert scores.leak <= 0.02
    assert scores.safety >= 0.85


def test_on_sentences_of_our_own_the_bounds_hold(own_claims, scorer):
    scores = scorer(own_claims)
    assert len(own_claims) > 300
    assert scores.f1["present"] >= 0.97
    assert scores.f1["denied"] >= 0.95
    assert scores.f1["hypothetical"] >= 0.95
    assert scores.leak <= 0.02
    assert scores.safety >= 0.95


def test_on_longer_answers_of_our_own_the_bounds_hold(own_segments, scorer):
    scores = scorer(own_segments)
    assert len(own_segments) > 1900
    assert scores.f1["present"] >= 0.97
    assert scores.f1["denied"] >= 0.97
    assert scores.f1["hypothetical"] >= 0.9
    assert scores.leak <= 0.02
    assert scores.safety >= 0.9


# One rule a line: text, present, denied, hypothetical.
RULES = [
    # negation and its scope
    ("There are no cars or trucks, but a bus is near.", "bus", "car, truck", ""),
    ("I do not see any pedestrians.", "", "person", ""),
    ("The bus is not visible.", "", "bus", ""),
    ("Neither cars nor buses are present.", "", "bus, car", ""),
    ("There are no signs of pedestrians.", "", "person", ""),
    ("No hazards such as cyclists are near.", "", "bicycle, rider", ""),
    ("There are no other cars.", "", "", ""),
    ("It is not a car.", "", "", ""),
    ("There are no cars and trucks are waiting.", "truck", "car", ""),
    ("The car in front is not moving.", "car", "", ""),
    ("The bus that was ahead is no longer in view.", "", "bus", ""),
    ("None of the lanes has any cars.", "road", "car", ""),
    ("There does not appear to be a tram.", "", "train", ""),
    ("Nobody is on the sidewalk.", "sidewalk", "person", ""),
    ("No cars are visible, nor any signs.", "", "car, traffic sign", ""),
    ("There is a person rather than a pole.", "person", "", ""),
    # suppositions
    ("If a pedestrian appears, brake.", "", "", "person"),
    ("Make sure there are no pedestrians.", "", "", "person"),
    ("Watch for any pedestrians that may cross.", "", "", "person"),
    ("Keep a safe distance from other cars.", "", "", "car"),
    ("Keep a safe distance from the car ahead.", "car", "", ""),
    ("There may be a bus behind the wall.", "wall", "", "bus"),
    ("Motorcycles can stop faster than cars.", "", "", "car, motorcycle"),
    ("The sign warns of children.", "traffic sign", "", "person"),
    ("The driver is watching for pedestrians.", "", "", "person"),
    ("We are alert to cyclists.", "", "", "bicycle, rider"),
    ("It is possible that a tram is coming.", "", "", "train"),
    ("Slow down due to pedestrians ahead.", "person", "", ""),
    ("Go once no further trucks are near.", "", "", "truck"),
    ("If two cars meet, one waits.", "", "", "car"),
    ("Go on once two cars have passed.", "car", "", ""),
    ("Brake in case another bus comes.", "", "", "bus"),
    ("Possible hazards include a child running out.", "", "", "person"),
    ("There are often cyclists here.", "", "", "bicycle, rider"),
    ("Pedestrians who have got off may cross.", "", "", "person"),
    ("There are pedestrians who may cross.", "person", "", ""),
    ("It cannot be ruled out that a bus comes.", "", "", "bus"),
    ("Anyone on foot would be seen.", "", "", ""),
    ("A gap between parked cars is seen.", "car", "", ""),
    ("The dots look like trees.", "vegetation", "", ""),
    ("It is less stable than the wheels of a car.", "", "", "car"),
    ("The red light obliges all vehicles to wait.", "traffic light", "", "vehicle"),
    ("Keep a gap to trucks.", "", "", "truck"),
    ("Go once it is certain that no cyclists are near.", "", "", "bicycle, rider"),
    ("It neither disturbs cyclists nor anything.", "bicycle, rider", "", ""),
    ("There are children possibly crossing.", "person", "", ""),
    ("It hints at children possibly crossing.", "", "", "person"),
    ("Cyclists are easily overlooked.", "", "", "bicycle, rider"),
    ("Trucks have blind spots.", "", "", "truck"),
    ("Trucks have stopped.", "truck", "", ""),
    ("The trucks have their lights on.", "truck", "", ""),
    ("What the traffic lights show cannot be seen.", "", "", "traffic light"),
    ("A sign with two children on it is ahead.", "traffic sign", "", "person"),
    ("I have to look for a sign.", "", "", "traffic sign"),
    # what is true of all of a kind
    ("A train needs a long way to brake.", "", "", "train"),
    ("Trucks with high loads have poor balance near cyclists.", "", "", "bicycle, rider, truck"),
    ("In most countries, cars must stop for a school bus.", "", "", "bus, car"),
    ("People behind a stopped bus often can't see trams.", "", "", "bus, person, train"),
    ("Stopped cars in a tunnel are dangerous.", "", "", "car"),
    ("A motorcycle has come up next to us.", "motorcycle", "", ""),
    ("All parked cars have the same color.", "car", "", ""),
    ("Cars are parked along the wall.", "car, wall", "", ""),
    ("No trucks can be recognized.", "", "truck", ""),
    ("Two trucks can be made out.", "truck", "", ""),
    ("Trucks can be made out.", "truck", "", ""),
    ("Respecting the signals is a duty.", "", "", "traffic light"),
    ("Even when the signal is green, a driver has to give way.", "", "", "traffic light"),
    ("A flashing yellow light means that drivers may go on.", "", "", "traffic light"),
    ("Bikes might run the light at night.", "", "", "bicycle, traffic light"),
    ("Take care of the bikes that often come.", "", "", "bicycle"),
    ("There may be no traffic lights.", "", "", "traffic light"),
    ("They can be hidden by parked cars.", "", "", "car"),
    ("Some scooters may still be there.", "", "", "motorcycle"),
    ("Two scooters may turn.", "motorcycle", "", ""),
    ("A blue sign with a white bicycle is there.", "traffic sign", "", "bicycle"),
    ("The restriction only concerns trucks.", "", "", "truck"),
    ("Check the mirrors for a tailgating van.", "", "", "car"),
    ("This leaves room for cyclists.", "", "", "bicycle, rider"),
    ("Passengers who have left a bus often fall.", "", "", "bus"),
    ("Pets may hide behind parked cars.", "", "", "car"),
    ("Slow trucks can conceal faster cars.", "", "", "car, truck"),
    ("Scooters are silent and may come from the left.", "", "", "motorcycle"),
    ("Clearing an overturned truck usually takes time.", "", "", "truck"),
    ("A green light for one direction does not free the others.", "", "", "traffic light"),
    ("A yellow light is a warning.", "", "", "traffic light"),
    ("A red light is ahead.", "traffic light", "", ""),
    ("Entering against a red light is illegal.", "", "", "traffic light"),
    ("Its driver may not notice a car beside it.", "", "", "car"),
    ("Brake early, for instance because of a bus.", "", "", "bus"),
    ("It is common for buses to pull out.", "", "", "bus"),
    ("A sign forbids this, and a bus comes.", "bus, traffic sign", "", ""),
    # hedges assert
    ("There appears to be a bus.", "bus", "", ""),
    ("What seems to be a truck is turning.", "truck", "", ""),
    # words inside other words
    ("The vehicle headlights are bright.", "", "", ""),
    ("A bus stop and brake lights.", "", "", ""),
    ("There is the glare of car headlights and heavy pedestrian traffic.", "", "", ""),
    ("Our car stands still.", "", "", ""),
    ("The text reads \"BUS\".", "", "", ""),
    ("A building is there, and traffic is building up.", "building", "", ""),
    ("A pedestrian crossing the street", "person, road", "", ""),
    ("The cab of a truck and a couple of cars", "car, truck", "", ""),
    ("A tourist bus is here, and a couple waits.", "bus, person", "", ""),
    ("Passengers are boarding the tram.", "person, train", "", ""),
    ("The passengers of the bus are asleep.", "bus", "", ""),
    ("The bus has its red lights on.", "bus", "", ""),
    ("The light is as dim as in the evening.", "", "", ""),
    ("This is a crossing, and a bakery sign is lit.", "road", "", ""),
    ("Turn into Maple Street, and keep the car in its lane.", "road", "", ""),
    ("A motorcycle, ridden by a man", "motorcycle, rider", "", ""),
    ("A broken-down van is there. Do not endanger anyone.", "car", "", ""),
    ("Shops with signs in Chinese", "building", "", ""),
    ("A sign that says Exit, and a sign that it works", "traffic sign", "", ""),
    ("A pedestrian crossing is ahead.", "road", "", ""),
    ("Many vehicles, including cars, are moving.", "car, vehicle", "", ""),
    ("The driver is getting out, and the passenger got out.", "person", "", ""),
    ("A truck with flashing amber lights stands still.", "truck", "", ""),
    ("Yellow arrows on the floor point left.", "road", "", ""),
    ("The map shows light congestion, marked in orange.", "", "", ""),
    ("The light on the left turns red.", "traffic light", "", ""),
    ("Signals are mounted at the corner.", "traffic light", "", ""),
    ("A police motorcycle is parked.", "motorcycle", "", ""),
    ("The human driver brakes in the supermarket car park.", "", "", ""),
    ("There is no room for the whole vehicle.", "", "", ""),
    ("Should there be a car, stop.", "", "", "car"),
    ("A guard, if one is here, decides.", "", "", "person"),
    ("There is barely enough space for two cars to pass.", "", "", "car"),
    ("The crest hides what comes, be it a bus or a free road.", "", "", "bus, road"),
    ("A wall hides the corner, where another car might be hidden.", "wall", "", "car"),
    ("Anything dark, such as a pole or a parked truck, could be invisible.", "", "", "pole, truck"),
    ("A missed car has consequences.", "", "", "car"),
    ("Children chasing a ball rarely look.", "", "", "person"),
    ("Motorcyclists are especially hard to spot.", "", "", "motorcycle, rider"),
    ("Cyclists count on cars to stop.", "", "", "bicycle, car, rider"),
    ("Hand signals overrule signs.", "", "", "traffic sign"),
    ("Misjudging a car is one of the most common causes.", "", "", "car"),
    ("Deep water can sweep a car away.", "", "", "car"),
    ("The camera can see a car.", "car", "", ""),
    ("We are looking down a street with houses.", "building, road", "", ""),
    ("There you will find shops.", "building", "", ""),
    ("Neither does the bus, which turns.", "bus", "", ""),
    ("The cyclist does not appear to have noticed us.", "bicycle, rider", "", ""),
    ("I cannot identify the people in the image.", "person", "", ""),
    ("It comes out from behind any of the cars.", "car", "", ""),
    ("It might be taken for a traffic light.", "", "", "traffic light"),
    ("A vehicle that stops here may not start again.", "", "", "vehicle"),
    ("Motorcycles can be hidden in the mirror.", "", "", "motorcycle"),
    ("The rails could catch the wheel of a bicycle.", "", "", "bicycle"),
    ("A red light is treated like a stop sign.", "", "", "traffic light, traffic sign"),
    ("Go, whereas a red light means stop.", "", "", "traffic light"),
    ("Parked cars, debris or people might be hidden.", "", "", "car, person"),
    ("When two cars meet, one waits.", "", "", "car"),
    ("When two cars have passed, go.", "car", "", ""),
    ("The gap is wide enough for a truck.", "", "", "truck"),
    ("Turns are forbidden where a sign says so.", "", "", "traffic sign"),
    ("Accidents happen because a cyclist swerves.", "", "", "bicycle, rider"),
    ("The wires suggest that buses or trams may come.", "", "", "bus, train"),
    ("No trees are on either side, only houses.", "building", "vegetation", ""),
    ("I see no signals, nor are there any buses.", "", "bus", ""),
    ("Nor is there a sidewalk.", "", "sidewalk", ""),
    ("Nothing here resembles a traffic light.", "", "traffic light", ""),
    ("The van is out of view.", "", "car", ""),
    ("The cars behind it cannot be seen well.", "car", "", ""),
    ("The cars behind it cannot be seen.", "", "car", ""),
    ("Cyclists and drivers of cars are especially affected.", "", "", "bicycle, car, rider"),
    ("In many cities, a bus pulling out has priority.", "", "", "bus"),
    ("Someone could walk there.", "", "", "person"),
    ("It is obligatory to yield to buses.", "", "", "bus"),
    ("Narrow streets with parked cars leave little room.", "road", "", "car"),
    ("A guard has the authority to stop us.", "", "", "person"),
    ("There may be more children, cyclists and cars.", "", "", "bicycle, car, person, rider"),
    ("Always follow the traffic signals.", "", "", "traffic light"),
    ("A panel with a picture of a truck", "", "", "truck"),
    # synonyms
    ("The temporary lights are on.", "traffic light", "", ""),
    ("The floor is painted with yellow arrows.", "road", "", ""),
    ("The owner is standing by the van.", "car, person", "", ""),
    ("The owner is away.", "", "", ""),
    ("A truck with its cab open", "truck", "", ""),
    ("Shops with signboards", "building", "", ""),
    ("Motorbikes carrying two people", "motorcycle, rider", "", ""),
    ("The red light comes from the lamp of a truck.", "truck", "", ""),
    ("The flashing signal warns.", "traffic light", "", ""),
    ("Cars crowd the curb.", "car", "", ""),
    ("Some waiting passengers", "person", "", ""),
    ("The vehicle alongside slows.", "vehicle", "", ""),
    ("A cyclist and a motorcyclist", "bicycle, motorcycle, rider", "", ""),
    ("A man riding a bike", "bicycle, rider", "", ""),
    ("A lorry, a tram, an SUV and some shrubs", "car, train, truck, vegetation", "", ""),
    ("The light is green.", "traffic light", "", ""),
    # lists with labels
    ("Cars: 3\nPedestrians: none", "car", "person", ""),
    ("- **Bus**: not visible", "", "bus", ""),
    ("Lead vehicle: white, braking", "vehicle", "", ""),
    ("Vehicle 2: a bus that is waiting", "bus, vehicle", "", ""),
    ("Cars: potential, near the exit", "", "", ""),
    ("Buses: watch for them", "", "", ""),
    ("In view: 4 cars, 0 buses", "car", "bus", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "present", "denied", "hypothetical"), RULES)
def test_rule(text, present, denied, hypothetical):
    assert names(text) == (present, denied, hypothetical)


def test_present_wins_over_denied_and_denied_over_hypothetical():
    assert names("There is no car. A car is ahead.") == ("car", "", "")
    assert names("No car is visible. Watch for cars.") == ("", "car", "")


def test_coverage_is_the_share_of_sentences_that_say_something():
    assert parse_scene_text("A car. It is late. A bus. Hm.").coverage == 0.5
    assert parse_scene_text("It is safe to proceed.").coverage == 1.0
    assert parse_scene_text("") == SceneClaims()
    assert parse_scene_text("  \n ") == SceneClaims()


def test_markdown_case_and_typographic_quotes_do_not_matter():
    plain = names("There isn't a car. A bus is here.")
    assert names("**THERE ISN\u2019T A CAR.**\n\n* A _bus_ is here.") == plain


def test_endless_sentences_are_cut_and_no_word_is_lost():
    pieces = sentences("car " * 1000)
    assert max(len(piece.tokens) for piece in pieces) <= 200
    assert sum(len(piece.tokens) for piece in pieces) == 1000


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_raises(text):
    found = parse_scene_text(text)
    assert 0 <= found.coverage <= 1
    assert not found.present & (found.denied | found.hypothetical)
    parse_yes_no(text)
    parse_safety(text)


WORDS = st.sampled_from(
    sorted(
        {"no", "not", "the", "a", "any", "if", "that", ",", ".", ";", ":", "(", "'", '"', "car"}
        | {"cars", "person", "sign", "lights", "is", "are", "may", "should", "stop", "proceed"}
        | {"safe", "such", "as", "of", "without", "and", "or", "green", "which", "there", "I"}
        | {"to", "3", "?", "-", "visible", "way", "\n"}
    )
)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=60))
def test_no_order_of_the_words_that_rules_look_for_raises(words):
    text = " ".join(words)
    assert parse_scene_text(text) == parse_scene_text(text)
    parse_safety(text)
    parse_yes_no(text)


@pytest.mark.parametrize(
    "unit",
    ["cars ", "no cars and ", "and ", "(", '" ', "a'", "1,", ".", "\n", "- ", " ", "*", "x",
     "if the car, ", "the driver should stop, ", "such as cars ", "the road is clear ", "not ",
     "yes and ", "answer ", "trucks need "],
)  # fmt: skip
def test_time_is_linear_in_the_length(unit):
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        begin = time.process_time()
        parse_scene_text(text)
        parse_safety(text)
        parse_yes_no(text)
        return time.process_time() - begin

    # Collections of what other tests left behind are not the parser's time.
    gc.disable()
    try:
        small, large = seconds(3_000), min(seconds(30_000) for _ in range(2))
    finally:
        gc.enable()
    # Quadratic would be 100 times; the sum covers what a first call and a busy machine cost.
    assert large < 30 * small + 0.3


SAFE, UNSAFE = Judgment.SAFE, Judgment.UNSAFE

SAFETY = [
    ("Yes.", SAFE), ("No.", UNSAFE), ("**Unsafe**", UNSAFE), ("Safe", SAFE),
    ("Yes, but be ready to stop.", SAFE),
    ("No, a cyclist is crossing.", UNSAFE),
    ("It is not safe to proceed.", UNSAFE),
    ("I don't think it is safe to proceed.", UNSAFE),
    ("It may not be safe to proceed.", UNSAFE), ("It may be safe to proceed.", None),
    ("I would not recommend proceeding.", UNSAFE),
    ("Proceed with caution.", SAFE), ("Do not enter the junction.", UNSAFE),
    ("The vehicle should stop.", UNSAFE), ("The car ahead should stop.", None),
    ("There is no need to stop.", SAFE),
    ("The driver should be prepared to stop.", None),
    ("Prepare to slow down and stop.", None),
    ("The driver should prepare to brake and stop.", None),
    ("If the light turns red, the driver must stop.", None),
    ("Proceed once the light is green.", None), ("Proceed if it is safe.", SAFE),
    ("Come to a stop if necessary.", None),
    ("The road ahead is clear.", SAFE), ("The light is red. The road ahead is clear.", None),
    ("The path is blocked by a truck.", UNSAFE), ("The left lane is clear.", None),
    ("There is no hazard that requires us to stop.", None),
    ("Should the vehicle stop?", None), ("Safe driving!", None),
    ("In 80 meters, turn left.", None),
    ("Pedestrians are allowed to cross.", None),
    ("We are allowed to cross.", SAFE),
    ("Only traffic to the left is allowed to go.", None),
    ("Enter as soon as there is a gap.", None),
    ("The driver would not accelerate here.", None),
    ("We must not pass.", UNSAFE), ("We must not pass the truck.", None),
    ("We have no choice but to wait.", UNSAFE),
    ("There is no reason not to continue.", SAFE),
    ("Next Action: Give way to the van, then enter once it has passed.", UNSAFE),
    ("Next Action: Hold position until the cow has left.", UNSAFE),
    ("Roll slowly to a halt.", UNSAFE), ("Stop well before the cows.", UNSAFE),
    ("Stay before the stop line despite the green light.", UNSAFE),
    ("Current Action: Lower the visor and wait until it is certain.", UNSAFE),
    ("Going straight would be dangerous for us.", UNSAFE),
    ("Entering on red is prohibited by law.", UNSAFE), ("Not yet.", UNSAFE),
    ("A right turn appears to be possible.", SAFE),
    ("The green arrow gives protected passage.", SAFE),
    ("Continue driving behind the van.", SAFE), ("Keep the lane and the speed.", SAFE),
    ("I would follow the cart patiently.", SAFE), ("You can continue without stopping.", SAFE),
    ("In this lane we must go straight at 30 km/h.", SAFE),
    ("Keep following the bus and turn right once the corner is reached.", SAFE),
    ("Keep following and consider overtaking only when it is free.", SAFE),
    ("The behaviour should be to keep going straight.", SAFE),
    ("Stopping is the only reasonable choice.", UNSAFE),
    ("Moving forward now would constitute a violation.", UNSAFE),
    ("I would creep forward at walking pace.", SAFE),
    ("Next Action: Hold back from the bus by about ten meters.", None),
    ("Next Action: Overtaking is discouraged here.", None),
    ("They pass on the right even where this is prohibited.", None),
    ("A hard stop is not necessary.", None), ("Giving way early was the right choice.", None),
    ("Afterwards I would pass the truck.", None), ("We brought it to a full stop.", None),
    ("If it is clear, going is fine; otherwise, waiting is better.", None),
    ("Nothing prevents the car from moving on.", None),
    ("Our lane has to stop.", UNSAFE), ("Our lane must turn right soon.", None),
    ("The red light obliges all vehicles in this lane to wait.", UNSAFE),
    ("The green arrow gives us the right of way.", SAFE),
    ("We do not have the right of way.", None),
    ("The ego car, which is about to turn, should wait.", UNSAFE),
    ("Crossing to the opposite side is prohibited.", None),
    ("Our plan is to go straight on.", None),
    ("The way is partly closed.", None), ("The way is closed.", UNSAFE),
    ("Hold the position to the right of the line.", None), ("Hold the position.", UNSAFE),
    ("Turning left is permitted.", SAFE), ("Turning left is not permitted.", None),
    ("Current Action: Stopped at the red light.", UNSAFE),
    ("The light was red and I was waiting.", None),
    ("The road ahead is closed.", UNSAFE), ("This lane is closed.", None),
    ("Maintain the lane and the current speed.", SAFE),
    ("The ego vehicle can keep cruising.", SAFE),
    ("Keep following the truck until the road widens.", SAFE),
    ("Stay at the current speed.", SAFE), ("Stay behind the stop line.", UNSAFE),
    ("Stay behind the truck at low speed.", SAFE),
    ("Entering at high speed would be dangerous.", None),
    ("Going on at the present speed would be dangerous.", UNSAFE),
    ("Crossing into the oncoming lane is prohibited.", None),
    ("The road behind it is empty.", None), ("We must move over.", None),
    ("The sign requires a complete stop, even if no car is near.", UNSAFE),
    ("The sign requires a complete stop if a car is near.", None),
    ("Entering the intersection now could lead to a conflict.", UNSAFE),
    ("The green arrow allows the right turn.", SAFE),
    ("This could mean that we have to stop.", None),
    ("To reach the airport, take the exit.", None),
    ("Current Action: Being aware of any standing water.", None),
    ("We should turn back.", UNSAFE), ("We should turn left.", SAFE),
    ("Edging forward would not be lawful.", UNSAFE),
    ("The ego car should stay where it is.", UNSAFE),
    ("The ego car cannot see. It should hold its position.", UNSAFE),
    ("The truck cannot see. It should hold its position.", None),
    ("The driver who wants to turn must wait.", UNSAFE),
    ("If the car is still moving, it must stop.", UNSAFE),
    ("I will accelerate once the truck ahead moves.", SAFE),
    ("A car has stopped to let them go.", None), ("The green light lets us go.", SAFE),
    ("The turn can be made now.", SAFE), ("The turn was made.", None),
    ("Driving on now would be against the law.", UNSAFE),
    ("Go on reducing speed.", None), ("Take the ramp.", SAFE), ("Take care.", None),
    ("Pull away gently.", SAFE), ("Pull over.", None),
    ("Part of the street is closed.", None),
    ("After 120 meters, turn right.", None),
    ("The driver should stop. It is safe to proceed.", None),
    ("Yes, the vehicle should stop.", None), ("Yes and no.", None), ("", None),
    ("I cannot determine whether it is safe to proceed.", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "judgment"), SAFETY)
def test_safety(text, judgment):
    assert parse_safety(text) is judgment


def test_yes_to_a_reversed_prompt_means_unsafe():
    assert parse_safety("Yes.", safe_when_yes=False) is UNSAFE
    assert parse_safety("No, it is safe to go.", safe_when_yes=False) is SAFE
    assert parse_safety("Yes, it is safe to go.", safe_when_yes=False) is None


def test_judgments_of_our_own_are_read(own_judgments):
    right = sum(
        (found.value if (found := parse_scene_text(item["text"]).judgment) else "none")
        == item["safety"]
        for item in own_judgments
    )
    assert right / len(own_judgments) >= 0.95
