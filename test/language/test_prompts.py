from __future__ import annotations

import copy

import pytest
import yaml

from semalign_ros.errors import ConfigError
from semalign_ros.language import PromptSet
from semalign_ros.language.grammar import fill, join_list, with_article
from semalign_ros.language.prompts import parse_prompt_set
from semalign_ros.resources import resource
from semalign_ros.scene import CLASSES


@pytest.fixture
def content() -> dict:
    return yaml.safe_load(resource("config", "prompts", "default.yaml").read_text())


@pytest.fixture
def prompts() -> PromptSet:
    return PromptSet.load()


def test_the_paper_asks_these_questions(prompts):
    assert prompts.presence("car") == ("Is there a car visible in this image? Answer yes or no.")
    assert prompts.primary.text == "Based on this image, is it safe to proceed forward?"
    assert prompts.primary.safe_when_yes


@pytest.mark.parametrize("name", ["sky", "vegetation", "terrain"])
def test_a_mass_noun_has_no_article(prompts, name):
    assert prompts.presence(name).startswith(f"Is there {name} visible")


def test_the_article_follows_the_noun():
    assert with_article("animal") == "an animal"
    assert fill("An {class} or any {classes}?", "person") == "A person or any people?"
    assert join_list(["a", "b", "c"]) == "a, b and c"
    assert join_list([]) == ""


def test_questions_come_in_cityscapes_order_and_end_with_safety(prompts):
    questions = prompts.questions(["car", "road"])
    assert [q.id for q in questions[:2]] == ["presence/road", "presence/car"]
    assert [q.kind for q in questions] == ["presence"] * 2 + ["safety"] * len(prompts.safety)
    assert len(prompts.questions()) == len(CLASSES) + len(prompts.safety)
    assert len({q.id for q in prompts.questions()}) == len(prompts.questions())


def test_there_are_paraphrases_of_both_polarities(prompts):
    polarity = [p.safe_when_yes for p in prompts.safety]
    assert polarity.count(True) >= 3
    assert polarity.count(False) >= 2


def test_positive_always_means_yes_even_for_a_reversed_question(prompts):
    pairs = {pair.question: pair for pair in prompts.pairs(["car"])}
    stop = prompts.safety_prompt("stop")
    assert pairs["safety/stop"].positive == stop.contrast[0].unsafe
    assert pairs["safety/proceed"].negative in {c.unsafe for c in prompts.primary.contrast}
    presence = [p for p in prompts.pairs(["car"]) if p.question == "presence/car"]
    assert len(presence) == len(prompts.contrast) >= 3
    assert all(" no " in p.negative or "without" in p.negative for p in presence)


def test_pairs_answer_exactly_the_questions(prompts):
    asked = list(dict.fromkeys(pair.question for pair in prompts.pairs()))
    assert asked == [q.id for q in prompts.questions()]


def test_the_hash_follows_the_wording_and_not_the_layout(prompts, content, tmp_path):
    same = tmp_path / "same.yaml"
    same.write_text("# a comment\n" + yaml.safe_dump(content, sort_keys=True))
    assert PromptSet.load(same).sha256 == prompts.sha256
    content["description"] += " "
    assert parse_prompt_set(content, "spaces").sha256 == prompts.sha256
    content["description"] = "Describe it."
    assert parse_prompt_set(content, "changed").sha256 != prompts.sha256


def test_every_problem_is_listed_at_once(content):
    bad = copy.deepcopy(content)
    bad["presence"] = "Is there a {thing}?"
    bad["safety"][0]["safe_when_yes"] = "yes"
    bad["safety"][1]["contrast"] = []
    bad["extra"] = 1
    del bad["description"]
    with pytest.raises(ConfigError) as error:
        parse_prompt_set(bad, "my.yaml")
    message = str(error.value)
    assert "my.yaml: 5 problem(s)" in message
    for part in (
        "presence: ",
        "{class} or {classes}",
        "safety[0].safe_when_yes",
        "safety[1].contrast: ",
        "extra: ",
        "description: Field required",
        "default.yaml shows the format",
    ):
        assert part in message


def test_two_safety_prompts_must_not_share_an_id(content):
    content["safety"][1]["id"] = "proceed"
    with pytest.raises(ConfigError, match="found twice: proceed"):
        parse_prompt_set(content, "twice.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "found list, expected a mapping"),
        ("a: [", "no YAML at line"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_no_prompt_set_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        PromptSet.load(path)


def test_an_absent_file_or_class_or_prompt_is_named(prompts, tmp_path):
    with pytest.raises(ConfigError, match=r"default\.yaml"):
        PromptSet.load("nonsense")
    with pytest.raises(ConfigError, match="did you mean 'car'"):
        prompts.presence("carr")
    with pytest.raises(ConfigError, match="did you mean 'stop'"):
        prompts.safety_prompt("stopp")
