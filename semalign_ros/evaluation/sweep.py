"""Run models over a bag under every condition of a profile.

The bag is cut into blocks of consecutive frames. A block is judged by one worker and
depends on nothing else, so any number of workers gives the same rows, and a run that
was interrupted goes on with the blocks that are missing.
"""

from __future__ import annotations

import concurrent.futures as futures
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from semalign_ros import __version__
from semalign_ros.alignment.metrics import confusion_matrix, quality_from_confusion
from semalign_ros.bags import BagTopics, bag_digest, count_frames, has_labels, read_frames
from semalign_ros.corruption import CLEAN, Condition, load_profile, recalls_of
from semalign_ros.errors import (
    ConfigError,
    ImageError,
    InferenceError,
    SemalignError,
    unknown_name,
)
from semalign_ros.evaluation.store import ResultStore, sole_writer
from semalign_ros.evaluation.tables import Row, failure_row, segmentation_row, verdict_row
from semalign_ros.inference import GpuOptions, Segmenter, Vlm, open_segmenter, open_vlm
from semalign_ros.inference.query import VLM_INPUTS
from semalign_ros.language import PromptSet
from semalign_ros.monitor import Observation, Perception, ask, compare, perceive
from semalign_ros.resources import find_resource, resource
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.scene.taxonomy import NUM_CLASSES
from semalign_ros.scene.vocabulary import CITYSCAPES
from semalign_ros.types import Frame, Labels

BLOCK_FRAMES = 8
"""Frames a block: what an interruption can cost, and the grain of the work for workers."""

