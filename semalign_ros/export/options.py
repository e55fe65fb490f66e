"""What every export may be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from semalign_ros.errors import OutputError
from semalign_ros.export.graph import tool_versions
from semalign_ros.export.parity import Tolerance
from semalign_ros.export.pixels import ImageRecipe
from semalign_ros.inference.manifest import Normalisation, Source
from semalign_ros.types import Image


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options that all kinds share.

    Args:
        name: Of the bundle.
        source: Origin and licence.
        half_weights: Store weights as float16, rounded before the parity check.
        tolerance: What may differ from torch.
        frames: u8[H, W, 3] to check on; none for made-up ones.
        thresholds: Score by question id above which a language model means yes; 0 where absent.
        exact_resize: Resize to the bit as the checkpoint's image processor does; else a segmenter
            that squashes frames does it faster on a CPU, a level off here and there.
        overwrite: Replace an existing bundle.
    """

    name: str
    source: Source
    half_weights: bool = False
    tolerance: Tolerance = field(default_factory=Tolerance)
    frames: Sequence[Image] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    exact_resize: bool = True
    overwrite: bool = False

    @property
    def precision(self) -> Literal["float32", "float16-weights"]:
        """As the manifest says it."""
        return "float16-weights" if self.half_weights else "float32"

    def stated(self, recipe: ImageRecipe) -> dict[str, Any]:
        """Fields of a manifest that every kind has, for a network that sees what `recipe` makes."""
        return {
            "name": self.name,
            "source": self.source,
            "tools": tool_versions(),
            "precision": self.precision,
            "net_size": recipe.size,
            "normalisation": Normalisation(scale=1 / 255, mean=recipe.mean, std=recipe.std),
        }

    def require_free(self, out: Path) -> None:
        """Check before minutes of work that the bundle may be written.

        Raises:
            OutputError: `out` exists and `overwrite` is false.
        """
        if out.exists() and not self.overwrite:
            raise OutputError(f"{out}: exists already; choose another name or give --overwrite")
