"""Data sets in the Cityscapes layout, decoded once and kept in memory.

Layout: ``leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.{png,jpg}`` beside
``gtFine/SPLIT/CITY/NAME_gtFine_{labelTrainIds,labelIds}.png``
(https://github.com/mcordts/cityscapesScripts#dataset-structure).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import DatasetError
from semalign_ros.scene.taxonomy import IGNORE, LABEL_ID_TO_TRAIN_ID, NUM_CLASSES
from semalign_ros.types import Image, Labels

_IMAGES, _LABELS = "leftImg8bit", "gtFine"
_LAST_LABEL_ID = 33

WITHOUT_EDGES = 9
"""`min_support` that leaves only pixels inside their class."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled frame on disk.

    Args:
        name: CITY_SEQUENCE_FRAME.
        image: The picture.
        labels: Its label map.
        is_train_ids: Whether that holds train ids; else Cityscapes label ids.
        is_annotated: Whether instance ids lie beside it. Then it was annotated or rendered;
            without, it may have been recovered from a coloured picture.
    """

    name: str
    image: Path
    labels: Path
    is_train_ids: bool
    is_annotated: bool


@dataclass(frozen=True, slots=True)
class FrameSet:
    """Decoded frames of one size.

    Args:
        names: One a frame.
        images: u8[N, S, S, 3], RGB.
        labels: u8[N, S, S], train ids, 255 ignored.
        weight: How often the segmenter draws each frame, relative to 1.
        language_weight: How often the language models draw it.
        is_annotated: Whether that holds of all frames, see :class:`Sample`.
    """

    names: tuple[str, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    weight: float = 1.0
    language_weight: float = 1.0
    is_annotated: bool = False

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.names)


def find_samples(root: Path, split: str) -> tuple[Sample, ...]:
    """List the labelled frames of a split, sorted by name.

    Raises:
        DatasetError: The layout is another one, a picture has no labels, or is there twice.
    """
    folder = root / _IMAGES / split
    if not folder.is_dir():
        raise DatasetError(
            f"{root}: no folder {_IMAGES}/{split}; expected the Cityscapes layout, "
            f"{_IMAGES}/{split}/CITY/*_{_IMAGES}.png (or .jpg) beside {_LABELS}/{split}/CITY"
        )
    images = sorted(p for p in folder.glob(f"*/*_{_IMAGES}.*") if p.suffix in {".png", ".jpg"})
    if not images:
        raise DatasetError(f"{folder}: no CITY/*_{_IMAGES}.png or .jpg in it")
    samples: list[Sample] = []
    missing: list[str] = []
    for image in images:
        name = image.stem.removesuffix(f"_{_IMAGES}")
        city = root / _LABELS / split / image.parent.name
        train_ids = city / f"{name}_gtFine_labelTrainIds.png"
        label_ids = city / f"{name}_gtFine_labelIds.png"
        if train_ids.exists() or label_ids.exists():
            known = train_ids.exists()
            annotated = (city / f"{name}_gtFine_instanceIds.png").exists()
            samples.append(Sample(name, image, train_ids if known else label_ids, known, annotated))
        else:
            missing.append(str(label_ids.relative_to(root)))
    names = [sample.image.with_suffix("") for sample in samples]
    twice = next((a for a, b in itertools.pairwise(names) if a == b), None)
    if twice is not None:
        raise DatasetError(f"{twice}: found as .png and as .jpg, expected one picture a frame")
    if missing:
        raise DatasetError(
            f"{root}: {len(missing)} of {len(images)} frames of {split} have no label map, "
            f"first {missing[0]} (or ..._labelTrainIds.png)"
        )
    return tuple(samples)


def read_labels(sample: Sample) -> Labels:
    """Read a label map as train ids.

    Raises:
        DatasetError: The file is no 8-bit label map.
    """
    raw = cv2.imread(str(sample.labels), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint8 or raw.ndim != 2:
        found = "no readable picture" if raw is None else f"{raw.dtype}{list(raw.shape)}"
        raise DatasetError(f"{sample.labels}: found {found}, expected an 8-bit grey label map")
    labels = np.asarray(raw, np.uint8)
    if not sample.is_train_ids:
        known = (labels <= _LAST_LABEL_ID) | (labels == IGNORE)
        if not known.all():
            raise DatasetError(
                f"{sample.labels}: holds id {int(labels[~known][0])}, expected the label ids of "
                f"Cityscapes, 0..{_LAST_LABEL_ID} or {IGNORE}"
            )
        return np.asarray(cv2.LUT(labels, LABEL_ID_TO_TRAIN_ID), np.uint8)
    known = (labels < NUM_CLASSES) | (labels == IGNORE)
    if not known.all():
        raise DatasetError(
            f"{sample.labels}: holds id {int(labels[~known][0])}, "
            f"expected train ids 0..{NUM_CLASSES - 1} or {IGNORE}"
        )
    return labels


def read_image(path: Path) -> Image:
    """Read a picture as u8[H, W, 3] RGB.

    Raises:
        DatasetError: The file cannot be decoded.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path}: cannot be decoded as a picture")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_frame(sample: Sample, min_support: int = 1) -> tuple[Image, Labels]:
    """Read a picture and its label map, both of their own size.

    Args:
        sample: What to read.
        min_support: For :func:`drop_unsupported`, where labels are not annotated.

    Raises:
        DatasetError: A file cannot be read, or the two differ in size.
    """
    image, labels = read_image(sample.image), read_labels(sample)
    if image.shape[:2] != labels.shape:
        raise DatasetError(
            f"{sample.labels}: {labels.shape[1]}x{labels.shape[0]} pixels, "
            f"its picture has {image.shape[1]}x{image.shape[0]}"
        )
    return image, labels if sample.is_annotated else drop_unsupported(labels, min_support)


