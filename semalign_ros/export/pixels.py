"""From camera pixels to what a vision network sees, as its image processor makes it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.export.checkpoint import load_pretrained
from semalign_ros.export.graph import OPSET, export_graph
from semalign_ros.types import Image

Filter: TypeAlias = Literal["bilinear", "bicubic", "lanczos"]
EXAMPLE = torch.zeros(2, 96, 160, 3, dtype=torch.uint8)
FREE = {0: "batch", 1: "height", 2: "width"}
"""An image as torch.export needs it, and which of its dimensions are free."""
_ALMOST = 1e-4
_MOST_LEVELS = 0.2
_PILLOW: dict[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """How images are prepared for a network.

    Args:
        size: Height and width that the network sees.
        mean: Subtracted, per channel on 0..1, RGB.
        std: Divisor after it.
        filter: With which the frame is resized.
        shortest_edge: Length to which the frame's shorter side is brought before the middle
            of `size` is cut out; None where the whole frame is squashed to `size`.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    filter: Filter = "bilinear"
    shortest_edge: int | None = None

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Size of a frame after resizing; sizes may be symbols of torch.export."""
        if self.shortest_edge is None:
            return self.size
        shorter = torch.sym_min(height, width)  # type: ignore[no-untyped-call]
        return self.shortest_edge * height // shorter, self.shortest_edge * width // shorter


def read_recipe(processor: Any, size: tuple[int, int] | None = None) -> ImageRecipe:
    """Read how a checkpoint's images are prepared, from its image processor.

    Args:
        processor: Of :func:`load_image_processor`.
        size: Height and width to squash every frame to, instead of the checkpoint's way.

    Raises:
        BundleError: It does what a recipe cannot say.
    """
    where = "the image processor"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    if processor.do_normalize:
        mean = _triple(processor.image_mean, f"{where}'s image_mean")
        std = _triple(processor.image_std, f"{where}'s image_std")
    # The network sees pixel * rescale_factor; a recipe works on 0..1.
    factor = float(processor.rescale_factor) * 255 if processor.do_rescale else 255.0
    stated, edge = (size, None) if size else _stated_size(processor, where)
    filter_ = _PILLOW.get(int(processor.resample))
    if filter_ is None:
        raise BundleError(
            f"{where} resizes with filter {processor.resample!r}, expected one of Pillow's "
            f"{', '.join(_PILLOW.values())}"
        )
    return ImageRecipe(
        stated,
        tuple(m / factor for m in mean),  # type: ignore[arg-type]
        tuple(s / factor for s in std),  # type: ignore[arg-type]
        filter_,
        edge,
    )


def load_image_processor(folder: Path) -> Any:
    """Load a checkpoint's image processor from disk.

    Raises:
        BundleError: There is none that transformers can load.
    """
    from transformers import AutoImageProcessor

    names = "preprocessor_config.json", "processor_config.json"
    if not any((folder / name).is_file() for name in names):
        raise BundleError(f"{folder}: no {' or '.join(names)}; the image processor is needed")
    logger = logging.getLogger("transformers")
    level = logger.level
    # Without torchvision it says at length that it takes Pillow, the original, instead.
    logger.setLevel(logging.ERROR)
    try:
        return load_pretrained(AutoImageProcessor, folder, "an image processor")
    finally:
        logger.setLevel(level)


def require_equal_pixels(
    processor: Any,
    recipe: ImageRecipe,
    frames: Sequence[Image],
    *,
    forced: bool = False,
    opset: int = OPSET,
) -> float:
    """Compare what ONNX Runtime makes of frames with what the checkpoint's processor makes.

    Args:
        processor: Of :func:`load_image_processor`.
        recipe: Of :func:`read_recipe`.
        frames: u8[H, W, 3].
        forced: Whether the recipe's size replaces the processor's way.
        opset: Operator set in which it is exported.

    Returns:
        Mean difference in levels of a pixel, the worst over the frames. Halves that Pillow's
        fixed-point weights round the other way make it a little more than 0; another filter,
        cut or scale makes it 1 and more.

    Raises:
        BundleError: It is above 0.2.
    """
    change: dict[str, Any] = {}
    if forced:
        height, width = recipe.size
        change = {"size": {"height": height, "width": width}, "do_center_crop": False}
    pixels, worst = Pixels(recipe), 0.0
    with tempfile.TemporaryDirectory() as scratch:
        graph = Path(scratch) / "pixels.onnx"
        export_graph(pixels, {"image": EXAMPLE}, ["pixels"], {"image": FREE}, graph, opset)
        session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        for frame in frames:
            made = processor(images=frame, return_tensors="pt", **change)["pixel_values"].numpy()
            (found,) = session.run(["pixels"], {"image": np.asarray(frame)[None]})
            if made.shape != found.shape:
                raise BundleError(
                    f"the image processor makes {list(made.shape)} of a frame, expected "
                    f"{list(found.shape)}; give --size HEIGHT WIDTH"
                )
            worst = max(worst, float((np.abs(made - found) / pixels.gain.numpy()).mean()))
    if not worst <= _MOST_LEVELS:
        raise BundleError(
            f"the image processor makes pixels that differ by {worst:.3g} levels from those of "
            f"{recipe}; it does something that the exporter does not know"
        )
    return worst


def unresized(frame: Image, recipe: ImageRecipe) -> Image:
    """Bring a frame to the size at which a network takes it as it is.

    A graph can then be compared with its network to the last digits: in resizing, two
    programs round some values to different levels.
    """
    height, width = recipe.resized(*frame.shape[:2])
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _triple(found: Any, what: str) -> tuple[float, ...]:
    values = list(found) if isinstance(found, list | tuple) else []
    if len(values) != 3:
        raise BundleError(f"{what} is {found!r}, expected three numbers")
    return tuple(float(v) for v in values)


def _stated_size(processor: Any, where: str) -> tuple[tuple[int, int], int | None]:
    """Size that the network sees, and the shorter side before cutting if it cuts."""
    size = processor.size
    crop = processor.crop_size if getattr(processor, "do_center_crop", False) else None
    if processor.do_resize and crop is not None and size.shortest_edge and not size.longest_edge:
        if size.shortest_edge >= max(crop.height, crop.width):
            return (int(crop.height), int(crop.width)), int(size.shortest_edge)
    elif processor.do_resize and crop is None and size.height and size.width:
        return (int(size.height), int(size.width)), None
    raise BundleError(
        f"{where} brings frames to {dict(size)} (do_resize {processor.do_resize}), cut to {crop}, "
        "which fixes no height and width; give --size HEIGHT WIDTH"
    )


class Pixels(nn.Module):
    """Camera pixels to what a vision network sees: u8[N, H, W, 3] RGB -> f32[N, 3, h, w].

    Resizes as Pillow does, on which image processors are founded: antialiased, across
    first and then down (Pillow turns that round for narrow frames), with whole levels after each.

    Args:
        recipe: What to do, in float32.
        dtype: Of the result.
    """

    mean: Tensor
    gain: Tensor

    def __init__(self, recipe: ImageRecipe, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.recipe, self.dtype = recipe, dtype
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("gain", 1 / (torch.tensor(recipe.std).view(1, 3, 1, 1) * 255))

    def forward(self, image: Tensor) -> Tensor:
        """Resize, cut and normalise."""
        x = image.permute(0, 3, 1, 2).float()
        height, width = self.recipe.resized(image.shape[1], image.shape[2])
        x = self._resize(x, image.shape[1], width)
        x = self._resize(x, height, width)
        if self.recipe.shortest_edge is not None:
            rows, columns = self.recipe.size
            top, left = (height - rows) // 2, (width - columns) // 2
            # Not slices: torch.export would no longer know how many rows and columns these are.
            x = x.index_select(2, torch.arange(rows) + top)
            x = x.index_select(3, torch.arange(columns) + left)
        return ((x - self.mean) * self.gain).to(self.dtype)

    def _resize(self, x: Tensor, height: int, width: int) -> Tensor:
        if self.recipe.filter == "lanczos":
            x = _lanczos(height, x.shape[2]) @ x @ _lanczos(width, x.shape[3]).T
        else:
            x = nn.functional.interpolate(
                x, (height, width), mode=self.recipe.filter, antialias=True
            )
        # Pillow takes halves up, which are frequent, and has them exactly; floats just miss some.
        return torch.floor(x + (0.5 + _ALMOST)).clamp(0, 255)


def _lanczos(length: int, source: int) -> Tensor:
    """Weights that resize `source` pixels to `length`, f32[length, source].

    torch has no such filter. Distances are whole numbers until the one division, so they
    are exact.
    """
    to = 2 * torch.arange(length).unsqueeze(1) + 1
    of = 2 * torch.arange(source).unsqueeze(0) + 1
    longer = torch.sym_max(length, source)  # type: ignore[no-untyped-call]
    distance = (of * length - to * source).float() / (2 * longer)
    near = torch.sinc(distance) * torch.sinc(distance / 3)
    weights = torch.where(distance.abs() < 3, near, torch.zeros_like(near))
    return weights / weights.sum(dim=1, keepdim=True)
