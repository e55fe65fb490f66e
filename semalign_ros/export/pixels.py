"""From camera pixels to what a vision network sees, as its image processor makes it."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
import PIL
import torch
from torch import Tensor, nn

from semalign_ros.errors import BundleError
from semalign_ros.export.checkpoint import load_pretrained
from semalign_ros.types import Image

Filter: TypeAlias = Literal["bilinear", "bicubic", "lanczos"]
EXAMPLE = torch.zeros(2, 96, 160, 3, dtype=torch.uint8)
FREE = {0: "batch", 1: "height", 2: "width"}
"""An image as torch.export needs it, and which of its dimensions are free."""
_MOST_LEVELS = 0.2
_BLOCK, _BLOCKS = 64, 8
_REMEDY = "; a segmenter takes --size WIDTHxHEIGHT, of others the processor must state the size"
# From Pillow 13 on the height comes first where it shrinks by over twice as much as the width.
_DOWN_FIRST = int(PIL.__version__.partition(".")[0]) >= 13
_PILLOW: dict[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """How images are prepared for a network.

    Args:
        size: Height and width that the network sees.
        mean: Subtracted, per channel on 0..1.
        std: Divisor after it.
        bgr: Whether it sees blue first; `mean` and `std` stand in the order that it sees.
        filter: With which the frame is resized.
        shortest_edge: Length to which the frame's shorter side is brought before the middle
            of `size` is cut out; None where the whole frame is squashed to `size`.
        exact: Resize to the bit as Pillow does. Else with ONNX Runtime's own Resize, which is
            several times as fast on a CPU and misses a level here and there.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False
    filter: Filter = "bilinear"
    shortest_edge: int | None = None
    exact: bool = True

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Size of a frame after resizing; sizes may be symbols of torch.export."""
        if self.shortest_edge is None:
            return self.size
        shorter = torch.sym_min(height, width)  # type: ignore[no-untyped-call]
        return self.shortest_edge * height // shorter, self.shortest_edge * width // shorter


def read_recipe(
    processor: Any, size: tuple[int, int] | None = None, *, exact: bool = True
) -> ImageRecipe:
    """Read how a checkpoint's images are prepared, from its image processor.

    Args:
        processor: Of :func:`load_image_processor`.
        size: Height and width to squash every frame to, instead of the checkpoint's way.
        exact: See :class:`ImageRecipe`; a cut is always made exactly.

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
        bool(getattr(processor, "do_flip_channel_order", False)),
        filter_,
        edge,
        exact or edge is not None or filter_ == "lanczos",
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
    logger.setLevel(logging.ERROR)
    try:
        # Pillow is what the checkpoints were trained with; torchvision rounds otherwise.
        return load_pretrained(AutoImageProcessor, folder, "an image processor", backend="pil")
    finally:
        logger.setLevel(level)


def squashing(processor: Any, size: tuple[int, int]) -> Any:
    """Copy an image processor so that it squashes every frame to a height and width.

    Args:
        processor: Of :func:`load_image_processor`.
        size: Height and width.
    """
    changed = copy.deepcopy(processor)
    changed.size = type(processor.size)(height=size[0], width=size[1])
    changed.do_resize = True
    # What some families do around resizing: cut, pad, keep the shape, round the size up.
    ways = {"do_center_crop": False, "do_pad": False, "keep_aspect_ratio": False}
    for name, value in {**ways, "ensure_multiple_of": 1, "size_divisor": 1}.items():
        if getattr(changed, name, None):
            setattr(changed, name, value)
    return changed


