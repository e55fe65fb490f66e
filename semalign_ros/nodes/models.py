"""Opens the models that the parameters name, and runs each once before a frame depends on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from semalign_ros.errors import ConfigError
from semalign_ros.inference import (
    GpuOptions,
    Segmenter,
    Vlm,
    open_segmenter,
    open_vlm,
    placements,
    warm_up,
)
from semalign_ros.language import PromptSet
from semalign_ros.nodes.config import SegmenterModel, VlmModel
from semalign_ros.resources import find_resource

_LARGEST = 16384


def load_segmenter(model: SegmenterModel) -> Segmenter | None:
    """Open the segmenter; None where none is configured.

    Raises:
        BundleError, ConfigError, DeviceError: It cannot be opened as asked.
    """
    if not model.bundle:
        return None
    return open_segmenter(
        _path(model.bundle), model.device, threads=model.threads or None, gpu=model.gpu
    )


def load_vlm(model: VlmModel, vlm_input: str) -> Vlm:
    """Open the VLM.

    Raises:
        BundleError, ConfigError, DeviceError: It cannot be opened as asked.
    """
    vlm = open_vlm(
        _path(model.bundle),
        model.device,
        prompts=PromptSet.load(model.prompts),
        protocol=model.protocol or None,
        describe=model.describe,
        threads=model.threads or None,
        gpu=model.gpu,
    )
    if vlm_input == "scene_text" and not vlm.accepts_text:
        raise ConfigError(
            f"vlm_input scene_text: {vlm.bundle_id} reads no text beside the image; choose image, "
            "overlay or mask"
        )
    return vlm


def frame_size(text: str, *gpus: GpuOptions) -> tuple[int, int] | None:
    """Height and width of the parameter ``warm_up``; None where it is empty.

    Args:
        text: The parameter.
        gpus: Options of the models, one of which may need the size.

    Raises:
        ConfigError: It is no size, or is missing and needed.
    """
    if not text and any(gpu.cuda_graph for gpu in gpus):
        raise ConfigError(
            "gpu.cuda_graph: needs warm_up, the one size of the frames, such as 2048x1024"
        )
    if not text:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None or max(int(side) for side in found.groups()) > _LARGEST:
        raise ConfigError(
            f"warm_up: found {text!r}, expected WIDTHxHEIGHT such as 2048x1024, at most {_LARGEST} "
            "a side"
        )
    return int(found[2]), int(found[1])


def prove(
    what: str, model: Segmenter | Vlm, size: tuple[int, int] | None, warn: Callable[[str], None]
) -> dict[str, str]:
    """Run a model once, and tell which it is, where it runs, and what of it does not.

    Args:
        what: ``segmenter`` or ``vlm``.
        model: Just opened.
        size: Height and width of the frames to come; None for the net size.
        warn: Called with what a user should know.

    Returns:
        Facts for the diagnostics.
    """
    facts = {what: model.bundle_id, f"{what}_device": model.device}
    if model.fallback:
        facts[f"{what}_fallback"] = model.fallback
    try:
        facts[f"{what}_warm_up_ms"] = f"{1e3 * warm_up(model, size):.0f}"
    except Exception as error:
        # Like a frame that fails: the next one may not. Foreign models fail in their own ways.
        facts[f"{what}_warm_up"] = f"failed: {error}"
        warn(f"{what}: the run before the first frame failed: {error}")
    found = placements(model)
    if found:
        facts[f"{what}_nodes"] = "; ".join(f"{role}: {p.summary()}" for role, p in found.items())
    fallen = {role: p.fallback_summary() for role, p in found.items() if p.fallback}
    if fallen:
        words = "; ".join(f"{role}: {nodes}" for role, nodes in fallen.items())
        facts[f"{what}_on_cpu"] = words
        warn(
            f"{what}: on {model.device}, but these nodes run on the CPU, and their tensors cross "
            f"over and back for every frame: {words}"
        )
    return facts


def _path(bundle: str) -> Path:
    if not bundle:
        raise ConfigError("vlm.bundle is empty: name a bundle folder or a .jsonl file of answers")
    return find_resource(bundle, "models", suffix="")
