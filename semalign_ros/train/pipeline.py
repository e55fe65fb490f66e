"""From data sets to three finished bundles; every stage resumes where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedModel, UperNetForSemanticSegmentation

from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import Tolerance
from semalign_ros.export.segmenter import export_segmenter
from semalign_ros.export.street import export_contrastive, export_generative
from semalign_ros.inference import open_segmenter, open_vlm
from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.manifest import Source
from semalign_ros.language import PromptSet
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.train.basis import basis_of, digest_of, require_same
from semalign_ros.train.checkpoints import save_language_model, save_segmenter
from semalign_ros.train.contrastive import train_contrastive
from semalign_ros.train.datasets import (
    WITHOUT_EDGES,
    FrameSet,
    Sample,
    evenly,
    find_samples,
    load_frames,
)
from semalign_ros.train.generative import train_generative
from semalign_ros.train.loop import RANDOM, Report
from semalign_ros.train.measure import measure_segmenter, measure_vlm
from semalign_ros.train.models import Tower
from semalign_ros.train.plan import STAGES, DataSource, Plan, bundle_name, check_stages
from semalign_ros.train.questions import build_tokenizer, decision_logit, logit_shift
from semalign_ros.train.segmenter import train_segmenter
from semalign_ros.train.settings import (
    ContrastiveSettings,
    GenerativeSettings,
    family_name,
)
from semalign_ros.train.start import Start, load_frozen, open_start
from semalign_ros.train.views import Views, plain_views, training_views
from semalign_ros.types import Image

Count = Callable[[str, int, int], None]
"""Reports work of a kind done and in all."""


@dataclass(frozen=True, slots=True)
class _Data:
    """Frames; the labels of `scored` are those of `held_out` without what cannot be relied on.

    `samples` are the frames of `held_out` on disk, of their own size. `digest` is of the pixels and
    labels of `train`.
    """

    train: Sequence[FrameSet]
    held_out: Mapping[str, FrameSet]
    scored: Mapping[str, FrameSet]
    samples: Mapping[str, Sequence[Sample]]
    digest: str


def run_plan(plan: Plan, report: Report, count: Count) -> dict[str, Bundle]:
    """Train, export and measure.

    Args:
        plan: What to do.
        report: Called after every step.
        count: Called while frames are read and views computed.

    Returns:
        The bundles by stage.

    Raises:
        DatasetError: A data set has another layout.
        ConfigError: A checkpoint is of another run, or an earlier stage is missing.
        BundleError: A graph does not equal its model.
        OutputError: A bundle exists, or cannot be written.
    """
    family = plan.settings.segmenter.family
    check_stages(plan.settings, plan.stages, plan.behind is not None)
    start, behind = (
        None if folder is None else open_start(folder, family)
        for folder in (plan.start, plan.behind)
    )
    origin = RANDOM if start is None else start.bundle_id
    segmenter: PreTrainedModel | None = None
    if behind is not None:
        origin = f"{RANDOM}, behind {behind.bundle_id},"
        seen, segmenter = load_frozen(behind, plan.settings.segmenter)
        plan = replace(plan, settings=plan.settings.model_copy(update={"segmenter": seen}))
    settings = plan.settings
    torch.set_num_threads(settings.threads)
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU; nothing changes on a CPU
    data = _load(plan, count)
    drafts: dict[str, tuple[Bundle, Mapping[str, Mapping[str, float]]]] = {}
    if segmenter is None:
        segmenter = _train_segmenter(plan, data, start, report)
    if "segmenter" in plan.stages:
        kind, name = family_name(family), bundle_name(settings, "segmenter")
        save_segmenter(plan.work / kind, segmenter, settings.segmenter)
        draft = export_segmenter(
            plan.work / kind, plan.work / "bundles" / name, _options(plan, name, data)
        )
        model = open_segmenter(draft.folder, "cpu")
        scores = {k: measure_segmenter(model, v) for k, v in data.samples.items()}
        drafts["segmenter"] = draft, scores
    if set(plan.stages) - {"segmenter"}:
        drafts |= _language_stages(plan, data, segmenter, report, count)
    # In the end: until then an interrupted run finds the bundle that it goes on from.
    return {stage: _publish(plan, origin, *made) for stage, made in drafts.items()}


def _language_stages(
    plan: Plan, data: _Data, segmenter: PreTrainedModel, report: Report, count: Count
) -> dict[str, tuple[Bundle, Mapping[str, Mapping[str, float]]]]:
    """Train, export and measure the language models: draft and figures by stage."""
    settings = plan.settings
    drafts: dict[str, tuple[Bundle, Mapping[str, Mapping[str, float]]]] = {}
    assert isinstance(segmenter, UperNetForSemanticSegmentation)
    tower = Tower(segmenter).eval().to(plan.device)
    tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    views, held_out = _views(plan, tower, data, count)
    tower.cpu()
    prompts = PromptSet.load()
    tokenizer = build_tokenizer(prompts, settings.vocabulary, settings.seed)
    for stage in [s for s in STAGES[1:] if s in plan.stages]:
        require_same(plan.work / f"{stage}.pt", basis_of(plan, data.digest, tower, stage))
        _train_language(plan, stage, tower, views, held_out, prompts, tokenizer, report)
        export = export_contrastive if stage == "contrastive" else export_generative
        name = bundle_name(settings, stage)
        options = replace(
            _options(plan, name, data), thresholds=_thresholds(getattr(settings, stage), views)
        )
        draft = export(plan.work / stage, plan.work / "bundles" / name, options)
        vlm = open_vlm(draft.folder, "cpu", prompts=prompts)
        scores = {k: measure_vlm(vlm, v) for k, v in data.samples.items()}
        drafts[stage] = draft, scores
    return drafts


def _load(plan: Plan, count: Count) -> _Data:
    size = plan.settings.segmenter.net_size
    train, held_out, scored, samples = [], {}, {}, {}
    for source in plan.sources:
        train.append(
            load_frames(
                source.root,
                "train",
                size,
                weights=(source.weight, source.language_weight),
                limit=plan.limit,
                min_support=plan.settings.segmenter.min_label_support,
                progress=lambda done, of: count("reading frames", done, of),
            )
        )
        if (source.root / "leftImg8bit" / "val").is_dir():
            frames = load_frames(source.root, "val", size, limit=plan.limit)
            held_out[source.name] = frames
            samples[source.name] = evenly(find_samples(source.root, "val"), plan.limit)
            scored[source.name] = load_frames(
                source.root, "val", size, limit=plan.limit, min_support=WITHOUT_EDGES
            )
    digest = digest_of(array for frames in train for array in (frames.images, frames.labels))
    return _Data(train, held_out, scored, samples, digest)


def _train_segmenter(
    plan: Plan, data: _Data, start: Start | None, report: Report
) -> PreTrainedModel:
    settings = plan.settings
    checkpoint = plan.work / f"{family_name(settings.segmenter.family)}.pt"
    require_same(checkpoint, basis_of(plan, data.digest, stage="segmenter"))
    return train_segmenter(
        data.train,
        data.scored,
        settings.segmenter,
        settings.seed,
        checkpoint,
        report,
        plan.device,
        start,
    )


def _train_language(
    plan: Plan,
    stage: str,
    tower: Tower,
    views: Views,
    held_out: Mapping[str, Views],
    prompts: PromptSet,
    tokenizer: Tokenizer,
    report: Report,
) -> None:
    settings = plan.settings
    checkpoint = plan.work / f"{stage}.pt"
    if stage == "contrastive":
        dual = train_contrastive(
            views,
            held_out,
            prompts,
            tokenizer,
            settings.contrastive,
            settings.seed,
            checkpoint,
            report,
            plan.device,
        )
        save_language_model(
            plan.work / stage, tower, dual, tokenizer, settings.segmenter, settings.contrastive
        )
    else:
        speaker = train_generative(
            views,
            held_out,
            prompts,
            tokenizer,
            settings.generative,
            settings.seed,
            checkpoint,
            report,
            plan.device,
        )
        save_language_model(
            plan.work / stage, tower, speaker, tokenizer, settings.segmenter, settings.generative
        )


def _views(plan: Plan, tower: Tower, data: _Data, count: Count) -> tuple[Views, dict[str, Views]]:
    """Views of all frames; those of the training frames are kept in the work folder."""
    settings = plan.settings
    basis = json.dumps(basis_of(plan, data.digest, tower), sort_keys=True)
    path = plan.work / f"views-{hashlib.sha256(basis.encode()).hexdigest()[:12]}.pt"
    views = Views.load(path)
    if views is None:
        views = training_views(
            tower,
            data.train,
            settings.views,
            settings.segmenter.augment,
            settings.seed,
            lambda done, of: count("computing image tokens", done, of),
        )
        views.save(path)
    return views, {name: plain_views(tower, frames) for name, frames in data.held_out.items()}


def _publish(
    plan: Plan, origin: str, draft: Bundle, scores: Mapping[str, Mapping[str, float]]
) -> Bundle:
    """Write the bundle with its figures to where users look for it."""
    # A figure is undefined where the frames lack a class or a judgment: it is left out.
    rounded = {
        k: {n: round(v, 4) for n, v in part.items() if math.isfinite(v)}
        for k, part in scores.items()
    }
    manifest = draft.manifest.model_copy(
        update={
            "metrics": {**draft.manifest.metrics, "held_out": rounded},
            "notes": _notes(plan, origin),
        }
    )
    files = {name: draft.path(name) for name in draft.manifest.files}
    return write_bundle(plan.out / draft.manifest.name, manifest, files, overwrite=plan.overwrite)


def _notes(plan: Plan, origin: str) -> tuple[str, ...]:
    drawn = ", ".join(f"{s.name} ({_weights(s)})" for s in plan.sources)
    return (
        f"trained from {origin} by `semalign train` on {drawn}; seed {plan.settings.seed}",
        "held_out: frames of the val splits, never trained on; mIoU over all pixels where instance "
        "ids lie beside the labels, else without those that differ from their 3x3 neighbourhood; "
        "presence over the critical classes, balanced "
        "accuracy over those with at least 10 frames with and 10 without",
        f"safety reference: {ReferenceRule().describe()}",
    )


def _weights(source: DataSource) -> str:
    said = f"weight {source.weight:g}"
    if source.language_weight != source.weight:
        said += f", for language {source.language_weight:g}"
    return said


def _thresholds(
    settings: ContrastiveSettings | GenerativeSettings, views: Views
) -> dict[str, float]:
    """Scores above which a class counts as present, by question id."""
    if settings.decision_balance is None:
        return {}
    share = views.share
    # Training has added the shift to the logits that we compare.
    moved = decision_logit(share, settings.decision_balance) - logit_shift(
        share, settings.presence_shift
    )
    return {f"presence/{name}": round(float(t), 4) for name, t in zip(CLASSES, moved, strict=True)}


def _options(plan: Plan, name: str, data: _Data) -> ExportOptions:
    size = plan.settings.segmenter.net_size
    source = Source(
        checkpoint=f"semalign train, seed {plan.settings.seed}",
        licence=plan.licence,
        licence_note=plan.licence_note,
    )
    return ExportOptions(
        name,
        source,
        precision="float16-weights",
        # At a tie rounding decides, and of a small frame one pixel is a large share.
        tolerance=Tolerance(labels=max(Tolerance().labels, 4 / size**2)),
        frames=_check_frames(data),
        exact_resize=False,
        overwrite=True,
    )


def _check_frames(data: _Data) -> list[Image]:
    """A few held-out frames on which graph and model are compared."""
    return [
        frames.images[i] for frames in data.held_out.values() for i in range(min(3, len(frames)))
    ]
