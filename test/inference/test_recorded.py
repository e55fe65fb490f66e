from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.errors import BundleError, ConfigError, InferenceError, OutputError
from semalign_ros.inference import VlmQuery, open_vlm
from semalign_ros.inference.contrastive import ContrastiveVlm
from semalign_ros.inference.recorded import RecordedVlm, make_record, read_answer, write_records
from semalign_ros.inference.vlm import make_answer
from semalign_ros.language import PromptSet, parse_scene_text
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Judgment

PIXEL = np.zeros((1, 1, 3), np.uint8)
SAFE, UNSAFE = Judgment.SAFE, Judgment.UNSAFE


def lines(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def query(**key: Any) -> VlmQuery:
    return VlmQuery(PIXEL, **{"stamp_ns": 0, "index": 0, **key})


def test_words_become_claims(tmp_path: Path, prompts: PromptSet) -> None:
    path = lines(
        tmp_path / "answers.jsonl",
        {
            "stamp_ns": 1000,
            "model": "gpt-x",
            "answers": {
                "presence/car": "Yes, there are two cars ahead.",
                "presence/person": "No.",
                "presence/traffic light": "The quick brown fox.",
                "safety/proceed": "No, it is not safe to proceed.",
                "safety/stop": "Yes.",
            },
            "latency_s": 1.5,
        },
    )
    answer = RecordedVlm(path, prompts).answer(query(stamp_ns=1000))
    assert answer.claims.present == {"car"}
    assert answer.claims.denied == {"person"}
    assert answer.claims.coverage == 4 / 5
    assert answer.judgments == {"proceed": UNSAFE, "stop": UNSAFE}
    assert answer.claims.judgment is UNSAFE
    assert answer.latency_s == 1.5
    assert answer.bundle_id.startswith("gpt-x@")
    assert "two cars" in answer.raw_text


def test_condition_and_severity_are_part_of_the_key(tmp_path: Path, prompts: PromptSet) -> None:
    yes, no = {"presence/car": True}, {"presence/car": False}
    path = lines(
        tmp_path / "a.jsonl",
        {"index": 0, "answers": yes},
        {"index": 0, "condition": "fog", "severity": 2, "answers": no},
        {"index": 1, "condition": "fog", "severity": 2.5, "answers": yes},
    )
    vlm = RecordedVlm(path, prompts)
    assert vlm.answer(query(stamp_ns=77)).claims.present == {"car"}
    assert vlm.answer(query(condition="fog", severity=2.0)).claims.denied == {"car"}
    assert vlm.answer(query(index=1, condition="fog", severity=2.5)).claims.present == {"car"}
    with pytest.raises(
        InferenceError, match=r"stamp_ns 77 or index 1, condition 'fog', severity 3"
    ):
        vlm.answer(query(stamp_ns=77, index=1, condition="fog", severity=3))


def test_the_stamp_wins_over_the_index(tmp_path: Path, prompts: PromptSet) -> None:
    # Live, frames are dropped, so the index of a frame is not that of the recording.
    path = lines(
        tmp_path / "a.jsonl",
        {"stamp_ns": 10, "index": 0, "answers": {"presence/car": True}},
        {"stamp_ns": 20, "index": 1, "answers": {"presence/car": False}},
    )
    vlm = RecordedVlm(path, prompts)
    assert vlm.answer(query(stamp_ns=20, index=0)).claims.denied == {"car"}
    # At the place of a recorded frame stands another one.
    with pytest.raises(InferenceError, match="no answer for stamp_ns 99 or index 0"):
        vlm.answer(query(stamp_ns=99, index=0))


def test_a_description_alone(tmp_path: Path, prompts: PromptSet) -> None:
    text = "There is a car ahead. No people are visible. It is not safe to proceed."
    path = lines(tmp_path / "a.jsonl", {"index": 0, "description": text})
    answer = RecordedVlm(path, prompts).answer(query())
    assert answer.claims.present == {"car"}
    assert answer.claims.denied == {"person"}
    assert answer.claims.judgment is UNSAFE
    assert answer.raw_text == text


def test_a_description_beside_safety_answers(tmp_path: Path, prompts: PromptSet) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        {
            "index": 0,
            "description": "There is a car. It is safe to proceed.",
            "answers": {"safety/proceed": "No.", "presence/person": "Yes."},
        },
    )
    said = RecordedVlm(path, prompts, protocol="description").answer(query())
    assert said.claims.present == {"car"}
    assert said.claims.judgment is UNSAFE
    asked = RecordedVlm(path, prompts).answer(query())
    assert asked.claims.present == {"person"}
    path = lines(tmp_path / "b.jsonl", {"index": 0, "answers": {"presence/car": True}})
    with pytest.raises(InferenceError, match="no description for stamp_ns 0"):
        RecordedVlm(path, prompts, protocol="description").answer(query())


