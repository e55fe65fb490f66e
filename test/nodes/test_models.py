"""What the nodes say of their models, and which options they take; no ROS in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.inference import open_segmenter, warm_up
from semalign_ros.inference.placement import Placement
from semalign_ros.inference.providers import GpuOptions
from semalign_ros.nodes.config import MonitorConfig, SegmenterModel
from semalign_ros.nodes.models import frame_size, load_segmenter, prove
from semalign_ros.nodes.schema import build
from semalign_ros.nodes.timing import StageTimes


def test_nodes_that_fell_back_to_the_cpu_are_warned_of(red_segmenter: Path) -> None:
    segmenter = open_segmenter(red_segmenter, "cpu")
    warnings: list[str] = []
    facts = prove("segmenter", segmenter, None, warnings.append)
    assert facts["segmenter_nodes"] == "segmenter: CPU 1"
    assert facts["segmenter_device"] == "cpu"
    assert "segmenter_on_cpu" not in facts
    assert warnings == []

    # What a session with CUDA would have found.
    nodes = {"CUDA": {"Conv": 30}, "CPU": {"Resize": 2, "Shape": 4}}
    segmenter.device = "cuda"
    segmenter.sessions["segmenter"].placement = Placement(nodes, {"Resize": 2})
    facts = prove("segmenter", segmenter, None, warnings.append)
    assert facts["segmenter_nodes"] == "segmenter: CUDA 30, CPU 6"
    assert facts["segmenter_on_cpu"] == "segmenter: Resize x2"
    assert len(warnings) == 1
    assert "on cuda, but these nodes run on the CPU" in warnings[0]
    assert "Resize x2" in warnings[0]
    assert warm_up(segmenter) > 0


@pytest.mark.parametrize(
    ("text", "gpus", "expected"),
    [("", (), None), ("2048x1024", (GpuOptions(cuda_graph=True),), (1024, 2048))],
)
def test_the_size_of_the_frames(text: str, gpus: tuple[GpuOptions, ...], expected: object) -> None:
    assert frame_size(text, *gpus) == expected


@pytest.mark.parametrize("text", ["2048", "2048X1024", "0x10", "-1x5", "2048x1024x3", "axb"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="expected WIDTHxHEIGHT such as 2048x1024"):
        frame_size(text)


def test_a_cuda_graph_needs_the_size() -> None:
    with pytest.raises(ConfigError, match=r"gpu\.cuda_graph: needs warm_up"):
        frame_size("", GpuOptions(), GpuOptions(cuda_graph=True))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"segmenter.gpu.fp61": True}, "did you mean 'segmenter.gpu.fp16'"),
        ({"vlm.gpu.fp16": "yes"}, "vlm.gpu.fp16: found 'yes', expected a bool"),
        ({"vlm.gpu.memory_mb": -1}, "vlm.gpu.memory_mb: found -1, expected 0"),
        ({"vlm.gpu.memory_mb": 1.5}, "vlm.gpu.memory_mb: found 1.5, expected a integer"),
    ],
)
def test_bad_options_of_a_gpu(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(MonitorConfig, values)


def test_options_reach_the_session(red_segmenter: Path) -> None:
    model = SegmenterModel(str(red_segmenter), "cpu", gpu=GpuOptions(memory_mb=100))
    with pytest.raises(ConfigError, match="memory_mb needs device auto or cuda"):
        load_segmenter(model)


def test_times_are_summed_over_branches_and_forget_old_frames() -> None:
    times = StageTimes()
    assert times.snapshot() == {}
    for milliseconds in range(1, 102):
        times.add({"segment": milliseconds / 1000}, {"segment": 1.0, "vlm": 0.5})
    found = times.snapshot()
    assert found["segment_ms_p50"] == 1051.0
    assert found["segment_ms_p99"] == 1100.0
    assert found["vlm_ms_p50"] == found["vlm_ms_p99"] == 500.0
    for _ in range(500):
        times.add({"segment": 0.002})
    assert times.snapshot()["segment_ms_p99"] == 2.0
