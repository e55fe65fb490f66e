"""Segmentation checkpoints: any model of AutoModelForSemanticSegmentation."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue
from torch import nn

from semalign_ros.errors import BundleError, ConfigError
from semalign_ros.export.adapters import LabelsAndConfidence, LogitsOnly, SemanticScores
from semalign_ros.export.checkpoint import load_weights, model_type
from semalign_ros.export.graph import bundle_files
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.parity import graph_differences, require_parity, sample_frames
from semalign_ros.export.pixels import (
    EXAMPLE,
    FREE,
    ImageRecipe,
    Pixels,
    load_image_processor,
    read_recipe,
    require_equal_pixels,
    squashing,
    unresized,
)
from semalign_ros.export.precision import prepare, write_graph
from semalign_ros.export.quantise import METHOD, Calibration, quantise
from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.manifest import (
    IGNORED,
    SegmenterManifest,
    SegmenterOutput,
)
from semalign_ros.scene.taxonomy import CLASSES

_OUTPUTS = ("labels", "confidence")
# It gives masks with a class each. Others that do are read in other ways by transformers.
_MASKS = "mask2former"


def class_map(id2label: Mapping[int, str]) -> tuple[str, ...]:
    """Cityscapes class of each channel, by name; ``ignore`` for the others.

    Raises:
        BundleError: No channel bears the name of a Cityscapes class, or there are too many.
    """
    names = [id2label.get(i, "") for i in range(max(id2label, default=-1) + 1)]
    spelt = [n.lower().replace("_", " ").replace("-", " ") for n in names]
    found = tuple(n if n in CLASSES else IGNORED for n in spelt)
    if all(name == IGNORED for name in found):
        raise BundleError(
            f"the checkpoint's classes ({', '.join(names[:6])}, ...) are none of Cityscapes' "
            f"({', '.join(CLASSES)}); write id2label into its config.json"
        )
    if len(found) > 256:
        raise BundleError(f"the checkpoint has {len(found)} classes, a label map holds 256")
    return found


def export_segmenter(
    folder: Path,
    out: Path,
    options: ExportOptions,
    *,
    size: tuple[int, int] | None = None,
    calibration: Calibration | None = None,
) -> Bundle:
    """Export a segmentation checkpoint.

    Args:
        folder: ``config.json``, weights and ``preprocessor_config.json``.
        out: Bundle to write.
        options: Name, licence, precision, parity.
        size: Net size, height and width; None for the checkpoint's.
        calibration: Frames to measure int8 on. The graph is compared on those held out where
            `options` have none.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or the graph differs.
        ConfigError: int8 without calibration, or calibration without int8.
        OutputError: `out` exists or cannot be written.
    """
    options.require_free(out)
    if options.precision == "int8" and calibration is None:
        raise ConfigError(
            "precision int8: no frames to calibrate on, expected some of the camera; give "
            "--calibration a bag or a folder with pictures"
        )
    if options.precision != "int8" and calibration is not None:
        raise ConfigError(
            f"precision {options.precision}: found frames to calibrate on, which only int8 uses; "
            "give --precision int8 or leave out --calibration"
        )
    processor = load_image_processor(folder)
    processor = squashing(processor, size) if size else processor
    recipe = read_recipe(processor, exact=options.exact_resize)
    model = load_checkpoint(folder)
    prepare(model, options)
    channels = class_map({int(k): str(v) for k, v in model.config.id2label.items()})  # type: ignore
    module = labels_module(model, recipe)
    held_out = sample_frames() if calibration is None else calibration.held_out
    frames = options.frames or held_out
    off = require_equal_pixels(processor, Pixels(recipe), frames)
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "segmenter.onnx"
        options.say(f"{graph.name}: converting")
        half = write_graph(module, {"image": EXAMPLE}, _OUTPUTS, {"image": FREE}, graph, options)
        metrics: dict[str, JsonValue] = {}
        if calibration is not None:
            options.say(f"{graph.name}: measuring on {len(calibration.frames)} frames for int8")
            quantise(graph, [unresized(f, recipe) for f in calibration.frames])
            metrics["calibration"] = {
                "source": calibration.source,
                "frames": len(calibration.frames),
                "method": METHOD,
            }
        feeds = [{"image": unresized(f, recipe)[None]} for f in frames]
        allowed = options.allowed
        options.say(f"{graph.name}: comparing with PyTorch on {len(feeds)} frames")
        differences = graph_differences(
            module, graph, feeds, _OUTPUTS, rounded=half, mean=allowed.mean
        )
        require_parity(differences, allowed)
        manifest = SegmenterManifest(
            **options.stated(recipe),
            output=SegmenterOutput(confidence="confidence"),
            class_map=channels,
            metrics={"parity": {"pixels": off, **differences}, **metrics},
        )
        return write_bundle(out, manifest, bundle_files([graph]), overwrite=options.overwrite)


def labels_module(model: nn.Module, recipe: ImageRecipe) -> nn.Module:
    """What the graph of a checkpoint computes: u8[N, H, W, 3] -> labels, confidence."""
    masks = model.config.model_type == _MASKS  # type: ignore[union-attr]
    network = SemanticScores(model, recipe.size) if masks else LogitsOnly(model)
    return LabelsAndConfidence(Pixels(recipe), network).eval()


def load_checkpoint(folder: Path) -> nn.Module:
    """Load a segmentation checkpoint from disk, never from the network.

    Raises:
        BundleError: It is of another kind, or cannot be loaded, with transformers' reason.
    """
    from transformers import AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation

    family = model_type(folder)
    if family not in families():
        raise BundleError(
            f"{folder}: model_type is {family!r}, expected a segmenter, one of "
            f"{', '.join(families())}"
        )
    masks = family == _MASKS
    loader = AutoModelForUniversalSegmentation if masks else AutoModelForSemanticSegmentation
    model: nn.Module = load_weights(loader, folder, "a segmentation checkpoint")
    return model


def families() -> list[str]:
    """Segmenters by ``model_type``: those of AutoModelForSemanticSegmentation, and Mask2Former."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES as PLAIN,
    )

    return [*PLAIN, _MASKS]
