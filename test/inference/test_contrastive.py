from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from semalign_ros.errors import BundleError, ConfigError, InferenceError
from semalign_ros.inference import contrastive
from semalign_ros.inference.bundle import write_bundle
from semalign_ros.inference.contrastive import ContrastiveVlm
from semalign_ros.inference.query import VlmQuery
from semalign_ros.language import PromptSet
from semalign_ros.types import Judgment

CLASSES = ("person", "car", "traffic light")


@pytest.fixture(autouse=True)
def _no_embeddings_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrastive, "_EMBEDDINGS", {})


def expected_scores(clip: Any, image: np.ndarray, prompts: PromptSet) -> dict[str, float]:
    """Mean over the pairs of positive - negative, one text after the other."""
    margins: dict[str, list[float]] = {}
    for pair in prompts.pairs(CLASSES):
        positive, negative = clip.logits(image, [pair.positive, pair.negative])
        margins.setdefault(pair.question, []).append(float(positive - negative))
    return {question: float(np.mean(found)) for question, found in margins.items()}


def test_scores_are_the_mean_margin_of_the_pairs(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    bundle = tiny_clip.write(tmp_path / "clip")
    vlm = ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES)
    answer = vlm.answer(VlmQuery(image))
    expected = expected_scores(tiny_clip, image, prompts)
    assert list(answer.scores) == list(expected)
    assert answer.scores == pytest.approx(expected, abs=1e-4)
    present = {q.removeprefix("presence/") for q, s in expected.items() if s > 0} & set(CLASSES)
    assert answer.claims.present == present
    assert answer.claims.denied == set(CLASSES) - present
    assert answer.claims.coverage == 1
    assert answer.bundle_id == bundle.bundle_id
    # "stop" is reversed: yes means UNSAFE.
    safe = expected["safety/proceed"] > 0
    stop = expected["safety/stop"] > 0
    assert answer.judgments == {
        "proceed": Judgment.SAFE if safe else Judgment.UNSAFE,
        "stop": Judgment.UNSAFE if stop else Judgment.SAFE,
    }
    assert answer.claims.judgment is answer.judgments["proceed"]


def test_thresholds_of_the_bundle_decide(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    scores = expected_scores(tiny_clip, image, prompts)
    thresholds = {
        "presence/car": scores["presence/car"] + 0.01,
        "presence/person": scores["presence/person"] - 0.01,
    }
    bundle = tiny_clip.write(tmp_path / "clip", thresholds=thresholds)
    answer = ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES).answer(VlmQuery(image))
    assert "car" in answer.claims.denied
    assert "person" in answer.claims.present


def test_texts_of_the_bundle_replace_those_of_the_set(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    own = {"positive": ["a car", "there is a car"], "negative": ["a photo"]}
    bundle = tiny_clip.write(
        tmp_path / "clip", prompts={"presence/car": own, "presence/nothing we ask": own}
    )
    answer = ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES).answer(VlmQuery(image))
    a, b, c = tiny_clip.logits(image, [*own["positive"], *own["negative"]])
    assert answer.scores["presence/car"] == pytest.approx((a + b) / 2 - c, abs=1e-4)
    unchanged = expected_scores(tiny_clip, image, prompts)["presence/person"]
    assert answer.scores["presence/person"] == pytest.approx(unchanged, abs=1e-4)


def test_top_k_claims_the_k_best_fitting_classes(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    vlm = ContrastiveVlm(
        tiny_clip.write(tmp_path / "clip"),
        "cpu",
        prompts=prompts,
        classes=CLASSES,
        protocol="top_k",
        top_k=2,
    )
    fit = {
        name: np.mean(
            tiny_clip.logits(
                image, [p.positive for p in prompts.pairs(CLASSES) if p.question.endswith(name)]
            )
        )
        for name in CLASSES
    }
    answer = vlm.answer(VlmQuery(image))
    assert answer.claims.present == set(sorted(fit, key=fit.__getitem__)[-2:])
    assert vlm.claim_limit == 2


def test_padding_to_the_full_length_does_not_change_a_masked_tower(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    # A text tower that saw the padding would give other embeddings.
    plain = tiny_clip.write(tmp_path / "plain")
    padded = tiny_clip.write(
        tmp_path / "padded", pad_to_context=True, context_length=40, pad_token_id=1
    )
    a, b = (
        ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES).answer(VlmQuery(image))
        for bundle in (plain, padded)
    )
    assert a.scores == pytest.approx(b.scores, abs=1e-4)


def test_a_text_that_is_too_long_is_not_cut_silently(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet
) -> None:
    bundle = tiny_clip.write(tmp_path / "clip", context_length=4)
    with pytest.raises(
        ConfigError, match=r"'a photo with a traffic light' has 6 tokens.*at most 4"
    ):
        ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES)


