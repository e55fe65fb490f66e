"""Modules around a checkpoint that make it one of our graphs: pixels in, answers out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Pixels(nn.Module):
    """Camera pixels to what a vision network sees.

    u8[N, H, W, 3] RGB of any size -> f32[N, 3, S, S'], resized with antialiasing (a
    2048 px frame shrinks by 8; plain bilinear would skip 3 of 4 pixels) and normalised.

    Args:
        size: Height and width of the result.
        mean: Per channel, on 0..1.
        std: The same.
    """

    mean: Tensor
    gain: Tensor

    def __init__(self, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("gain", 1 / (torch.tensor(std).view(1, 3, 1, 1) * 255))

    def forward(self, image: Tensor) -> Tensor:
        """Resize and normalise."""
        x = image.permute(0, 3, 1, 2).float()
        x = nn.functional.interpolate(x, self.size, mode="bilinear", antialias=True)
        return (x - self.mean) * self.gain


class LogitsOnly(nn.Module):
    """A Hugging Face segmentation model as a plain function from pixels to logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return logits f32[N, C, h, w]."""
        logits: Tensor = self.model(pixel_values=pixel_values).logits
        return logits


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
        logits = self.network(self.pixels(image))
        if tuple(logits.shape[2:]) != self.pixels.size:
            logits = nn.functional.interpolate(logits, self.pixels.size, mode="bilinear")
        peak, labels = logits.max(dim=1)
        confidence = 1 / (logits - peak.unsqueeze(1)).exp().sum(dim=1)
        rows = _nearest(image.shape[1], self.pixels.size[0])
        columns = _nearest(image.shape[2], self.pixels.size[1])
        # Columns first: rows are then copied whole.
        small = labels.to(torch.uint8), confidence
        big = [m.index_select(2, columns).index_select(1, rows) for m in small]
        return big[0], big[1]


def _nearest(length: int, source: int) -> Tensor:
    """Index of the nearest of `source` cells for each of `length` pixels, i64[length]."""
    # Integers throughout: floats would round differently in torch and in ONNX Runtime.
    return ((2 * torch.arange(length) + 1) * source) // (2 * length)
