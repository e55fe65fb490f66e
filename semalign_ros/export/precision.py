"""How exactly a graph stores its weights and computes."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from semalign_ros.export.graph import (
    export_graph,
    fold_batch_norms,
    fuse_for_onnxruntime,
    round_to_half,
    store_half,
)
from semalign_ros.export.options import ExportOptions
from semalign_ros.export.pixels import Pixels


def prepare(model: nn.Module, options: ExportOptions) -> None:
    """Change a checkpoint, in place, where graph and checkpoint are to have the same weights."""
    if options.precision != "float32":
        fold_batch_norms(model)  # a batch norm says little in few digits
    if options.precision == "float16-weights":
        round_to_half(model)


def in_half(module: nn.Module) -> nn.Module:
    """Copy a module of this package so that its network works in float16.

    What :class:`Pixels` does and what the package's modules do to the network's results (softmax,
    maximum, scaling) stays float32, as do constants that positions are counted with: of
    1000 times a frequency of float16, the angle would be off by a quarter of a radian. transformers
    takes the sums of its own norms and rotations in float32.
    """
    memo: dict[int, object] = {
        id(p): nn.Parameter(p.detach().half(), requires_grad=False) for p in module.parameters()
    }
    for part in module.modules():
        if isinstance(part, Pixels):
            memo[id(part)] = narrow = copy.copy(part)
            narrow._buffers = dict(part._buffers)  # moved to a GPU, they leave the original's alone
            narrow.dtype = torch.float16
        elif isinstance(part, _BatchNorm):  # torch wants its weights and statistics alike
            memo |= {id(b): b.half() for b in part.buffers() if b.is_floating_point()}
    # Copying finds the halves where it looks for what it has copied already: the float32
    # weights, gigabytes of them, are never copied.
    return copy.deepcopy(module, memo)


def write_graph(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str | None]],
    path: Path,
    options: ExportOptions,
    narrow: Collection[str] = (),
) -> nn.Module | None:
    """Export a module as `options` ask: see :func:`semalign_ros.export.graph.export_graph`.

    Args:
        module: What the graph is to compute.
        inputs: Example by name.
        outputs: Names.
        dynamic: Free dimensions.
        path: The ``.onnx`` file to write.
        options: Precision, opset, fusions.
        narrow: Float inputs that become float16 with float16 arithmetic.

    Returns:
        With float16 arithmetic the module in float16, else None.

    Raises:
        BundleError: torch cannot express the module in ONNX.
    """
    half = in_half(module) if options.precision == "float16" else None
    if half is not None:
        inputs = {n: t.half() if n in narrow else t for n, t in inputs.items()}
    export_graph(half or module, inputs, outputs, dynamic, path, options.opset)
    if options.fuse:
        fuse_for_onnxruntime(path)
    if options.precision == "float16-weights":
        store_half(path)
    return half