def test_classes_that_are_not_asked_for_are_left_out(tmp_path: Path, prompts: PromptSet) -> None:
    path = lines(
        tmp_path / "a.jsonl", {"index": 0, "answers": {"presence/car": True, "presence/bus": True}}
    )
    assert RecordedVlm(path, prompts, ["bus"]).answer(query()).claims.present == {"bus"}


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        ("safety/proceed", "Yes", SAFE),
        ("safety/stop", "Yes, the vehicle should stop.", UNSAFE),
        ("safety/stop", " no", SAFE),
        ("safety/stop", True, True),
        ("safety/stop", "It is safe to proceed.", SAFE),
        ("safety/stop", "The vehicle must stop now.", UNSAFE),
        ("safety/proceed", "unsafe", UNSAFE),
        ("safety/proceed", "safe", SAFE),
        ("safety/proceed", "I cannot tell.", None),
        ("presence/car", "Purple.", None),
        ("presence/car", False, False),
        ("presence/car", None, None),
    ],
)
def test_the_polarity_of_an_answer_is_that_of_its_question(
    prompts: PromptSet, question: str, said: str | bool | None, expected: bool | Judgment | None
) -> None:
    asked = {q.id: q for q in prompts.questions()}[question]
    assert read_answer(asked, said, prompts) is expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"index": 0, "answers": {"presence/car": true}', "2: Invalid JSON"),
        ("[1, 2]", "2: Expected a mapping of fields"),
        ('{"answers": {"presence/car": true}}', "2: .*expected stamp_ns or index"),
        ('{"index": 1}', "2: .*expected answers or description"),
        ('{"index": -1, "description": "x"}', "2: index: "),
        ('{"index": "1", "description": "x"}', "2: index: "),
        (
            '{"index": 1, "answer": {}, "description": "x"}',
            "2: answer: .* did you mean 'answers'",
        ),
        ('{"index": 1, "answers": {"presence/cat": true}}', "2: unknown question 'presence/cat'"),
        ('{"index": 1, "answers": {"presence/car": 1}}', "2: answers.presence/car"),
        (
            '{"index": 1, "answers": {"presence/car": true, "presence/car": false}}',
            "2: 'presence/car' is there twice",
        ),
        ('{"index": 0, "description": "x"}', "2: index 0, .* was recorded before, in line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, prompts: PromptSet, line: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"index": 0, "answers": {"presence/car": true}}\n' + line + "\n")
    with pytest.raises(BundleError, match=rf"a\.jsonl:{message}"):
        RecordedVlm(path, prompts)


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\xff\xfe{}"])
def test_a_file_without_records(tmp_path: Path, prompts: PromptSet, content: bytes | None) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"a\.jsonl: (cannot be read|no record)"):
        RecordedVlm(path, prompts)


