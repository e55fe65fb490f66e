"""Scoring of a parser against annotated sentences, as data/vlm_answers/score.py does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sklearn.metrics import balanced_accuracy_score

from semalign_ros.language import parse_scene_text

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Scores:
    f1: dict[str, float]
    leak: float
    safety: float


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def score(items: Iterable[dict]) -> Scores:
    items = list(items)
    claims = [parse_scene_text(item["text"]) for item in items]
    f1 = {}
    for field in ("present", "denied", "hypothetical"):
        hits = wrong = missed = 0
        for item, found in zip(items, claims, strict=True):
            want, got = set(item[field]), set(getattr(found, field))
            hits += len(want & got)
            wrong += len(got - want - set(item["incidental"]))
            missed += len(want - got)
        f1[field] = 2 * hits / (2 * hits + wrong + missed)
    leaks = sum(
        bool((set(item["denied"]) | set(item["hypothetical"])) & found.present)
        for item, found in zip(items, claims, strict=True)
    )
    safety = balanced_accuracy_score(
        [item["safety"] for item in items],
        [found.judgment.value if found.judgment else "none" for found in claims],
    )
    return Scores(f1, leaks / len(items), float(safety))


@pytest.fixture
def scorer() -> Callable[[Iterable[dict]], Scores]:
    return score


@pytest.fixture
def own_claims() -> list[dict]:
    return read_jsonl(HERE / "own_claims.jsonl")


@pytest.fixture
def own_segments() -> list[dict]:
    """Answers of several sentences, in batches, labelled before the rules saw them."""
    return read_jsonl(HERE / "own_segments.jsonl")


@pytest.fixture
def own_judgments() -> list[dict]:
    return read_jsonl(HERE / "own_judgments.jsonl")
