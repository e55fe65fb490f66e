"""Opens the models that the parameters name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from semalign_ros.errors import ConfigError
from semalign_ros.inference import Segmenter, Vlm, open_segmenter, open_vlm
from semalign_ros.language import PromptSet
from semalign_ros.nodes.config import SegmenterModel, VlmModel
from semalign_ros.resources import find_resource


class _Loaded(Protocol):
    bundle_id: str
    device: str
    fallback: str | None


def load_segmenter(model: SegmenterModel) -> Segmenter | None:
    """Open the segmenter; None where none is configured.

    Raises:
        BundleError, ConfigError, DeviceError: It cannot be opened as asked.
    """
    if not model.bundle:
        return None
    return open_segmenter(_path(model.bundle), model.device, threads=model.threads or None)


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
    )
    if vlm_input == "scene_text" and not vlm.accepts_text:
        raise ConfigError(
            f"vlm_input scene_text: {vlm.bundle_id} reads no text beside the image; choose image, "
            "overlay or mask"
        )
    return vlm


def facts_of(what: str, loaded: _Loaded) -> dict[str, str]:
    """Which model runs where, and why not where one might have hoped."""
    facts = {what: loaded.bundle_id, f"{what}_device": loaded.device}
    return facts | ({f"{what}_fallback": loaded.fallback} if loaded.fallback else {})


def _path(bundle: str) -> Path:
    if not bundle:
        raise ConfigError("vlm.bundle is empty: name a bundle folder or a .jsonl file of answers")
    return find_resource(bundle, "models", suffix="")
