from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from semalign_ros.errors import BundleError, InferenceError
from semalign_ros.inference.bundle import Bundle
from semalign_ros.inference.decoder import Decoder, mrope_positions
from semalign_ros.inference.generative import GenerativeVlm, prefix_ids, yes_log_odds
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.runtime import OnnxSession
from semalign_ros.inference.token_tree import token_tree
from semalign_ros.language import PromptSet
from semalign_ros.types import Judgment

CLASSES = ("person", "car", "traffic light")
YES, NO = 2, 3


def odds(logits: np.ndarray) -> float:
    return float(logits[YES] - logits[NO])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, tiny_vlm: Any) -> Bundle:
    return tiny_vlm.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def vlm(bundle: Bundle, prompts: PromptSet) -> GenerativeVlm:
    return GenerativeVlm(bundle, "cpu", prompts=prompts, classes=CLASSES)


@pytest.fixture(scope="module")
def decoder(bundle: Bundle) -> Decoder:
    return Decoder(OnnxSession(bundle.path("decoder.onnx"), "cpu", threads=1), bundle.manifest)


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_shared_prefix_equals_a_full_prefill_of_each_question(
    bundle: Bundle, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray, batch: int
) -> None:
    vlm = GenerativeVlm(bundle, "cpu", prompts=prompts, classes=CLASSES, batch=batch)
    questions = prompts.questions(CLASSES)
    # Beginnings are shared, else the tree would be several chains.
    assert len({tiny_vlm.ids(q.text)[0] for q in questions}) < len(questions)
    expected = {q.id: odds(tiny_vlm.ask(image, q.text)) for q in questions}
    answer = vlm.answer(VlmQuery(image))
    assert answer.scores == pytest.approx(expected, abs=1e-3)
    assert answer.claims.present == {c for c in CLASSES if expected[f"presence/{c}"] > 0}
    assert answer.claims.denied == {c for c in CLASSES if expected[f"presence/{c}"] <= 0}
    stop = expected["safety/stop"] > 0
    assert answer.judgments["stop"] is (Judgment.UNSAFE if stop else Judgment.SAFE)


def test_the_answer_depends_on_the_image(
    vlm: GenerativeVlm, tiny_vlm: Any, prompts: PromptSet
) -> None:
    # A prefix that lost the image features would score all images alike.
    questions = prompts.questions(CLASSES)
    seen = set()
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        image = np.broadcast_to(np.array(colour, np.uint8), (4, 4, 3)).copy()
        scores = vlm.answer(VlmQuery(image)).scores
        assert scores == pytest.approx(
            {q.id: odds(tiny_vlm.ask(image, q.text)) for q in questions}, abs=1e-3
        )
        seen.add(round(scores["presence/car"], 3))
    assert len(seen) == 3


