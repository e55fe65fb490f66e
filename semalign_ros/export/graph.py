"""Writing a torch module as an ONNX graph, fusing it, storing its weights in half the space."""

from __future__ import annotations

import contextlib
import inspect
import io
import itertools
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.ort_fusions._core import fuse_xformers
from onnxscript.rewriter.rules.common import gemm_to_matmul_add_rule
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from semalign_ros.errors import BundleError
from semalign_ros.inference.graph import read_graph
from semalign_ros.inference.runtime import OnnxSession

OPSET = 20
OPSETS = range(18, 26)
"""Operator sets to choose from: torch's exporter writes 18, and onnxscript converts up to 25."""
# Below this a tensor is kept in float32: biases and norms weigh nothing and set the scale.
_HALF_FROM = 1024
_DATA = ".data"
_LARGEST = 1_800_000_000  # protobuf holds 2 GB


def tool_versions() -> dict[str, str]:
    """Versions of what makes the graphs, for the manifest."""
    return {n: version(n) for n in ("torch", "transformers", "onnx", "onnxruntime", "onnxscript")}


def export_graph(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str | None]],
    path: Path,
    opset: int = OPSET,
) -> None:
    """Export a module.

    Args:
        module: Takes the inputs in order; put into evaluation mode.
        inputs: Example by name; a dimension in `dynamic` should be 2 or more.
        outputs: Names of the outputs.
        dynamic: Name of each free dimension, by input and axis. Dimensions of one name
            are equal; None leaves the relation to the others to torch.
        path: The ``.onnx`` file to write.
        opset: Operator set, of :data:`OPSETS`.

    Raises:
        BundleError: torch cannot express the module in ONNX, or not in that operator set.
    """
    named = {name for axes in dynamic.values() for name in axes.values() if name}
    dims = {name: torch.export.Dim(name, min=1, max=1 << 16) for name in named}
    auto = torch.export.Dim.AUTO
    shapes: list[Any] = [
        {a: dims[n] if n else auto for a, n in dynamic.get(key, {}).items()} for key in inputs
    ]
    # torch wants the shapes of `*past` as one nested entry.
    kinds = [p.kind for p in inspect.signature(module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        fixed = kinds.index(inspect.Parameter.VAR_POSITIONAL)
        shapes = [*shapes[:fixed], tuple(shapes[fixed:])]
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                dynamo=True,
                opset_version=opset,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=tuple(shapes),
            )
    except Exception as error:  # torch raises many types; all mean that the module has no graph
        cause = error.__cause__ or error
        reason = str(cause).strip().splitlines() or [type(cause).__name__]
        raise BundleError(
            f"{type(module).__name__} cannot be exported to ONNX: {reason[0]}"
        ) from error
    assert program is not None
    program.save(str(path))
    strip(path)
    # Where the conversion fails, torch keeps another operator set and only logs it.
    made = read_graph(path).opset
    if made != opset:
        raise BundleError(
            f"{type(module).__name__} cannot be exported with opset {opset}: onnxscript "
            f"{version('onnxscript')} leaves it at {made}; give --opset {made} or update it"
        )


def fuse_for_onnxruntime(path: Path) -> None:
    """Write attention, norms with their residuals and rotations as ONNX Runtime's own operators.

    ONNX Runtime finds few of them by itself when it loads what torch exports. Its CUDA and CPU
    providers know the operators (domain ``com.microsoft``); no other runtime does.

    Raises:
        BundleError: ONNX Runtime refuses what came out.
    """
    # Not onnxscript's `optimize_for_ort`: after the same two steps that takes the transposes in
    # front of products into them, some (SigLIP's pooling) so that ONNX Runtime cannot run them.
    # ONNX Runtime does that itself when it loads a graph.
    with _quiet():
        model = onnx_ir.load(path)
        rewrite(model, [gemm_to_matmul_add_rule])
        onnx_ir.save(fuse_xformers(model)[0], path)
    strip(path)
    try:
        OnnxSession(path, "cpu")
    except BundleError as error:
        raise BundleError(f"{error}; the fusions made it so: leave out --fuse") from error


def round_to_half(module: nn.Module) -> nn.Module:
    """Round the large weights to what float16 holds, in place.

    The torch model that parity is checked against then has exactly the weights that
    the graph stores.
    """
    with torch.no_grad():
        for weight in module.parameters():
            if weight.numel() >= _HALF_FROM:
                weight.copy_(weight.half().float())
    return module


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution defined right before it, in place.

    The exporter would do it too, but after :func:`round_to_half`, and undo the rounding.
    Only direct neighbours of equal width inside one block are folded: there the
    definition order is the order of use in every family that we export.
    """
    for name, conv, norm in list(conv_norm_pairs(module)):
        module.set_submodule(name, fuse_conv_bn_eval(conv.eval(), norm.eval()))
        block = module.get_submodule(name.rpartition(".")[0])
        norm_name = next(k for k, child in block.named_children() if child is norm)
        setattr(block, norm_name, nn.Identity())
    return module


def conv_norm_pairs(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """List the convolutions that :func:`fold_batch_norms` folds a batch norm into.

    Yields:
        Name of the convolution inside `module`, itself, its batch norm.
    """
    for prefix, block in module.named_modules():
        if isinstance(block, nn.Sequential):
            continue
        pairs = list(itertools.pairwise(block.named_children()))
        # "conv1, conv2, norm1, norm2" (DPT) is not in the order of use.
        if any(type(a) is type(b) is nn.BatchNorm2d for (_, a), (_, b) in pairs):
            continue
        for (name, conv), (_, norm) in pairs:
            if (
                isinstance(conv, nn.Conv2d)
                and type(norm) is nn.BatchNorm2d  # others may hold an activation too
                and conv.out_channels == norm.num_features
            ):
                yield f"{prefix}.{name}" if prefix else name, conv, norm


def store_half(path: Path) -> None:
    """Store float32 weights that float16 holds exactly as float16 and a Cast.

    ONNX Runtime folds the Cast when it loads the graph: same arithmetic, half the file.
    """
    model = onnx.load_model(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _HALF_FROM:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _save(model, path)


def bundle_files(files: Iterable[Path]) -> dict[str, Path]:
    """Files of a bundle by name: these, and the weights that graphs among them keep beside them."""
    found = {path.name: path for path in files}
    for path in list(found.values()):
        beside = path.with_name(path.name + _DATA)
        if beside.is_file():
            found[beside.name] = beside
    return found


def _save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph, with its weights in a file beside it where one file may not hold them."""
    path.with_name(path.name + _DATA).unlink(missing_ok=True)  # it would be added to
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) <= _LARGEST:
        onnx.save_model(model, path)
        return
    onnx.save_model(
        model, path, save_as_external_data=True, location=path.name + _DATA, size_threshold=4096
    )


def strip(path: Path) -> None:
    """Put the weights into the file if they fit, and drop notes on this machine's source lines."""
    model = onnx.load_model(path)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    _save(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and its warnings about its own internals from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
