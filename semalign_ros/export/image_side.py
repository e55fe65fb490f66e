"""How language models look at an image: one view, patches of its own shape, or tiles.

Where the number of image tokens depends on the frame's shape, it is fixed in the export for
one size of frame; frames of another shape are squashed to it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.image_utils import ChannelDimension
from transformers.models.siglip2.image_processing_pil_siglip2 import (
    get_image_size_for_max_num_patches,
)
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from semalign_ros.errors import BundleError
from semalign_ros.export.parity import sample_frames
from semalign_ros.export.pixels import ImageRecipe, Pixels, read_recipe, resized
from semalign_ros.inference.manifest import Size
from semalign_ros.types import Image


@dataclass(frozen=True, slots=True)
class ImageSide:
    """The way from an image to features of the language model.

    Args:
        pixels: u8[1, H, W, 3] to what the image processor calls ``pixel_values``.
        encoder: That to image features f32[1, T, D].
        grid: Rows and columns of the features, where their positions count by them.
        layout: From the placeholder and the number of features to what stands for the image in
            a text.
    """

    pixels: Pixels
    encoder: nn.Module
    grid: Size | None = None
    layout: Callable[[str, int], str] = operator.mul


Reader: TypeAlias = Callable[[Any, Any, Size], ImageSide]
"""Image processor, model and size of the frames to the image side."""


def one_view(processor: Any, model: Any, _frame: Size) -> ImageSide:
    """LLaVA: every frame is brought to one size, after it was made a square if so stated."""
    recipe = read_recipe(processor)
    if not getattr(processor, "do_pad", False):
        return ImageSide(Pixels(recipe), _View(model))
    mean = processor.image_mean or (0.0, 0.0, 0.0)
    return ImageSide(Square(recipe, [int(255 * m) for m in mean]), _View(model))


class Square(Pixels):
    """A frame in the middle of a square of one colour, then as :class:`Pixels`.

    Args:
        recipe: What to do with the square.
        colour: RGB, levels.
    """

    colour: Tensor

    def __init__(self, recipe: ImageRecipe, colour: Sequence[int]) -> None:
        super().__init__(recipe)
        self.register_buffer("colour", torch.tensor(colour, dtype=torch.int32))

    def forward(self, image: Tensor) -> Tensor:
        """Fill up, resize, cut and normalise."""
        height, width = image.shape[1:3]
        side = torch.sym_max(height, width)  # type: ignore[no-untyped-call]
        top, left = (side - height) // 2, (side - width) // 2
        margins = (0, 0, left, side - width - left, top, side - height - top)
        # Zeros are filled in, and the colour is black there.
        above = nn.functional.pad(image.int() - self.colour, margins)
        return super().forward(above + self.colour)


class _View(nn.Module):
    def __init__(self, model: Any, **given: Any) -> None:
        super().__init__()
        self.model, self.given = model, given

    def forward(self, pixel_values: Tensor) -> Tensor:
        found = self.model.get_image_features(pixel_values=pixel_values, **self.given).pooler_output
        return torch.cat([features.flatten(0, -2) for features in found]).unsqueeze(0)


# --- Qwen2-VL, Qwen2.5-VL -----------------------------------------------------------------


def own_shape(processor: Any, model: Any, frame: Size) -> ImageSide:
    """Qwen2-VL and Qwen2.5-VL: a frame keeps its shape, in multiples of a few patches."""
    factor = processor.patch_size * processor.merge_size
    size = nearest_size(frame, factor, processor.size.shortest_edge, processor.size.longest_edge)
    pixels = Patches(read_recipe(processor, size), processor)
    rows, columns = (n // processor.patch_size for n in size)
    grid = rows // processor.merge_size, columns // processor.merge_size
    return ImageSide(pixels, _Patched(model, rows, columns), grid)


def nearest_size(frame: Size, factor: int, fewest: int, most: int) -> Size:
    """Height and width in multiples of `factor` that are nearest to the frame's shape.

    Args:
        frame: Height and width.
        factor: Pixels.
        fewest: Pixels of the result, at least.
        most: Pixels of the result, at most.

    Source: Qwen2-VL, arXiv 2409.12191, section 2.1, as its image processor does it.
    """
    height, width = (max(round(n / factor), 1) * factor for n in frame)
    area = frame[0] * frame[1]
    if height * width > most:
        shrink = math.sqrt(area / most)
        height, width = (max(math.floor(n / shrink / factor), 1) * factor for n in frame)
    elif height * width < fewest:
        grow = math.sqrt(fewest / area)
        height, width = (math.ceil(n * grow / factor) * factor for n in frame)
    return height, width


class Patches(Pixels):
    """An image as rows of patches, u8[1, H, W, 3] -> f32[P, 3 * T * p * p].

    The patches of a block that the network merges follow each other, and each is repeated T
    times, since the network is made for videos.

    Args:
        recipe: Size and scale.
        processor: Says the sizes of patch and block, and T.
    """

    def __init__(self, recipe: ImageRecipe, processor: Any) -> None:
        super().__init__(recipe)
        self.patch, self.block = processor.patch_size, processor.merge_size
        self.times = processor.temporal_patch_size

    def forward(self, image: Tensor) -> Tensor:
        """Resize, normalise and cut into patches."""
        rows, columns = (n // self.patch // self.block for n in self.recipe.size)
        split = (3, rows, self.block, self.patch, columns, self.block, self.patch)
        x = super().forward(image)[0].view(split).permute(1, 4, 2, 5, 0, 3, 6)
        x = x.unsqueeze(5).expand(-1, -1, -1, -1, -1, self.times, -1, -1)
        return x.reshape(rows * columns * self.block**2, -1)


class _Patched(nn.Module):
    positions: Tensor
    order: Tensor

    def __init__(self, model: Any, rows: int, columns: int) -> None:
        super().__init__()
        self.visual = model.model.visual
        grid = torch.tensor([[1, rows, columns]])
        self.register_buffer("grid", grid)
        merge = self.visual.spatial_merge_size
        self.register_buffer("positions", get_vision_position_ids(grid, merge))
        # Lengths of what attends to each other, as numbers: torch.export cannot look into a tensor.
        self.lengths = {"cu_seqlens": np.array([0, rows * columns])}
        if hasattr(self.visual, "window_size"):
            order, windows = get_vision_window_index(
                grid, merge, self.visual.window_size, self.visual.patch_size
            )
            self.register_buffer("order", order)
            self.lengths["cu_window_seqlens"] = windows.numpy()

    def forward(self, patches: Tensor) -> Tensor:
        found = {"position_ids": self.positions, **self.lengths}
        if "cu_window_seqlens" in found:
            found["window_index"] = self.order
        features: Tensor = self.visual(patches, grid_thw=self.grid, **found).pooler_output
        return features.unsqueeze(0)


# --- SmolVLM, Idefics3 --------------------------------------------------------------------


def tiled(processor: Any, model: Any, frame: Size) -> ImageSide:
    """SmolVLM and Idefics3: a frame is cut into tiles, and the whole of it is one more."""
    tile = processor.max_image_size["longest_edge"]
    if not (processor.do_resize and processor.size.longest_edge):
        raise BundleError(
            f"the image processor brings frames to {dict(processor.size)} (do_resize "
            f"{processor.do_resize}), expected do_resize and a longest_edge"
        )
    first = _longest_edge(frame, processor.size.longest_edge)
    second = _whole_tiles(first, tile) if processor.do_image_splitting else (tile, tile)
    recipe = read_recipe(processor, second)
    pixels = Tiles(recipe, first, tile)
    encoder = _Tiled(model, tile // model.config.vision_config.patch_size)
    return ImageSide(pixels, encoder, layout=pixels.layout)


def _longest_edge(size: Size, edge: int) -> Size:
    """Size with the longer side at `edge`, the other one even and at most one pixel too long."""
    height, width = size
    if width >= height:
        other = int(edge / (width / height))
        return other + other % 2, edge
    other = int(edge * (width / height))
    return edge, other + other % 2


def _whole_tiles(size: Size, tile: int) -> Size:
    """Size in whole tiles: the longer side rounded up, then the other one to its shape."""
    height, width = size
    shape = width / height
    if width >= height:
        width = math.ceil(width / tile) * tile
        return math.ceil(int(width / shape) / tile) * tile, width
    height = math.ceil(height / tile) * tile
    return height, math.ceil(int(height * shape) / tile) * tile


class Tiles(Pixels):
    """Tiles of an image row by row, then the whole image: u8[1, H, W, 3] -> f32[1, n, 3, t, t].

    Only the whole image where that is as small as a tile.

    Args:
        recipe: Size in whole tiles, and scale.
        first: Height and width that the frame is brought to before that.
        tile: Pixels of a side.
    """

    def __init__(self, recipe: ImageRecipe, first: Size, tile: int) -> None:
        super().__init__(recipe)
        self.first, self.tile = first, tile

    def forward(self, image: Tensor) -> Tensor:
        """Resize, cut and normalise."""
        x = image
        for size in dict.fromkeys((self.first, self.recipe.size)):  # often one and the same
            x = _resized(x, size, self.recipe)
        whole = (self.tile, self.tile)
        if self.recipe.size != whole:
            x = torch.cat([_cut(x, self.tile), _resized(x, whole, self.recipe)])
        return self._scaled(x.permute(0, 3, 1, 2)).unsqueeze(0)

    def layout(self, mark: str, features: int) -> str:
        """What stands for the tiles in a text: each has its place before its features."""
        edge, rows, columns = "<fake_token_around_image>", 0, 0
        if self.recipe.size != (self.tile, self.tile):
            rows, columns = (n // self.tile for n in self.recipe.size)
        marks = mark * (features // (rows * columns + 1))
        said = ""
        for row in range(1, rows + 1):
            for column in range(1, columns + 1):
                said += f"{edge}<row_{row}_col_{column}>{marks}"
            said += "\n"
        return said + "\n" * bool(rows) + f"{edge}<global-img>{marks}{edge}"


class _Tiled(nn.Module):
    """The tower of SmolVLM with the positions of its patches, in whole tiles, as constants.

    transformers finds them with a range of fractions, which has one step more or less in ONNX
    for some sides (27, that of 384 pixels in patches of 14).
    """

    def __init__(self, model: Any, side: int) -> None:
        super().__init__()
        self.tower, self.connector = model.model.vision_model, model.model.connector
        self.register_buffer("positions", self._positions(side), persistent=False)

    def _positions(self, side: int) -> Tensor:
        embeddings, found = self.tower.embeddings, []
        hook = embeddings.position_embedding.register_forward_hook(
            lambda _module, inputs, _out: found.append(inputs[0])
        )
        pixels = side * embeddings.patch_size
        try:
            with torch.no_grad():
                weight = embeddings.patch_embedding.weight
                embeddings(
                    weight.new_zeros(1, 3, pixels, pixels),
                    weight.new_ones(1, side, side, dtype=torch.bool),
                )
        finally:
            hook.remove()
        positions: Tensor = found[0]
        return positions

    def forward(self, pixel_values: Tensor) -> Tensor:
        embeddings = self.tower.embeddings
        patches = embeddings.patch_embedding(pixel_values[0]).flatten(2).transpose(1, 2)
        embedded = patches + embeddings.position_embedding(self.positions)
        hidden = self.tower.encoder(inputs_embeds=embedded, attention_mask=None).last_hidden_state
        hidden = self.tower.post_layernorm(hidden)
        return self.connector(hidden).flatten(0, 1).unsqueeze(0)  # type: ignore[no-any-return]


# --- LLaVA-OneVision ----------------------------------------------------------------------


def framed(processor: Any, model: Any, frame: Size) -> ImageSide:
    """LLaVA-OneVision: the whole frame, then tiles of it on a black ground of the nearest shape."""
    ground = select_best_resolution(frame, processor.image_grid_pinpoints)
    height, width = get_patch_output_size(
        np.empty((3, *frame), np.uint8), ground, input_data_format=ChannelDimension.FIRST
    )
    recipe = read_recipe(processor, (height, width))
    pixels = FramedTiles(recipe, (int(ground[0]), int(ground[1])), int(processor.size.height))
    # Sizes as numbers: torch.export cannot look into a tensor.
    return ImageSide(pixels, _View(model, image_sizes=[list(frame)]))


class FramedTiles(Pixels):
    """The whole image, then tiles row by row: u8[1, H, W, 3] -> f32[1, n, 3, t, t].

    Args:
        recipe: Size of the image on its ground, and scale.
        ground: Height and width in whole tiles.
        tile: Pixels of a side.
    """

    def __init__(self, recipe: ImageRecipe, ground: Size, tile: int) -> None:
        super().__init__(recipe)
        self.tile = tile
        (height, width), (rows, columns) = recipe.size, ground
        top, left = (rows - height) // 2, (columns - width) // 2
        self.margins = 0, 0, left, columns - width - left, top, rows - height - top

    def forward(self, image: Tensor) -> Tensor:
        """Resize, frame, cut and normalise."""
        whole = _resized(image, (self.tile, self.tile), self.recipe)
        large = nn.functional.pad(_resized(image, self.recipe.size, self.recipe), self.margins)
        tiles = torch.cat([whole, _cut(large, self.tile)])
        return self._scaled(tiles.permute(0, 3, 1, 2)).unsqueeze(0)


def _resized(x: Tensor, size: Size, recipe: ImageRecipe) -> Tensor:
    (height, width) = size
    return resized(x, recipe.filter, (height, 0, height), (width, 0, width))


def _cut(x: Tensor, tile: int) -> Tensor:
    """Tiles row by row, [1, H, W, 3] -> [n, t, t, 3]."""
    rows, columns = (n // tile for n in x.shape[1:3])
    cut = x.reshape(rows, tile, columns, tile, 3).permute(0, 2, 1, 3, 4)
    return cut.flatten(0, 1)


# --- SigLIP 2, NaFlex ---------------------------------------------------------------------


def naflex(processor: Any, model: Any, frame: Size) -> ImageSide:
    """SigLIP 2 of any shape: a frame keeps its shape and becomes at most so many patches."""
    size = get_image_size_for_max_num_patches(
        *frame, processor.patch_size, processor.max_num_patches
    )
    recipe = read_recipe(processor, size)
    pixels = PaddedPatches(recipe, processor.patch_size, processor.max_num_patches)
    return ImageSide(pixels, _Naflex(model, *(n // processor.patch_size for n in size)))


class PaddedPatches(Pixels):
    """Images as rows of patches, filled up with zeros: u8[N, H, W, 3] -> f32[N, most, p * p * 3].

    Args:
        recipe: Size and scale.
        patch: Pixels of a side.
        most: Patches of the result.
    """

    def __init__(self, recipe: ImageRecipe, patch: int, most: int) -> None:
        super().__init__(recipe)
        self.patch, self.most = patch, most

    def forward(self, image: Tensor) -> Tensor:
        """Resize, normalise and cut into patches."""
        rows, columns = (n // self.patch for n in self.recipe.size)
        x = super().forward(image)
        x = x.view(-1, 3, rows, self.patch, columns, self.patch).permute(0, 2, 4, 3, 5, 1)
        x = x.reshape(-1, rows * columns, self.patch**2 * 3)
        return nn.functional.pad(x, (0, 0, 0, self.most - rows * columns))


class _Naflex(nn.Module):
    def __init__(self, model: Any, rows: int, columns: int) -> None:
        super().__init__()
        self.tower, self.count = model.vision_model, rows * columns
        seen = self.tower.embeddings
        side = seen.position_embedding_size
        places = seen.resize_positional_embeddings(
            seen.position_embedding.weight.detach().view(side, side, -1),
            torch.tensor([[rows, columns]]),
            self.count,
        )
        self.places = nn.Parameter(places, requires_grad=False)

    def forward(self, patches: Tensor) -> Tensor:
        # Without the padding nothing has to be masked.
        hidden = self.tower.embeddings.patch_embedding(patches[:, : self.count]) + self.places
        hidden = self.tower.encoder(inputs_embeds=hidden).last_hidden_state
        embeds: Tensor = self.tower.head(self.tower.post_layernorm(hidden))
        return nn.functional.normalize(embeds.float(), dim=-1)


def vehicle_frames(given: Sequence[Image], size: Size | None) -> tuple[list[Image], Size]:
    """Frames to compare on, in the size of the vehicle's.

    Args:
        given: u8[H, W, 3] that the user named; none for made-up ones.
        size: Height and width; None for those of the first given one, or 1024 and 2048.

    Returns:
        The frames and that size.
    """
    height, width = size or (given[0].shape[:2] if given else (1024, 2048))
    frames = given or sample_frames()
    return [np.asarray(cv2.resize(f, (width, height)), np.uint8) for f in frames], (height, width)


READERS: Mapping[str, Reader] = {
    "llava": one_view,
    "llava_onevision": framed,
    "qwen2_vl": own_shape,
    "qwen2_5_vl": own_shape,
    "smolvlm": tiled,
    "idefics3": tiled,
}
"""Of generative models, by ``model_type``."""