def test_a_line_separator_inside_a_text_does_not_end_the_record(
    tmp_path: Path, prompts: PromptSet
) -> None:
    path = tmp_path / "a.jsonl"
    record = {"index": 0, "description": "There is a car.\u2028There is a bus."}
    path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    assert RecordedVlm(path, prompts).answer(query()).claims.present == {"car", "bus"}


@settings(max_examples=40, deadline=None)
@given(
    said=st.dictionaries(st.sampled_from(CLASSES), st.sampled_from([True, False, None])),
    judgments=st.lists(st.sampled_from([True, False, None]), min_size=2, max_size=2),
)
def test_recorded_answers_come_back_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    prompts: PromptSet,
    said: dict[str, bool | None],
    judgments: list[bool | None],
) -> None:
    answers: dict[str, Any] = {f"presence/{name}": yes for name, yes in said.items()}
    answers |= {"safety/proceed": judgments[0], "safety/stop": judgments[1]}
    scores = {q: 0.1 + i for i, q in enumerate(answers)}
    first = make_answer(prompts, answers, scores=scores, bundle_id="m@1", latency_s=0.25)
    asked = query(stamp_ns=5, index=2, condition="rain", severity=1.5)
    path = tmp_path_factory.mktemp("r") / "a.jsonl"
    write_records(path, [make_record(asked, first)])
    again = RecordedVlm(path, prompts).answer(asked)
    assert again.claims == first.claims
    assert again.judgments == first.judgments
    assert again.scores == first.scores
    assert math.isclose(again.latency_s, first.latency_s)


def test_a_described_vehicle_is_recorded_with_the_words(tmp_path: Path, prompts: PromptSet) -> None:
    text = "A vehicle is ahead."
    answer = make_answer(
        prompts, {}, description=parse_scene_text(text), raw_text=text, bundle_id="m"
    )
    assert answer.claims.present == {"vehicle"}
    write_records(tmp_path / "a.jsonl", [make_record(query(), answer)])
    again = RecordedVlm(tmp_path / "a.jsonl", prompts, protocol="description").answer(query())
    assert again.claims == answer.claims


def test_what_a_real_model_said_is_recorded_and_replayed(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    vlm = ContrastiveVlm(tiny_clip.write(tmp_path / "clip"), "cpu", prompts=prompts)
    asked = VlmQuery(image, None, 42, 3, "fog", 2.0)
    first = vlm.answer(asked)
    path = tmp_path / "a.jsonl"
    write_records(path, [make_record(asked, first)])
    again = open_vlm(path, prompts=prompts)
    assert again.answer(asked).claims == first.claims
    assert again.device == "recorded"
    with pytest.raises(OutputError, match="exists already"):
        write_records(path, [])


def test_open_vlm_opens_what_it_is_given(
    tmp_path: Path, tiny_clip: Any, tiny_vlm: Any, prompts: PromptSet, own_segmenter: Any
) -> None:
    clip, vlm = tiny_clip.write(tmp_path / "clip"), tiny_vlm.write(tmp_path / "vlm")
    assert type(open_vlm(clip.folder, prompts=prompts)).__name__ == "ContrastiveVlm"
    assert type(open_vlm(vlm.folder, "cpu", prompts=prompts)).__name__ == "GenerativeVlm"
    assert open_vlm(clip.folder, prompts=prompts, protocol="top_k", top_k=3).claim_limit == 3
    with pytest.raises(ConfigError, match=r"unknown protocol of a generative model 'top_k'.*valid"):
        open_vlm(vlm.folder, prompts=prompts, protocol="top_k")
    with pytest.raises(BundleError, match="kind segmenter, expected a VLM"):
        open_vlm(own_segmenter.folder, prompts=prompts)
    with pytest.raises(BundleError, match="a file; expected a bundle folder"):
        open_vlm(clip.path("vision.onnx"), prompts=prompts)


def test_the_shipped_prompt_set_is_the_default(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"index": 0, "answers": {"safety/hazard": "No."}})
    assert open_vlm(path).answer(query()).judgments == {"hazard": SAFE}