Tables = dict[str, list[Row]]
_UNLABELLED = "the bag has label maps, but none of this frame's stamp"


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Everything that decides the rows.

    Args:
        bag: Bag folder or file.
        profile: Corruption profile, a name or a path.
        segmenters: Bundles; the first one perceives for `vlm_input`, all are measured.
        vlms: Bundles or recorded answers (.jsonl).
        vlm_input: ``image``, ``overlay``, ``mask`` or ``scene_text``.
        prompts: Prompt set, a name or a path.
        protocol: How the VLMs are asked, see :data:`semalign_ros.inference.vlm.PROTOCOLS`; None
            for the default of each.
        top_k: Classes claimed with the protocol ``top_k``; None for the bundle's number.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        gpu: How the models run on a GPU.
        seed: Of every random draw.
        limit: Only the first frames, None for all.
        rule: How the reference is derived; its vocabulary is that of the bag's label maps, see
            :func:`semalign_ros.bags.read_vocabulary`.
        topics: Where the bag has what.
    """

    bag: str
    profile: str = "paper"
    segmenters: tuple[str, ...] = ()
    vlms: tuple[str, ...] = ()
    vlm_input: str = "image"
    prompts: str = "default"
    protocol: str | None = None
    top_k: int | None = None
    device: str = "auto"
    gpu: GpuOptions = field(default_factory=GpuOptions)
    seed: int = 0
    limit: int | None = None
    rule: ReferenceRule = field(default_factory=ReferenceRule)
    topics: BagTopics = field(default_factory=BagTopics)

    def resolved(self) -> dict[str, Any]:
        """Settings as written beside the results, with what the names stood for."""
        prompts, words = PromptSet.load(self.prompts), self.rule.vocabulary
        return {
            "semalign_ros": __version__,
            "bag": str(Path(self.bag).resolve()),
            "profile": load_profile(self.profile).describe(),
            "segmenters": [_located(name, "models") for name in self.segmenters],
            "vlms": [_located(name, "models") for name in self.vlms],
            "vlm_input": self.vlm_input,
            "prompts_file": _located(self.prompts, "config/prompts", ".yaml"),
            "prompts": {
                "name": prompts.name,
                "version": prompts.version,
                "sha256": prompts.sha256,
                "safe_when_yes": {prompt.id: prompt.safe_when_yes for prompt in prompts.safety},
            },
            "protocol": self.protocol,
            "top_k": self.top_k,
            "device": self.device,
            "fp16": self.gpu.fp16,  # the other options change no score
            "seed": self.seed,
            "limit": self.limit,
            "topics": asdict(self.topics),
            "rule": self.rule.describe(),
            "critical": sorted(self.rule.critical & words.labels),
            **({} if words == CITYSCAPES else {"vocabulary": words.describe()}),
        }


def _located(name: str, folder: str, suffix: str = "") -> str:
    """What finds the same file from any folder: the name of a shipped one, or the whole path."""
    path = find_resource(name, folder, suffix).resolve()
    shipped = resource(*folder.split("/")).resolve()
    return str(path.relative_to(shipped) if path.is_relative_to(shipped) else path)


@dataclass(frozen=True, slots=True)
class Models:
    """Models and conditions, opened once a worker.

    Args:
        labelled: Whether the bag has label maps; a frame that lacks its own is then left out.
    """

    settings: SweepSettings
    labelled: bool
    conditions: tuple[Condition, ...]
    segmenters: Mapping[str, Segmenter]
    vlms: Mapping[str, Vlm]


def open_models(settings: SweepSettings, threads: int | None) -> Models:
    """Open what the settings name.

    Raises:
        ConfigError: There is no model, or two have one name.
        BundleError: A bundle cannot be used.
        DeviceError: The device did not load.
    """
    if not settings.segmenters and not settings.vlms:
        raise ConfigError("nothing to evaluate: give at least one --segmenter or --vlm")
    if settings.vlm_input not in VLM_INPUTS:
        raise ConfigError(unknown_name("vlm_input", settings.vlm_input, VLM_INPUTS))
    if settings.top_k is not None:
        if settings.protocol != "top_k":
            raise ConfigError(f"top_k: found {settings.top_k}, expected --protocol top_k with it")
        if not 1 <= settings.top_k <= NUM_CLASSES:
            raise ConfigError(f"top_k: found {settings.top_k}, expected 1 to {NUM_CLASSES}")
    prompts = PromptSet.load(settings.prompts)
    where: dict[str, Any] = {"device": settings.device, "threads": threads, "gpu": settings.gpu}
    segmenters = [
        open_segmenter(find_resource(name, "models", ""), **where) for name in settings.segmenters
    ]
    asked: dict[str, Any] = {
        "prompts": prompts,
        "protocol": settings.protocol,
        "top_k": settings.top_k,
    }
    vlms = [open_vlm(find_resource(name, "models", ""), **asked, **where) for name in settings.vlms]
    return Models(
        settings,
        has_labels(settings.bag, settings.topics),
        (CLEAN, *(c for c in load_profile(settings.profile).conditions if not c.is_clean)),
        _by_name(segmenters, settings.segmenters),
        _by_name(vlms, settings.vlms),
    )


Model = TypeVar("Model", Segmenter, Vlm)


def _by_name(models: Sequence[Model], paths: Sequence[str]) -> dict[str, Model]:
    named = {model.bundle_id: model for model in models}
    if len(named) < len(models):
        raise ConfigError(f"one model is given twice among {', '.join(paths)}")
    return named


def judge_block(models: Models, frames: Iterable[Frame]) -> Tables:
    """Judge some frames under every condition.

    A frame that a model fails on becomes a row of ``failures``; nothing is dropped.
    """
    tables: Tables = {"verdicts": [], "segmentation": [], "failures": []}
    for frame in frames:
        clean = _Clean()
        if models.labelled and frame.labels is None:
            tables["failures"] += [
                failure_row(frame, condition, "reference", "unmatched", _UNLABELLED)
                for condition in models.conditions
            ]
            continue
        for condition in models.conditions:
            try:
                perception = _perceive(models, frame, condition, clean, tables)
            except (ImageError, InferenceError) as error:
                tables["failures"].append(_failure(frame, condition, "perception", error))
                continue
            for name in models.vlms:
                try:
                    row = _judge(models, name, frame, condition, perception, clean)
                    tables["verdicts"].append(row)
                except InferenceError as error:
                    tables["failures"].append(_failure(frame, condition, name, error))
    return tables


@dataclass(frozen=True, slots=True)
class _Clean:
    """What the models made of the clean frame, by the model's name."""

    labels: dict[str, Labels] = field(default_factory=dict)
    observations: dict[str, Observation] = field(default_factory=dict)


