"""Segmenters in int8: scales measured on frames, written into the graph."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from semalign_ros.errors import BundleError, ConfigError
from semalign_ros.export.frames import Recording, spread_frames
from semalign_ros.export.graph import strip
from semalign_ros.types import Image

METHOD = "static, MinMax, int8 symmetric, weights per channel"
"""How it is done, for the manifest."""

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_MOST_HELD_OUT = 16


@dataclass(frozen=True, slots=True)
class Calibration:
    """Frames for an int8 export.

    Args:
        source: Name of the bag or folder, for the manifest.
        frames: u8[H, W, 3] on which ranges are measured.
        held_out: u8[H, W, 3] from between them, on which graph and checkpoint are compared.
    """

    source: str
    frames: Sequence[Image]
    held_out: Sequence[Image]


def read_calibration(recording: Recording, count: int) -> Calibration:
    """Pick evenly spread frames of a bag or a folder of pictures.

    Args:
        recording: Where.
        count: Frames to measure on. A sixth as many, up to 16, are held out beside them; where
            there are fewer frames than that altogether, a sixth of those.

    Raises:
        BagError: The bag is unreadable, or has no message on the camera's topic.
        ConfigError: Neither a bag nor a folder with pictures; `count` is below 1.
        DatasetError: A picture cannot be decoded.
    """
    if count < 1:
        raise ConfigError(f"--calibration-frames {count}: expected 1 or more")
    found = spread_frames(recording, count + min(_MOST_HELD_OUT, max(1, count // 6)))
    kept_back = min(_MOST_HELD_OUT, max(1, len(found) // 6))
    at = np.linspace(0, len(found) - 1, kept_back + 2).round()[1:-1].astype(int)
    frames = [frame for i, frame in enumerate(found) if i not in at]
    # One frame is better measured and compared on than refused.
    return Calibration(recording.path.name, frames or found, [found[i] for i in at])


def quantise(path: Path, frames: Sequence[Image]) -> None:
    """Turn the layers of a segmenter's graph into int8, in place.

    Only layers with weights are changed: preparation of the frame, attention and what follows
    the logits stay float32. Scales are symmetric and stand on the inputs of the layers, as TensorRT
    asks; a ReLU is then fused with its layer and the output is rounded once.

    Args:
        path: ``segmenter.onnx`` in float32 with the input ``image``.
        frames: u8[H, W, 3] on which the ranges are measured.

    Raises:
        BundleError: The graph has no such layer.
    """
    model = onnx.load_model(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    layers = [n.name for n in model.graph.node if n.op_type in _LAYERS and n.input[1] in weights]
    if not layers:
        raise BundleError(
            f"{path.name}: no layer with weights ({', '.join(_LAYERS)}), nothing to quantise; "
            "export with another --precision"
        )
    root = logging.getLogger()
    level = root.level
    # It advises on the root logger to run fusions first, which the exporter has done.
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / "int8.onnx"
            quantize_static(
                path,
                made,
                _Feeds(frames),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_LAYERS),
                nodes_to_quantize=layers,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                # The other methods gained nothing on a trained segmenter: 2.1 to 2.3 % of
                # the labels changed with each, where outputs are rounded too.
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,  # TensorRT takes biases as floats
                    "OpTypesToExcludeOutputQuantization": list(_LAYERS),
                },
            )
            made.replace(path)
    finally:
        root.setLevel(level)
    strip(path)


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, frames: Sequence[Image]) -> None:
        self._frames = iter(frames)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        frame = next(self._frames, None)
        return None if frame is None else {"image": frame[None]}
