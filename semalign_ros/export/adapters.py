"""Modules around a checkpoint that make it one of our graphs: pixels in, answers out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semalign_ros.export.pixels import Pixels


class LogitsOnly(nn.Module):
    """A Hugging Face segmentation model as a plain function from pixels to logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return logits f32[N, C, h, w]."""
        logits: Tensor = self.model(pixel_values=pixel_values).logits
        return logits.float()


class SemanticScores(nn.Module):
    """A Hugging Face model of masks and their classes (Mask2Former) as logits.

    The score of a class at a pixel is the sum over the queries of the query's probability of
    the class and of its mask there. Masks are brought to 384x384 on the way, as transformers'
    ``post_process_semantic_segmentation`` does.

    Args:
        model: The model.
        size: Height and width of the result.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return the scores' logarithms, f32[N, C, h, w]."""
        out = self.model(pixel_values=pixel_values)
        classes = out.class_queries_logits.float().softmax(dim=-1)[..., :-1]
        masks = out.masks_queries_logits.float()
        masks = nn.functional.interpolate(masks, (384, 384), mode="bilinear")
        # Spelt out: ONNX Runtime's Sigmoid is exact to 1e-7 only, and where every mask is far
        # from 1 smaller scores decide.
        scores = torch.einsum("nqc,nqhw->nchw", classes, 1 / (1 + (-masks).exp()))
        scores = nn.functional.interpolate(scores, self.size, mode="bilinear")
        return scores.clamp(min=1e-30).log()


class LabelsAndConfidence(nn.Module):
    """A segmenter graph: u8[N, H, W, 3] -> labels u8[N, H, W], confidence f32[N, H, W].

    The maximum is taken at the net size and the labels are repeated up to the image's
    size: 19 maps of logits at 2048x1024 would cost more than the network.

    Args:
        pixels: First step.
        network: Pixels to logits.
    """

    def __init__(self, pixels: Pixels, network: nn.Module) -> None:
        super().__init__()
        self.pixels, self.network = pixels, network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Label every pixel."""
        return self.label(self.network(self.pixels(image)), image.shape[1], image.shape[2])

    def label(self, logits: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Label every pixel of a frame of that size; 255 with confidence 0 what was cut off.

        Args:
            logits: f32[N, C, h, w].
            height: Of the frame.
            width: The same.
        """
        recipe = self.pixels.recipe
        if tuple(logits.shape[2:]) != recipe.size:
            logits = nn.functional.interpolate(logits, recipe.size, mode="bilinear")
        peak, labels = logits.max(dim=1)
        confidence = 1 / (logits - peak.unsqueeze(1)).exp().sum(dim=1)
        small = labels.to(torch.uint8), confidence
        resized = recipe.resized(height, width)
        rows = _nearest(height, resized[0], labels.device)
        columns = _nearest(width, resized[1], labels.device)
        if recipe.shortest_edge is None:
            # Columns first: rows are then copied whole.
            big = [m.index_select(2, columns).index_select(1, rows) for m in small]
            return big[0], big[1]
        last = [n - 1 for n in recipe.size]
        rows = rows - (resized[0] - recipe.size[0]) // 2
        columns = columns - (resized[1] - recipe.size[1]) // 2
        at = rows.clamp(0, last[0]), columns.clamp(0, last[1])
        unseen = (at[0] != rows)[:, None] | (at[1] != columns)
        big = [m.index_select(2, at[1]).index_select(1, at[0]) for m in small]
        return big[0].masked_fill(unseen, 255), big[1].masked_fill(unseen, 0.0)


def _nearest(length: int, source: int, device: torch.device) -> Tensor:
    """Index of the nearest of `source` cells for each of `length` pixels, i64[length]."""
    # Integers throughout: floats would round differently in torch and in ONNX Runtime.
    return ((2 * torch.arange(length, device=device) + 1) * source) // (2 * length)
