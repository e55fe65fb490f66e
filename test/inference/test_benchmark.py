"""The tables of `semalign bench inference` say what was measured; nothing here is timed."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semalign_ros.benchmarks.graphs import AFTER, BEFORE, BETWEEN, Run, split, watch
from semalign_ros.benchmarks.inference import (
    Stages,
    Way,
    open_model,
    pipeline_table,
    stage_table,
    time_pipelines,
    time_stages,
    time_ways,
    way_table,
)
from semalign_ros.benchmarks.peers import Compared, agreement, peer_table
from semalign_ros.benchmarks.timing import Times, interleave
from semalign_ros.benchmarks.ways import AskingVlm, Said
from semalign_ros.cli import main
from semalign_ros.inference import VlmQuery
from semalign_ros.inference.runtime import OnnxSession
from semalign_ros.language import PromptSet
from semalign_ros.types import Frame


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory, tiny_vlm: Any, prompts: PromptSet) -> AskingVlm:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_vlm.write(folder, min_answer_mass=0.0)
    model = open_model(folder, "cpu", prompts).model
    assert isinstance(model, AskingVlm)
    return model


def cells(table: str) -> list[list[str]]:
    return [[c.strip() for c in row.split("|")[1:-1]] for row in table.splitlines()]


def test_times_are_medians_and_ratios_those_of_pairs() -> None:
    ours, theirs = Times((0.010, 0.030, 0.020)), Times((0.040, 0.060, 0.200))
    assert ours.median_ms == pytest.approx(20)
    assert ours.per_second == pytest.approx(50)
    assert ours.p90_ms == pytest.approx(28)
    # 4, 2 and 10: not 60 over 20, which no repetition had.
    assert theirs.over(ours) == pytest.approx(4)


def test_repetitions_take_turns() -> None:
    done: list[str] = []
    times = interleave({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 3)
    assert done == ["a", "b"] * 3
    assert [len(t.seconds) for t in times.values()] == [3, 3]


def test_a_call_is_shared_out_to_graphs_and_the_code_around_them() -> None:
    runs = [Run("v", 1.0, 3.0, 0), Run("d", 3.5, 4.0, 0), Run("d", 4.25, 8.25, 0)]
    stages = split(0.0, 10.0, runs)
    expected = {BEFORE: 1.0, "v": 2.0, "d": 0.5, "d (2)": 4.0, BETWEEN: 0.75, AFTER: 1.75}
    assert stages == expected
    assert sum(stages.values()) == 10.0
    assert list(split(0.0, 1.0, [Run("s", 0.5, 0.75, 0)])) == [BEFORE, "s", AFTER]


def test_every_run_of_a_models_graphs_is_seen_and_only_while_watched(
    vlm: AskingVlm, image: np.ndarray
) -> None:
    with watch(vlm) as runs:
        vlm.answer(VlmQuery(image))
        assert [run.graph for run in runs] == ["vision.onnx", "decoder.onnx"]
        assert all(a.end <= b.start for a, b in itertools.pairwise(runs))
    vlm.answer(VlmQuery(image))
    assert len(runs) == 2
    assert all("run" not in vars(s) for s in vars(vlm).values() if isinstance(s, OnnxSession))


def test_stages_add_up_to_the_frame(vlm: AskingVlm, image: np.ndarray) -> None:
    def call() -> None:
        vlm.answer(VlmQuery(image))
        time.sleep(0.02)

    stages = time_stages("tiny", call, [vlm], 2)
    parts = ["vision.onnx", "decoder.onnx"]
    assert list(stages.parts) == [BEFORE, *parts, BETWEEN, AFTER]
    for i in range(2):
        found = {part: times.seconds[i] for part, times in stages.parts.items()}
        assert sum(found.values()) == pytest.approx(stages.whole.seconds[i])
        host = found[BEFORE] + found[BETWEEN] + found[AFTER]
        assert stages.host.seconds[i] == pytest.approx(host)
        assert found[AFTER] >= 0.02
        assert stages.host_cpu.seconds[i] <= host - 0.015  # asleep is not on a processor
    rows = cells(stage_table([stages]))
    assert [row[1] for row in rows[2:]] == [*stages.parts, "**frame**"]
    assert {row[0] for row in rows[2:]} == {"tiny"}


def test_the_three_ways_give_the_answers_of_arithmetic(
    vlm: AskingVlm, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    first, *_ = ways = time_ways(vlm, image, 1)
    logits = {q.id: tiny_vlm.ask(image, q.text) for q in prompts.questions()}
    yes, no = (tiny_vlm.tokenizer.token_to_id(word) for word in ("yes", "no"))
    assert first.said.answers == {q: bool(z[yes] > z[no]) for q, z in logits.items()}
    assert len(set(first.said.answers.values())) == 2
    scored, generated = ways[1:]
    assert scored.said == first.said
    likeliest = {q: int(z.argmax()) for q, z in logits.items()}
    assert first.said.first == generated.said.first == likeliest
    # This model seldom says yes or no as its likeliest word, and then the ways differ.
    for question, answer in generated.said.answers.items():
        if answer is not None:
            assert answer == first.said.answers[question]
    assert 0 < generated.said.tokens <= 8
    assert [row[0] for row in cells(way_table(ways))[2:]] == [way.name for way in ways]


def test_the_table_of_ways_has_ratios_and_what_differs() -> None:
    said = Said({"a": 5, "b": 6, "c": 5, "d": 7}, {"a": True, "b": False, "c": True, "d": None})
    mute = {"a": True, "b": True, "c": None, "d": None}
    other = Said({"a": 5, "b": 5, "c": 8, "d": 7}, mute, tokens=2.5)
    ways = [
        Way("ours", Times((0.1, 0.3)), said),
        Way("apart", Times((0.4, 0.9)), said),
        Way("generated", Times((0.8, 1.8)), other),
    ]
    rows = cells(way_table(ways))
    assert rows[0][0] == "all 4 questions"
    assert rows[2:] == [
        ["ours", "200", "280", "1.0", "", "3", "100%"],
        ["apart", "650", "850", "3.5", "", "3", "100%"],
        ["generated", "1300", "1700", "7.0", "2.5", "2", "50%"],
    ]


def test_the_joined_monitor_is_timed_with_each_vlm(
    tmp_path: Path, tiny_vlm: Any, tiny_clip: Any, own_segmenter: Any, prompts: PromptSet
) -> None:
    folders = [own_segmenter.folder, tmp_path / "words", tmp_path / "pairs"]
    tiny_vlm.write(folders[1])
    tiny_clip.write(folders[2])
    models = [open_model(folder, "cpu", prompts) for folder in folders]
    frame = Frame(0, "camera", 0, np.full((16, 24, 3), 90, np.uint8))
    measured = list(time_pipelines(models, frame, 2))
    assert [s.name for s in measured] == ["own + words", "own + pairs"]
    assert [p for p in measured[1].parts if p.endswith(".onnx")] == [
        "segmenter.onnx",
        "vision.onnx",
    ]
    assert not list(time_pipelines(models[1:], frame, 2))
    times = Times((0.5, 0.5))
    table = pipeline_table([Stages("a + b", times, {}, Times((0.002,)), Times((0.001,)))])
    assert cells(table)[2] == ["a + b", "500", "500", "2.0", "2.00", "2.00", "1.00", "1.00"]


def test_results_are_compared_pixel_by_pixel_and_question_by_question() -> None:
    assert agreement(np.array([[1, 2], [3, 4]], np.uint8), np.array([[1, 2], [3, 9]])) == 0.75
    wanted = {"a": True, "b": False}
    assert agreement(wanted, {"b": False, "a": True}) == 1
    assert agreement(wanted, {"a": None, "b": False}) == 0.5


def test_the_table_of_peers_has_ratios_and_failures() -> None:
    ours = Times((0.010, 0.030))
    first = Compared("m", "ONNX Runtime, cpu", ours, ours)
    rows = cells(
        peer_table(
            [
                first,
                replace(first, way="PyTorch", times=Times((0.020, 0.090)), same=0.5),
                Compared("m", "compiled", None, ours, 0.0, "Error: no compiler"),
            ]
        )
    )
    assert rows[2:] == [
        ["m", "ONNX Runtime, cpu", "20.0", "28.0", "1.00", "100.00%"],
        ["m", "PyTorch", "55.0", "83.0", "2.50", "50.00%"],
        ["m", "compiled", "failed: Error: no compiler", "", "", ""],
    ]


def test_the_command_prints_a_table_for_what_it_is_given(
    own_segmenter: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--models", str(own_segmenter.folder), "--size", "32x16", "--repetitions", "1"]
    assert main(["bench", "inference", *arguments, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "device cpu" in said
    assert "no GPU was used" in said
    assert "32x16 rgb8, wall time, 1 repetitions" in said
    assert "| own | segmenter.onnx |" in said
    assert "| own | **frame** |" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--models", "no-such-model"], "no-such-model: no such file"),
        (["--peer"], "--peer and --checkpoints DIR go together"),
        (["--peer", "--checkpoints", "nowhere"], "make bench-models"),
        (["--device", "gpu"], "unknown device 'gpu'"),
    ],
)
def test_bad_wishes(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "inference", *arguments]) == 1
    assert words in capsys.readouterr().err
