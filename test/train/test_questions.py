from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from semalign_ros.language import PromptSet, parse_scene_text
from semalign_ros.scene.taxonomy import CLASSES, CRITICAL, TRAIN_ID
from semalign_ros.train import questions
from semalign_ros.train.batches import generator
from semalign_ros.types import Judgment

PROMPTS = PromptSet.load()
CRITICAL_IDS = [TRAIN_ID[name] for name in CRITICAL]


@pytest.fixture(scope="module")
def tokenizer():
    return questions.build_tokenizer(PROMPTS, 768, 0)


def test_figures_equal_sklearn():
    rng = np.random.default_rng(0)
    truth = rng.random((300, 19)) < rng.random(19)
    said = truth ^ (rng.random((300, 19)) < 0.3)
    unsafe, judged_unsafe = rng.random(300) < 0.2, rng.random(300) < 0.5
    judged = [Judgment.UNSAFE if u else Judgment.SAFE for u in judged_unsafe]
    found = questions.language_scores(said, truth, judged, unsafe)
    counted = [c for c in CRITICAL_IDS if 10 <= truth[:, c].sum() <= 290]
    each = [balanced_accuracy_score(truth[:, c], said[:, c]) for c in counted]
    assert found["presence_balanced_accuracy"] == pytest.approx(np.mean(each))
    flat = truth[:, CRITICAL_IDS].ravel(), said[:, CRITICAL_IDS].ravel()
    assert found["presence_f1"] == pytest.approx(f1_score(*flat))
    assert found["safety_balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(unsafe, judged_unsafe)
    )
    always = np.zeros_like(truth)
    best = 0.0
    for size in range(1, 11):
        order = np.argsort(-truth[:, CRITICAL_IDS].sum(0))[:size]
        always[:] = False
        always[:, np.array(CRITICAL_IDS)[order]] = True
        best = max(best, f1_score(flat[0], always[:, CRITICAL_IDS].ravel()))
    assert found["constant_set_f1"] == pytest.approx(best)


def test_descriptions_say_what_the_labels_say():
    for i in range(40):
        rng = generator(0, 0, i)
        presence, unsafe = rng.random(19) < 0.4, bool(i % 2)
        names = {CLASSES[c] for c in np.flatnonzero(presence)}
        claims = parse_scene_text(questions.describe(presence, unsafe))
        assert claims.present == names
        assert claims.judgment is (Judgment.UNSAFE if unsafe else Judgment.SAFE)
        assert parse_scene_text(questions.caption(presence, unsafe, rng)).present <= names


def test_the_perception_sentence_errs_at_the_rates_it_claims():
    there, absent = np.ones(19, bool), np.zeros(19, bool)
    texts = [questions.perceived(there, generator(0, 1, i)) for i in range(200)]
    kept = np.mean([len(parse_scene_text(t).present) for t in texts]) / 19
    assert kept == pytest.approx(0.85, abs=0.03)
    texts = [questions.perceived(absent, generator(0, 2, i)) for i in range(200)]
    added = np.mean([len(parse_scene_text(t).present) for t in texts]) / 19
    assert added == pytest.approx(0.04, abs=0.015)


def test_pairs_and_questions_keep_their_polarity():
    by_text = {q.text: q.safe_when_yes for q in questions.safety_questions(PROMPTS)}
    for prompt in PROMPTS.safety:
        assert by_text[prompt.text] is prompt.safe_when_yes
    for pair in questions.contrast_pairs(PROMPTS):
        kind, _, subject = pair.question.partition("/")
        if kind == "safety" and pair.positive in {"it is safe to proceed", "a clear way ahead"}:
            assert PROMPTS.safety_prompt(subject).safe_when_yes


def test_logit_shift_moves_the_decision_to_the_prior():
    share = np.array([0.1, 0.5, 0.9])
    assert questions.logit_shift(share, 0.0).tolist() == [0, 0, 0]
    # A calibrated classifier that says "as often as always" then sits exactly at zero.
    assert questions.logit_shift(share, 1.0) == pytest.approx(np.log(share / (1 - share)))
    assert np.isfinite(questions.logit_shift(np.array([0.0, 1.0]), 1.0)).all()


@pytest.mark.parametrize("balance", [0.0, 0.25, 1.0])
def test_decision_logit_is_best_for_what_it_promises(balance):
    random = np.random.default_rng(3)
    frames = 40_000
    logits = random.normal(0, 2, (frames, 3)) + np.array([-3.4, -0.6, 3.2])
    truth = random.random((frames, 3)) < 1 / (1 + np.exp(-logits))

    def objective(cuts):
        said = logits > cuts
        f1 = 2 * (said & truth).sum() / (said.sum() + truth.sum())
        balanced = sum(
            (said[truth[:, c], c].mean() + (~said[~truth[:, c], c]).mean()) / 2 for c in range(3)
        )
        return f1 + balance * 2 * frames / truth.sum() * balanced

    cuts = questions.decision_logit(truth.mean(axis=0), balance)
    best = objective(cuts)
    for c in range(3):
        for step in (-1.5, 1.5):
            other = cuts.copy()
            other[c] += step
            assert objective(other) < best, (c, step)


def test_tokenizer_holds_answers_as_one_token_and_loses_nothing(tokenizer):
    assert len(questions.encode(tokenizer, questions.YES)) == 1
    for text in (PROMPTS.description, "Ünknown wörds: 雪, €5!", questions.SCENE_TEXT_TEMPLATE):
        assert tokenizer.decode(questions.encode(tokenizer, text)) == text
    assert tokenizer.encode("a car").ids[-1] == questions.EOS
    again = questions.build_tokenizer(PROMPTS, 768, 0)
    assert questions.tokenizer_bytes(again) == questions.tokenizer_bytes(tokenizer)
