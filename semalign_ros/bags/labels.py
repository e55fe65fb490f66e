"""Label maps of other data sets, brought to Cityscapes train ids by a YAML table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import ConfigError, DatasetError, unknown_name
from semalign_ros.resources import find_resource, read_yaml
from semalign_ros.scene.taxonomy import (
    CLASSES,
    IGNORE,
    LABEL_ID,
    LABEL_ID_TO_TRAIN_ID,
    NUM_CLASSES,
    TRAIN_ID,
)
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary
from semalign_ros.types import Labels

IGNORED = "ignore"
"""Name in a label map file of ids that no metric counts."""

_UNKNOWN = -1
_KEYS = ("classes", "holds", "description")


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """What each id of a data set means.

    Args:
        name: For messages.
        table: i16[256], train id, 255 for ignored, -1 for ids that do not exist.
        vocabulary: Classes that its ids tell apart.
    """

    name: str
    table: NDArray[np.int16]
    vocabulary: Vocabulary = CITYSCAPES

    @classmethod
    def load(cls, name_or_path: str) -> LabelMap:
        """Read a label map file: a path, or a name that ``config/label_maps`` has.

        Raises:
            ConfigError: There is none, or it is not as described in docs/bags.md.
        """
        path = find_resource(name_or_path, "config/label_maps")
        content = read_yaml(path)
        table = _table(path, content)
        return cls(path.stem, table, _vocabulary(path, table, content))

    def apply(self, ids: NDArray[Any], where: str) -> Labels:
        """Translate a map of ids.

        Args:
            ids: u8[H, W].
            where: Named in the error.

        Returns:
            u8[H, W], train ids.

        Raises:
            DatasetError: It holds ids that the label map does not know.
        """
        if ids.dtype != np.uint8:
            raise DatasetError(f"{where}: found {ids.dtype}, expected a uint8 map of class ids")
        found = np.bincount(ids.ravel(), minlength=256)
        unknown = np.flatnonzero((found > 0) & (self.table == _UNKNOWN))
        if unknown.size:
            listing = ", ".join(f"{i} ({found[i]} px)" for i in unknown[:12])
            raise DatasetError(
                f"{where}: label map {self.name} does not know the ids {listing}"
                f"{', ...' if unknown.size > 12 else ''}; name another one (of "
                f"folders: --label-map), or add them to it (class name, or {IGNORED})"
            )
        return np.take(self.table.astype(np.uint8), ids)


def train_ids() -> LabelMap:
    """Label map of data that are in Cityscapes train ids already."""
    table = np.full(256, _UNKNOWN, np.int16)
    table[:NUM_CLASSES] = range(NUM_CLASSES)
    table[IGNORE] = IGNORE
    return LabelMap("train ids", table)


def cityscapes_label_ids() -> LabelMap:
    """Label map of the ids 0..33 of the Cityscapes annotation."""
    table = np.full(256, _UNKNOWN, np.int16)
    known = max(LABEL_ID.values()) + 1
    table[:known] = LABEL_ID_TO_TRAIN_ID[:known]
    table[IGNORE] = IGNORE  # licence plate, id -1
    return LabelMap("Cityscapes label ids", table)


def _table(path: Path, content: object) -> NDArray[np.int16]:
    if not isinstance(content, dict) or not isinstance(content.get("classes"), dict):
        raise ConfigError(
            f"{path}: expected a mapping with `classes: {{id: class name}}`, found "
            f"{type(content).__name__}"
        )
    surplus = sorted(map(str, content.keys() - set(_KEYS)))
    if surplus:
        raise ConfigError(f"{path}: {unknown_name('key', surplus[0], _KEYS)}")
    table = np.full(256, _UNKNOWN, np.int16)
    for key, name in content["classes"].items():
        if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key <= 255:
            raise ConfigError(f"{path}: classes: found the id {key!r}, expected a number 0..255")
        if not isinstance(name, str) or name not in (*CLASSES, IGNORED):
            text = unknown_name("class", str(name), (*CLASSES, IGNORED))
            raise ConfigError(f"{path}: classes: id {key}: {text}")
        table[key] = IGNORE if name == IGNORED else TRAIN_ID[name]
    return table


def _vocabulary(path: Path, table: NDArray[np.int16], content: object) -> Vocabulary:
    holds = (content.get("holds") if isinstance(content, dict) else None) or {}
    labels = [name for name, i in TRAIN_ID.items() if i in table]
    if not isinstance(holds, dict) or not all(
        isinstance(names, list) and all(isinstance(n, str) for n in names)
        for names in holds.values()
    ):
        raise ConfigError(f"{path}: holds: found {holds!r}, expected lists of classes by label")
    unlabelled = sorted(map(str, holds.keys() - set(labels)))
    if unlabelled:
        raise ConfigError(f"{path}: holds: {unknown_name('label', unlabelled[0], labels)}")
    try:
        return Vocabulary.of({name: holds.get(name, ()) for name in labels})
    except ConfigError as error:
        raise ConfigError(f"{path}: holds: {error}") from error
