"""Data sets in the Cityscapes layout, whole or in part.

``leftImg8bit/SPLIT/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png`` and, where they are there,
``gtFine`` (labelIds or labelTrainIds, instanceIds), ``camera``, ``vehicle`` and
``disparity`` below the same names.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semalign_ros.bags.camera import CameraModel, depth_from_disparity
from semalign_ros.bags.labels import cityscapes_label_ids, train_ids
from semalign_ros.bags.natural import natural_key
from semalign_ros.bags.recording import (
    IMAGE_SUFFIXES,
    STAMP_ORIGIN_NS,
    Record,
    check_same_size,
    even_stamps,
    read_bytes,
    read_grey,
    read_image,
    resize,
)
from semalign_ros.errors import DatasetError
from semalign_ros.scene.vocabulary import CITYSCAPES
from semalign_ros.types import Image, Labels

CAMERA_RATE_HZ = 17.0
"""Frame rate of the Cityscapes recordings: frame numbers count at it."""
CUT_S = 1.0
"""Time put between frames of different recordings, or farther apart than this."""

STILLS, SEQUENCE = "leftImg8bit", "leftImg8bit_sequence"

_NAME = re.compile(r"(?P<city>.+)_(?P<sequence>\d+)_(?P<frame>\d+)_leftImg8bit")


class FrameName(NamedTuple):
    """What a file name says: city, and numbers of the recording and the frame in it."""

    city: str
    sequence: str
    frame: str

    @property
    def stem(self) -> str:
        """Common start of the names of all files of the frame."""
        return "_".join(self)


@dataclass(frozen=True, slots=True)
class CityscapesOptions:
    """What to take from a data set, and how.

    Args:
        split: Folder such as ``train`` or ``val``.
        cities: Only these; empty for all.
        limit: At most so many frames.
        rate_hz: Even stamps at this rate; None for stamps from the frame numbers, see
            :func:`stamps_from_names`.
        size: Width and height to resize to, which restores the aspect of squashed
            copies; None to leave frames as they are.
        camera_size: Width and height that the camera files refer to; None for that of
            the images as stored.
        images: ``leftImg8bit`` or ``leftImg8bit_sequence``; None for what is there.
    """

    split: str = "val"
    cities: tuple[str, ...] = ()
    limit: int | None = None
    rate_hz: float | None = None
    size: tuple[int, int] | None = None
    camera_size: tuple[int, int] | None = None
    images: str | None = None


class CityscapesRecording:
    """Frames of a data set in the Cityscapes layout, in natural order of their names.

    Args:
        root: Folder that holds ``leftImg8bit``.
        options: What to take.

    Raises:
        DatasetError: The layout is not there, or nothing fits the options.
        ConfigError: The rate is not positive.
    """

    def __init__(self, root: Path, options: CityscapesOptions | None = None) -> None:
        self._options = options or CityscapesOptions()
        self._root = root
        self.vocabulary = CITYSCAPES
        self._images = _image_folder(root, self._options)
        self._files = _image_files(self._images / self._options.split, self._options)
        names = [frame_name(path) for path in self._files]
        rate = self._options.rate_hz
        self._names = names
        self._stamps = stamps_from_names(names) if rate is None else even_stamps(len(names), rate)
        self._cameras = _Sidecars(self._folders("camera"), "camera.json")
        self._vehicles = _Sidecars(self._folders("vehicle"), "vehicle.json")
        self._disparities = _Sidecars(self._folders("disparity"), "disparity.png")
        truth = (root / "gtFine" / self._options.split,)
        self._label_ids = _Sidecars(truth, "gtFine_labelIds.png")
        self._train_ids = _Sidecars(truth, "gtFine_labelTrainIds.png")
        self._instances = _Sidecars(truth, "gtFine_instanceIds.png")

    def _folders(self, kind: str) -> tuple[Path, ...]:
        kinds = (f"{kind}_sequence", kind) if self._images.name == SEQUENCE else (kind,)
        return tuple(self._root / k / self._options.split for k in kinds)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._files)

    def __iter__(self) -> Iterator[Record]:
        """Load the frames one after the other.

        Raises:
            DatasetError: A file is damaged, or does not belong to its image.
        """
        for path, name, stamp in zip(self._files, self._names, self._stamps, strict=True):
            yield self._record(path, name, stamp)

    def _record(self, path: Path, name: FrameName, stamp: int) -> Record:
        image, file = read_image(path)
        labels = self._labels(name, image)
        instances = self._map(self._instances.find(name), np.uint16, image, "instance map")
        camera_file = self._cameras.find_sequence(name)
        camera = None
        if camera_file is not None:
            width, height = self._options.camera_size or (image.shape[1], image.shape[0])
            camera = read_camera(camera_file, width, height)
        # Disparities count pixels of the camera's own images, however small the copy is.
        depth = self._depth(name, image, camera)
        camera = None if camera is None else camera.resized(image.shape[1], image.shape[0])
        encoded: tuple[bytes, str] | None = file
        size = self._options.size
        if size is not None and size != (image.shape[1], image.shape[0]):
            encoded = None
            image = resize(image, size)
            labels, instances, depth = (
                None if m is None else resize(m, size, nearest=True)
                for m in (labels, instances, depth)
            )
            camera = None if camera is None else camera.resized(*size)
        vehicle_file = self._vehicles.find(name)
        motion = None if vehicle_file is None else read_motion(vehicle_file)
        return Record(stamp, image, encoded, labels, instances, depth, camera, motion)

    def _labels(self, name: FrameName, image: Image) -> Labels | None:
        for sidecars, label_map in (
            (self._label_ids, cityscapes_label_ids()),
            (self._train_ids, train_ids()),
        ):
            path = sidecars.find(name)
            if path is not None:
                ids = self._map(path, np.uint8, image, "label map")
                return label_map.apply(ids, str(path))
        return None

    def _depth(
        self, name: FrameName, image: Image, camera: CameraModel | None
    ) -> NDArray[np.float32] | None:
        path = self._disparities.find(name)
        if path is None or camera is None or camera.baseline is None:
            return None
        disparity = self._map(path, np.uint16, image, "disparity map")
        return depth_from_disparity(disparity, camera.fx, camera.baseline)

    @staticmethod
    def _map(path: Path | None, dtype: type[np.generic], image: Image, what: str) -> Any:
        if path is None:
            return None
        array = read_grey(path, dtype)
        check_same_size(array, image, path, what)
        return array


def frame_name(path: Path) -> FrameName:
    """Parse the name of an image file.

    Raises:
        DatasetError: It is not CITY_SEQUENCE_FRAME_leftImg8bit.
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DatasetError(
            f"{path}: expected a name like frankfurt_000000_000294_leftImg8bit{path.suffix}"
        )
    return FrameName(*match.groups())