def test_a_tokenizer_that_pads_and_cuts_is_kept_from_it(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    bundle = tiny_clip.write(tmp_path / "clip")
    expected = ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES).answer(
        VlmQuery(image)
    )
    tiny_clip.tokenizer.enable_padding(length=9)
    tiny_clip.tokenizer.enable_truncation(2)
    try:
        bundle = tiny_clip.write(tmp_path / "odd")
        found = ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=CLASSES).answer(
            VlmQuery(image)
        )
    finally:
        tiny_clip.tokenizer.no_padding()
        tiny_clip.tokenizer.no_truncation()
    assert found.scores == pytest.approx(expected.scores)


def test_the_text_tower_runs_once_for_a_prompt_set(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    real = contrastive.embed_texts

    def counted(*args: Any) -> Any:
        runs.append(1)
        return real(*args)

    monkeypatch.setattr(contrastive, "embed_texts", counted)
    bundle = tiny_clip.write(tmp_path / "clip")

    def open_it(*classes: str) -> Any:
        return ContrastiveVlm(bundle, "cpu", prompts=prompts, classes=classes)

    open_it("car")
    open_it("car")
    assert len(runs) == 1
    open_it("person")
    assert len(runs) == 2


def test_a_sentence_beside_the_image_is_refused(
    tmp_path: Path, tiny_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    vlm = ContrastiveVlm(tiny_clip.write(tmp_path / "clip"), "cpu", prompts=prompts)
    assert not vlm.accepts_text
    with pytest.raises(ConfigError, match="reads no sentence beside the image; choose vlm_input"):
        vlm.answer(VlmQuery(image, "a car"))


def test_logits_that_are_not_finite(
    tmp_path: Path, endless_clip: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    # Compared with a threshold, a NaN would quietly be a no to every question.
    vlm = ContrastiveVlm(endless_clip.write(tmp_path / "clip"), "cpu", prompts=prompts)
    with pytest.raises(InferenceError, match="logits are not finite"):
        vlm.answer(VlmQuery(image))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"op_type": "ReduceMax", "keepdims": 0}, r"logits have shape \[\], expected \[1, "),
        ({"op_type": "ReduceMax", "keepdims": 1}, r"logits have shape \[1, 1\], expected \[1, "),
    ],
)
def test_logits_that_are_not_one_a_text(
    tmp_path: Path,
    tiny_clip: Any,
    prompts: PromptSet,
    image: np.ndarray,
    node: dict[str, Any],
    message: str,
) -> None:
    bundle = tiny_clip.write(tmp_path / "clip")
    model = onnx.load(bundle.path("vision.onnx"))
    (output,) = model.graph.output
    for made in model.graph.node:
        made.output[:] = ["all" if name == "logits" else name for name in made.output]
    model.graph.node.append(onnx.helper.make_node(inputs=["all"], outputs=["logits"], **node))
    output.CopyFrom(onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None))
    files = {n: bundle.path(n) for n in ("text.onnx", "tokenizer.json")}
    odd = write_bundle(
        tmp_path / "odd", bundle.manifest, {**files, "vision.onnx": model.SerializeToString()}
    )
    with pytest.raises(InferenceError, match=message):
        ContrastiveVlm(odd, "cpu", prompts=prompts).answer(VlmQuery(image))


def test_a_broken_tokenizer(tmp_path: Path, tiny_clip: Any, prompts: PromptSet) -> None:
    bundle = tiny_clip.write(tmp_path / "clip")
    files = {n: bundle.path(n) for n in ("vision.onnx", "text.onnx")}
    broken = write_bundle(
        tmp_path / "broken", bundle.manifest, {**files, "tokenizer.json": b'{"version": "1.0"}'}
    )
    with pytest.raises(BundleError, match=r"tokenizer\.json: no tokenizer\.json"):
        ContrastiveVlm(broken, "cpu", prompts=prompts)


def test_another_kind_of_bundle(own_segmenter: Any, prompts: PromptSet) -> None:
    with pytest.raises(BundleError, match="kind segmenter, expected contrastive"):
        ContrastiveVlm(own_segmenter, "cpu", prompts=prompts)