def _perceive(
    models: Models, frame: Frame, condition: Condition, clean: _Clean, tables: Tables
) -> Perception:
    """Degrade and segment once for all VLMs; measure every segmenter."""
    seed = models.settings.seed
    first: Perception | None = None
    for name, segmenter in models.segmenters.items():
        try:
            if first is None or condition.changes_labels:
                perception = perceive(frame, segmenter, condition, seed)
            else:
                # The image is degraded already; only the segmenter differs.
                perception = perceive(first.frame, segmenter)
            row = _measure(models, frame, condition, name, perception, clean)
        except InferenceError as error:
            if first is None:
                raise
            tables["failures"].append(_failure(frame, condition, name, error))
            continue
        first = first or perception
        tables["segmentation"].append(row)
    return first or perceive(frame, None, condition, seed)


def _measure(
    models: Models,
    frame: Frame,
    condition: Condition,
    name: str,
    perception: Perception,
    clean: _Clean,
) -> Row:
    """Row of a segmenter's label map."""
    assert perception.labels is not None
    words = CITYSCAPES if frame.labels is None else models.settings.rule.vocabulary
    found = words.translate_labels(perception.labels)
    if condition.is_clean:
        # Without labels of its own, a frame is measured against its clean segmentation.
        clean.labels[name] = found if frame.labels is None else words.translate_labels(frame.labels)
    if name not in clean.labels:
        raise InferenceError("the clean frame could not be segmented, so nothing to compare")
    confusion = confusion_matrix(found, clean.labels[name], void_column=True)
    quality = quality_from_confusion(confusion, models.settings.rule.critical)
    return segmentation_row(
        frame, condition, name, confusion, quality, perception.stage_s["segment"]
    )


def _judge(
    models: Models,
    name: str,
    frame: Frame,
    condition: Condition,
    perception: Perception,
    clean: _Clean,
) -> Row:
    settings = models.settings
    seen = ask(perception, models.vlms[name], settings.vlm_input, condition)
    if condition.is_clean:
        clean.observations[name] = seen
    if name not in clean.observations:
        raise InferenceError("the clean frame could not be judged, so there is nothing to compare")
    before = clean.observations[name]
    judged = compare(frame, condition, before, seen, rule=settings.rule, seed=settings.seed)
    return verdict_row(frame, condition, name, judged)


def _failure(frame: Frame, condition: Condition, model: str, error: SemalignError) -> Row:
    reason = error.reason if isinstance(error, ImageError) else "inference_error"
    return failure_row(frame, condition, model, reason, str(error))


def _silent(_frames: int) -> None:
    """Show no progress."""


def sweep(
    settings: SweepSettings,
    out: Path | str,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] = _silent,
) -> ResultStore:
    """Evaluate a bag, or go on with an evaluation that was interrupted.

    Args:
        settings: What to evaluate.
        out: Result folder.
        workers: Processes; 1 works in this one.
        overwrite: Throw away results that stand in `out`.
        progress: Called with the number of frames that a finished block has.

    Raises:
        ConfigError: A setting is bad.
        BagError: The bag cannot be read; blocks before the fault are kept.
        OutputError: `out` holds something else or cannot be written.
    """
    if workers < 1:
        raise ConfigError(f"workers: found {workers}, expected 1 or more")
    if settings.limit is not None and settings.limit < 1:
        raise ConfigError(f"limit: found {settings.limit}, expected 1 or more")
    # Before the folder is claimed: a mistake leaves nothing in the way of the next try.
    models = open_models(settings, threads=None)
    if not models.labelled and not models.segmenters:
        raise ConfigError(
            f"{settings.bag}: no label maps on {settings.topics.segmentation}, and no --segmenter "
            "to find any: nothing to judge the answers by"
        )
    if not models.labelled:  # what the segmenter finds tells all classes
        rule = replace(settings.rule, vocabulary=CITYSCAPES)
        settings = replace(settings, rule=rule)
    frames = count_frames(settings.bag, settings.topics)
    described = {
        **settings.resolved(),
        "bag_digest": bag_digest(settings.bag),
        "frames": frames if settings.limit is None else min(frames, settings.limit),
        "labelled": models.labelled,
        "models": {
            **{name: model.device for name, model in models.segmenters.items()},
            **{name: model.device for name, model in models.vlms.items()},
        },
        "claim_limits": {
            name: model.claim_limit
            for name, model in models.vlms.items()
            if model.claim_limit is not None
        },
    }
    recalls = recalls_of(models.conditions)
    with sole_writer(out):
        store = ResultStore(out, described, overwrite=overwrite)
        frames_of = read_frames(
            settings.bag, settings.topics, limit=settings.limit, recalls=recalls
        )
        blocks = (
            (number, block)
            for number, block in _blocks(frames_of)
            if _skip_done(store, number, block, progress)
        )
        if workers == 1:
            done = _in_process(models, blocks)
        else:
            del models  # each worker opens its own
            done = _in_pool(settings, blocks, workers)
        for number, count, tables in done:
            store.write(number, tables)
            progress(count)
    return store