def stamps_from_names(
    names: Sequence[FrameName], rate_hz: float = CAMERA_RATE_HZ, cut_s: float = CUT_S
) -> list[int]:
    """Stamps that keep the true time between the frames of one recording.

    Frames of one recording count at the camera's rate. Where another recording begins,
    or the gap is longer than `cut_s` (the still frames of Cityscapes lie minutes apart),
    the gap becomes `cut_s`, so that nobody waits for it at replay.

    Returns:
        Nanoseconds, rising.
    """
    stamps = [STAMP_ORIGIN_NS] if names else []
    for before, after in itertools.pairwise(names):
        step_s = (int(after.frame) - int(before.frame)) / rate_hz
        same = before[:2] == after[:2] and 0 < step_s <= cut_s
        stamps.append(stamps[-1] + round((step_s if same else cut_s) * 1e9))
    return stamps


def read_camera(path: Path, width: int, height: int) -> CameraModel:
    """Read a camera file.

    Args:
        path: JSON with ``intrinsic`` and ``extrinsic``.
        width: Of the image that it refers to, pixels.
        height: The same.

    Raises:
        DatasetError: A value is missing, or it belongs to a larger image.
    """
    content = _json(path)
    try:
        inner, outer = content["intrinsic"], content["extrinsic"]
        camera = CameraModel(
            width=width,
            height=height,
            fx=float(inner["fx"]),
            fy=float(inner["fy"]),
            cx=float(inner["u0"]),
            cy=float(inner["v0"]),
            baseline=float(outer["baseline"]) if outer.get("baseline") else None,
            position=(float(outer["x"]), float(outer["y"]), float(outer["z"])),
            yaw=float(outer["yaw"]),
            pitch=float(outer["pitch"]),
            roll=float(outer["roll"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"{path}: missing or wrong value ({error!r}); expected intrinsic fx, fy, u0, v0 and "
            "extrinsic baseline, x, y, z, yaw, pitch, roll"
        ) from error
    if not (0 <= camera.cx < width and 0 <= camera.cy < height):
        raise DatasetError(
            f"{path}: the principal point ({camera.cx:g}, {camera.cy:g}) lies outside the "
            f"{width}x{height} image; were the frames resized? Then name the size that the "
            "camera files refer to, such as --camera-size 2048x1024"
        )
    return camera


def read_motion(path: Path) -> tuple[float, float]:
    """Read speed (m/s) and yaw rate (rad/s, left positive) from a vehicle file.

    Raises:
        DatasetError: A value is missing.
    """
    content = _json(path)
    try:
        return float(content["speed"]), float(content["yawRate"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path}: missing or wrong value ({error!r}); expected the numbers speed and yawRate"
        ) from error


class _Sidecars:
    """Files that accompany the images, ``CITY/CITY_SEQUENCE_FRAME_<suffix>``."""

    def __init__(self, folders: tuple[Path, ...], suffix: str) -> None:
        self._folders = tuple(f for f in folders if f.is_dir())
        self._suffix = suffix
        self._by_sequence: dict[tuple[str, str], Path | None] = {}

    def find(self, name: FrameName) -> Path | None:
        for folder in self._folders:
            path = folder / name.city / f"{name.stem}_{self._suffix}"
            if path.is_file():
                return path
        return None

    def find_sequence(self, name: FrameName) -> Path | None:
        """File of the frame, or of another frame of the same recording (a calibration)."""
        exact = self.find(name)
        if exact is not None:
            return exact
        key = name[:2]
        if key not in self._by_sequence:
            pattern = f"{name.city}_{name.sequence}_*_{self._suffix}"
            found = (p for f in self._folders for p in sorted((f / name.city).glob(pattern)))
            self._by_sequence[key] = next(found, None)
        return self._by_sequence[key]


def _json(path: Path) -> Any:
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise DatasetError(f"{path}: is no JSON: {error}") from error


def _image_folder(root: Path, options: CityscapesOptions) -> Path:
    wanted = (options.images,) if options.images else (STILLS, SEQUENCE)
    there = [root / name for name in wanted if (root / name).is_dir()]
    if not there:
        raise DatasetError(
            f"{root}: found no folder {' or '.join(wanted)}; expected the Cityscapes layout, "
            "leftImg8bit/SPLIT/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png"
        )
    for folder in there:
        if (folder / options.split).is_dir():
            return folder
    splits = sorted(p.name for f in there for p in f.iterdir() if p.is_dir())
    raise DatasetError(
        f"{there[0]}: has no split {options.split!r}; found {', '.join(splits) or 'none'}: "
        "name one with --split"
    )


def _image_files(folder: Path, options: CityscapesOptions) -> list[Path]:
    cities = sorted(p.name for p in folder.iterdir() if p.is_dir())
    unknown = sorted(set(options.cities) - set(cities))
    if unknown:
        raise DatasetError(f"{folder}: has no city {unknown[0]!r}; found {', '.join(cities)}")
    files = [
        path
        for city in dict.fromkeys(options.cities) or cities
        for path in (folder / city).iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not files:
        raise DatasetError(f"{folder}: found no .png or .jpg image in {len(cities)} city folder(s)")
    twice = [path for path, n in Counter(p.with_suffix("") for p in files).items() if n > 1]
    if twice:
        raise DatasetError(
            f"{min(twice)}: is there as .png and as .jpg; move one of them out of the folder"
        )
    return sorted(files, key=natural_key)[: options.limit]
