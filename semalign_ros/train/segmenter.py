"""First stage: a Hugging Face segmentation model, from random weights or those of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from semalign_ros.alignment.metrics import confusion_matrix
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.scene.taxonomy import IGNORE, NUM_CLASSES
from semalign_ros.train.augment import augment, crop, paste
from semalign_ros.train.balance import class_offsets
from semalign_ros.train.batches import generator, index_batches, prefetched
from semalign_ros.train.datasets import (
    WITHOUT_EDGES,
    FrameSet,
    class_pixels,
    drop_unsupported,
    repeats,
)
from semalign_ros.train.device import CPU, arithmetic, device_of
from semalign_ros.train.loop import RANDOM, Report, Task, fit
from semalign_ros.train.measure import segmentation_scores
from semalign_ros.train.networks import build_segmenter, coarse_logits, last_bias
from semalign_ros.train.settings import SegmenterSettings, family_name
from semalign_ros.train.start import Start, load_start

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""RGB normalisation that the vision models on the Hugging Face hub share."""

Batch = tuple[Tensor, Tensor]


def to_pixel_values(images: NDArray[np.uint8]) -> Tensor:
    """Normalise frames, u8[N, H, W, 3] RGB -> f32[N, 3, H, W] in channels-last memory."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    x = x.contiguous(memory_format=torch.channels_last)
    scale = torch.tensor(STD).view(1, 3, 1, 1) * 255
    return (x - torch.tensor(MEAN).view(1, 3, 1, 1) * 255) / scale


def predict(model: nn.Module, images: NDArray[np.uint8], batch: int = 16) -> NDArray[np.uint8]:
    """Label frames of the net size: u8[N, S, S, 3] -> u8[N, S, S]."""
    out = np.empty(images.shape[:3], np.uint8)
    with torch.inference_mode():
        for i in range(0, len(images), batch):
            part = images[i : i + batch]
            logits = coarse_logits(model, to_pixel_values(part).to(device_of(model)))
            logits = nn.functional.interpolate(logits, part.shape[1:3], mode="bilinear")
            out[i : i + batch] = logits.argmax(1).to(torch.uint8).cpu().numpy()
    return out


def class_weights(pixels: NDArray[np.int64]) -> Tensor:
    """Weights of the cross entropy, f32[19], mean over all pixels 1.

    Inverse log frequency as in Paszke et al., "ENet" (2016), section 5.2, with a
    milder constant.

    Args:
        pixels: i64[19], pixels of each class.
    """
    share = pixels / max(int(pixels.sum()), 1)
    weight = 1 / np.log(1.05 + share)
    return torch.tensor(weight / (weight * share).sum(), dtype=torch.float32)


def segmentation_loss(
    logits: Tensor, target: Tensor, weight: Tensor, jaccard_weight: float
) -> Tensor:
    """Weighted cross entropy plus soft Jaccard over the classes of the batch.

    Args:
        logits: f32[N, 19, H, W].
        target: i64[N, H, W], 255 ignored.
        weight: f32[19].
        jaccard_weight: Weight of the second term.
    """
    valid = target != IGNORE
    log_p = nn.functional.log_softmax(logits, 1)
    entropy = nn.functional.nll_loss(log_p, target, weight, ignore_index=IGNORE)
    if not jaccard_weight:
        return entropy
    p = (log_p.exp() * valid.unsqueeze(1)).permute(1, 0, 2, 3).flatten(1)
    safe = torch.where(valid, target, 0)
    hit = log_p.gather(1, safe.unsqueeze(1)).squeeze(1).exp() * valid
    classes = safe.flatten()
    none = torch.zeros(NUM_CLASSES, device=logits.device)
    area = none.index_add(0, classes, valid.flatten().float())
    overlap = none.index_add(0, classes, hit.flatten())
    union = p.sum(1) + area - overlap
    shown = area > 0
    return entropy + jaccard_weight * (1 - (overlap[shown] / union[shown])).mean()


def train_segmenter(
    sets: Sequence[FrameSet],
    held_out: Mapping[str, FrameSet],
    settings: SegmenterSettings,
    seed: int,
    checkpoint: Path,
    report: Report,
    device: torch.device = CPU,
    start: Start | None = None,
) -> PreTrainedModel:
    """Train the segmenter; see :func:`semalign_ros.train.loop.fit`.

    Args:
        sets: Training frames at the net size.
        held_out: Frames that are only evaluated, by name.
        settings: Model and schedule.
        seed: Keys weights, order and augmentation.
        checkpoint: State file, resumed where it exists.
        report: Called after every step.
        device: Where to train.
        start: Bundle to go on from; None for random weights.

    Returns:
        The averaged weights, the class offsets of :mod:`semalign_ros.train.balance` in the
        last bias.
    """
    model = build_segmenter(settings, seed).to(memory_format=torch.channels_last)
    rule = ReferenceRule()
    weights = class_weights(sum(class_pixels(s.labels).sum(axis=0) for s in sets))
    if start is not None and not checkpoint.exists():
        load_start(model, start.folder, _some_frames(sets), partial(coarse_logits, model))
    often = repeats(sets, rule.min_fraction, settings.rare_class_target)

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        with arithmetic(settings.stage.precision, batch[0].device):
            logits = coarse_logits(net, batch[0])
        logits = logits.float()
        logits = nn.functional.interpolate(logits, batch[1].shape[1:], mode="bilinear")
        return segmentation_loss(
            logits, batch[1], weights.to(logits.device), settings.jaccard_weight
        )

    def evaluate(net: nn.Module) -> dict[str, float]:
        scores: dict[str, float] = {}
        for name, frames in held_out.items():
            found = segmentation_scores(
                confusion_matrix(predict(net, frames.images), frames.labels)
            )
            scores |= {f"{name}/{key}": value for key, value in found.items()}
        return scores

    batches = _batches(sets, often, settings, seed)
    origin = RANDOM if start is None else start.bundle_id
    task = Task(family_name(settings.family), model, loss, batches, evaluate, origin)
    trained = fit(task, settings.schedule, checkpoint, report, device)
    assert isinstance(trained, PreTrainedModel)
    if settings.balance_frames:
        pixels = [_some_pixels(trained, s, settings.balance_frames) for s in sets]
        with torch.no_grad():
            last_bias(trained).add_(class_offsets(pixels))
    return trained


def _some_frames(sets: Sequence[FrameSet], count: int = 64) -> Iterable[Tensor]:
    """Whole frames of each set, as training shows them to the network but unchanged."""
    for frames in sets:
        for part in np.array_split(_spread(frames, count), 8):
            if len(part):
                yield to_pixel_values(frames.images[part])


def _spread(frames: FrameSet, count: int) -> NDArray[np.int64]:
    return np.linspace(0, len(frames), min(count, len(frames)), endpoint=False, dtype=np.int64)


def _some_pixels(model: nn.Module, frames: FrameSet, limit: int) -> tuple[Tensor, Tensor]:
    """Logits f32[19, P] and train ids u8[P], one pixel of each 3 x 3, in some of the frames."""
    logits, targets = [], []
    chosen = _spread(frames, limit)
    with torch.inference_mode():
        for part in np.array_split(chosen, max(1, len(chosen) // 16)):
            found = coarse_logits(model, to_pixel_values(frames.images[part]))
            support = 1 if frames.is_annotated else WITHOUT_EDGES
            labels = np.stack([drop_unsupported(m, support) for m in frames.labels[part]])
            labels = labels[:, 1::3, 1::3]
            found = nn.functional.interpolate(found, labels.shape[1:], mode="bilinear")
            logits.append(found.permute(1, 0, 2, 3).flatten(1))
            targets.append(torch.from_numpy(labels).flatten())
    target = torch.cat(targets)
    known = target != IGNORE
    return torch.cat(logits, dim=1)[:, known], target[known]


def _batches(
    sets: Sequence[FrameSet],
    often: NDArray[np.float64],
    settings: SegmenterSettings,
    seed: int,
) -> Callable[[int, int], Iterable[Batch]]:
    cv2.setNumThreads(1)
    # Frames to paste from, of the same data set, are drawn as often as for themselves.
    shares = np.split(often, np.cumsum([len(s) for s in sets])[:-1])
    donors = [np.cumsum(part) / np.cumsum(part)[-1] for part in shares]
    where = [(s, i, d) for s, d in zip(sets, donors, strict=True) for i in range(len(s))]

    def labelled(frames: FrameSet, i: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return frames.images[i], frames.labels[i]

    def sample(
        index: int, key: int, size: int | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        frames, i, donors_of = where[index]
        rng = generator(seed, 2, key)
        image, labels = labelled(frames, i)
        if rng.random() < settings.augment.paste:
            donor = int(np.searchsorted(donors_of, rng.random()))
            image, labels = paste(image, labels, *labelled(frames, donor))
        image, labels = augment(image, labels, settings.augment, rng)
        if size is not None:
            image, labels = crop(image, labels, size, rng)
        # The loss looks at every second pixel, at another phase each time: a quarter of the work.
        dy, dx = rng.integers(0, 2, 2)
        return image, labels[dy::2, dx::2]

    def open_stream(start: int, stop: int) -> Iterable[Batch]:
        batch = settings.stage.batch

        def make(item: tuple[int, NDArray[np.int64]]) -> Batch:
            step, drawn = item
            size = settings.crop if step < settings.crop_share * settings.stage.steps else None
            parts = [sample(int(j), step * batch + k, size) for k, j in enumerate(drawn)]
            labels = np.stack([p[1] for p in parts]).astype(np.int64)
            return to_pixel_values(np.stack([p[0] for p in parts])), torch.from_numpy(labels)

        order = index_batches(often, batch, seed, start)
        return prefetched(make, zip(range(start, stop), order, strict=False))

    return open_stream
