"""Image tokens of the frozen tower, computed once: training a language model is then cheap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semalign_ros.inference.query import overlay
from semalign_ros.scene.reference import ReferenceRule, reference_from_labels
from semalign_ros.scene.taxonomy import colorize
from semalign_ros.train.augment import augment
from semalign_ros.train.batches import generator
from semalign_ros.train.datasets import FrameSet, class_presence
from semalign_ros.train.device import device_of
from semalign_ros.train.files import save_tensors
from semalign_ros.train.models import Tower
from semalign_ros.train.segmenter import to_pixel_values
from semalign_ros.train.settings import AugmentSettings
from semalign_ros.types import Image, Judgment, Labels

_BATCH = 16
_PAINTED = 0.2  # weight of overlays and masks, which the tower was not trained on


@dataclass(frozen=True, slots=True)
class Views:
    """What the language models are trained and judged on.

    Args:
        tokens: f16[M, T, F], image tokens.
        presence: bool[M, 19], by the rule of :mod:`semalign_ros.scene`.
        unsafe: bool[M], by the same rule.
        weight: f64[M], how often a view is drawn.
    """

    tokens: Tensor
    presence: NDArray[np.bool_]
    unsafe: NDArray[np.bool_]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of views."""
        return len(self.unsafe)

    @property
    def share(self) -> NDArray[np.float64]:
        """How often each class is present in what is drawn, f64[19]."""
        return np.asarray(np.average(self.presence, axis=0, weights=self.weight))

    def save(self, path: Path) -> None:
        """Write to a file.

        Raises:
            OutputError: It cannot be written.
        """
        rest = {k: torch.from_numpy(getattr(self, k)) for k in ("presence", "unsafe", "weight")}
        save_tensors(path, {"tokens": self.tokens, **rest})

    @staticmethod
    def load(path: Path) -> Views | None:
        """Read what :meth:`save` wrote; None where there is nothing, or it is damaged."""
        try:
            stored = torch.load(path, weights_only=True)
            rest = [stored[k].numpy() for k in ("presence", "unsafe", "weight")]
            return Views(stored["tokens"], *rest)
        except Exception:  # torch raises many types; views are computed anew
            return None


def training_views(
    tower: Tower,
    sets: Sequence[FrameSet],
    copies: int,
    settings: AugmentSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Views:
    """Compute the views of training frames.

    Each frame gives itself, `copies` changed copies, and in turn its overlay or its
    colour mask, since those are shown to the models too.

    Args:
        tower: Trained, in evaluation mode.
        sets: Frames at the net size.
        copies: Changed copies a frame.
        settings: How they are changed.
        seed: Keys the changes.
        progress: Called with views done and views in all.
    """
    pairs: list[tuple[Image, Labels]] = []
    weights: list[float] = []
    parts: list[Views] = []
    each, done = copies + 2, 0
    total = each * sum(len(s) for s in sets)
    for number, frames in enumerate(sets):
        for i in range(len(frames)):
            image, labels = frames.images[i], frames.labels[i]
            pairs.append((image, labels))
            for copy in range(copies):
                rng = generator(seed, 3 + number, i * 64 + copy)
                pairs.append(augment(image, labels, settings, rng))
            pairs.append((overlay(image, labels) if i % 2 else colorize(labels), labels))
            drawn = frames.language_weight
            weights += [drawn] * (each - 1) + [drawn * _PAINTED]
            if len(pairs) >= _BATCH or i == len(frames) - 1:
                parts.append(_encode(tower, pairs))
                done += len(pairs)
                pairs = []
                if progress is not None:
                    progress(done, total)
    return replace(_join(parts), weight=np.asarray(weights))


def plain_views(tower: Tower, frames: FrameSet) -> Views:
    """Compute one view a frame, of the frame as it is and its labels as they are."""
    pairs = list(zip(frames.images, frames.labels, strict=True))
    return _join([_encode(tower, pairs[i : i + _BATCH]) for i in range(0, len(pairs), _BATCH)])


def _encode(tower: Tower, pairs: Sequence[tuple[Image, Labels]]) -> Views:
    with torch.inference_mode():
        pixels = to_pixel_values(np.stack([p[0] for p in pairs])).to(device_of(tower))
        tokens = tower(pixels).half().cpu()
    labels = np.stack([p[1] for p in pairs])
    unsafe = [reference_from_labels(m).judgment is Judgment.UNSAFE for m in labels]
    return Views(
        tokens,
        class_presence(labels, ReferenceRule().min_fraction),
        np.asarray(unsafe),
        np.ones(len(pairs)),
    )


def _join(parts: Sequence[Views]) -> Views:
    return Views(
        torch.cat([p.tokens for p in parts]),
        np.concatenate([p.presence for p in parts]),
        np.concatenate([p.unsafe for p in parts]),
        np.concatenate([p.weight for p in parts]),
    )
