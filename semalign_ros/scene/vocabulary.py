"""Which classes a label map can tell apart: those of another data set are often fewer than 19.

What a model says and what a segmenter finds is brought to the words of the labels before the two
are compared. Where the labels call a lorry a car, "truck" is right; where they know no fences,
nobody can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from semalign_ros.errors import ConfigError
from semalign_ros.scene.taxonomy import (
    CLASSES,
    GENERIC_VEHICLE,
    IGNORE,
    TRAIN_ID,
    VEHICLES,
    check_classes,
)
from semalign_ros.types import Labels, SceneClaims


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The classes that labels tell apart.

    Args:
        labelled_as: For each of the 19 classes the one under whose label it is: itself where
            it has a label of its own, None where no label tells.

    Example:
        >>> words = Vocabulary.of({"road": (), "car": ("truck", "bus")})
        >>> sorted(words.translate({"truck", "train"}))
        ['car']
    """

    labelled_as: tuple[str | None, ...] = CLASSES

    @classmethod
    def of(cls, labels: Mapping[str, Iterable[str]]) -> Vocabulary:
        """Build it from the labels, and what each holds beside its own class.

        Raises:
            ConfigError: A class is unknown, or is held by two labels.
        """
        held_by: dict[str, str] = {name: name for name in check_classes(labels, "label")}
        for label, names in labels.items():
            for name in check_classes(names, f"class held by {label}"):
                if name in held_by:
                    raise ConfigError(
                        f"class {name}: found it under {held_by[name]} and under {label}, "
                        "expected one label"
                    )
                held_by[name] = label
        return cls(tuple(held_by.get(name) for name in CLASSES))

    @property
    def labels(self) -> frozenset[str]:
        """Classes that have a label of their own."""
        return frozenset(name for name in self.labelled_as if name is not None)

    @property
    def untold(self) -> tuple[str, ...]:
        """Classes that no label tells, by train id."""
        return tuple(c for c, label in zip(CLASSES, self.labelled_as, strict=True) if label is None)

    def describe(self) -> dict[str, list[str]]:
        """Each label and what it holds beside its own class; :meth:`of` reads it."""
        held: dict[str, list[str]] = {n: [] for n in CLASSES if n in self.labels}
        for name, label in zip(CLASSES, self.labelled_as, strict=True):
            if label is not None and label != name:
                held[label].append(name)
        return held

    def translate(self, names: Iterable[str]) -> frozenset[str]:
        """Say it in the words of the labels.

        A generic "vehicle" stays, unless a vehicle is named beside it, whose other word it is
        even where that one becomes a rider, or the labels tell no vehicles.
        """
        names = frozenset(names)
        said = {self.labelled_as[TRAIN_ID[n]] if n in TRAIN_ID else n for n in names}
        if names.intersection(VEHICLES) or not self.labels.intersection(VEHICLES):
            said.discard(GENERIC_VEHICLE)
        return frozenset(name for name in said if name is not None)

    def translate_claims(self, claims: SceneClaims) -> SceneClaims:
        """Translate what a text says; that there is no lorry does not deny a car."""
        return replace(
            claims,
            present=self.translate(claims.present),
            denied=claims.denied & self.labels,
            hypothetical=self.translate(claims.hypothetical),
        )

    def translate_labels(self, labels: Labels) -> Labels:
        """Bring a label map of the 19 classes to these labels; 255 where none tells the class.

        Args:
            labels: u8[H, W] train ids.

        Returns:
            u8[H, W]; `labels` itself where all 19 are told.
        """
        if self == CITYSCAPES:
            return labels
        table = np.full(256, IGNORE, np.uint8)
        for train_id, label in enumerate(self.labelled_as):
            if label is not None:
                table[train_id] = TRAIN_ID[label]
        return np.asarray(cv2.LUT(labels, table), np.uint8)


CITYSCAPES = Vocabulary()
"""All 19 classes."""