def require_equal_pixels(processor: Any, pixels: Pixels, frames: Sequence[Image]) -> float:
    """Compare what a network sees of frames with what the checkpoint's processor makes.

    Args:
        processor: Of :func:`load_image_processor`.
        pixels: What the network sees.
        frames: u8[H, W, 3].

    Returns:
        Mean difference in levels of a pixel, the worst over the frames: 0 where frames are
        resized exactly, a few hundredths else; another filter, cut or scale makes it 1 and more.

    Raises:
        BundleError: It is above 0.2.
    """
    worst, level = 0.0, float(pixels.gain.mean())
    for frame in frames:
        made = processor(images=frame, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            found = pixels(torch.tensor(frame)[None])
        if made.shape != found.shape:
            raise BundleError(
                f"the image processor makes {list(made.shape)} of a frame, expected "
                f"{list(found.shape)}{_REMEDY}"
            )
        worst = max(worst, float((made - found).abs().mean()) / level)
    if not worst <= _MOST_LEVELS:
        raise BundleError(
            f"the image processor makes pixels that differ by {worst:.3g} levels from those of "
            f"{pixels.recipe}; it does something that the exporter does not know"
        )
    return worst


def unresized(frame: Image, recipe: ImageRecipe) -> Image:
    """Bring a frame to the size at which a network takes it as it is, if it resizes inexactly.

    A graph can then be compared with its network to the last digits: in resizing, two
    programs round some values to different levels.
    """
    if recipe.exact:
        return frame
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
        f"which fixes no height and width{_REMEDY}"
    )