def evenly(samples: Sequence[Sample], limit: int | None) -> tuple[Sample, ...]:
    """Choose `limit` samples at most, evenly spread."""
    if limit is None or limit >= len(samples):
        return tuple(samples)
    return tuple(samples[i * len(samples) // limit] for i in range(limit))


def load_frames(
    root: Path,
    split: str,
    size: int,
    *,
    weights: tuple[float, float] = (1.0, 1.0),
    limit: int | None = None,
    min_support: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> FrameSet:
    """Decode a split, every frame squashed to `size` x `size`.

    Args:
        root: Folder of the data set.
        split: ``train`` or ``val``.
        size: Pixels.
        weights: `weight` and `language_weight` of :class:`FrameSet`.
        limit: Use that many frames, evenly spread, at most.
        min_support: For :func:`drop_unsupported`, where labels are not annotated.
        progress: Called with frames done and frames in all.

    Raises:
        DatasetError: No pixel has a class; see :func:`find_samples`, :func:`read_labels`,
            :func:`read_image`.
    """
    samples = evenly(find_samples(root, split), limit)
    images = np.empty((len(samples), size, size, 3), np.uint8)
    labels = np.empty((len(samples), size, size), np.uint8)

    def load(i: int) -> None:
        image, target = read_frame(samples[i], min_support)
        # INTER_AREA would enlarge in blocks; the graph's own resize does not.
        shrinks = size <= min(target.shape)
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        images[i] = cv2.resize(image, (size, size), interpolation=how)
        labels[i] = cv2.resize(target, (size, size), interpolation=cv2.INTER_NEAREST)

    with ThreadPoolExecutor(2) as pool:
        for done, _ in enumerate(pool.map(load, range(len(samples))), 1):
            if progress is not None:
                progress(done, len(samples))
    if (labels == IGNORE).all():
        raise DatasetError(
            f"{root}: no pixel of {split} has a class, all are ignored; expected train ids "
            f"0..{NUM_CLASSES - 1} in *_labelTrainIds.png, or label ids in *_labelIds.png"
        )
    names = tuple(s.name for s in samples)
    annotated = all(s.is_annotated for s in samples)
    return FrameSet(names, images, labels, *weights, annotated)


def drop_unsupported(labels: Labels, min_support: int) -> Labels:
    """Ignore pixels whose label too few of their 3x3 neighbourhood share.

    Args:
        labels: u8[H, W], train ids.
        min_support: Pixels of the 3x3 neighbourhood, itself included, 1..9. With 9
            every pixel next to another class goes, with 4 specks and thin edges.

    Returns:
        u8[H, W], a new array; `labels` itself where 1 is asked for, which drops nothing.
    """
    if min_support <= 1:
        return labels
    padded = cv2.copyMakeBorder(labels, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = labels.shape
    support = np.zeros(labels.shape, np.uint8)
    for dy in range(3):
        for dx in range(3):
            support += padded[dy : dy + height, dx : dx + width] == labels
    return np.where(support >= min_support, labels, np.uint8(IGNORE))


def class_presence(labels: NDArray[np.uint8], min_fraction: float) -> NDArray[np.bool_]:
    """Tell which classes cover at least `min_fraction` of each label map.

    Args:
        labels: u8[N, H, W], train ids.
        min_fraction: Share of all pixels, ignored ones included.

    Returns:
        bool[N, 19].
    """
    counts = class_pixels(labels)
    present: NDArray[np.bool_] = (counts > 0) & (counts >= min_fraction * labels[0].size)
    return present


def class_pixels(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels of each class in each label map: i64[N, 19]."""
    return np.stack([np.bincount(m.ravel(), minlength=256)[:NUM_CLASSES] for m in labels])


def repeats(sets: Sequence[FrameSet], min_fraction: float, target: float) -> NDArray[np.float64]:
    """How often each frame is drawn in one pass, so that rare classes are seen.

    The repeat factor of Gupta et al., "LVIS" (CVPR 2019), section 4: the largest
    over its classes of sqrt(target / share of frames showing the class), at least
    1, times the weight of the frame's data set.

    Returns:
        f64[N] over the sets one after the other.
    """
    presence = np.concatenate([class_presence(s.labels, min_fraction) for s in sets])
    share = np.maximum(presence.mean(axis=0), 1e-9)
    factor = np.maximum(1.0, np.sqrt(target / share))
    rare = np.where(presence, factor, 1.0).max(axis=1)
    return np.asarray(rare * np.concatenate([np.full(len(s), s.weight) for s in sets]))
