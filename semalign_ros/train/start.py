"""The weights of a finished segmenter bundle, to go on from or to look through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import ValidationError
from torch import Tensor, nn
from transformers import UperNetForSemanticSegmentation

from semalign_ros.errors import ConfigError
from semalign_ros.export.graph import conv_norm_pairs
from semalign_ros.inference.bundle import load_bundle
from semalign_ros.inference.manifest import SegmenterManifest
from semalign_ros.train.networks import build_upernet
from semalign_ros.train.settings import Networks, SegmenterSettings, UperNetNetwork

_GRAPH = "segmenter.onnx"
_STAGE = "backbone.encoder.stages.{}.layers.{}.layer.0.convolution.weight"
_LAYER = re.compile(re.escape(_STAGE).replace(r"\{\}", r"(\d+)"))

Weights = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Start:
    """A bundle that a run goes on from, or that language models see through.

    Args:
        folder: Of the bundle.
        bundle_id: Name and hash.
        net_size: Pixels of its input, both sides.
    """

    folder: Path
    bundle_id: str
    net_size: int


def open_start(folder: Path, family: str) -> Start:
    """Check a bundle before the data is read, which takes minutes.

    Raises:
        BundleError: There is no valid bundle.
        ConfigError: It is no segmenter, or the family cannot go on from one.
    """
    if family != "upernet":
        # The graphs of the others hold their linear layers transposed and without names.
        raise ConfigError(f"family {family}: only a upernet goes on from a bundle")
    bundle = load_bundle(folder)
    if not isinstance(bundle.manifest, SegmenterManifest) or _GRAPH not in bundle.manifest.files:
        raise ConfigError(
            f"{folder}: found a {bundle.manifest.kind} bundle, expected a segmenter that "
            "`semalign train` made"
        )
    height, width = bundle.manifest.net_size
    if height != width:
        raise ConfigError(f"{folder}: found a net size of {width}x{height}, expected a square")
    return Start(bundle.folder, bundle.bundle_id, height)


def load_frozen(
    start: Start, settings: SegmenterSettings
) -> tuple[SegmenterSettings, UperNetForSemanticSegmentation]:
    """Build the network of a bundle, to look through: training needs :func:`load_start`.

    Args:
        start: The bundle.
        settings: Of the run.

    Returns:
        The settings with network and net size of the bundle, and the network in evaluation
        mode; it computes what the bundle does.

    Raises:
        ConfigError: It is no upernet that `semalign train` made.
    """
    stored = _weights(start.folder)
    network = _network(stored, start.folder)
    changed = {
        "networks": Networks(upernet=network),
        "net_size": start.net_size,
        "crop": None,
    }
    model = build_upernet(network).to(memory_format=torch.channels_last)
    _copy(model, stored, start.folder)
    return settings.model_copy(update=changed), model


def load_start(
    model: nn.Module, bundle: Path, batches: Iterable[Tensor], forward: Callable[[Tensor], object]
) -> None:
    """Give a model the weights of the bundle that a training run of its settings made, in place.

    A bundle has its batch norms folded into the convolutions. They are put back with the mean
    and variance that the given inputs have there, and with the scale and shift that undo both:
    the model computes what the bundle does, and trains like one whose norms were never folded.

    Args:
        model: With random weights; left in evaluation mode.
        bundle: Folder of the bundle, see :func:`open_start`.
        batches: Inputs of `forward` to take the statistics from.
        forward: Runs the model.

    Raises:
        ConfigError: The bundle is of another network.
    """
    norms = _copy(model, _weights(bundle), bundle)
    with torch.no_grad():
        for norm, (mean, variance) in zip(norms, _statistics(norms, batches, forward), strict=True):
            norm.running_mean, norm.running_var = mean, variance
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)


def _copy(model: nn.Module, stored: Weights, bundle: Path) -> list[nn.BatchNorm2d]:
    """Copy the weights and set all norms to add a bias alone; returns the norms."""
    model.eval()
    pairs = list(conv_norm_pairs(model))
    norms = [norm for _, _, norm in pairs]
    folded = {id(p) for _, conv, norm in pairs for p in (conv.weight, *norm.parameters())}
    with torch.no_grad():
        for name, conv, norm in pairs:
            conv.weight.copy_(_take(stored, f"{name}.weight", conv.weight, bundle))
            # With the statistics of a new norm, mean 0 and variance 1, this adds the bias alone.
            norm.bias.copy_(_take(stored, f"{name}.bias", norm.bias, bundle))
            norm.weight.fill_((1 + norm.eps) ** 0.5)
        for name, parameter in model.named_parameters():
            if id(parameter) not in folded:
                parameter.copy_(_take(stored, name, parameter, bundle))
    return norms


def _network(stored: Weights, bundle: Path) -> UperNetNetwork:
    """Read the channels and depths off the weights."""
    layers = sorted((int(m[1]), int(m[2])) for m in map(_LAYER.fullmatch, stored) if m)
    hidden = [stored[_STAGE.format(stage, 0)].shape[0] for stage, layer in layers if layer == 0]
    try:
        return UperNetNetwork.model_validate(
            {
                "embedding": stored["backbone.embedder.embedder.convolution.weight"].shape[0],
                "hidden": hidden,
                "depths": [sum(s == stage for s, _ in layers) for stage in range(len(hidden))],
                "decoder": stored["decode_head.bottleneck.conv.weight"].shape[0],
            }
        )
    except (KeyError, ValidationError) as error:
        raise ConfigError(
            f"{bundle}: language models see through a upernet that `semalign train` made, "
            "not through this network"
        ) from error


def _weights(bundle: Path) -> dict[str, NDArray[np.generic]]:
    graph = onnx.load_model(bundle / _GRAPH).graph
    return {
        t.name.removesuffix(".half").removeprefix("network.model."): numpy_helper.to_array(t)
        for t in graph.initializer
        if t.name.startswith("network.model.")
    }


def _take(stored: Weights, name: str, like: Tensor, bundle: Path) -> Tensor:
    value = stored.get(name)
    shape = tuple(like.shape)
    if value is None or value.shape != shape:
        raise ConfigError(
            f"{bundle}: {name} is {'missing' if value is None else list(value.shape)}, expected "
            f"{list(shape)}; a run starts from a bundle of the same settings"
        )
    return torch.from_numpy(value.astype(np.float32))


def _statistics(
    norms: list[nn.BatchNorm2d], batches: Iterable[Tensor], forward: Callable[[Tensor], object]
) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of each channel that reaches each norm."""
    sums = [torch.zeros(3, n.num_features, dtype=torch.float64) for n in norms]

    def count(total: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].double().transpose(0, 1).flatten(1)
            total.add_(torch.stack([torch.full_like(x[:, 0], x.shape[1]), x.sum(1), (x**2).sum(1)]))

        return hook

    handles = [
        n.register_forward_pre_hook(count(total)) for n, total in zip(norms, sums, strict=True)
    ]
    with torch.inference_mode():
        for batch in batches:
            forward(batch)
    for handle in handles:
        handle.remove()
    means = [(s[1] / s[0], s[2] / s[0]) for s in sums]
    return [(m.float(), (square - m**2).clamp(min=0).float()) for m, square in means]
