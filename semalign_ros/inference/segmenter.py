"""Semantic segmentation by an ONNX graph, our own or a foreign one by its manifest."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import BundleError, InferenceError
from semalign_ros.inference.bundle import Bundle, load_bundle
from semalign_ros.inference.manifest import IGNORED, Normalisation, SegmenterManifest
from semalign_ros.inference.runtime import Array, GpuOptions, OnnxSession, check_image
from semalign_ros.scene.taxonomy import IGNORE, TRAIN_ID
from semalign_ros.types import Image, Labels, Segmentation

_FILTERS = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
_CV_CHANNELS = 64  # OpenCV 5 resizes no more than 128, OpenCV 4 512


class Segmenter:
    """A segmenter bundle, loaded; one instance serves any number of threads.

    Args:
        bundle: A verified bundle of kind ``segmenter``.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        threads: Threads of one run on the CPU; None for as many as there are cores.
        gpu: How it runs on a GPU; None for the defaults.

    Attributes:
        bundle_id: Name and digest of the bundle.
        device: What was loaded.
        fallback: Why ``auto`` did not get a GPU, or None.
        net_size: Height and width at which the network sees an image, pixels.
        sessions: The graph by its role, ``segmenter``.

    Raises:
        BundleError: Another kind, or the graph does not fit the manifest.
        DeviceError: `device` was named and did not load.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str = "auto",
        *,
        threads: int | None = None,
        gpu: GpuOptions | None = None,
    ) -> None:
        manifest = bundle.manifest
        if not isinstance(manifest, SegmenterManifest):
            raise BundleError(
                f"{bundle.folder}: a bundle of kind {manifest.kind}, expected a segmenter"
            )
        self.manifest = manifest
        self.net_size = manifest.net_size
        self.bundle_id = bundle.bundle_id
        self._session = OnnxSession(
            bundle.path(manifest.graphs.segmenter.file),
            device,
            threads=threads,
            gpu=gpu,
            bundle=bundle,
        )
        self.sessions = {"segmenter": self._session}
        self.device, self.fallback = self._session.device, self._session.fallback
        output = manifest.output
        self._outputs = [output.name]
        if output.confidence not in (None, "softmax"):
            self._outputs.append(output.confidence)
        self._session.require([manifest.input.name], self._outputs)
        self._table = label_table(manifest.class_map)
        self._unmapped = np.flatnonzero([name == IGNORED for name in manifest.class_map])

    def segment(self, image: Image) -> Segmentation:
        """Label every pixel.

        Args:
            image: u8[H, W, 3], RGB.

        Returns:
            Labels at the image's size: u8[H, W] train ids, 255 where the class map
            ignores the channel.

        Raises:
            InferenceError: The image or an output has the wrong shape, scores are not finite, or
                the run failed.
        """
        channels, confidence = self._run(image)
        size = image.shape[:2]
        return Segmentation(
            _resize_nearest(map_channels(channels, self._table), size),
            None if confidence is None else _resize_nearest(confidence, size),
        )

    def unknown_channels(self, image: Image) -> list[float]:
        """Class numbers that the graph gives for an image and the class map does not know.

        Args:
            image: u8[H, W, 3], RGB.

        Returns:
            Without 255 and -1, with which networks say that they leave a pixel out.

        Raises:
            InferenceError: As for :meth:`segment`.
        """
        numbers = np.unique(self._run(image)[0]).tolist()
        count = len(self.manifest.class_map)
        return [n for n in numbers if not 0 <= n < count and n not in (IGNORE, -1)]

    def _run(self, image: Image) -> tuple[Array, NDArray[np.float32] | None]:
        """Channel numbers and, where there is one, confidence, at the size of the output."""
        check_image(image)
        feed = preprocess(image, self.manifest)
        found = self._session.run({self.manifest.input.name: feed}, self._outputs)
        output = self.manifest.output
        if output.content == "labels":
            channels, confidence = self._plane(found[0], output.layout, output.name), None
        else:
            channels, confidence = self._best_channels(found[0])
        if len(found) == 2:
            confidence = np.asarray(self._plane(found[1], "NHW", self._outputs[1]), np.float32)
            self._require_finite(confidence.sum(), self._outputs[1])  # cheaper than of every pixel
        return channels, confidence

    def _plane(self, output: Array, layout: str, name: str) -> Array:
        """The one [H, W] map in an output whose other axes have length 1."""
        other = tuple(i for i, axis in enumerate(layout) if axis in "NC")
        if (
            output.ndim != len(layout)
            or any(output.shape[i] != 1 for i in other)
            or not output.size
        ):
            expected = ", ".join("1" if axis in "NC" else axis for axis in layout)
            raise InferenceError(
                f"{self.bundle_id}: output {name!r} has shape {list(output.shape)}, expected "
                f"[{expected}]"
            )
        return output.squeeze(other)

    def _require_finite(self, values: Array | np.float32, name: str | None) -> None:
        # The largest of scores that are no numbers is the first class, road, which is safe.
        if not np.isfinite(values).all():
            raise InferenceError(f"{self.bundle_id}: output {name!r} is not finite")

    def _best_channels(self, output: Array) -> tuple[Array, NDArray[np.float32] | None]:
        spec = self.manifest.output
        if output.ndim != 4 or output.shape[0] != 1 or not output.size:
            raise InferenceError(
                f"{self.bundle_id}: output {spec.name!r} has shape {list(output.shape)}, expected "
                f"[1, {', '.join(spec.layout[1:])}]"
            )
        logits: Array = np.asarray(output[0], np.float32)
        if spec.layout == "NCHW":
            logits = logits.transpose(1, 2, 0)
        if logits.shape[2] != len(self.manifest.class_map):
            raise InferenceError(
                f"{self.bundle_id}: output {spec.name!r} has {logits.shape[2]} channels, the class "
                f"map {len(self.manifest.class_map)}; correct class_map in bundle.yaml"
            )
        if spec.upsample:
            height, width = self.manifest.net_size
            pieces = np.split(logits, range(_CV_CHANNELS, logits.shape[2], _CV_CHANNELS), axis=2)
            wide = [
                cv2.resize(
                    np.ascontiguousarray(piece), (width, height), interpolation=cv2.INTER_LINEAR
                ).reshape(height, width, -1)
                for piece in pieces
            ]
            logits = wide[0] if len(wide) == 1 else np.concatenate(wide, axis=2)
        if spec.argmax_over == "mapped" and self._unmapped.size:
            logits = logits.copy()
            logits[..., self._unmapped] = -np.inf
        best = logits.argmax(axis=2)
        peak = np.take_along_axis(logits, best[..., None], axis=2)
        self._require_finite(peak, spec.name)
        if spec.confidence != "softmax":
            return best, None
        # The probability of the largest logit is 1 over the sum of exp(others - it).
        return best, np.asarray(1.0 / np.exp(logits - peak).sum(axis=2), np.float32)


