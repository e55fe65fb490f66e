"""A folder of images, with or without a folder of label maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semalign_ros.bags.labels import LabelMap
from semalign_ros.bags.natural import natural_key
from semalign_ros.bags.recording import (
    IMAGE_SUFFIXES,
    Record,
    check_same_size,
    even_stamps,
    read_grey,
    read_image,
    resize,
)
from semalign_ros.errors import ConfigError, DatasetError
from semalign_ros.scene.vocabulary import CITYSCAPES
from semalign_ros.types import Labels


class FolderRecording:
    """Images of a folder in natural order of their names, at a constant rate.

    A label map belongs to the image whose name it begins with: ``0001.png`` or
    ``0001_L.png`` to ``0001.jpg``. Images without one are converted without.

    Args:
        images: Folder of PNG or JPEG images.
        labels: Folder of 8-bit PNG maps of ids, or None.
        label_map: What the ids mean; goes with `labels`.
        rate_hz: Frame rate.
        limit: At most so many frames.
        size: Width and height to resize to, or None.

    Raises:
        DatasetError: A folder is missing or empty, or no label map fits an image.
        ConfigError: The rate is not positive, or one of `labels` and `label_map` is
            missing.
    """

    def __init__(
        self,
        images: Path,
        labels: Path | None = None,
        label_map: LabelMap | None = None,
        *,
        rate_hz: float = 10.0,
        limit: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        if (labels is None) != (label_map is None):
            # Ids of another data set would mostly pass for train ids, and be wrong.
            raise ConfigError(
                "--labels and --label-map go together: name the folder, and what its ids mean "
                "(camvid, cityscapes_train_ids, cityscapes_label_ids, or a YAML file)"
            )
        files = _files(images, IMAGE_SUFFIXES)
        self._label_map = label_map
        self.vocabulary = CITYSCAPES if label_map is None else label_map.vocabulary
        self._size = size
        maps = [None] * len(files) if labels is None else _partners(files, labels)
        self._pairs = list(zip(files, maps, strict=True))[:limit]
        self._stamps = even_stamps(len(self._pairs), rate_hz)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._pairs)

    def __iter__(self) -> Iterator[Record]:
        """Load the frames one after the other.

        Raises:
            DatasetError: A file is damaged, a label map has another size than its image,
                or holds unknown ids.
        """
        for (path, label_path), stamp in zip(self._pairs, self._stamps, strict=True):
            image, file = read_image(path)
            labels: Labels | None = None
            if label_path is not None and self._label_map is not None:
                ids = read_grey(label_path, np.uint8)
                check_same_size(ids, image, label_path, "label map")
                labels = self._label_map.apply(ids, str(label_path))
            encoded: tuple[bytes, str] | None = file
            if self._size is not None and self._size != image.shape[1::-1]:
                encoded = None
                image = resize(image, self._size)
                labels = None if labels is None else resize(labels, self._size, nearest=True)
            yield Record(stamp, image, encoded, labels)


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder")
    files = [
        p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith(".")
    ]
    if not files:
        raise DatasetError(f"{folder}: found no file ending in {', '.join(suffixes)}")
    return sorted(files, key=natural_key)


def _partners(images: list[Path], folder: Path) -> list[Path | None]:
    """Label map of each image, None where it has none."""
    stems = {p.stem for p in images}
    owned: dict[str, Path] = {}
    files = _files(folder, (".png",))
    # Short names first: 0001.png is the map of 0001, 0001_colour.png only a picture of it.
    for path in sorted(files, key=lambda p: len(p.stem)):
        parts = path.stem.split("_")
        names = ("_".join(parts[:n]) for n in range(len(parts), 0, -1))
        owner = next((name for name in names if name in stems), None)
        if owner is not None:
            owned.setdefault(owner, path)
    if not owned:
        raise DatasetError(
            f"{folder}: no label map has the name of an image; found {files[0].name}, "
            f"expected {images[0].stem}.png or {images[0].stem}_SUFFIX.png"
        )
    return [owned.get(p.stem) for p in images]
