"""Any checkpoint to a bundle, by the family that its ``config.json`` names."""

from __future__ import annotations

from pathlib import Path

from semalign_ros.errors import BundleError
from semalign_ros.export import contrastive, generative, segmenter
from semalign_ros.export.checkpoint import model_type
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.quantise import Calibration
from semalign_ros.export.street import export_contrastive, export_generative
from semalign_ros.inference.bundle import Bundle

OWN = "semalign_"
"""How the families of the models that ship begin."""


def kind_of(family: str) -> str:
    """Kind of bundle that a family of checkpoints makes.

    Raises:
        BundleError: It is none of those that can be exported.
    """
    if family.startswith(OWN):
        return family.removeprefix(OWN)
    kinds = {
        "segmenter": segmenter.families(),
        "contrastive": contrastive.FAMILIES,
        "generative": generative.FAMILIES,
    }
    for kind, families in kinds.items():
        if family in families:
            return kind
    known = "; ".join(f"{kind}: {', '.join(families)}" for kind, families in kinds.items())
    raise BundleError(f"model_type is {family!r}, expected one of: {known}")


def export_checkpoint(
    folder: Path,
    out: Path,
    options: ExportOptions,
    *,
    kind: str | None = None,
    size: tuple[int, int] | None = None,
    calibration: Calibration | None = None,
) -> Bundle:
    """Export a checkpoint of any kind.

    Args:
        folder: Checkpoint.
        out: Bundle to write.
        options: Name, licence, precision, parity.
        kind: ``segmenter``, ``contrastive`` or ``generative``; None for what the family is.
        size: Height and width: net size of a segmenter, None for the checkpoint's; of the frames
            that a public language model will see, None for those of ``options.frames``.
        calibration: Frames that an int8 segmenter is measured on.

    Raises:
        BundleError: The checkpoint cannot be read or exported, or its outputs differ.
        OutputError: `out` exists or cannot be written.
    """
    family = model_type(folder)
    kind = kind or kind_of(family)
    if kind == "segmenter":
        return segmenter.export_segmenter(folder, out, options, size=size, calibration=calibration)
    own = family.startswith(OWN)
    if own:
        export = export_contrastive if kind == "contrastive" else export_generative
        return export(folder, out, options)
    if kind == "contrastive":
        return contrastive.export_public_contrastive(folder, out, options, size=size)
    return generative.export_public_generative(folder, out, options, size=size)
