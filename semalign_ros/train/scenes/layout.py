"""Writes rendered frames in the folder layout of Cityscapes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import OutputError
from semalign_ros.output import atomic_path
from semalign_ros.train.scenes.sequence import RenderedFrame

PACKAGES = ("leftImg8bit", "gtFine", "disparity", "camera", "vehicle")
"""Top folders of the layout."""
FIRST_SCENE = {"train": 0, "val": 100_000, "test": 200_000}
"""Number of the first scene of each split: no scene is in two of them."""
CITY = "synthville"
"""Folder of rendered frames; only such a split is replaced."""


@dataclass(frozen=True, slots=True)
class FrameWriter:
    """Writes frames of one split into folders that the caller names.

    Args:
        folders: Folder of each of PACKAGES, the split included.
        city: Folder and first part of every name, letters and digits.
        jpeg_quality: Write JPEG pictures of this quality, 1..100, instead of PNG.
    """

    folders: dict[str, Path]
    city: str = CITY
    jpeg_quality: int | None = None

    def write(self, frame: RenderedFrame) -> None:
        """Write all files of one frame.

        Raises:
            OutputError: A file cannot be written.
        """
        stem = f"{self.city}_{frame.sequence:06d}_{frame.index:06d}"
        rgb = np.ascontiguousarray(frame.image[..., ::-1])
        if self.jpeg_quality is None:
            self._image("leftImg8bit", f"{stem}_leftImg8bit.png", rgb)
        else:
            options = [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality]
            self._image("leftImg8bit", f"{stem}_leftImg8bit.jpg", rgb, options)
        self._image("gtFine", f"{stem}_gtFine_labelIds.png", frame.label_ids)
        self._image("gtFine", f"{stem}_gtFine_labelTrainIds.png", frame.train_ids)
        self._image("gtFine", f"{stem}_gtFine_instanceIds.png", frame.instance_ids)
        self._image("disparity", f"{stem}_disparity.png", frame.disparity)
        self._json("camera", f"{stem}_camera.json", frame.camera.to_json())
        motion = {"speed": frame.state.speed, "yawRate": frame.state.yaw_rate}
        self._json("vehicle", f"{stem}_vehicle.json", motion)

    def _path(self, package: str, name: str) -> Path:
        return self.folders[package] / self.city / name

    def _image(
        self,
        package: str,
        name: str,
        pixels: NDArray[np.uint8] | NDArray[np.uint16],
        options: list[int] | None = None,
    ) -> None:
        path = self._path(package, name)
        encoded, data = cv2.imencode(path.suffix, pixels, options or [])
        if not encoded:
            raise OutputError(f"{path}: the picture could not be encoded")
        _write(path, data.tobytes())

    def _json(self, package: str, name: str, content: dict[str, Any]) -> None:
        _write(self._path(package, name), (json.dumps(content, indent=4) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def split_folders(root: Path, split: str, *, overwrite: bool = False) -> Iterator[dict[str, Path]]:
    """Yield a folder per package; all get their final names when the block ends well.

    Args:
        root: Folder of the data set; other splits in it stay.
        split: ``train``, ``val`` or ``test``.
        overwrite: Replace a split that is there.

    Raises:
        OutputError: The split exists, or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        yield {
            package: stack.enter_context(
                atomic_path(root / package / split, overwrite=overwrite, marker=CITY)
            )
            for package in PACKAGES
        }
