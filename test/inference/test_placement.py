"""Where nodes ran: real profiles of the CPU, and events as a CUDA session writes them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from semalign_ros.inference import open_segmenter, open_vlm, placements, warm_up
from semalign_ros.inference.bundle import Bundle
from semalign_ros.inference.placement import placement_of
from semalign_ros.inference.runtime import OnnxSession


def kernel(
    name: str,
    op: str,
    provider: str,
    inputs: list[tuple[str, list[int]]],
    outputs: list[tuple[str, list[int]]],
    index: int = 0,
) -> dict[str, Any]:
    """One event as ONNX Runtime 1.32 writes it."""
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "ph": "X",
        "dur": 12,
        "args": {
            "op_name": op,
            "provider": f"{provider}ExecutionProvider",
            "node_index": str(index),
            "input_type_shape": [{dtype: shape} for dtype, shape in inputs],
            "output_type_shape": [{dtype: shape} for dtype, shape in outputs],
        },
    }


IMAGE, LOGITS = ("float", [1, 3, 1024, 2048]), ("float", [1, 19, 256, 512])
CUDA_RUN = [
    {"cat": "Session", "name": "model_run", "args": {}},
    {"cat": "Node", "name": "conv_fence_before", "args": {"op_name": "Conv"}},
    kernel("conv", "Conv", "CUDA", [IMAGE], [LOGITS], 1),
    # Shape arithmetic, which ONNX Runtime puts on the CPU on purpose.
    kernel("shape", "Shape", "CPU", [IMAGE], [("int64", [4])], 2),
    kernel("gather", "Gather", "CPU", [("int64", [4]), ("int64", [])], [("int64", [])], 3),
    kernel("range", "Range", "CPU", [("int64", [])] * 3, [("int64", [2048])], 4),
    # Work on the picture that this provider has no kernel for.
    kernel("resize", "Resize", "CPU", [LOGITS, ("float", [4])], [LOGITS], 5),
    kernel("max", "ReduceMax", "CPU", [LOGITS], [("float", [])], 6),
    kernel("resize2", "Resize", "CPU", [("float", [1, 1])], [LOGITS], 7),
    # The same nodes again: the body of a loop, or a second run.
    kernel("resize", "Resize", "CPU", [LOGITS, ("float", [4])], [LOGITS], 5),
]


def test_real_work_on_the_cpu_of_a_cuda_session_is_told_apart_from_shapes() -> None:
    found = placement_of(CUDA_RUN, "cuda")
    assert found.nodes == {
        "CPU": {"Shape": 1, "Gather": 1, "Range": 1, "Resize": 2, "ReduceMax": 1},
        "CUDA": {"Conv": 1},
    }
    assert found.fallback == {"Resize": 2, "ReduceMax": 1}
    assert found.summary() == "CPU 6, CUDA 1"
    assert found.fallback_summary() == "Resize x2, ReduceMax"


def test_nothing_falls_back_on_a_session_of_the_cpu() -> None:
    assert placement_of(CUDA_RUN, "cpu").fallback == {}


def test_a_clean_cuda_session_raises_no_alarm() -> None:
    clean = [e for e in CUDA_RUN if e["args"].get("op_name") not in ("Resize", "ReduceMax")]
    found = placement_of(clean, "cuda")
    assert (found.fallback, found.fallback_summary()) == ({}, "")


def test_a_node_of_which_no_shape_is_known_is_no_shape_arithmetic() -> None:
    event = kernel("x", "NonMaxSuppression", "CPU", [], [])
    assert placement_of([event], "cuda").fallback == {"NonMaxSuppression": 1}
    del event["args"]["input_type_shape"], event["args"]["output_type_shape"]
    assert placement_of([event], "cuda").fallback == {"NonMaxSuppression": 1}


def test_the_engines_of_tensorrt_go_by_one_name() -> None:
    engines = [
        kernel(f"TRTKernel_graph_main_{i}", f"TRTKernel_graph_main_{i}_0", "Tensorrt", [], [], i)
        for i in range(2)
    ]
    assert placement_of(engines, "tensorrt").nodes == {"Tensorrt": {"TRTKernel": 2}}


def test_the_first_run_of_a_real_session_proves_where_it_ran(
    tmp_path: Path, graph_writer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    graph = graph_writer(
        tmp_path / "g.onnx",
        [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("ReduceSum", ["e"], ["y"])],
        {"x": (TensorProto.FLOAT, ["N"])},
        {"y": (TensorProto.FLOAT, [1])},
        {},
    )
    session = OnnxSession(graph, "cpu")
    assert session.placement is None
    session.run({"x": np.zeros(3, np.float32)}, ["y"])
    first = session.placement
    assert first is not None
    assert first.nodes == {"CPU": {"Exp": 1, "ReduceSum": 1}}
    assert first.summary() == "CPU 2"
    session.run({"x": np.zeros(3, np.float32)}, ["y"])
    assert session.placement is first
    # A session that never ran leaves nothing behind either.
    del session
    unused = OnnxSession(graph, "cpu")
    del unused
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_session_without_a_place_for_its_profile_works(
    tmp_path: Path, own_segmenter: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    segmenter = open_segmenter(own_segmenter.folder, "cpu")
    warm_up(segmenter)
    assert placements(segmenter) == {}


def test_a_warm_up_proves_every_graph_of_a_model(
    tmp_path: Path, own_segmenter: Bundle, tiny_vlm: Any, tiny_clip: Any
) -> None:
    segmenter = open_segmenter(own_segmenter.folder, "cpu")
    assert warm_up(segmenter, (20, 30)) > 0
    assert set(placements(segmenter)) == {"segmenter"}
    for model, roles in (
        (tiny_vlm, {"vision", "embed_tokens", "decoder"}),
        (tiny_clip, {"vision"}),
    ):
        bundle = model.write(tmp_path / next(iter(sorted(roles))))
        vlm = open_vlm(bundle.folder, "cpu", prompts=tiny_vlm.prompts)
        assert warm_up(vlm) > 0
        found = placements(vlm)
        assert set(found) == roles
        assert all(set(p.nodes) == {"CPU"} and not p.fallback for p in found.values())


def test_stored_answers_need_no_warm_up(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"index": 0, "answers": {"presence/car": true}}\n')
    vlm = open_vlm(path)
    assert warm_up(vlm, (10, 10)) == 0.0
    assert placements(vlm) == {}
