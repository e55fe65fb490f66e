"""What every export may be told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from semalign_ros.errors import ConfigError
from semalign_ros.export.graph import OPSET, OPSETS, tool_versions
from semalign_ros.export.parity import Tolerance
from semalign_ros.export.pixels import ImageRecipe
from semalign_ros.inference.bundle import MANIFEST_NAME
from semalign_ros.inference.manifest import NAME, Normalisation, Source
from semalign_ros.output import check_free
from semalign_ros.types import Image

Precision: TypeAlias = Literal["float32", "float16", "float16-weights", "int8"]
"""Of weights and arithmetic; ``float16-weights`` computes in float32."""

TOLERANCES: Mapping[Precision, Tolerance] = {
    "float32": Tolerance(),
    "float16-weights": Tolerance(),  # the checkpoint's weights are rounded alike
    # A value keeps 11 bits, 0.05 %, and loses some of them in each of tens of layers. A greedy
    # description goes another way from the first tie on, so that its words judge nothing.
    "float16": Tolerance(value=2e-2, labels=1e-2, texts=1.0, mean=True),
    # A value keeps 7 bits, 0.8 % of the largest one seen. A trained segmenter had
    # 2.8 % other labels on the worst of 20 frames.
    "int8": Tolerance(value=5e-2, labels=5e-2, mean=True),
}
"""What may differ where the user says nothing."""

FUSED = (
    "holds operators of ONNX Runtime's own (com.microsoft), for its CUDA and CPU providers; "
    "TensorRT leaves them to CUDA"
)


def _silent(_step: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options that all kinds share.

    Args:
        name: Of the bundle.
        source: Origin and licence.
        precision: Of weights and arithmetic; weights stored as float16 are rounded before the
            parity check.
        opset: ONNX operator set, of :data:`semalign_ros.export.graph.OPSETS`.
        fuse: Write attention and norms as operators of ONNX Runtime's own.
        tolerance: What may differ from torch; None for the precision's of :data:`TOLERANCES`.
        frames: u8[H, W, 3] to check on; none for made-up ones.
        thresholds: Score by question id above which a language model means yes; 0 where absent.
        exact_resize: Resize to the bit as the checkpoint's image processor does; else a segmenter
            that squashes frames does it faster on a CPU, a level off here and there.
        overwrite: Replace an existing bundle.
        say: Called with each step that takes its time.

    Raises:
        ConfigError: No bundle may bear the name, the operator set is none of those, or int8 is to
            be fused.
    """

    name: str
    source: Source
    precision: Precision = "float32"
    opset: int = OPSET
    fuse: bool = False
    tolerance: Tolerance | None = None
    frames: Sequence[Image] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    exact_resize: bool = True
    overwrite: bool = False
    say: Callable[[str], None] = _silent

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise ConfigError(
                f"name {self.name!r}: expected letters, digits, '.', '_' and '-', first a "
                "letter or digit; give --name"
            )
        if self.opset not in OPSETS:
            raise ConfigError(
                f"opset {self.opset}: expected {OPSETS[0]} to {OPSETS[-1]}, which torch's exporter "
                "writes or converts to"
            )
        if self.fuse and self.precision == "int8":
            raise ConfigError(
                "fusions with precision int8: int8 is for TensorRT, which knows none of the fused "
                "operators; leave out one of the two"
            )

    @property
    def allowed(self) -> Tolerance:
        """What may differ."""
        return self.tolerance or TOLERANCES[self.precision]

    def stated(self, recipe: ImageRecipe) -> dict[str, Any]:
        """Fields of a manifest that every kind has, for a network that sees what `recipe` makes."""
        return {
            "name": self.name,
            "source": self.source,
            "tools": tool_versions(),
            "precision": self.precision,
            "net_size": recipe.size,
            "normalisation": Normalisation(scale=1 / 255, mean=recipe.mean, std=recipe.std),
            "notes": (FUSED,) if self.fuse else (),
        }

    def require_float(self) -> None:
        """Check that a language model is not to become int8.

        Raises:
            ConfigError: It is.
        """
        if self.precision == "int8":
            raise ConfigError(
                f"precision int8: for segmenters only, {self.name} is a language model; "
                "choose float16"
            )

    def require_free(self, out: Path) -> None:
        """Check before minutes of work that the bundle may be written.

        Raises:
            OutputError: `out` exists and may not be replaced.
        """
        check_free(out, overwrite=self.overwrite, marker=MANIFEST_NAME)