def test_a_sentence_beside_the_image_is_read_before_the_question(
    vlm: GenerativeVlm, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    said = "The perception system reports : road , car ."
    expected = {q.id: odds(tiny_vlm.ask(image, q.text, said)) for q in prompts.questions(CLASSES)}
    found = vlm.answer(VlmQuery(image, said)).scores
    assert found == pytest.approx(expected, abs=1e-3)
    assert found != pytest.approx(vlm.answer(VlmQuery(image)).scores, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_questions_on_any_prefix(decoder: Decoder, tiny_vlm: Any, data: st.DataObject) -> None:
    # Also: extending a prefix in two steps is the same as in one, and leaves the first valid.
    token = st.integers(0, min(3, tiny_vlm.vocab - 1))  # few, so that questions begin alike
    prefix = data.draw(st.lists(token, min_size=2, max_size=8))
    cut = data.draw(st.integers(1, len(prefix) - 1))
    questions = data.draw(st.lists(st.lists(token, min_size=1, max_size=7), min_size=1, max_size=5))
    table = tiny_vlm.table
    start = decoder.extend(decoder.empty(), table[prefix[:cut]][None])
    whole = decoder.extend(start, table[prefix[cut:]][None])
    np.testing.assert_allclose(
        whole.logits, tiny_vlm.logits(table[prefix].astype(np.float64)), atol=2e-3
    )
    np.testing.assert_allclose(
        start.logits, tiny_vlm.logits(table[prefix[:cut]].astype(np.float64)), atol=2e-3
    )
    tree = token_tree(questions)
    asked = table[tree.ids][None]
    for found in (
        decoder.ask(whole, tree, asked),
        decoder.ask(start, tree, asked, table[prefix[cut:]][None]),
    ):
        for logits, ids in zip(found, questions, strict=True):
            expected = tiny_vlm.logits(table[[*prefix, *ids]].astype(np.float64))
            np.testing.assert_allclose(logits, expected, atol=2e-3)


def counting_decoder(writer: Any, path: Path, limit: int = 64) -> Path:
    """A decoder that votes: its answer is the mean of the values of the tokens it may attend to.

    Embedding [vote, anything]; yes = mean vote, no = 0; logit 2 is the last position id.
    """
    n = helper.make_node
    F32, I64 = TensorProto.FLOAT, TensorProto.INT64
    nodes = [
        n("Unsqueeze", ["inputs_embeds", "a1"], ["new"]),
        n("Concat", ["past_key_values.0.value", "new"], ["present.0.value"], axis=2),
        n("Concat", ["past_key_values.0.key", "new"], ["present.0.key"], axis=2),
        n("Cast", ["attention_mask"], ["mask"], to=F32),
        n("ReduceSum", ["mask", "a2"], ["count"], keepdims=1),
        n("Div", ["mask", "count"], ["share"]),
        n("Squeeze", ["present.0.value", "a1"], ["values"]),
        n("MatMul", ["share", "values"], ["means"]),
        n("Gather", ["means", "logits_to_keep"], ["mean"], axis=1),
        n("Gather", ["mean", "i0"], ["vote"], axis=2),
        n("Unsqueeze", ["vote", "a2"], ["yes"]),
        n("Mul", ["yes", "zero"], ["no"]),
        n("Gather", ["position_ids", "logits_to_keep"], ["where"], axis=1),
        n("Cast", ["where"], ["at"], to=F32),
        n("Unsqueeze", ["at", "a2"], ["position"]),
        n("Concat", ["yes", "no", "position"], ["logits"], axis=2),
    ]
    past = {f"past_key_values.0.{p}": (F32, ["B", 1, "P", 2]) for p in ("key", "value")}
    return writer(
        path,
        nodes,
        {
            "inputs_embeds": (F32, ["B", "S", 2]),
            "attention_mask": (TensorProto.BOOL, ["B", "S", "T"]),
            "position_ids": (I64, ["B", "S"]),
            "logits_to_keep": (I64, ["R"]),
            **past,
        },
        {
            "logits": (F32, ["B", "R", 3]),
            **{f"present.0.{p}": (F32, ["B", 1, "T", 2]) for p in ("key", "value")},
        },
        {
            "a1": np.array([1]),
            "a2": np.array([2]),
            "i0": np.array(0),
            "zero": np.float32(0),
        },
    )


def test_the_cache_never_comes_to_the_host(
    bundle: Bundle, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    hidden = bundle.manifest.decoder.hidden_size
    prefix = decoder.extend(decoder.empty(), rng.normal(size=(1, 4, hidden)).astype("f4"))
    run, fed = OnnxSession.run_resident, []

    def spy(self: OnnxSession, feeds: Any, fetch: Any, keep: Any) -> Any:
        fed.extend((name, type(value)) for name, value in feeds.items())
        return run(self, feeds, fetch, keep)

    monkeypatch.setattr(OnnxSession, "run_resident", spy)
    tree = token_tree([[1, 2], [1], [3, 2]])
    decoder.ask(prefix, tree, rng.normal(size=(1, 4, hidden)).astype("f4"))
    assert {kind for name, kind in fed if name.startswith("past_key_values")} == {ort.OrtValue}


def test_all_questions_and_the_image_are_one_run(
    bundle: Bundle, prompts: PromptSet, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = GenerativeVlm(bundle, "cpu", prompts=prompts, classes=CLASSES)
    run, shapes = OnnxSession.run_resident, []

    def spy(self: OnnxSession, feeds: Any, fetch: Any, keep: Any) -> Any:
        shapes.append(feeds["inputs_embeds"].shape)
        return run(self, feeds, fetch, keep)

    monkeypatch.setattr(OnnxSession, "run_resident", spy)
    vlm.answer(VlmQuery(image))
    (shape,) = shapes
    # A prefix longer than all questions is read alone.
    shapes.clear()
    vlm.answer(VlmQuery(image, "car " * 30))
    assert len(shapes) == 2
    questions = [vlm._question_tokens(q.text) for q in prompts.questions(CLASSES)]
    beginnings = {tuple(q[:i]) for q in questions for i in range(1, len(q) + 1)}
    assert shape[1] == len(prefix_ids(bundle.manifest)[0]) + len(beginnings)


def test_questions_do_not_see_each_other(tmp_path: Path, tiny_vlm: Any, graph_writer: Any) -> None:
    manifest = tiny_vlm.manifest(
        decoder={
            "num_layers": 1,
            "num_kv_heads": 1,
            "head_dim": 2,
            "hidden_size": 2,
            "vocab_size": 3,
        },
        prompt={
            "prefix_ids": [0],
            "image_token_id": 0,
            "image_tokens": 1,
            "question_template": "{question}",
            "yes_token_ids": [0],
            "no_token_ids": [1],
            "eos_token_ids": [2],
        },
    )
    path = counting_decoder(graph_writer, tmp_path / "decoder.onnx")
    decoder = Decoder(OnnxSession(path, "cpu"), manifest)
    prefix = decoder.extend(decoder.empty(), np.array([[[1, 0], [2, 0]]], np.float32))
    # A token votes for its number.
    tree = token_tree([[6], [1, 1, 5], [1, 9], [6, 1]])
    votes = np.stack([tree.ids, 0 * tree.ids], axis=1)[None].astype("f4")
    said = np.array([[[3, 0]]], np.float32)
    # By hand: mean of prefix (1, 2) and the question's votes; the last token's position.
    for between, total, count in ((None, 3, 2), (said, 6, 3)):
        logits = decoder.ask(prefix, tree, votes, between)
        sums, lengths = np.array([6, 7, 10, 7]), np.array([1, 3, 2, 2])
        np.testing.assert_allclose(logits[:, 0], (total + sums) / (count + lengths), rtol=1e-6)
        np.testing.assert_array_equal(logits[:, 2], count - 1 + lengths)


def test_features_that_are_no_numbers_are_the_image_towers_fault(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    broken = copy.copy(tiny_vlm)
    broken.project = np.full_like(tiny_vlm.project, np.nan)
    vlm = GenerativeVlm(broken.write(tmp_path / "m"), "cpu", prompts=prompts, classes=CLASSES)
    with pytest.raises(InferenceError, match=r"vision\.onnx: image_features are not finite"):
        vlm.answer(VlmQuery(image))


def test_greedy_generation_takes_the_likeliest_token_each_time(
    bundle: Bundle, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    vlm = GenerativeVlm(bundle, "cpu", prompts=prompts, classes=CLASSES, describe=True)
    ids: list[int] = []
    start = tiny_vlm.prefix(image)
    request = tiny_vlm.ids(f"{prompts.description} answer")
    while len(ids) < bundle.manifest.max_new_tokens:
        logits = tiny_vlm.logits(np.concatenate([start, tiny_vlm.table[[*request, *ids]]]))
        best = int(logits.argmax())
        if best == 1:
            break
        ids.append(best)
    expected = tiny_vlm.tokenizer.decode(ids)
    assert expected
    assert vlm.answer(VlmQuery(image)).raw_text == expected


def test_the_description_protocol_takes_presence_from_the_text(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray, monkeypatch: Any
) -> None:
    vlm = GenerativeVlm(
        tiny_vlm.write(tmp_path / "m"),
        "cpu",
        prompts=prompts,
        classes=CLASSES,
        protocol="description",
    )
    monkeypatch.setattr(
        vlm, "_generate", lambda _: "There is a car on the road. No people are visible."
    )
    answer = vlm.answer(VlmQuery(image))
    assert answer.claims.present == {"car", "road"}
    assert "person" in answer.claims.denied
    # Safety is still asked for by questions.
    assert set(answer.scores) == {"safety/proceed", "safety/stop"}
    assert answer.claims.judgment is answer.judgments["proceed"]
    assert answer.claims.coverage == 1
    assert answer.raw_text.startswith("There is a car")


def test_eos_ends_the_description(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    first = int(tiny_vlm.ask(image, prompts.description).argmax())
    prompt = tiny_vlm.manifest().prompt.model_copy(update={"eos_token_ids": (first,)})
    bundle = tiny_vlm.write(tmp_path / "m", prompt=prompt.model_dump())
    vlm = GenerativeVlm(bundle, "cpu", prompts=prompts, describe=True, classes=CLASSES)
    assert vlm.describe(image) == ""


def test_generation_stops_where_the_decoder_ends(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    longest = max(len(tiny_vlm.ids(f"{q.text} answer")) for q in prompts.questions(CLASSES))
    prefix = len(prefix_ids(tiny_vlm.manifest())[0])
    decoder = tiny_vlm.manifest().decoder.model_copy(update={"max_positions": prefix + longest})
    bundle = tiny_vlm.write(tmp_path / "m", decoder=decoder.model_dump(), max_new_tokens=50)
    vlm = GenerativeVlm(bundle, "cpu", prompts=prompts, describe=True, classes=CLASSES)
    room = longest - len(tiny_vlm.ids(f"{prompts.description} answer"))
    words = vlm.answer(VlmQuery(image)).raw_text.split()
    assert 0 < len(words) <= room
    with pytest.raises(InferenceError, match=r"tokens, the decoder knows \d+ positions"):
        vlm.answer(VlmQuery(image, "car " * 60))


def test_the_longest_question_has_to_fit(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    # The questions together have more tokens than there are positions: each counts alone.
    longest = max(len(tiny_vlm.ids(f"{q.text} answer")) for q in prompts.questions(CLASSES))
    most = len(prefix_ids(tiny_vlm.manifest())[0]) + longest

    def answer(limit: int) -> object:
        decoder = tiny_vlm.manifest().decoder.model_copy(update={"max_positions": limit})
        bundle = tiny_vlm.write(tmp_path / str(limit), decoder=decoder.model_dump())
        vlm = GenerativeVlm(bundle, "cpu", prompts=prompts, classes=CLASSES)
        return vlm.answer(VlmQuery(image))

    assert answer(most)
    with pytest.raises(InferenceError, match=f"{most} tokens, the decoder knows {most - 1} pos"):
        answer(most - 1)


def test_log_odds_add_up_the_variants_of_yes_and_no() -> None:
    p = np.array([[0.3, 0.1, 0.2, 0.05, 0.35], [0.01, 0.01, 0.02, 0.01, 0.95]])
    logits = (np.log(p) + 7).astype(np.float32)
    found, mass = yes_log_odds(logits, [0, 1], [2, 2, 3])
    np.testing.assert_allclose(found, np.log([0.4 / 0.25, 0.02 / 0.03]), rtol=1e-5)
    np.testing.assert_allclose(mass, [0.65, 0.05], rtol=1e-5)


def test_the_mass_over_a_whole_vocabulary_is_that_of_exact_arithmetic() -> None:
    logits = np.random.default_rng(4).normal(0, 5, (3, 50_000)).astype(np.float32)
    found, mass = yes_log_odds(logits, [7, 8], [9])
    exact = np.exp(logits.astype(np.float64))
    yes, no = exact[:, 7] + exact[:, 8], exact[:, 9]
    np.testing.assert_allclose(found, np.log(yes / no), rtol=1e-12)
    np.testing.assert_allclose(mass, (yes + no) / exact.sum(axis=1), rtol=1e-5)


def test_log_odds_of_extreme_logits_stay_finite() -> None:
    found, mass = yes_log_odds(np.array([[5000.0, -5000.0, 0.0]], np.float32), [0], [1])
    assert found[0] == 10000
    assert mass[0] == pytest.approx(1)


def test_an_answer_that_is_neither_yes_nor_no_is_unparsed(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    masses = {}
    for question in prompts.questions(CLASSES):
        logits = tiny_vlm.ask(image, question.text)
        p = np.exp(logits - logits.max())
        masses[question.id] = float((p[YES] + p[NO]) / p.sum())
    ordered = sorted(masses.values())
    threshold = (ordered[1] + ordered[2]) / 2
    bundle = tiny_vlm.write(tmp_path / "m", min_answer_mass=threshold)
    answer = GenerativeVlm(bundle, "cpu", prompts=prompts, classes=CLASSES).answer(VlmQuery(image))
    assert answer.claims.coverage == pytest.approx(3 / 5)
    said = answer.claims.present | answer.claims.denied
    for name in CLASSES:
        assert (name in said) == (masses[f"presence/{name}"] >= threshold)
    for name, judgment in answer.judgments.items():
        assert (judgment is not None) == (masses[f"safety/{name}"] >= threshold)
    # The score stays, for whoever wants another threshold.
    assert set(answer.scores) == set(masses)


def test_mrope_positions_by_hand() -> None:
    # Two text tokens, an image of 2 x 3, two text tokens.
    found = mrope_positions(10, 2, (2, 3))
    assert found.tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6],
    ]


def test_shared_prefix_with_positions_on_three_axes(
    tmp_path: Path, mrope_vlm: Any, prompts: PromptSet, image: np.ndarray
) -> None:
    # Two tokens, an image of 2 x 3, one token; then sentence, question and description count on
    # from where the image's largest coordinate left off, not from the number of tokens.
    vlm_bundle = mrope_vlm.write(tmp_path / "m")
    vlm = GenerativeVlm(vlm_bundle, "cpu", prompts=prompts, classes=CLASSES, describe=True)
    prefix = mrope_vlm.prefix(image)
    start = [(0, 0, 0), (1, 1, 1), *((2, 2 + r, 2 + c) for r in range(2) for c in range(3))]

    def logits(text: str, *more: int) -> np.ndarray:
        ids = [*mrope_vlm.ids(f"{text} answer"), *more]
        rest = [(5 + i,) * 3 for i in range(1 + len(ids))]
        embeds = np.concatenate([prefix, mrope_vlm.table[ids]])
        return mrope_vlm.logits(embeds, np.array([*start, *rest]).T)

    # In one run, in one after that of the image, and in several.
    silent = GenerativeVlm(vlm_bundle, "cpu", prompts=prompts, classes=CLASSES)
    halves = GenerativeVlm(vlm_bundle, "cpu", prompts=prompts, classes=CLASSES, batch=3)
    said = "road car"
    plain = {q.id: odds(logits(q.text)) for q in prompts.questions(CLASSES)}
    told = {q.id: odds(logits(f"{said} {q.text}")) for q in prompts.questions(CLASSES)}
    for asked in (vlm, silent, halves):
        assert asked.answer(VlmQuery(image)).scores == pytest.approx(plain, abs=1e-3)
        assert asked.answer(VlmQuery(image, said)).scores == pytest.approx(told, abs=1e-3)
    answer = vlm.answer(VlmQuery(image))
    first = int(logits(prompts.description).argmax())
    second = int(logits(prompts.description, first).argmax())
    assert answer.raw_text.startswith(mrope_vlm.tokenizer.decode([first, second]))


def test_a_decoder_with_other_positions_than_stated(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet
) -> None:
    decoder = tiny_vlm.manifest().decoder.model_dump()
    decoder.update(position_ids="mrope", image_grid=[1, 3])
    bundle = tiny_vlm.write(tmp_path / "m", decoder=decoder)
    with pytest.raises(BundleError, match="position_ids has 2 axes"):
        GenerativeVlm(bundle, "cpu", prompts=prompts)


def test_a_decoder_that_masks_tokens_instead_of_pairs(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet
) -> None:
    bundle = tiny_vlm.write(tmp_path / "m")
    model = onnx.load(bundle.path("decoder.onnx"))
    (mask,) = [i for i in model.graph.input if i.name == "attention_mask"]
    mask.type.tensor_type.elem_type = TensorProto.INT64
    model.graph.node.insert(
        0, helper.make_node("Cast", ["attention_mask"], ["pairs"], to=TensorProto.BOOL)
    )
    for node in model.graph.node[1:]:
        node.input[:] = ["pairs" if name == "attention_mask" else name for name in node.input]
    onnx.save(model, tmp_path / "decoder.onnx")
    session = OnnxSession(tmp_path / "decoder.onnx", "cpu")
    with pytest.raises(BundleError, match=r"attention_mask is int64 .* export the model again"):
        Decoder(session, bundle.manifest)


def test_a_decoder_with_fewer_layers_than_stated(
    tmp_path: Path, tiny_vlm: Any, prompts: PromptSet
) -> None:
    decoder = tiny_vlm.manifest().decoder.model_dump()
    decoder.update(num_layers=3)
    bundle = tiny_vlm.write(tmp_path / "m", decoder=decoder)
    with pytest.raises(BundleError, match=r"no input 'past_key_values\.2\.key'"):
        GenerativeVlm(bundle, "cpu", prompts=prompts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prefix_ids": [1, 2]}, "expected the image token"),
        ({"question_template": "no slot"}, r"expected \{question\} once"),
        ({"yes_token_ids": [2, 3]}, r"tokens \[3\] are both yes and no"),
        ({"no_token_ids": [10**6]}, r"token ids \[1000000\] are not below vocab_size"),
    ],
)
def test_wrong_prompts_are_named(tiny_vlm: Any, change: dict[str, Any], message: str) -> None:
    prompt = {**tiny_vlm.manifest().prompt.model_dump(), **change}
    with pytest.raises(ValueError, match=message):
        tiny_vlm.manifest(prompt=prompt)


def test_image_tokens_may_be_written_out(tiny_vlm: Any) -> None:
    manifest = tiny_vlm.manifest()
    token = manifest.prompt.image_token_id
    ids = [4, token, 5, token, token, 6]
    prompt = manifest.prompt.model_copy(update={"prefix_ids": tuple(ids)})
    assert prefix_ids(manifest.model_copy(update={"prompt": prompt}))[0].tolist() == ids
