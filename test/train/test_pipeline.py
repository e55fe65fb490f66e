"""The whole way, small: data set -> checkpoints -> bundles -> answers of ONNX Runtime."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.errors import BundleError, ConfigError, OutputError  # noqa: E402
from semalign_ros.export.options import ExportOptions  # noqa: E402
from semalign_ros.export.parity import Tolerance  # noqa: E402
from semalign_ros.export.street import export_contrastive, export_generative  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.factory import open_vlm  # noqa: E402
from semalign_ros.inference.query import VlmQuery  # noqa: E402
from semalign_ros.inference.segmenter import open_segmenter  # noqa: E402
from semalign_ros.language import PromptSet  # noqa: E402
from semalign_ros.train import pipeline  # noqa: E402
from semalign_ros.train.basis import basis_of  # noqa: E402
from semalign_ros.train.checkpoints import load_language_model  # noqa: E402
from semalign_ros.train.contrastive import score_views  # noqa: E402
from semalign_ros.train.datasets import load_frames  # noqa: E402
from semalign_ros.train.generative import next_logits  # noqa: E402
from semalign_ros.train.models import IMAGE_TOKENS  # noqa: E402
from semalign_ros.train.networks import build_segmenter, coarse_logits  # noqa: E402
from semalign_ros.train.packing import Exchange, pack  # noqa: E402
from semalign_ros.train.pipeline import run_plan  # noqa: E402
from semalign_ros.train.plan import DataSource, Plan  # noqa: E402
from semalign_ros.train.questions import NO, QUESTION_TEMPLATE, YES, encode  # noqa: E402
from semalign_ros.train.segmenter import predict, to_pixel_values  # noqa: E402
from semalign_ros.train.settings import Networks  # noqa: E402
from semalign_ros.train.start import load_start, open_start  # noqa: E402

PROMPTS = PromptSet.load()


@pytest.fixture(scope="module")
def plan(data_set, tiny_settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return Plan(
        sources=(DataSource("town", data_set, 1.0, 0.5),),
        work=folder / "work",
        out=folder / "models",
        settings=tiny_settings,
        licence="test only",
        licence_note="made of noise",
    )


@pytest.fixture(scope="module")
def bundles(plan):
    return run_plan(plan, lambda _: None, lambda *_: None)


@pytest.fixture(scope="module")
def image(data_set):
    return load_frames(data_set, "val", 128).images[0]


def test_makes_three_valid_bundles_with_licence_seed_and_figures(bundles):
    assert list(bundles) == ["segmenter", "contrastive", "generative"]
    for stage, bundle in bundles.items():
        manifest = load_bundle(bundle.folder).manifest
        assert manifest.kind == stage
        assert manifest.source.licence == "test only"
        assert manifest.source.licence_note == "made of noise"
        assert "seed 3" in manifest.source.checkpoint
        assert "town (weight 1, for language 0.5)" in manifest.notes[0]
        assert max(manifest.metrics["parity"].values()) < 2e-3
        figures = manifest.metrics["held_out"]["town"]
        assert ("mean_iou" in figures) == (stage == "segmenter")


def test_the_segmenter_bundle_labels_frames_of_other_sizes(bundles, data_set):
    segmenter = open_segmenter(bundles["segmenter"].folder, "cpu")
    for size in ((128, 128), (100, 210)):
        frame = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
        found = segmenter.segment(frame)
        assert found.labels.shape == size
        assert found.labels.max() < 19
        assert ((found.confidence > 1 / 19 - 1e-6) & (found.confidence <= 1)).all()


@pytest.mark.parametrize("stage", ["contrastive", "generative"])
def test_language_models_compute_in_float16(stage, plan, bundles, image, tmp_path):
    export = export_contrastive if stage == "contrastive" else export_generative
    # Trained on noise, the segmenter inside decides many a pixel the other way in float16.
    half = export(
        plan.work / stage,
        tmp_path / stage,
        ExportOptions(
            stage,
            bundles[stage].manifest.source,
            precision="float16",
            tolerance=Tolerance(value=0.15),
        ),
    )
    assert half.manifest.precision == "float16"
    scores = [
        open_vlm(b.folder, "cpu", prompts=PROMPTS).answer(VlmQuery(image)).scores
        for b in (bundles[stage], half)
    ]
    full, narrow = (np.array(list(s.values())) for s in scores)
    assert 0 < np.abs(full - narrow).max() < 0.2 * np.abs(full).max()


def test_contrastive_scores_equal_torch(plan, bundles, image):
    trained = load_language_model(plan.work / "contrastive", "contrastive")
    with torch.no_grad():
        embeds = trained.model.image(trained.tower(to_pixel_values(image[None])))
        expected = score_views(
            trained.model.embed_texts,
            lambda texts: trained.model.score(embeds, texts),
            PROMPTS,
            trained.tokenizer,
        )
    answer = open_vlm(bundles["contrastive"].folder, "cpu", prompts=PROMPTS).answer(VlmQuery(image))
    for question, margin in expected.items():
        # The bundle's weights are rounded to float16.
        assert answer.scores[question] == pytest.approx(margin[0], abs=0.02), question


def test_generative_scores_equal_packed_torch(plan, bundles, image):
    trained = load_language_model(plan.work / "generative", "generative")
    yes, no = (encode(trained.tokenizer, text)[0] for text in (YES, NO))
    questions = PROMPTS.questions()
    asked = [
        Exchange(encode(trained.tokenizer, QUESTION_TEMPLATE.replace("{question}", q.text)))
        for q in questions
    ]
    packed = pack([asked], [[]], IMAGE_TOKENS)
    where = torch.zeros_like(packed.ids, dtype=torch.bool).scatter_(1, packed.last, True)
    with torch.no_grad():
        tokens = trained.tower(to_pixel_values(image[None]))
        logits = next_logits(trained.model, trained.model.projector(tokens), packed, where)
    vlm = open_vlm(bundles["generative"].folder, "cpu", prompts=PROMPTS)
    answer = vlm.answer(VlmQuery(image))
    for k, question in enumerate(questions):
        odds = float(logits[k, yes] - logits[k, no])
        assert answer.scores[question.id] == pytest.approx(odds, abs=0.02), question.id


def test_a_second_run_resumes_and_makes_the_same_bundles(plan, bundles, tmp_path):
    steps = []
    stages = ("segmenter", "contrastive")
    again = run_plan(replace(plan, out=tmp_path, stages=stages), steps.append, lambda *_: None)
    assert not steps
    for stage in stages:
        assert again[stage].manifest.files == bundles[stage].manifest.files


@pytest.mark.parametrize("family", ["segformer", "deeplab"])
def test_trains_and_exports_the_other_families(family, plan, data_set, tmp_path):
    segmenter = plan.settings.segmenter.model_copy(update={"family": family})
    settings = plan.settings.model_copy(update={"segmenter": segmenter, "suffix": "_base"})
    changed = replace(plan, settings=settings, work=tmp_path / "work", out=tmp_path / "out")
    steps = []
    found = run_plan(replace(changed, stages=["segmenter"]), steps.append, lambda *_: None)[
        "segmenter"
    ]
    assert found.manifest.name == f"street_{family}_base"
    assert {s.stage for s in steps} == {family}
    assert set(found.manifest.metrics["held_out"]) == {"town"}
    labels = open_segmenter(found.folder, "cpu").segment(np.full((100, 210, 3), 9, np.uint8)).labels
    assert labels.shape == (100, 210)
    with pytest.raises(ConfigError, match=f"family {family}: the language models see through"):
        run_plan(changed, steps.append, lambda *_: None)
    with pytest.raises(ConfigError, match="see through a upernet that `semalign train` made"):
        run_plan(
            replace(plan, behind=found.folder, stages=["contrastive"]),
            steps.append,
            lambda *_: None,
        )


def test_a_run_goes_on_from_a_bundle(bundles, plan, data_set):
    frames = load_frames(data_set, "train", 128)
    expected = open_segmenter(bundles["segmenter"].folder, "cpu").segment(frames.images[0])
    model = build_segmenter(plan.settings.segmenter, 99)
    inputs = to_pixel_values(frames.images)
    load_start(model, bundles["segmenter"].folder, [inputs], partial(coarse_logits, model))
    assert np.mean(predict(model, frames.images[:1])[0] == expected.labels) > 0.999
    # The norms are back: statistics of these very frames change nothing.
    with torch.no_grad():
        fixed, moving = coarse_logits(model, inputs), coarse_logits(model.train(), inputs)
    assert torch.allclose(fixed, moving, atol=0.02 * float(fixed.abs().max()))


def test_language_models_are_trained_behind_a_finished_segmenter(bundles, plan, image, tmp_path):
    segmenter = bundles["segmenter"]
    # Settings of another network do not count.
    upernet = plan.settings.segmenter.networks.upernet
    other = Networks(upernet=upernet.model_copy(update={"decoder": 16, "depths": (2, 2, 2, 2)}))
    sight = plan.settings.segmenter.model_copy(update={"networks": other, "net_size": 64})
    changed = replace(
        plan,
        settings=plan.settings.model_copy(update={"segmenter": sight}),
        behind=segmenter.folder,
        stages=["contrastive"],
        work=tmp_path / "work",
        out=tmp_path / "out",
    )
    steps = []
    found = run_plan(changed, steps.append, lambda *_: None)
    assert list(found) == ["contrastive"]
    assert {s.stage for s in steps} == {"contrastive"}
    note = found["contrastive"].manifest.notes[0]
    assert f"trained from random weights, behind {segmenter.bundle_id}, by" in note
    trained = load_language_model(tmp_path / "work/contrastive", "contrastive")
    before = load_language_model(plan.work / "contrastive", "contrastive")
    with torch.no_grad():
        tokens, expected = (t.tower(to_pixel_values(image[None])) for t in (trained, before))
    assert trained.net_size == before.net_size
    # The bundle's weights are rounded to float16.
    assert torch.allclose(tokens, expected, atol=0.01 * float(expected.abs().max()))
    with pytest.raises(ConfigError, match="leave out the stage segmenter"):
        run_plan(replace(changed, stages=["segmenter"]), steps.append, lambda *_: None)


def test_a_bundle_says_what_it_was_trained_from(bundles, plan, tmp_path):
    earlier = bundles["segmenter"]
    assert "trained from random weights by" in earlier.manifest.notes[0]
    changed = replace(plan, start=earlier.folder, work=tmp_path / "w", stages=["segmenter"])
    (tmp_path / "w").mkdir()
    shutil.copy(plan.work / "segmenter.pt", tmp_path / "w")
    with pytest.raises(
        ConfigError, match=f"began from random weights, this run from {earlier.bundle_id}"
    ):
        run_plan(changed, lambda _: None, lambda *_: None)
    (tmp_path / "w/segmenter.pt").unlink()
    # Over the bundle that it began from, as one does in the end.
    shutil.copytree(earlier.folder, tmp_path / "out" / "street_segmenter")
    changed = replace(
        changed, start=tmp_path / "out/street_segmenter", out=tmp_path / "out", overwrite=True
    )
    made = run_plan(changed, lambda _: None, lambda *_: None)["segmenter"]
    assert f"trained from {earlier.bundle_id} by" in made.manifest.notes[0]
    assert made.bundle_id != earlier.bundle_id


def test_a_run_goes_on_only_from_its_own_network(bundles, plan, data_set, tmp_path):
    def start(bundle, **changes):
        upernet = plan.settings.segmenter.networks.upernet.model_copy(update=changes)
        segmenter = plan.settings.segmenter.model_copy(
            update={"networks": Networks(upernet=upernet)}
        )
        settings = plan.settings.model_copy(update={"segmenter": segmenter})
        changed = replace(plan, settings=settings, start=bundle, work=tmp_path, out=tmp_path)
        run_plan(changed, lambda _: None, lambda *_: None)

    with pytest.raises(ConfigError, match="found a contrastive bundle, expected a segmenter"):
        open_start(bundles["contrastive"].folder, "upernet")
    with pytest.raises(ConfigError, match="family deeplab: only a upernet"):
        open_start(bundles["segmenter"].folder, "deeplab")
    with pytest.raises(ConfigError, match=r"expected \[16, .*a bundle of the same settings"):
        start(bundles["segmenter"].folder, decoder=16)
    with pytest.raises(BundleError, match="nowhere"):
        start(tmp_path / "nowhere")


def test_existing_bundles_are_kept(plan, bundles):
    with pytest.raises(OutputError, match="exists already"):
        run_plan(replace(plan, stages=("segmenter",)), lambda _: None, lambda *_: None)


def test_a_damaged_or_foreign_checkpoint_is_refused(plan, bundles, tmp_path):
    with pytest.raises(BundleError, match="model_type is 'semalign_generative'"):
        load_language_model(plan.work / "generative", "contrastive")
    with pytest.raises(BundleError, match=r"no readable config\.json"):
        load_language_model(tmp_path, "contrastive")


def test_a_work_folder_of_another_seed_is_refused(plan, bundles, tmp_path):
    settings = plan.settings.model_copy(update={"seed": plan.settings.seed + 1})
    other = replace(plan, settings=settings, out=tmp_path, stages=("segmenter",))
    with pytest.raises(ConfigError, match=r"segmenter\.pt was .*: seed \(3 then, 4 now\)"):
        run_plan(other, lambda _: None, lambda *_: None)


def repainted(plan, folder, change):
    """The plan on a copy of its data set in which a function has changed one file."""
    root = folder / "town"
    shutil.copytree(plan.sources[0].root, root)
    change(root)
    return replace(plan, sources=(replace(plan.sources[0], root=root),), out=folder / "out")


def paint(pattern):
    def change(root):
        path = min((root / pattern.partition("/")[0] / "train").rglob(pattern.partition("/")[2]))
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        picture[:9, :9] = 7
        cv2.imwrite(str(path), picture)

    return change


@pytest.mark.parametrize("file", ["leftImg8bit/*.png", "gtFine/*TrainIds.png"])
def test_other_frames_under_the_same_names_are_seen(file, plan, bundles, tmp_path):
    other = replace(repainted(plan, tmp_path, paint(file)), stages=("segmenter",))
    with pytest.raises(ConfigError, match=r"segmenter\.pt was trained on something else: frames;"):
        run_plan(other, lambda _: None, lambda *_: None)


@pytest.mark.parametrize(
    ("stage", "path", "value"),
    [
        ("segmenter", ("segmenter", "stage", "learning_rate"), 0.5),
        ("segmenter", ("segmenter", "jaccard_weight"), 0.1),
        ("contrastive", ("contrastive", "presence_shift"), 0.9),
        ("generative", ("generative", "stage", "batch"), 5),
        ("generative", ("vocabulary",), 600),
    ],
)
def test_other_settings_are_named(stage, path, value, plan, bundles, tmp_path):
    fields = plan.settings.model_dump()
    block = fields
    for name in path[:-1]:
        block = block[name]
    block[path[-1]] = value
    settings = type(plan.settings).model_validate(fields)
    other = replace(plan, settings=settings, stages=(stage,), out=tmp_path)
    named = re.escape(".".join(path)) + rf" \(.* then, {value} now\)"
    with pytest.raises(ConfigError, match=rf"{stage}\.pt was trained on something else: {named};"):
        run_plan(other, lambda _: None, lambda *_: None)


def test_how_long_and_how_precisely_may_change(plan, bundles, tmp_path):
    stage = plan.settings.segmenter.stage.model_copy(
        update={"evaluate_every": 3, "precision": "bfloat16"}
    )
    segmenter = plan.settings.segmenter.model_copy(update={"stage": stage})
    settings = plan.settings.model_copy(update={"segmenter": segmenter})
    other = replace(plan, settings=settings, stages=("segmenter",), out=tmp_path)
    run_plan(other, pytest.fail, lambda *_: None)


def test_damaged_views_are_computed_anew(plan, bundles, tmp_path):
    (path,) = plan.work.glob("views-*.pt")
    views = pipeline.Views.load(path)
    assert views.presence.shape == (12 * 3, 19)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert pipeline.Views.load(path) is None
    counted = []
    other = replace(plan, stages=("contrastive",), out=tmp_path)
    run_plan(other, pytest.fail, lambda what, *_: counted.append(what))
    assert "computing image tokens" in counted
    assert torch.equal(pipeline.Views.load(path).tokens, views.tokens)


def test_views_of_another_tower_are_not_reused(plan, bundles):
    found = []
    for change in (0.0, 1e-3):
        tower = load_language_model(plan.work / "contrastive", "contrastive").tower
        with torch.no_grad():
            next(iter(tower.parameters())).add_(change)
        data = pipeline._load(plan, lambda *_: None)
        found.append(basis_of(plan, data.digest, tower)["network"])
    assert found[0] != found[1]


def test_a_run_goes_on_from_the_bundle_that_it_will_replace(plan, bundles, data_set, tmp_path):
    shutil.copytree(bundles["segmenter"].folder, tmp_path / "out" / "street_segmenter")
    again = replace(
        plan,
        work=tmp_path / "work",
        out=tmp_path / "out",
        start=tmp_path / "out" / "street_segmenter",
        stages=("segmenter", "contrastive"),
        overwrite=True,
    )

    def interrupt(step):
        if step.stage == "contrastive":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(again, interrupt, lambda *_: None)
    steps = []
    made = run_plan(again, steps.append, lambda *_: None)
    assert {s.stage for s in steps} == {"contrastive"}
    assert bundles["segmenter"].bundle_id in made["segmenter"].manifest.notes[0]


def test_the_language_models_draw_frames_by_weights_of_their_own(plan, bundles, tmp_path):
    (path,) = plan.work.glob("views-*.pt")
    views = pipeline.Views.load(path)
    assert views.weight.tolist() == pytest.approx([0.5, 0.5, 0.1] * 12)
    seen = views.presence.reshape(12, 3, 19)
    expected = (5 * seen[:, :2].sum(axis=1) + seen[:, 2]).sum(axis=0) / (11 * 12)
    assert views.share == pytest.approx(expected)
    # Other weights of theirs leave the segmenter as it is, and want other language models.
    other = replace(plan, sources=(DataSource("town", plan.sources[0].root, 1.0, 0.25),))
    with pytest.raises(ConfigError, match=r"contrastive\.pt was .*: weights\.town"):
        run_plan(replace(other, out=tmp_path), lambda _: None, lambda *_: None)
    path.with_name(next(p.name for p in plan.work.glob("views-*.pt") if p != path)).unlink()
