"""What an ONNX file holds, read without running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from semalign_ros.errors import BundleError
from semalign_ros.inference.manifest import TensorSpec

# ONNX element types by the names that ONNX Runtime uses in `tensor(float)`.
_DTYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float",
    onnx.TensorProto.DOUBLE: "double",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.BOOL: "bool",
}


@dataclass(frozen=True, slots=True)
class GraphInfo:
    """Inputs, outputs, operator set and external weight files of a graph."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: int
    external_files: tuple[str, ...]


def read_graph(path: Path) -> GraphInfo:
    """Read the description of an ONNX file; external weights are named, not opened.

    Raises:
        BundleError: No such file, or no ONNX model.
    """
    try:
        model = onnx.load_model(path, load_external_data=False)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    except (DecodeError, ValueError) as error:
        raise BundleError(f"{path.name}: no ONNX model, or a truncated one ({error})") from error
    opset = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not model.graph.node or not opset:
        raise BundleError(f"{path.name}: no ONNX model: it has no nodes or no operator set")
    weights = {tensor.name for tensor in model.graph.initializer}
    return GraphInfo(
        tuple(_spec(v) for v in model.graph.input if v.name not in weights),
        tuple(_spec(v) for v in model.graph.output),
        opset[0],
        tuple(sorted({location for t in _tensors(model) for location in _locations(t)})),
    )


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    shape = [
        d.dim_value if d.WhichOneof("value") == "dim_value" else d.dim_param or "?"
        for d in tensor.shape.dim
    ]
    dtype = _DTYPES.get(tensor.elem_type, f"type {tensor.elem_type}")
    return TensorSpec(name=value.name, dtype=dtype, shape=tuple(shape))


def _locations(tensor: onnx.TensorProto) -> Iterator[str]:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        yield from (e.value for e in tensor.external_data if e.key == "location")


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: object) -> Iterator[onnx.TensorProto]:
    for node in nodes:  # type: ignore[attr-defined]
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            yield from _graph_tensors(attribute.g)
            for graph in attribute.graphs:
                yield from _graph_tensors(graph)