class Pixels(nn.Module):
    """Camera pixels to what a vision network sees: u8[N, H, W, 3] RGB -> f32[N, 3, h, w].

    Resizes as Pillow does, on which image processors are founded: antialiased, one axis after
    the other, with whole levels after each.

    Args:
        recipe: What to do.

    Attributes:
        dtype: Of the result; everything before it is computed in float32.
    """

    dtype = torch.float32
    mean: Tensor
    gain: Tensor

    def __init__(self, recipe: ImageRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("gain", 1 / (torch.tensor(recipe.std).view(1, 3, 1, 1) * 255))

    def forward(self, image: Tensor) -> Tensor:
        """Resize, cut and normalise."""
        return self._scaled(self._exactly(image) if self.recipe.exact else self._fast(image))

    def _scaled(self, levels: Tensor) -> Tensor:
        levels = levels.flip(-3) if self.recipe.bgr else levels
        return ((levels - self.mean) * self.gain).to(self.dtype)

    def _exactly(self, image: Tensor) -> Tensor:
        height, width = self.recipe.resized(image.shape[1], image.shape[2])
        rows, columns = self.recipe.size
        return resized(
            image,
            self.recipe.filter,
            (height, (height - rows) // 2, rows),
            (width, (width - columns) // 2, columns),
        ).permute(0, 3, 1, 2)

    def _fast(self, image: Tensor) -> Tensor:
        x = image.permute(0, 3, 1, 2).float()
        height, width = self.recipe.size
        for size in ((image.shape[1], width), (height, width)):
            x = nn.functional.interpolate(x, size, mode=self.recipe.filter, antialias=True)
            x = torch.floor(x + 0.5).clamp(0, 255)
        return x


def resized(
    x: Tensor, filter_: Filter, rows: tuple[int, int, int], columns: tuple[int, int, int]
) -> Tensor:
    """Resize images as Pillow does and keep a part.

    Args:
        x: [N, H, W, 3], levels 0..255.
        filter_: Kind of filter.
        rows: Height of the whole result, first wanted row, number of wanted rows.
        columns: The same across.

    Returns:
        f32[N, h, w, 3], whole levels.
    """
    wanted = rows[2], columns[2]
    lower, narrower = x.shape[1] - rows[0], x.shape[2] - columns[0]
    down = _DOWN_FIRST and lower > torch.sym_max(0, 2 * narrower)  # type: ignore[no-untyped-call]
    given = (
        x,
        *resampling(x.shape[1], *rows, filter_, x.device),
        *resampling(x.shape[2], *columns, filter_, x.device),
    )

    # Axes are moved one at a time: other transposes take ONNX Runtime several times as long.
    def across_first(x: Tensor, *w: Tensor) -> Tensor:
        x = _first_axis(x.permute(2, 3, 0, 1), wanted[1], *w[2:])
        return _first_axis(x.permute(3, 0, 1, 2), wanted[0], *w[:2])

    def down_first(x: Tensor, *w: Tensor) -> Tensor:
        x = _first_axis(x.permute(1, 0, 2, 3), wanted[0], *w[:2])
        x = _first_axis(x.permute(2, 3, 1, 0), wanted[1], *w[2:])
        return x.permute(3, 0, 1, 2).contiguous()

    made: Tensor
    if isinstance(down, bool):
        made = down_first(*given) if down else across_first(*given)
    else:
        # A graph takes frames of any size. Where that is fixed, ONNX Runtime keeps one branch.
        made = torch.cond(down, down_first, across_first, given)
    return made.permute(3, 0, 1, 2)


def resampling(
    source: int, length: int, first: int, count: int, filter_: Filter, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Weights with which Pillow resizes an axis, in blocks: far from the diagonal all are 0.

    They are whole numbers of 22 bits, split into two of 11, so that every sum of products is a
    whole number that float32 holds, even from factors in TF32.

    Args:
        source: Length of the axis.
        length: Of the whole result.
        first: Index of the first wanted place of it.
        count: Number of wanted places; the last block may be padded.
        filter_: Kind of filter.
        device: Where to make them.

    Returns:
        i64[blocks, window], the places that a block sees; f32[blocks, 2 * size, window], the upper
        halves of the weights of its places, then the lower ones.
    """
    longer = torch.sym_max(source, length)  # type: ignore[no-untyped-call]
    reach = _RADIUS[filter_] * longer // length + 2
    blocks = min(_BLOCKS, -(-count // _BLOCK))
    size = -(-count // blocks)
    window = torch.sym_min(source, size * source // length + 2 * reach)  # type: ignore[no-untyped-call]
    made = torch.arange(blocks * size, device=device).clamp(max=count - 1)
    made = made.view(blocks, size) + first
    left = (made[:, :1] * source // length - reach).clamp(min=0, max=source - window)
    seen = left + torch.arange(window, device=device)
    # Distances are whole numbers until the one division, so they are exact.
    across = (2 * seen.double() + 1).unsqueeze(1) * length
    across = across - (2 * made.double() + 1).unsqueeze(2) * source
    weights = _KERNELS[filter_](across / (2 * longer))
    weights = weights / weights.sum(dim=2, keepdim=True)
    whole = torch.trunc(weights * 2**22 + torch.sign(weights) * 0.5)
    high = torch.floor(whole / 2**11 + 0.5)
    return seen, torch.cat([high, whole - high * 2**11], dim=1).float()


def _first_axis(x: Tensor, count: int, seen: Tensor, split: Tensor) -> Tensor:
    """Resize the first axis of levels 0..255: its pieces are whole rows of memory."""
    blocks, size = split.shape[0], split.shape[1] // 2
    sums = split @ x.flatten(1).index_select(0, seen.flatten()).float().view(*seen.shape, -1)
    # (high * 2^11 + low + 2^21) / 2^22, rounded down without leaving 24 bits.
    low = torch.floor((sums[:, size:] + 2**21) / 2**11)
    levels = torch.floor((sums[:, :size] + low) / 2**11)
    return levels.view(blocks * size, -1)[:count].clamp(0, 255).view(count, *x.shape[1:])


def _bilinear(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _bicubic(x: Tensor) -> Tensor:
    x, a = x.abs(), -0.5
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, _sinc(x) * _sinc(x / 3), torch.zeros_like(x))


def _sinc(x: Tensor) -> Tensor:
    # Numbers, and the pi of torch.sinc, are exported with 32 bits; a tensor keeps its 64.
    angle = x * torch.tensor(math.pi, dtype=torch.float64)
    ones = torch.ones_like(angle)
    return torch.where(x == 0, ones, torch.sin(angle) / torch.where(x == 0, ones, angle))


_KERNELS = {"bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos}
_RADIUS = {"bilinear": 1, "bicubic": 2, "lanczos": 3}