_Block = tuple[int, list[Frame]]


def _blocks(frames: Iterator[Frame]) -> Iterator[_Block]:
    for number in itertools.count():
        block: list[Frame] = []
        fault: SemalignError | None = None
        try:
            block.extend(itertools.islice(frames, BLOCK_FRAMES))
        except SemalignError as error:  # what came before a fault counts
            fault = error
        if block:
            yield number, block
        if fault is not None:
            raise fault
        if not block:
            return


def _skip_done(
    store: ResultStore, number: int, frames: list[Frame], progress: Callable[[int], None]
) -> bool:
    if not store.has(number):
        return True
    progress(len(frames))
    return False


_Done = tuple[int, int, Tables]


def _in_process(models: Models, blocks: Iterable[_Block]) -> Iterator[_Done]:
    for number, frames in blocks:
        yield number, len(frames), judge_block(models, frames)


_worker_models: Models | None = None
"""Opened once in each worker process by :func:`_start_worker`."""


def _start_worker(settings: SweepSettings, threads: int) -> None:
    global _worker_models
    _worker_models = open_models(settings, threads)


def _work(frames: list[Frame]) -> Tables:
    assert _worker_models is not None
    return judge_block(_worker_models, frames)


def _in_pool(settings: SweepSettings, blocks: Iterable[_Block], workers: int) -> Iterator[_Done]:
    """Judge blocks in processes, at most two a worker under way so that memory is bounded."""
    try:
        yield from _pooled(settings, blocks, workers)
    except BrokenProcessPool as error:
        raise InferenceError(
            "a worker process was ended, for want of memory or by the error above; what is "
            "finished is kept: the same command with fewer --workers goes on"
        ) from error


def _pooled(settings: SweepSettings, blocks: Iterable[_Block], workers: int) -> Iterator[_Done]:
    threads = max(1, (os.cpu_count() or 1) // workers)
    with futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(settings, threads),
    ) as pool:
        pending: dict[futures.Future[Tables], tuple[int, int]] = {}
        try:
            for number, frames in blocks:
                pending[pool.submit(_work, frames)] = (number, len(frames))
                if len(pending) >= 2 * workers:
                    yield from _finished(pending)
            while pending:
                yield from _finished(pending)
        except SemalignError:
            # A damaged bag: what was read before the fault is judged and kept.
            while pending:
                yield from _finished(pending)
            raise
        except BrokenProcessPool:
            if sys.version_info < (3, 11, 5):
                # Its pool waits forever to hand over a frame that no process reads (gh-94777).
                pool._call_queue._reader.close()  # type: ignore[attr-defined]
            raise


def _finished(pending: dict[futures.Future[Tables], tuple[int, int]]) -> Iterator[_Done]:
    done, _ = futures.wait(pending, return_when=futures.FIRST_COMPLETED)
    for future in done:
        number, count = pending.pop(future)
        yield number, count, future.result()