def open_segmenter(
    path: Path | str,
    device: str = "auto",
    *,
    threads: int | None = None,
    gpu: GpuOptions | None = None,
) -> Segmenter:
    """Load a segmenter bundle.

    Args:
        path: Folder with ``bundle.yaml``.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        threads: Threads of one run on the CPU; None for as many as there are cores.
        gpu: How it runs on a GPU; None for the defaults.

    Raises:
        BundleError: The bundle is missing, altered, unsafe or no segmenter.
        ConfigError: The device would not heed an option.
        DeviceError: `device` was named and did not load.
    """
    return Segmenter(load_bundle(path), device, threads=threads, gpu=gpu)


def label_table(class_map: tuple[str, ...]) -> Labels:
    """Lookup table from channel to train id.

    Returns:
        u8[C + 1]; the last entry is 255, for numbers that are no channel.
    """
    ids = [TRAIN_ID.get(name, IGNORE) for name in class_map]
    return np.asarray([*ids, IGNORE], np.uint8)


def map_channels(channels: Array, table: Labels) -> Labels:
    """Turn channel numbers of any integer or float dtype into train ids.

    Args:
        channels: [H, W] channel numbers.
        table: u8[C + 1] of :func:`label_table`.

    Returns:
        u8[H, W]; 255 for negative and too large numbers. `channels` itself where each is
        the train id already.
    """
    last = len(table) - 1
    if channels.dtype == np.uint8:
        if _is_identity(table) and channels.max(initial=0) < last:
            return np.asarray(channels, np.uint8)
        full = np.full(256, IGNORE, np.uint8)
        full[: min(last, 256)] = table[: min(last, 256)]
        return np.asarray(cv2.LUT(np.ascontiguousarray(channels), full), np.uint8)
    inside = (channels >= 0) & (channels < last)
    return np.take(table, np.rint(np.where(inside, channels, last)).astype(np.intp))


def _is_identity(table: Labels) -> bool:
    return bool((table[:-1] == np.arange(len(table) - 1)).all())


def preprocess(image: Image, manifest: SegmenterManifest) -> Array:
    """Bring an image to what the graph takes.

    Args:
        image: u8[H, W, 3], RGB.
        manifest: Says size, filter, channel order, normalisation, layout and dtype.

    Returns:
        [1, H, W, 3] or [1, 3, H, W] of the input's dtype. Own graphs, which take any
        size and normalise themselves, get a view of `image`.
    """
    spec = manifest.input
    if spec.resize != "inside_graph":
        height, width = manifest.net_size
        if image.shape[:2] != (height, width):
            image = np.asarray(
                cv2.resize(image, (width, height), interpolation=_FILTERS[spec.resize]), np.uint8
            )
    if spec.channel_order == "BGR":
        image = image[..., ::-1]
    values: Array = image
    norm = manifest.normalisation
    if norm is not None and not norm.inside_graph:
        values = _normalise(image, norm)
    if spec.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values, np.dtype(spec.dtype))[None]


def _normalise(image: Image, norm: Normalisation) -> NDArray[np.float32]:
    # One multiplication and one addition a pixel instead of three passes.
    std = np.asarray(norm.std, np.float64)
    gain = np.asarray(norm.scale / std, np.float32)
    offset = np.asarray(-np.asarray(norm.mean) / std, np.float32)
    return image * gain + offset


def _resize_nearest(values: Array, size: tuple[int, int]) -> Array:
    if values.shape == size:
        return values
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
