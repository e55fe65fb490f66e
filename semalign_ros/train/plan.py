"""What a training run is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from semalign_ros.errors import ConfigError
from semalign_ros.train.device import CPU
from semalign_ros.train.settings import StageSettings, TrainSettings, family_name

STAGES: tuple[str, ...] = ("segmenter", "contrastive", "generative")


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set in the Cityscapes layout and how often its frames are drawn.

    Args:
        name: Of the data set.
        root: Its folder.
        weight: By the segmenter, relative to 1.
        language_weight: By the language models.
    """

    name: str
    root: Path
    weight: float = 1.0
    language_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A training run.

    Args:
        sources: Data sets; each gives its ``train`` split, and ``val`` where it has one
            is only measured on.
        work: Folder of the checkpoints; a run in the same folder goes on.
        out: Folder that gets the bundles, see :func:`bundle_name`.
        settings: Models and schedules.
        licence: Of the models, which the data sets decide.
        licence_note: What users must know beside it.
        stages: Which to run, in order. The language models need the family ``upernet``; the
            segmenter is trained in any case, or its checkpoint taken from `work`, unless they
            see through another one, `behind`.
        limit: Frames used of each split at most, evenly spread.
        start: Bundle whose weights the segmenter goes on from; None for random ones.
        behind: Segmenter bundle that the language models see through; None for the segmenter
            of this run.
        device: Where to train; figures are always measured on the CPU.
        overwrite: Replace bundles in `out`.
    """

    sources: Sequence[DataSource]
    work: Path
    out: Path
    settings: TrainSettings
    licence: str
    licence_note: str | None = None
    stages: Sequence[str] = STAGES
    limit: int | None = None
    start: Path | None = None
    behind: Path | None = None
    device: torch.device = CPU
    overwrite: bool = False


def check_stages(settings: TrainSettings, stages: Sequence[str], is_behind: bool) -> None:
    """Refuse to train language models on a network that they cannot see through.

    Args:
        settings: Of the run.
        stages: Of the run.
        is_behind: The language models see through a finished segmenter.

    Raises:
        ConfigError: The family is another one than ``upernet``, or a segmenter is to be trained
            that none of them would see through.
    """
    if is_behind and "segmenter" in stages:
        raise ConfigError(
            "the language models are to see through a finished segmenter: leave out the stage "
            "segmenter, or train it in a run of its own"
        )
    if settings.segmenter.family != "upernet" and set(stages) > {"segmenter"}:
        raise ConfigError(
            f"family {settings.segmenter.family}: the language models see through a upernet; "
            "train the segmenter alone, --stage segmenter"
        )


def bundle_name(settings: TrainSettings, stage: str) -> str:
    """Name the bundle of a stage, such as ``street_segmenter`` or ``street_segformer_base``."""
    kind = family_name(settings.segmenter.family) if stage == "segmenter" else stage
    return f"street_{kind}{settings.suffix}"


def scaled(settings: TrainSettings, factor: float) -> TrainSettings:
    """Lengthen or shorten all stages.

    Raises:
        ConfigError: `factor` is not positive.
    """
    if not factor > 0:
        raise ConfigError(f"length of the run: found {factor}, expected more than 0")

    def stage(old: StageSettings) -> StageSettings:
        # A short run has no time for a long warm-up; a longer one needs no longer one.
        shorter = {"warmup": round(old.warmup * min(1.0, factor))}
        return old.model_copy(update={"steps": max(1, round(old.steps * factor)), **shorter})

    parts = {
        name: getattr(settings, name).model_copy(
            update={"stage": stage(getattr(settings, name).stage)}
        )
        for name in STAGES
    }
    return settings.model_copy(update=parts)
