from __future__ import annotations

import pytest

from semalign_ros.language import parse_yes_no

YES = [
    "Yes.",
    "yes",
    "Yes, I can see a car on the left.",
    "**Yes**",
    "\u201cYes.\u201d",
    "Answer: yes",
    "There are two cars in the image.",
    "A traffic light is visible in the upper right corner.",
    "The image shows a bus.",
    "Probably.",
    "I think so.",
    "I would say yes.",
    "I believe the answer is yes",
    "<think>There may be a car.</think><answer>Yes</answer>",
    "No doubt about it, there is a car.",
    "Sure! Yes, there is.",
    "Absolutely, a bus is visible.",
    "Yes, there is a car but no bus.",
    "There is a car, but no truck.",
    "It appears that there is a person crossing.",
    "True",
    "Yes, it is not safe.",
    "A person can be seen crossing.",
    "YES!!!",
    "Definitely yes",
    "Visible",
    "1. Yes",
    "Indeed, there is one.",
    "Correct.",
    "There is something that looks like a bus.",
]
NO = [
    "No.",
    "NO",
    "No, there is no car",
    "There isn't one",
    "There isn\u2019t one.",
    "The car is not clearly visible.",
    "**No**, there are no pedestrians.",
    "The answer is no.",
    "Is there a car? No.",
    "No traffic lights are visible.",
    "I do not see any pedestrians.",
    "The image does not show a bus.",
    "Probably not.",
    "I don't think so.",
    "None.",
    "Not that I can see.",
    '{"answer": "no"}',
    "There is no car, only a truck.",
    "There doesn't appear to be a train.",
    "There does not seem to be any train visible.",
    "False.",
    "Nope, nothing like that.",
    "No - the road is empty.",
    "No person can be seen.",
    "Neither.",
    "No, I can't see any.",
    "The bicycle isn't visible.",
    "Definitely not.",
    "Certainly not.",
    "Not visible",
    "- No",
    "No cars, just trucks.",
]
NEITHER = [
    "I cannot tell",
    "I can't tell from this image.",
    "Yes and no.",
    "It is unclear whether there is a bus.",
    "There might be a cyclist behind the van.",
    "",
    "The sky is blue.",
    "Yes, there are no cars.",
    "Yes. Actually, no.",
    "Not sure.",
    "It depends.",
    "Cannot be determined.",
    "I'm unable to determine if there is a bicycle.",
    "Maybe.",
    "yes/no",
]


@pytest.mark.parametrize("text", YES)
def test_yes(text):
    assert parse_yes_no(text) is True


@pytest.mark.parametrize("text", NO)
def test_no(text):
    assert parse_yes_no(text) is False


@pytest.mark.parametrize("text", NEITHER)
def test_neither(text):
    assert parse_yes_no(text) is None


def test_only_an_explicit_answer_counts_on_demand():
    assert parse_yes_no("There is a car.", explicit_only=True) is None
    assert parse_yes_no("Yes, there is a car.", explicit_only=True) is True
