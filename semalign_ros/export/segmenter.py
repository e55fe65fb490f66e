"""Segmentation checkpoints: any model of AutoModelForSemanticSegmentation."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from semalign_ros.errors import BundleError
from semalign_ros.export.adapters import LabelsAndConfidence, LogitsOnly, Pixels
from semalign_ros.export.graph import (
    export_graph,
    fold_batch_norms,
    round_to_half,
    store_half,
    tool_versions,
)
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import (
    largest_differences,
    require_parity,
    sample_frames,
)
from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.manifest import (
    IGNORED,
    Normalisation,
    SegmenterManifest,
    SegmenterOutput,
)
from semalign_ros.scene.taxonomy import CLASSES

_OUTPUTS = ("labels", "confidence")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What ``preprocessor_config.json`` says.

    Args:
        size: Height and width that the network sees.
        mean: Per channel on 0..1, RGB.
        std: The same.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def read_preprocessing(folder: Path, size: tuple[int, int] | None = None) -> Preprocessing:
    """Read how a checkpoint's images are prepared.

    Args:
        folder: Checkpoint.
        size: Height and width instead of the checkpoint's.

    Raises:
        BundleError: The file is missing or no JSON, or gives no fixed size and `size` is None.
    """
    path = folder / "preprocessor_config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path}: cannot be read ({error}); the checkpoint's image processor is needed"
        ) from error
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    if values.get("do_normalize", True):
        mean, std = _triple(values, "image_mean", path), _triple(values, "image_std", path)
    # The network sees pixel * rescale_factor; Pixels works on 0..1.
    factor = float(values.get("rescale_factor", 1 / 255)) * 255
    return Preprocessing(
        size or _stated_size(values, path),
        tuple(m / factor for m in mean),  # type: ignore[arg-type]
        tuple(s / factor for s in std),  # type: ignore[arg-type]
    )


def _triple(values: Mapping[str, object], key: str, path: Path) -> tuple[float, ...]:
    found = values.get(key)
    if not isinstance(found, list) or len(found) != 3:
        raise BundleError(f"{path}: {key} is {found!r}, expected three numbers")
    return tuple(float(v) for v in found)


def _stated_size(values: Mapping[str, object], path: Path) -> tuple[int, int]:
    stated = values.get("crop_size") if values.get("do_center_crop") else values.get("size")
    if isinstance(stated, int):
        return stated, stated
    if isinstance(stated, dict) and {"height", "width"} <= set(stated):
        return int(stated["height"]), int(stated["width"])
    raise BundleError(
        f"{path}: size is {stated!r}, which fixes no height and width; give --size HEIGHT WIDTH"
    )


def class_map(id2label: Mapping[int, str]) -> tuple[str, ...]:
    """Cityscapes class of each channel, by name; ``ignore`` for the others.

    Raises:
        BundleError: No channel bears the name of a Cityscapes class, or there are too many.
    """
    names = [id2label.get(i, "") for i in range(max(id2label, default=-1) + 1)]
    found = tuple(n.lower() if n.lower() in CLASSES else IGNORED for n in names)
    if all(name == IGNORED for name in found):
        raise BundleError(
            f"the checkpoint's classes ({', '.join(names[:6])}, ...) are none of Cityscapes' "
            f"({', '.join(CLASSES)}); write id2label into its config.json"
        )
    if len(found) > 256:
        raise BundleError(f"the checkpoint has {len(found)} classes, a label map holds 256")
    return found


def export_segmenter(
    folder: Path, out: Path, options: ExportOptions, *, size: tuple[int, int] | None = None
) -> Bundle:
    """Export a segmentation checkpoint.

    Args:
        folder: ``config.json``, weights and ``preprocessor_config.json``.
        out: Bundle to write.
        options: Name, licence, precision, parity.
        size: Net size, height and width; None for the checkpoint's.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or the graph differs.
        OutputError: `out` exists or cannot be written.
    """
    options.require_free(out)
    prepared = read_preprocessing(folder, size)
    model = load_checkpoint(folder)
    channels = class_map({int(k): str(v) for k, v in model.config.id2label.items()})  # type: ignore
    if options.half_weights:
        round_to_half(fold_batch_norms(model))
    pixels = Pixels(prepared.size, prepared.mean, prepared.std)
    module = LabelsAndConfidence(pixels, LogitsOnly(model)).eval()
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "segmenter.onnx"
        example = torch.zeros(2, 96, 160, 3, dtype=torch.uint8)
        axes = {0: "batch", 1: "height", 2: "width"}
        export_graph(module, {"image": example}, _OUTPUTS, {"image": axes}, graph)
        if options.half_weights:
            store_half(graph)
        feeds = [{"image": np.asarray(f)[None]} for f in options.frames or sample_frames()]
        differences = largest_differences(module, graph, feeds, _OUTPUTS)
        require_parity(differences, options.tolerance, ("labels",))
        manifest = SegmenterManifest(
            name=options.name,
            source=options.source,
            tools=tool_versions(),
            precision=options.precision,
            net_size=prepared.size,
            normalisation=Normalisation(scale=1 / 255, mean=prepared.mean, std=prepared.std),
            output=SegmenterOutput(confidence="confidence"),
            class_map=channels,
            metrics={"parity": differences},  # type: ignore[dict-item]
        )
        return write_bundle(out, manifest, {"segmenter.onnx": graph}, overwrite=options.overwrite)


def load_checkpoint(folder: Path) -> nn.Module:
    """Load a segmentation checkpoint from disk, never from the network.

    Raises:
        BundleError: It cannot be loaded, with transformers' reason.
    """
    from transformers import AutoModelForSemanticSegmentation

    try:
        model: nn.Module = AutoModelForSemanticSegmentation.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, trust_remote_code=False
        )
    except Exception as error:  # transformers raises many types
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BundleError(
            f"{folder}: not loadable as a segmentation checkpoint: {reason[0]}"
        ) from error
    return model.eval()
